//! Passes: ties, late rows, lost locators, slow queries, changed schemas, quiet times.

use std::collections::{BTreeMap, BTreeSet};

use connector_salesforce::sim::{SimOptions, Simulator};
use connector_sdk::{Change, Cursor, ErrorKind, Source, Value};
use serde_json::json;

use crate::bench::{Org, changes, drain, options, read_of, upserts};

fn keys(changes: &[Change]) -> BTreeSet<&str> {
    changes.iter().map(Change::key).collect()
}

fn total(sim: &Simulator) -> u64 {
    sim.requests().total()
}

/// A first read that leaves the connector where incremental passes begin.
async fn first(org: &Org, connector: &connector_salesforce::Salesforce) -> Cursor {
    let (_, cursor) = changes(connector, read_of("Account", &["Name"], None, 2_000)).await;
    assert!(!org.sim.faults().daily_limit_reached);
    cursor
}

#[tokio::test]
async fn thousands_of_rows_with_one_stamp_all_arrive_though_every_page_is_another_process() {
    let org = Org::with(SimOptions {
        page_size: 200,
        ..options()
    })
    .await;
    let connector = org.connect(json!({}));
    let cursor = first(&org, &connector).await;
    org.sim.seed_accounts(2_300);
    org.sim
        .touch("Account", 2_300, org.sim.clock.now())
        .unwrap();
    org.advance(30);
    let mut read = read_of("Account", &["Name"], Some(cursor), 150);
    let mut given = Vec::new();
    loop {
        // Pages of 150 do not divide the system's 200: every page goes on inside the tie.
        let page = org.connect(json!({})).read(&read).await.unwrap();
        given.extend(page.changes.iter().map(|change| change.key().to_owned()));
        read.after = Some(page.cursor);
        if !page.more {
            break;
        }
    }
    assert_eq!(given.len(), 2_300);
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>().len(), 2_300);
}

#[tokio::test]
async fn short_pages_and_a_growing_total_do_not_end_a_read_early() {
    let org = Org::start().await;
    org.sim.seed_accounts(60);
    org.sim.faults().short_pages = true;
    org.sim.faults().drifting_total = true;
    let connector = org.connect(json!({}));
    let (given, _) = changes(&connector, read_of("Account", &["Name"], None, 2_000)).await;
    assert_eq!(keys(&given).len(), 60);
}

#[tokio::test]
async fn a_row_that_commits_after_a_read_has_passed_its_stamp_is_found() {
    let org = Org::start().await;
    org.sim.seed_accounts(3);
    let connector = org.connect(json!({}));
    let cursor = first(&org, &connector).await;
    org.sim.faults().late_ms = 10 * 60 * 1_000;
    let late = org.account(json!({"Name": "Committed late"}));
    org.sim.faults().late_ms = 0;
    org.advance(60);
    let other = org.account(json!({"Name": "Committed at once"}));
    org.advance(5);
    let read = |cursor| read_of("Account", &["Name"], Some(cursor), 2_000);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert!(keys(&given).contains(other.as_str()) && !keys(&given).contains(late.as_str()));
    org.advance(10 * 60);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert_eq!(keys(&given), BTreeSet::from([late.as_str()]));
    let (given, _) = changes(&connector, read(cursor)).await;
    assert!(given.is_empty(), "it comes once");
}

#[tokio::test]
async fn a_pass_goes_on_after_its_locator_has_died() {
    let org = Org::start().await;
    org.sim.seed_accounts(40);
    org.sim.faults().locator_ttl_ms = Some(60_000);
    let connector = org.connect(json!({}));
    let mut read = read_of("Account", &["Name"], None, 5);
    let mut given = Vec::new();
    loop {
        let page = connector.read(&read).await.unwrap();
        given.extend(page.changes.iter().map(|change| change.key().to_owned()));
        read.after = Some(page.cursor);
        org.advance(61);
        if !page.more {
            break;
        }
    }
    assert_eq!(given.len(), 40, "nothing lost and nothing twice");
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 40);
    assert!(
        org.sim.requests().of("query_more") > 0,
        "locators were tried"
    );
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_halved_until_it_does_not() {
    for code in ["QUERY_TIMEOUT", "OPERATION_TOO_LARGE"] {
        let org = Org::start().await;
        let connector = org.connect(json!({}));
        let cursor = first(&org, &connector).await;
        for at in 0..12 {
            org.account(json!({"Name": format!("Row {at}")}));
            org.advance(20);
        }
        org.error("query_all", 4, 400, code);
        let read = read_of("Account", &["Name"], Some(cursor), 2_000);
        let pages = drain(&connector, read).await;
        let given: Vec<_> = pages.into_iter().flat_map(|page| page.changes).collect();
        assert_eq!((given.len(), keys(&given).len()), (12, 12), "{code}");
    }
}

