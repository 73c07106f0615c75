//! The organisation in a file: a second start answers as the first did, damage is refused, and
//! nothing is written without need.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;
use std::future::ready;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use connector_salesforce::sim::schema::{Field, FieldType};
use connector_salesforce::sim::{SimOptions, Simulator};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::harness::{Org, encoded, text};
use crate::speed::cpu_seconds;

const EVERYTHING: &str = "SELECT Id, Name, MasterRecordId, Type, BillingAddress, Description, \
    AnnualRevenue, NumberOfEmployees, OwnerId, Hub_Id__c, CSM__c, Products_Owned__c, Tier__c, \
    Health_Score__c, Renewal_Date__c, Last_Review__c, Active__c, Added__c, CreatedDate, \
    CreatedById, LastModifiedDate, LastModifiedById, SystemModstamp, IsDeleted FROM Account";

fn load(path: &Path) -> Org {
    let sim = Simulator::load(SimOptions::default(), path).expect("the file is sound");
    let sim = sim.expect("there is a file");
    let token = sim.access_token();
    Org { sim, token }
}

/// Writes once if there is something to write.
async fn keep_once(org: &Org, path: &Path) {
    let kept = org.sim.keep(path, Duration::from_secs(3600), ready(()));
    kept.await.expect("the folder is there");
}

/// An organisation with a past: every type of value, the bin, a merge, edited fields.
fn with_a_past() -> (Org, Vec<String>) {
    let org = Org::new();
    let start = "2026-05-01T12:00:00Z".parse().expect("a date");
    org.sim.clock.pin(start);
    org.sim.seed_accounts(40);
    org.sim.seed_contacts(30);
    org.sim
        .add_field("Account", Field::new("Added__c", FieldType::String))
        .unwrap();
    org.sim
        .edit_field("Account", "Tier__c", |tier| tier.add_value("Iron"))
        .unwrap();
    org.sim.hide_field("Account", "Website", true).unwrap();
    org.sim.remove_field("Contact", "Department").unwrap();
    org.sim
        .retype_field("Contact", Field::new("Title", FieldType::TextArea))
        .unwrap();
    let full = org.insert(
        "Account",
        json!({"Name": "Bjørk \"&\" 🚀", "Description": "one\ntwo", "AnnualRevenue": 123_456_789,
               "NumberOfEmployees": 12, "Hub_Id__c": "H-1", "CSM__c": org.sim.user_id(),
               "Products_Owned__c": "CRM;Billing", "Tier__c": "Iron", "Health_Score__c": 72.35,
               "Renewal_Date__c": "1969-02-28", "Last_Review__c": "1960-05-01T10:30:00Z",
               "Active__c": true, "Added__c": "null", "BillingCity": "Zürich"}),
    );
    let [binned, purged, winner, loser, back] =
        ["b", "p", "w", "l", "u"].map(|name| org.insert("Account", json!({"Name": name})));
    org.insert("Contact", json!({"LastName": "x", "AccountId": loser}));
    org.sim.clock.advance(chrono::Duration::minutes(10));
    for gone in [&binned, &purged, &back] {
        org.sim.delete("Account", gone).unwrap();
    }
    org.sim.purge("Account", &purged).unwrap();
    org.sim.merge("Account", &winner, &loser).unwrap();
    org.sim.clock.advance(chrono::Duration::minutes(10));
    org.sim.undelete("Account", &back).unwrap();
    org.sim.clock.advance(chrono::Duration::minutes(10));
    let token = org.sim.access_token();
    (
        Org { token, ..org },
        vec![full, binned, purged, winner, loser, back],
    )
}

