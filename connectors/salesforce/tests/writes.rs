//! Collections: rows refused, locked, normalised; order within a record.

use connector_salesforce::sim::schema::Normalise;
use connector_salesforce::sim::{Condition, DuplicateRule, LockFault, Validation};
use connector_sdk::{Connector as _, ErrorKind, Sink, Value, WriteOp};
use serde_json::json;

use crate::bench::{Org, create, update, write};

fn validation(field: &str, contains: &str) -> Validation {
    Validation {
        object: "Account".to_owned(),
        field: field.to_owned(),
        when: Condition::Contains(contains.to_owned()),
        message: "Ada says no".to_owned(),
    }
}

#[tokio::test]
async fn a_validation_rule_refuses_one_row_of_two_hundred() {
    let org = Org::start().await;
    org.sim.seed_accounts(200);
    org.sim.faults().validations = vec![validation("Name", "forbidden")];
    let keys = org.sim.ids("Account");
    let writes: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let name = if at == 77 {
                "forbidden".to_owned()
            } else {
                format!("Row {at}")
            };
            update(key, &[("Name", Value::from(name))])
        })
        .collect();
    let answers = org
        .connect(json!({}))
        .write(&"Account".into(), &writes)
        .await
        .unwrap();
    let refused: Vec<usize> = (0..200).filter(|at| answers[*at].is_err()).collect();
    assert_eq!(refused, [77]);
    let error = answers[77].as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert_eq!(
        error.code.as_deref(),
        Some("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    );
    assert!(
        !error.message.contains("Ada"),
        "their words may quote the record"
    );
    assert_eq!(org.sim.requests().of("collection"), 1);
    assert_eq!(
        org.sim.requests().of("collection_get"),
        1,
        "one request reads all back"
    );
}

#[tokio::test]
async fn locked_rows_are_tried_again_alone() {
    let org = Org::start().await;
    org.sim.seed_accounts(10);
    let keys = org.sim.ids("Account");
    let lock = |id: &str, times| LockFault {
        object: "Account".to_owned(),
        id: Some(id.to_owned()),
        times,
    };
    org.sim.faults().locks = vec![lock(&keys[3], 2), lock(&keys[6], 1_000)];
    let writes: Vec<_> = keys
        .iter()
        .map(|key| update(key, &[("Phone", Value::from("1"))]))
        .collect();
    let answers = org
        .connect(json!({}))
        .write(&"Account".into(), &writes)
        .await
        .unwrap();
    assert!(answers[3].is_ok());
    let error = answers[6].as_ref().unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::Transient, Some("UNABLE_TO_LOCK_ROW"))
    );
    assert!(error.retry_after.is_some() && !error.outcome_unknown);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 9);
    assert_eq!(
        org.sim.requests().of("collection"),
        6,
        "once, and five times for the locked"
    );
    assert_eq!(org.sim.writes(), 9, "no row is written twice");
}

#[tokio::test]
async fn each_refusal_has_its_kind_and_its_fields() {
    let org = Org::start().await;
    org.account(json!({"Name": "Taken", "Hub_Id__c": "taken"}));
    org.sim.faults().duplicates = vec![DuplicateRule {
        object: "Account".to_owned(),
        field: "Website".to_owned(),
        allow_save: false,
    }];
    org.account(json!({"Name": "Known", "Website": "known.example"}));
    let key = org.account(json!({"Name": "Ours"}));
    let gone = org.account(json!({"Name": "Gone"}));
    org.sim.delete("Account", &gone).unwrap();
    let text = |value: &str| Value::from(value);
    let writes = [
        update(&key, &[("Name", Value::Null)]),
        update(&key, &[("Tier__c", text("Wood"))]),
        update(&key, &[("Phone", Value::from("9".repeat(300)))]),
        update(&key, &[("Website", text("known.example"))]),
        update(&key, &[("Hub_Id__c", text("taken"))]),
        update(&gone, &[("Name", text("x"))]),
        update("not an id", &[("Name", text("x"))]),
        update(&key, &[("NumberOfEmployees", text("many"))]),
        update(&key, &[("BillingAddress", Value::Map(Default::default()))]),
    ];
    let answers = org
        .connect(json!({}))
        .write(&"Account".into(), &writes)
        .await
        .unwrap();
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let error = answer.as_ref().unwrap_err();
            (error.kind, error.code.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            (ErrorKind::Rejected, "REQUIRED_FIELD_MISSING"),
            (
                ErrorKind::Rejected,
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
            ),
            (ErrorKind::Rejected, "STRING_TOO_LONG"),
            (ErrorKind::Rejected, "DUPLICATES_DETECTED"),
            (ErrorKind::Rejected, "DUPLICATE_VALUE"),
            (ErrorKind::Gone, "ENTITY_IS_DELETED"),
            (ErrorKind::Rejected, "MALFORMED_ID"),
            (ErrorKind::Rejected, ""),
            (ErrorKind::Rejected, ""),
        ]
    );
    assert_eq!(answers[2].as_ref().unwrap_err().fields, ["Phone"]);
    assert_eq!(
        answers[7].as_ref().unwrap_err().fields,
        ["NumberOfEmployees"]
    );
}