#[tokio::test]
async fn a_second_too_crowded_to_be_sorted_is_read_by_id() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    org.sim.clock.pin(org.sim.clock.now());
    let cursor = first(&org, &connector).await;
    org.sim.seed_accounts(23);
    // The crowded second is the first one of the window.
    let begin = org.sim.clock.now() - chrono::Duration::minutes(15);
    org.sim.touch("Account", 23, begin).unwrap();
    org.advance(3);
    // From a quarter of an hour down to a second, and then the second itself: ten refusals.
    org.error("query_all", 10, 400, "QUERY_TIMEOUT");
    let pages = drain(
        &connector,
        read_of("Account", &["Name"], Some(cursor), 2_000),
    )
    .await;
    let given: Vec<_> = pages.into_iter().flat_map(|page| page.changes).collect();
    assert_eq!((given.len(), keys(&given).len()), (23, 23));
}

#[tokio::test]
async fn a_quiet_pass_is_one_request() {
    let org = Org::start().await;
    org.sim.seed_accounts(30);
    let connector = org.connect(json!({}));
    let mut cursor = first(&org, &connector).await;
    org.advance(30);
    for _ in 0..3 {
        let before = total(&org.sim);
        let read = read_of("Account", &["Name"], Some(cursor), 2_000);
        let page = connector.read(&read).await.unwrap();
        assert!(page.changes.is_empty() && !page.more);
        assert_eq!(total(&org.sim) - before, 1);
        cursor = page.cursor;
        org.advance(60);
    }
    // Also from a process that knows nothing yet, but for signing in.
    let before = total(&org.sim);
    let read = read_of("Account", &["Name"], Some(cursor), 2_000);
    org.connect(json!({})).read(&read).await.unwrap();
    assert_eq!(total(&org.sim) - before, 2);
}

#[tokio::test]
async fn a_row_in_the_overlap_comes_again_only_when_it_changed() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    let cursor = first(&org, &connector).await;
    // The clock stands still: both edits have the same stamp.
    org.sim.clock.pin(org.sim.clock.now());
    let key = org.account(json!({"Name": "First"}));
    let read = |cursor| read_of("Account", &["Name"], Some(cursor), 2_000);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert_eq!(keys(&given), BTreeSet::from([key.as_str()]));
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert!(given.is_empty(), "it was given just so");
    org.sim
        .update("Account", &key, json!({"Name": "Second"}))
        .unwrap();
    let (given, _) = changes(&connector, read(cursor)).await;
    assert_eq!(upserts(&given)[0].fields["Name"], Value::from("Second"));
}

#[tokio::test]
async fn a_field_that_goes_during_a_read_is_left_out_and_not_cleared() {
    let org = Org::start().await;
    org.sim.seed_accounts(12);
    org.sim.faults().locator_ttl_ms = Some(60_000);
    let connector = org.connect(json!({}));
    let mut read = read_of("Account", &["Name", "Tier__c"], None, 5);
    let page = connector.read(&read).await.unwrap();
    assert!(upserts(&page.changes)[0].fields.contains_key("Tier__c"));
    org.sim.remove_field("Account", "Tier__c").unwrap();
    org.advance(61);
    read.after = Some(page.cursor);
    let (given, cursor) = changes(&connector, read.clone()).await;
    assert_eq!(given.len(), 7);
    for record in upserts(&given) {
        assert_eq!(record.fields.keys().collect::<Vec<_>>(), ["Name"]);
    }
    org.sim.hide_field("Account", "Phone", true).unwrap();
    let mut hidden = read_of("Account", &["Tier__c", "Phone"], Some(cursor), 5);
    let error = org.connect(json!({})).read(&hidden).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.fields, ["Tier__c", "Phone"], "{error}");
    org.sim.hide_field("Account", "Phone", false).unwrap();
    hidden.after = None;
    let (given, _) = changes(&org.connect(json!({})), hidden).await;
    assert!(
        upserts(&given)
            .iter()
            .all(|record| record.fields.keys().eq(["Phone"]))
    );
}

#[tokio::test]
async fn more_fields_than_an_address_holds_are_fetched_by_id() {
    let org = Org::start().await;
    let names: Vec<String> = (0..600)
        .map(|at| format!("A_Rather_Long_Field_Name_{at}__c"))
        .collect();
    for name in &names {
        let field = connector_salesforce::sim::schema::Field::new(
            name,
            connector_salesforce::sim::schema::FieldType::String,
        );
        org.sim.add_field("Account", field).unwrap();
    }
    let value = |at: usize| format!("value {at}");
    let row: BTreeMap<_, _> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.clone(), value(at)))
        .collect();
    let mut row = json!(row);
    row["Name"] = json!("Wide");
    let key = org.account(row);
    org.advance(5);
    let fields: Vec<&str> = names.iter().map(String::as_str).collect();
    let (given, _) = changes(
        &org.connect(json!({})),
        read_of("Account", &fields, None, 100),
    )
    .await;
    let record = upserts(&given)[0];
    assert_eq!(
        (record.key.as_str(), record.fields.len()),
        (key.as_str(), 600)
    );
    assert_eq!(record.fields[&names[599]], Value::from(value(599)));
}

#[tokio::test]
async fn users_are_read_though_they_have_no_bin() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    let (given, cursor) = changes(
        &connector,
        read_of("User", &["Name", "IsActive"], None, 100),
    )
    .await;
    assert!(!given.is_empty());
    assert!(upserts(&given)[0].fields["IsActive"].as_bool().is_some());
    changes(
        &connector,
        read_of("User", &["Name", "IsActive"], Some(cursor), 100),
    )
    .await;
}