#[tokio::test]
async fn a_second_start_answers_as_the_first_did() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let (first, ids) = with_a_past();
    first.sim.save(&path).unwrap();
    let second = load(&path);

    let window = format!(
        "?start={}&end={}",
        encoded("2026-05-01T11:00:00Z"),
        encoded("2026-05-01T12:30:00Z")
    );
    let mut paths = vec![
        format!("/query?q={}", encoded(EVERYTHING)),
        format!("/queryAll?q={}", encoded(EVERYTHING)),
        format!(
            "/queryAll?q={}",
            encoded("SELECT Id, Name, Title, AccountId FROM Contact")
        ),
        format!(
            "/query?q={}",
            encoded("SELECT Id, Username, Name FROM User")
        ),
        format!("/sobjects/Account/updated/{window}"),
        format!("/sobjects/Account/deleted/{window}"),
        "/sobjects/Account/Hub_Id__c/h-1".to_owned(),
        "/sobjects/Account/Website/none".to_owned(),
    ];
    for object in ["Account", "Contact", "Opportunity", "User"] {
        paths.push(format!("/sobjects/{object}/describe"));
    }
    paths.extend(ids.iter().map(|id| format!("/sobjects/Account/{id}")));
    for path in &paths {
        let [before, after] = [first.get(path).await, second.get(path).await];
        assert_eq!(
            (before.status, &before.text),
            (after.status, &after.text),
            "{path}"
        );
        for header in ["etag", "last-modified", "date"] {
            assert_eq!(
                before.header(header),
                after.header(header),
                "{path} {header}"
            );
        }
    }
    // What was compared is what it should be, not two empty answers.
    let query = first.get(&paths[1]).await.json();
    assert_eq!(query["totalSize"], 45);
    let gone = first.get(&paths[5]).await.json();
    let gone: Vec<String> = gone["deletedRecords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deleted| text(&deleted["id"]))
        .collect();
    assert_eq!(gone, [&ids[1], &ids[2], &ids[4]].map(String::clone));
    assert_eq!(first.get(&paths[6]).await.json()["Added__c"], "null");

    assert_eq!(first.sim.client_id(), second.sim.client_id());
    assert_eq!(first.sim.client_secret(), second.sim.client_secret());
    assert_eq!(first.sim.user_id(), second.sim.user_id());
    let [before, after] = [&first, &second].map(|org| org.insert("Account", json!({"Name": "n"})));
    assert_eq!(before, after, "the next id");
    assert!(!ids.contains(&after));
    let reused = second.rest(
        "PATCH",
        "/sobjects/Account/Hub_Id__c/H-1",
        json!({"Name": "m"}),
    );
    assert_eq!(
        reused.await.json()["created"],
        false,
        "the external id is indexed"
    );
}

#[tokio::test]
async fn what_an_open_transaction_wrote_appears_after_the_restart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let (first, _) = with_a_past();
    first.sim.faults().late_ms = 60_000;
    let late = first.insert("Account", json!({"Name": "late"}));
    first.sim.save(&path).unwrap();
    let second = load(&path);
    let soql = "SELECT Id FROM Account WHERE Name = 'late'";
    assert!(second.ids(soql).await.is_empty());
    second.sim.clock.advance(chrono::Duration::minutes(2));
    assert_eq!(second.ids(soql).await, [late]);
}

#[tokio::test]
async fn a_restart_ends_sessions_and_locators_but_not_refresh_tokens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let options = SimOptions {
        auto_grant: true,
        page_size: 10,
        ..SimOptions::default()
    };
    let first = Org::with(options.clone());
    first.sim.seed_accounts(40);
    let (id, secret) = (first.sim.client_id(), first.sim.client_secret());
    let page = format!(
        "/services/oauth2/authorize?response_type=code&client_id={}&redirect_uri=http://hub/back",
        encoded(&id)
    );
    let granted = first.send("GET", &page, &[], String::new()).await;
    let location = granted.header("location").unwrap();
    let code = location.split_once("code=").unwrap().1.to_owned();
    let client = format!(
        "client_id={}&client_secret={}",
        encoded(&id),
        encoded(&secret)
    );
    let form =
        format!("grant_type=authorization_code&code={code}&redirect_uri=http://hub/back&{client}");
    let login = first.send("POST", "/services/oauth2/token", &[], form);
    let refresh_token = text(&login.await.json()["refresh_token"]);
    let page = first.query("SELECT Id FROM Account").await.json();
    let locator = text(&page["nextRecordsUrl"]);
    assert!(!refresh_token.is_empty() && !locator.is_empty());
    first.sim.save(&path).unwrap();

    let sim = Simulator::load(options, &path).unwrap().unwrap();
    let old = Org { sim, ..first };
    assert_eq!(old.get(&locator).await.status, 401);
    let form = format!("grant_type=refresh_token&refresh_token={refresh_token}&{client}");
    let refreshed = old.send("POST", "/services/oauth2/token", &[], form).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    let token = text(&refreshed.json()["access_token"]);
    let second = Org { token, ..old };
    // A query of its own takes a number; it must not be the one the old locator names.
    second.query("SELECT Id, Name FROM Account").await;
    assert_eq!(second.get(&locator).await.code(), "INVALID_QUERY_LOCATOR");
}

