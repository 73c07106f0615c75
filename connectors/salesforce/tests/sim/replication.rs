//! `updated` and `deleted`, the recycle bin, merge and undelete.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::harness::{Org, encoded, text};

fn window(path: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> String {
    let (start, end) = (start.to_rfc3339(), end.to_rfc3339());
    format!(
        "/sobjects/Account/{path}/?start={}&end={}",
        encoded(&start),
        encoded(&end)
    )
}

fn pinned() -> (Org, DateTime<Utc>) {
    let org = Org::new();
    let start: DateTime<Utc> = "2026-05-01T12:00:00Z".parse().expect("a date");
    org.sim.clock.pin(start);
    let token = org.sim.access_token();
    (Org { token, ..org }, start)
}

#[tokio::test]
async fn a_window_lists_what_changed_and_what_was_deleted() {
    let (org, start) = pinned();
    let [kept, gone] = ["a", "b"].map(|name| org.insert("Account", json!({"Name": name})));
    org.sim.clock.advance(Duration::minutes(10));
    org.sim.delete("Account", &gone).unwrap();
    org.sim.clock.advance(Duration::minutes(10));
    let end = start + Duration::minutes(20);
    let updated = org.get(&window("updated", start, end)).await.json();
    assert_eq!(
        updated,
        json!({"ids": [kept], "latestDateCovered": "2026-05-01T12:20:00.000+0000"})
    );
    let deleted = org.get(&window("deleted", start, end)).await.json();
    assert_eq!(
        deleted["deletedRecords"],
        json!([{"id": gone, "deletedDate": "2026-05-01T12:10:00.000+0000"}])
    );
    let narrow = org
        .get(&window("deleted", start, start + Duration::seconds(60)))
        .await;
    assert_eq!(
        (narrow.status, narrow.code()),
        (400, "INVALID_REPLICATION_DATE".to_owned())
    );
    let old = org
        .get(&window("deleted", start - Duration::days(16), end))
        .await;
    assert_eq!(old.code(), "INVALID_REPLICATION_DATE");
}

#[tokio::test]
async fn an_open_transaction_lowers_the_date_covered() {
    let (org, start) = pinned();
    org.sim.faults().late_ms = 12 * 60_000;
    let id = org.insert("Account", json!({"Name": "late"}));
    org.sim.clock.advance(Duration::minutes(5));
    let end = start + Duration::minutes(5);
    let early = org
        .get(&window("updated", start - Duration::hours(1), end))
        .await
        .json();
    assert_eq!(
        early,
        json!({"ids": [], "latestDateCovered": "2026-05-01T12:00:00.000+0000"})
    );
    assert!(org.ids("SELECT Id FROM Account").await.is_empty());
    org.sim.clock.advance(Duration::minutes(8));
    let records = org
        .query_all_pages("SELECT Id, SystemModstamp FROM Account")
        .await;
    assert_eq!(text(&records[0]["Id"]), id);
    assert_eq!(
        records[0]["SystemModstamp"], "2026-05-01T12:00:00.000+0000",
        "older than the cursor"
    );
}

#[tokio::test]
async fn the_bin_is_purged_after_fifteen_days_and_the_log_with_it() {
    let (org, start) = pinned();
    let id = org.insert("Account", json!({"Name": "a"}));
    org.sim.delete("Account", &id).unwrap();
    let all = "/queryAll?q=SELECT+Id,IsDeleted+FROM+Account";
    assert_eq!(org.get(all).await.json()["totalSize"], 1);
    org.sim.clock.advance(Duration::days(16));
    let org = Org {
        token: org.sim.access_token(),
        ..org
    };
    assert_eq!(org.get(all).await.json()["totalSize"], 0);
    let now = start + Duration::days(16);
    let deleted = org
        .get(&window("deleted", now - Duration::days(14), now))
        .await
        .json();
    assert_eq!(deleted["deletedRecords"], json!([]));

    let id = org.insert("Account", json!({"Name": "b"}));
    org.sim.delete("Account", &id).unwrap();
    org.sim.purge("Account", &id).unwrap();
    assert_eq!(org.get(all).await.json()["totalSize"], 0, "hard-deleted");
    org.sim.clock.advance(Duration::minutes(5));
    let later = now + Duration::minutes(5);
    let deleted = org.get(&window("deleted", now, later)).await.json();
    assert_eq!(
        deleted["deletedRecords"][0]["id"], id,
        "only the log still knows"
    );
    org.sim.truncate_delete_log(later);
    let deleted = org.get(&window("deleted", now, later)).await.json();
    assert_eq!(deleted["deletedRecords"], json!([]));
    assert_eq!(
        deleted["earliestDateAvailable"],
        "2026-05-17T12:05:00.000+0000"
    );
}

#[tokio::test]
async fn deleting_an_account_takes_its_contacts_and_undelete_brings_it_back() {
    let (org, _) = pinned();
    let account = org.insert("Account", json!({"Name": "a"}));
    let contact = org.insert("Contact", json!({"LastName": "x", "AccountId": account}));
    let other = org.insert("Contact", json!({"LastName": "y"}));
    org.sim.delete("Account", &account).unwrap();
    assert_eq!(org.ids("SELECT Id FROM Contact").await, [other]);
    assert_eq!(org.sim.get("Contact", &contact).unwrap()["IsDeleted"], true);
    org.sim.clock.advance(Duration::minutes(1));
    org.sim.undelete("Account", &account).unwrap();
    let row = org.sim.get("Account", &account).unwrap();
    assert_eq!(row["IsDeleted"], false);
    assert_eq!(row["SystemModstamp"], "2026-05-01T12:01:00.000+0000");
}

#[tokio::test]
async fn the_loser_of_a_merge_points_at_the_winner() {
    let (org, _) = pinned();
    let [winner, loser] = ["a", "b"].map(|name| org.insert("Account", json!({"Name": name})));
    let contact = org.insert("Contact", json!({"LastName": "x", "AccountId": loser}));
    org.sim.merge("Account", &winner, &loser).unwrap();
    let gone = org.get("/queryAll?q=SELECT+Id,MasterRecordId+FROM+Account+WHERE+IsDeleted=true");
    let gone = gone.await.json();
    assert_eq!(gone["records"][0]["Id"], loser);
    assert_eq!(gone["records"][0]["MasterRecordId"], winner);
    assert_eq!(
        org.sim.get("Contact", &contact).unwrap()["AccountId"],
        winner
    );
}