#[tokio::test]
async fn the_receipt_holds_what_the_system_made_of_the_row() {
    let org = Org::start().await;
    org.sim
        .edit_field("Account", "Phone", |field| {
            field.normalise = Some(Normalise::Digits);
        })
        .unwrap();
    let row = [
        ("Name", Value::from("Acme")),
        ("Phone", Value::from("+1 (555) 0100")),
        (
            "AnnualRevenue",
            Value::number("123456789012345678").unwrap(),
        ),
        (
            "Products_Owned__c",
            Value::List(vec!["Billing".into(), "CRM".into()]),
        ),
        ("Renewal_Date__c", Value::from("2028-02-29")),
        ("Last_Review__c", Value::from("2026-05-01T22:51:36Z")),
        ("Active__c", Value::Bool(true)),
        ("Website", Value::Null),
    ];
    let connector = org.connect(json!({}));
    let mut answers = connector
        .write(&"Account".into(), &[create("h1", &row)])
        .await
        .unwrap();
    let stored = answers.remove(0).unwrap().stored.unwrap();
    assert_eq!(stored.fields["Phone"], Value::from("+15550100"));
    for (name, value) in row.iter().filter(|(name, _)| *name != "Phone") {
        assert_eq!(stored.fields[*name], *value, "{name}");
    }
}

#[tokio::test]
async fn writes_of_one_record_keep_their_order() {
    let org = Org::start().await;
    let key = org.account(json!({"Name": "Zero"}));
    let name = |name: &str| update(&key, &[("Name", Value::from(name))]);
    let delete = write("d", WriteOp::Delete { key: key.clone() });
    let writes = [name("One"), name("Two"), delete, name("Three")];
    let answers = org
        .connect(json!({}))
        .write(&"Account".into(), &writes)
        .await
        .unwrap();
    assert!(answers[..3].iter().all(Result::is_ok));
    assert_eq!(answers[3].as_ref().unwrap_err().kind, ErrorKind::Gone);
    assert_eq!(org.sim.get("Account", &key).unwrap()["Name"], "Two");
}