#[test]
fn a_file_that_is_missing_is_none_and_a_damaged_one_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let load = || Simulator::load(SimOptions::default(), &path);
    assert!(load().unwrap().is_none());
    let (org, _) = with_a_past();
    org.sim.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = load().err().expect("it is damaged");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        error.to_string()
    };
    for cut in (0..whole.len()).step_by(whole.len() / 97) {
        refused(&whole[..cut]);
    }
    assert!(
        refused(&whole[..whole.len() - 1]).contains(&format!("breaks off after {}", lines - 1))
    );
    for at in (0..whole.len()).step_by(whole.len() / 397) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        refused(&flipped);
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    let swapped = text.replace("Bjørk", "Björk");
    assert!(refused(swapped.as_bytes()).ends_with("its checksum differs"));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(refused(newer.as_bytes()).contains("saved in version 2"));
    assert!(refused(b"{}\n").ends_with("not a saved organisation"));
    fs::write(&path, &whole).unwrap();
    assert!(load().unwrap().is_some(), "the whole file is sound");
}

#[tokio::test]
async fn it_is_written_when_something_changed_and_only_then() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let (first, ids) = with_a_past();
    keep_once(&first, &path).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing half written is left: {names:?}");

    let org = load(&path);
    let written = async || {
        fs::write(&path, "old").unwrap();
        keep_once(&org, &path).await;
        fs::read(&path).unwrap() != b"old"
    };
    org.query(EVERYTHING).await;
    org.get("/sobjects/Account/describe").await;
    org.sim.expire_sessions();
    assert!(!written().await, "reading and logging in change nothing");
    org.sim
        .update("Account", &ids[0], json!({"Name": "new"}))
        .unwrap();
    assert!(written().await, "a row");
    assert!(!written().await);
    org.sim.delete("Account", &ids[0]).unwrap();
    assert!(written().await, "the bin");
    org.sim.hide_field("Account", "Website", false).unwrap();
    assert!(written().await, "a field");
    org.sim.register_jwt_key("someone", "a key");
    assert!(written().await, "a login");
    org.sim.truncate_delete_log(org.sim.clock.now());
    assert!(written().await, "the delete log");
    org.sim.clock.advance(chrono::Duration::seconds(1));
    assert!(written().await, "the clock");
    assert!(!written().await);
    let again = load_after(&org, &path);
    assert_eq!(
        again.sim.get("Account", &ids[0]),
        org.sim.get("Account", &ids[0])
    );
}

fn load_after(org: &Org, path: &Path) -> Org {
    org.sim.save(path).unwrap();
    load(path)
}

#[tokio::test]
async fn a_kept_organisation_is_saved_while_it_runs_and_when_it_ends() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    let (org, ids) = with_a_past();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (sim, to) = (org.sim.clone(), path.clone());
    let kept = tokio::spawn(async move {
        let over = async { stopped.await.expect("it is told to stop") };
        sim.keep(&to, Duration::from_millis(5), over).await
    });
    let name = |path: &Path| {
        let sim = Simulator::load(SimOptions::default(), path).unwrap();
        sim.and_then(|sim| sim.get("Account", &ids[0]))
            .map(|row| row["Name"].clone())
    };
    let edit = |name: &str| org.sim.update("Account", &ids[0], json!({"Name": name}));
    let work = async {
        edit("one").unwrap();
        while name(&path) != Some(Json::from("one")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        edit("two").unwrap();
        stop.send(()).expect("it is being kept");
    };
    let (kept, ()) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(kept, work) })
            .await
            .expect("it is saved before long");
    kept.unwrap().unwrap();
    assert_eq!(name(&path), Some(Json::from("two")));

    let nowhere = folder.path().join("missing").join("salesforce");
    let kept = org.sim.keep(&nowhere, Duration::from_secs(1), ready(()));
    assert_eq!(kept.await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Many times what it takes on a busy machine without optimisation; figures with `--nocapture`.
#[test]
fn saving_and_loading_take_time_in_proportion_to_the_rows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("salesforce");
    for (rows, patience) in [(1_500, 5), (200_000, 120)] {
        let org = Org::new();
        org.sim.seed_accounts(rows);
        let (began, cpu) = (Instant::now(), cpu_seconds());
        org.sim.save(&path).unwrap();
        let saved = began.elapsed();
        let began = Instant::now();
        let again = load(&path);
        let loaded = began.elapsed();
        let bytes = fs::metadata(&path).unwrap().len();
        let used = cpu_seconds().zip(cpu).map(|(now, then)| now - then);
        eprintln!(
            "{rows} rows: saved in {saved:?}, loaded in {loaded:?}, both {used:?} CPU s; {bytes} bytes"
        );
        assert_eq!(again.sim.count("Account"), rows);
        assert!(
            saved + loaded < Duration::from_secs(patience),
            "{saved:?} {loaded:?}"
        );
    }
}
