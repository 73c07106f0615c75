//! First reads by the Bulk API.

use connector_salesforce::sim::Answer;
use connector_sdk::{Change, ErrorKind, Page, Source, Value};
use serde_json::json;

use crate::bench::{Org, changes, drain, read_of, upserts};

const FIELDS: &[&str] = &[
    "Name",
    "AnnualRevenue",
    "Products_Owned__c",
    "Active__c",
    "Renewal_Date__c",
    "Last_Review__c",
    "OwnerId",
    "Phone",
    "Description",
    "Health_Score__c",
];

fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by(|one, other| one.key().cmp(other.key()));
    changes
}

fn of(pages: Vec<Page>) -> Vec<Change> {
    pages.into_iter().flat_map(|page| page.changes).collect()
}

async fn org() -> Org {
    let org = Org::start().await;
    org.sim.seed_accounts(37);
    org.account(json!({
        "Name": "A \"quoted\", name\nin two lines \u{1f680}", "AnnualRevenue": 123_456_789_012_345_678_i64,
        "Products_Owned__c": "Billing;CRM", "Last_Review__c": "2026-05-01T22:51:36.000+0000",
        "Renewal_Date__c": "2028-02-29", "Description": "line\r\nbreak",
    }));
    org.advance(20);
    org
}

#[tokio::test]
async fn a_bulk_read_gives_the_same_records_as_page_by_page() {
    let org = org().await;
    let bulk = org.connect(json!({"bulk_threshold": 1}));
    let pages = org.connect(json!({"bulk_threshold": 1_000}));
    let one = of(drain(&bulk, read_of("Account", FIELDS, None, 10)).await);
    let other = of(drain(&pages, read_of("Account", FIELDS, None, 10)).await);
    assert_eq!(one.len(), 38);
    assert_eq!(sorted(one.clone()), sorted(other));
    let special = upserts(&one)
        .into_iter()
        .find(|record| record.fields["Last_Review__c"] != Value::Null);
    let special = special.unwrap();
    assert_eq!(
        special.fields["Last_Review__c"],
        Value::from("2026-05-01T22:51:36Z")
    );
    assert_eq!(
        special.fields["AnnualRevenue"],
        Value::number("123456789012345678").unwrap()
    );
    assert_eq!(
        special.fields["Products_Owned__c"],
        Value::List(vec!["Billing".into(), "CRM".into()])
    );
    assert!(org.sim.requests().of("bulk_results") >= 4);
}

#[tokio::test]
async fn a_query_in_preparation_says_when_to_come_back_and_every_cursor_resumes() {
    let org = org().await;
    org.sim.faults().bulk.in_progress_polls = 2;
    org.sim.faults().bulk.repeat_header_every = Some(3);
    let mut read = read_of("Account", FIELDS, None, 10);
    let (mut waits, mut given) = (0, Vec::new());
    loop {
        // Every page is read by a process that knows nothing.
        let page = org
            .connect(json!({"bulk_threshold": 1}))
            .read(&read)
            .await
            .unwrap();
        if page.wait.is_some() {
            assert!(page.changes.is_empty() && page.more);
            waits += 1;
        } else if read.after.is_some() {
            let again = org.connect(json!({})).read(&read).await.unwrap();
            assert_eq!(page.changes, again.changes);
        }
        read.after = Some(page.cursor);
        given.extend(page.changes);
        if !page.more {
            break;
        }
    }
    assert!(waits >= 3, "{waits}");
    assert_eq!(given.len(), 38);
    assert_eq!(
        sorted(given)
            .windows(2)
            .filter(|pair| pair[0].key() == pair[1].key())
            .count(),
        0
    );
    // The next pass removes the query and finds nothing.
    org.sim.faults().bulk.in_progress_polls = 0;
    let requests = org.sim.requests().of("bulk_query");
    let connector = org.connect(json!({}));
    let (again, cursor) = changes(&connector, read.clone()).await;
    assert_eq!(org.sim.requests().of("bulk_query"), requests + 1);
    assert!(
        again
            .iter()
            .all(|change| matches!(change, Change::Upsert(_)))
    );
    read.after = Some(cursor);
    assert!(changes(&connector, read).await.0.is_empty());
}

#[tokio::test]
async fn what_changed_during_a_bulk_read_follows() {
    let org = org().await;
    let connector = org.connect(json!({"bulk_threshold": 1}));
    let started = connector
        .read(&read_of("Account", &["Name"], None, 100))
        .await
        .unwrap();
    let keys = org.sim.ids("Account");
    org.sim
        .update("Account", &keys[0], json!({"Name": "Changed meanwhile"}))
        .unwrap();
    org.sim.delete("Account", &keys[1]).unwrap();
    org.advance(10);
    let (_, cursor) = changes(
        &connector,
        read_of("Account", &["Name"], Some(started.cursor), 100),
    )
    .await;
    let (given, _) = changes(&connector, read_of("Account", &["Name"], Some(cursor), 100)).await;
    let renamed = |change: &&Change| change.key() == keys[0];
    let Some(Change::Upsert(record)) = given.iter().find(renamed) else {
        panic!("the edit follows")
    };
    assert_eq!(record.fields["Name"], Value::from("Changed meanwhile"));
    assert!(
        given
            .iter()
            .any(|change| matches!(change, Change::Delete(_)) && change.key() == keys[1])
    );
}

#[tokio::test]
async fn a_bulk_query_that_fails_or_is_declined_is_read_page_by_page() {
    let org = org().await;
    let connector = org.connect(json!({"bulk_threshold": 1}));
    org.sim.faults().bulk.fail = true;
    let (given, _) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    assert_eq!(given.len(), 38);
    org.sim.faults().bulk.fail = false;
    org.error("bulk_query", 1, 400, "INVALIDENTITY");
    let (given, _) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    assert_eq!(given.len(), 38);
    // A spent limit is not a reason to spend more.
    org.fault("bulk_query", 1, Answer::ConcurrentLimit);
    let error = connector
        .read(&read_of("Account", &["Name"], None, 10))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
}

#[tokio::test]
async fn an_empty_result_and_a_compound_field_are_read() {
    let org = org().await;
    let connector = org.connect(json!({"bulk_threshold": 1}));
    org.sim.faults().bulk.empty = true;
    let (given, _) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    assert!(given.is_empty());
    let before = org.sim.requests().of("bulk_query");
    let (given, _) = changes(
        &connector,
        read_of("Account", &["Name", "BillingAddress"], None, 10),
    )
    .await;
    assert_eq!(given.len(), 38);
    assert!(
        upserts(&given)
            .iter()
            .all(|record| record.fields.contains_key("BillingAddress"))
    );
    assert_eq!(
        org.sim.requests().of("bulk_query"),
        before,
        "bulk queries take no compound fields"
    );
}