#[tokio::test]
async fn a_create_without_room_for_the_hubs_id_is_refused_before_it_is_sent() {
    let org = Org::start().await;
    org.sim.remove_field("Account", "Hub_Id__c").unwrap();
    let row = create("h1", &[("Name", Value::from("x"))]);
    let connector = org.connect(json!({}));
    let answers = connector
        .write(&"Account".into(), std::slice::from_ref(&row))
        .await
        .unwrap();
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.fields, ["Hub_Id__c"]);
    assert_eq!(org.sim.writes(), 0);
    // Whoever does without it gets a plain create.
    let connector = org.connect(json!({"external_id_field": null}));
    let answers = connector.write(&"Account".into(), &[row]).await.unwrap();
    assert!(answers[0].as_ref().unwrap().created);
    let error = connector
        .find(&"Account".into(), "h1", &["Name".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_field_hidden_since_it_was_described_costs_its_own_rows_only_once_known() {
    let org = Org::start().await;
    let key = org.account(json!({"Name": "Ours"}));
    let connector = org.connect(json!({}));
    let phone = update(&key, &[("Phone", Value::from("1"))]);
    let name = update(&key, &[("Name", Value::from("Renamed"))]);
    let stream = "Account".into();
    connector
        .write(&stream, std::slice::from_ref(&phone))
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    org.sim.hide_field("Account", "Phone", true).unwrap();
    let error = match connector.write(&stream, std::slice::from_ref(&phone)).await {
        Ok(mut answers) => answers.remove(0).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::Config, Some("INVALID_FIELD"))
    );
    let answers = connector.write(&stream, &[phone, name]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().fields, ["Phone"]);
    assert!(answers[1].is_ok());
}

#[tokio::test]
async fn a_limit_before_anything_was_decided_is_the_calls_answer() {
    let org = Org::start().await;
    let key = org.account(json!({"Name": "Ours"}));
    let connector = org.connect(json!({}));
    let name = update(&key, &[("Name", Value::from("Renamed"))]);
    org.sim.faults().daily_limit_reached = true;
    let error = connector
        .write(&"Account".into(), &[name])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert!(!error.outcome_unknown);
}

#[tokio::test]
async fn two_records_with_one_hub_id_are_a_conflict() {
    let org = Org::start().await;
    for name in ["One", "Other"] {
        org.account(json!({"Name": name, "Legacy_Id__c": "twice"}));
    }
    let connector = org.connect(json!({"external_id_field": "Legacy_Id__c"}));
    let error = connector
        .find(&"Account".into(), "twice", &["Name".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    let row = create("twice", &[("Name", Value::from("x"))]);
    let answers = connector.write(&"Account".into(), &[row]).await.unwrap();
    assert!(!answers[0].as_ref().unwrap_err().is_retryable());
}

#[tokio::test]
async fn records_are_fetched_with_fields_of_related_records_in_the_order_asked_for() {
    let org = Org::start().await;
    org.sim.seed_accounts(250);
    let mut keys = org.sim.ids("Account");
    keys.reverse();
    keys.insert(3, "001000000000000AAA".to_owned());
    let fields = ["Name".to_owned(), "Owner.Name".to_owned()];
    let fetched = org
        .connect(json!({}))
        .fetch(&"Account".into(), &keys, &fields)
        .await
        .unwrap();
    assert_eq!(fetched.len(), 251);
    assert_eq!(fetched[3], None);
    for (key, record) in keys.iter().zip(&fetched) {
        let Some(record) = record else { continue };
        assert_eq!(record.key, *key);
        assert!(
            matches!(record.fields["Owner.Name"], Value::Text(_)),
            "{record:?}"
        );
    }
}

/// A write over what was just looked at.
async fn looked_at(
    connector: &connector_salesforce::Salesforce,
    key: &str,
    pairs: &[(&str, Value)],
) -> connector_sdk::Write {
    let fields = ["Name".to_owned(), "Phone".to_owned()];
    let found = connector
        .fetch(&"Account".into(), &[key.to_owned()], &fields)
        .await
        .unwrap();
    let mut write = update(key, pairs);
    write.expected = found[0].as_ref().unwrap().version.clone();
    assert!(write.expected.is_some());
    write
}

#[tokio::test]
async fn what_changed_after_the_look_is_not_written_over() {
    let org = Org::start().await;
    org.sim.seed_accounts(60);
    org.advance(10);
    let keys = org.sim.ids("Account");
    let connector = org.connect(json!({}));
    let mut writes = Vec::new();
    for key in &keys {
        writes.push(looked_at(&connector, key, &[("Phone", "5559999".into())]).await);
    }
    org.advance(2);
    org.sim
        .update("Account", &keys[5], json!({"Phone": "5550001"}))
        .unwrap();
    let answers = connector.write(&"Account".into(), &writes).await.unwrap();
    for (at, answer) in answers.iter().enumerate() {
        match answer {
            Ok(receipt) => assert!(receipt.is_checked && receipt.stored.is_some(), "{at}"),
            Err(error) => assert!(at == 5 && error.is_moved(), "{at}: {error}"),
        }
    }
    let phone = |at: usize| org.sim.get("Account", &keys[at]).unwrap()["Phone"].clone();
    assert_eq!((phone(5), phone(6)), (json!("5550001"), json!("5559999")));
    assert_eq!(
        org.sim.requests().of("composite"),
        3,
        "25 rows to a request"
    );
    assert_eq!(org.sim.requests().of("collection"), 0);

    // Looked at again it goes through.
    org.advance(2);
    let again = looked_at(&connector, &keys[5], &[("Phone", "5559999".into())]).await;
    let answers = connector.write(&"Account".into(), &[again]).await.unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(phone(5), json!("5559999"));
}

#[tokio::test]
async fn what_changed_after_the_look_is_not_deleted() {
    let org = Org::start().await;
    org.sim.seed_accounts(4);
    org.advance(10);
    let keys = org.sim.ids("Account");
    let connector = org.connect(json!({}));
    let mut writes = Vec::new();
    for key in &keys {
        let mut write = looked_at(&connector, key, &[]).await;
        write.op = WriteOp::Delete { key: key.clone() };
        writes.push(write);
    }
    // Nobody has looked at this one, and that one is gone already.
    writes[0].expected = None;
    org.advance(2);
    for at in [0, 1] {
        org.sim
            .update("Account", &keys[at], json!({"Phone": "5550001"}))
            .unwrap();
    }
    org.sim.delete("Account", &keys[2]).unwrap();
    let answers = connector.write(&"Account".into(), &writes).await.unwrap();
    let error = answers[1].as_ref().unwrap_err();
    assert!(error.is_moved(), "{error}");
    for at in [0, 2, 3] {
        assert!(answers[at].is_ok(), "{at}: {answers:?}");
    }
    assert_eq!(org.sim.ids("Account"), [keys[1].clone()]);

    // Looked at again it goes.
    org.advance(2);
    let mut again = looked_at(&connector, &keys[1], &[]).await;
    again.op = WriteOp::Delete {
        key: keys[1].clone(),
    };
    let answers = connector.write(&"Account".into(), &[again]).await.unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(org.sim.ids("Account"), Vec::<String>::new());
}

#[tokio::test]
async fn a_record_that_changes_in_the_second_of_the_look_is_put_off_to_the_next() {
    let org = Org::start().await;
    org.sim.seed_accounts(1);
    let key = org.sim.ids("Account").remove(0);
    let connector = org.connect(json!({}));
    connector.check().await.unwrap();
    org.sim
        .update("Account", &key, json!({"Phone": "5550001"}))
        .unwrap();
    let mut write = looked_at(&connector, &key, &[("Phone", "5559999".into())]).await;
    if !write.expected.as_ref().unwrap().ends_with('~') {
        // The second went by just then: as a look in it would have been answered.
        write.expected.as_mut().unwrap().push('~');
    }
    let before = org.sim.writes();
    let answers = connector.write(&"Account".into(), &[write]).await.unwrap();
    let error = answers[0].as_ref().unwrap_err();
    assert!(error.is_moved() && error.retry_after.is_some(), "{error}");
    assert_eq!(org.sim.writes(), before, "nothing was sent");
    org.advance(2);
    let write = looked_at(&connector, &key, &[("Phone", "5559999".into())]).await;
    let answers = connector.write(&"Account".into(), &[write]).await.unwrap();
    assert!(answers[0].is_ok());
}

#[tokio::test]
async fn rows_under_a_condition_are_refused_locked_and_read_back_like_others() {
    let org = Org::start().await;
    org.sim.seed_accounts(3);
    org.advance(10);
    org.sim.faults().validations = vec![validation("Name", "forbidden")];
    let keys = org.sim.ids("Account");
    org.sim.faults().locks = vec![LockFault {
        object: "Account".to_owned(),
        id: Some(keys[2].clone()),
        times: 2,
    }];
    let connector = org.connect(json!({}));
    let mut writes = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let name = if at == 1 { "forbidden" } else { "fine" };
        writes.push(looked_at(&connector, key, &[("Name", name.into())]).await);
    }
    let answers = connector.write(&"Account".into(), &writes).await.unwrap();
    let refused = answers[1].as_ref().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Rejected);
    assert_eq!(refused.fields, ["Name"]);
    assert!(
        answers[0].is_ok() && answers[2].is_ok(),
        "the lock is waited for"
    );
    // A version that is none of ours is refused and never sent.
    let mut odd = update(&keys[0], &[("Name", "odd".into())]);
    odd.expected = Some("yesterday\r\nX-Header: 1".to_owned());
    let answers = connector.write(&"Account".into(), &[odd]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().kind, ErrorKind::Rejected);
}
