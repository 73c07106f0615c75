//! Cases worth telling, and the sentences they make.

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Removal, Value};

use super::{applied, merged, patch, rules, values};
use crate::mapping::{FailReason, FieldFailure, Reference};
use crate::merge::{
    Choice, Clock, Context, Decision, DeleteInput, Deletion, Names, ResolveError, Rule, Rules,
    Values, Winner, merge_delete,
};

const NAMES: Names<'static> = Names {
    hub: "the hub",
    peer: "Salesforce",
    subject: "Phone",
};

fn address() -> Rules {
    rules(
        "ask",
        &[
            ("name", "policy = \"newest\""),
            ("street", "group = \"address\"\npolicy = \"newest\""),
            ("city", "group = \"address\"\npolicy = \"newest\""),
        ],
    )
}

#[test]
fn edits_of_different_fields_both_survive() {
    let rules = rules("ask", &[("phone", ""), ("email", "")]);
    let base = values(&[("phone", "1234"), ("email", "a@x.org")]);
    let core = values(&[("phone", "1234"), ("email", "new@x.org")]);
    let news = patch(values(&[("phone", "5678"), ("email", "a@x.org")]));
    let done = merged(&rules, Some(&base), Some(&core), &news, &Context::default());
    assert_eq!(
        applied(Some(&core), &done),
        values(&[("phone", "5678"), ("email", "new@x.org")])
    );
    assert_eq!(done.push.iter().collect::<Vec<_>>(), ["email"]);
    assert!(done.conflicts.is_empty());
    assert_eq!(
        done.decision(&rules, "phone").unwrap().sentence(&NAMES),
        "Salesforce changed Phone; the hub had not moved since the last agreement."
    );
    assert_eq!(
        done.decision(&rules, "email").unwrap().sentence(&Names {
            subject: "E-mail",
            ..NAMES
        }),
        "The hub changed E-mail; Salesforce had not moved since the last agreement."
    );
}

#[test]
fn the_later_change_of_an_address_takes_the_whole_address() {
    let rules = address();
    let base = values(&[("street", "Old 1"), ("city", "Bonn")]);
    let core = values(&[("street", "Old 1"), ("city", "Berlin")]);
    let mut news = patch(values(&[("street", "New 2"), ("city", "Bonn")]));
    let core_at = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
    news.changed_at = Some(core_at + TimeDelta::minutes(1));
    let mut context = Context {
        core_changed_at: [("city".to_owned(), core_at)].into(),
        clock: Clock {
            trusted: true,
            skew: TimeDelta::seconds(5),
        },
        ..Context::default()
    };
    let done = merged(&rules, Some(&base), Some(&core), &news, &context);
    assert_eq!(
        applied(Some(&core), &done),
        values(&[("street", "New 2"), ("city", "Bonn")])
    );
    assert_eq!(
        done.decisions[0].lost.len(),
        2,
        "the street was not edited but lost all the same"
    );

    context.clock.trusted = false;
    let done = merged(&rules, Some(&base), Some(&core), &news, &context);
    assert_eq!(done.conflicts.len(), 1);
    assert_eq!(done.conflicts[0].fields.len(), 2);
    assert!(done.changes.is_empty() && done.push.is_empty());
    assert_eq!(done.base, base);
}

#[test]
fn a_field_that_failed_or_waits_holds_its_group_and_nothing_else() {
    let rules = address();
    let base = values(&[("name", "a"), ("street", "s"), ("city", "c")]);
    let core = values(&[("name", "a"), ("street", "s"), ("city", "d")]);
    let mut news = patch(values(&[("name", "b"), ("street", "t")]));
    news.failed.push(FieldFailure {
        core: "city".to_owned(),
        remote: "City".to_owned(),
        cause: FailReason::Type,
        reason: "expected text, found a list".to_owned(),
    });
    let done = merged(&rules, Some(&base), Some(&core), &news, &Context::default());
    assert_eq!(applied(Some(&core), &done)["name"], Value::from("b"));
    assert_eq!(applied(Some(&core), &done)["street"], Value::from("s"));
    assert!(done.push.is_empty());

    news.failed.clear();
    let reference = Reference {
        stream: "Account".into(),
        key: "001".to_owned(),
    };
    news.references.insert("name".to_owned(), reference);
    let waits = merged(&rules, Some(&base), None, &news, &Context::default());
    assert!(waits.changes.iter().all(|change| &*change.field != "name"));
    news.resolve("name", "acc_1");
    let done = merged(&rules, Some(&base), None, &news, &Context::default());
    assert_eq!(done.changes[0].new, Value::from("acc_1"));
}

#[test]
fn part_of_an_address_is_not_taken_at_first_contact() {
    let rules = address();
    let core = values(&[("street", "s"), ("city", "c")]);
    let part = patch(values(&[("city", "d")]));
    let done = merged(&rules, None, Some(&core), &part, &Context::default());
    assert!(done.is_quiet());
    assert_eq!(done.decisions[0].rule, Rule::Incomplete);
}

#[test]
fn a_new_entity_needs_one_reason_only() {
    let rules = address();
    let mut said = values(&[("name", "a"), ("street", "s")]);
    said.insert("city".to_owned(), Value::Null);
    let done = merged(
        &rules,
        None,
        None,
        &patch(said.clone()),
        &Context::default(),
    );
    assert_eq!(done.changes.len(), 2);
    assert_eq!(done.base, said);
    assert_eq!(done.decisions.len(), 1);
    assert_eq!(done.decision(&rules, "city").unwrap().rule, Rule::NewEntity);
}

#[test]
fn a_persons_answer_ends_the_conflict_for_good() {
    let rules = rules("ask", &[("count", ""), ("name", "")]);
    let (base, core) = (values(&[("name", "o")]), values(&[("name", "a")]));
    let news = patch(values(&[("name", "b")]));
    let done = merged(&rules, Some(&base), Some(&core), &news, &Context::default());
    let conflict = &done.conflicts[0];
    for (choice, expected, pushed) in [
        (Choice::Core, "a", true),
        (Choice::Remote, "b", false),
        (Choice::Values(values(&[("name", "c")])), "c", true),
    ] {
        let resolved = conflict.resolve(&rules, &choice).unwrap();
        let mut after = core.clone();
        for change in &resolved.changes {
            after.insert(change.field.to_string(), change.new.clone());
        }
        assert_eq!(after, values(&[("name", expected)]));
        assert_eq!(resolved.push.contains("name"), pushed);
        assert_eq!(resolved.decision.lost.len(), 1);
        let again = merged(
            &rules,
            Some(&resolved.base),
            Some(&after),
            &news,
            &Context::default(),
        );
        assert!(again.conflicts.is_empty() && again.changes.is_empty());
        assert_eq!(again.push.contains("name"), pushed);
    }
    let foreign = conflict.resolve(&rules, &Choice::Values(values(&[("count", "1")])));
    assert_eq!(
        foreign,
        Err(ResolveError::NotInConflict {
            field: "count".to_owned()
        })
    );
}

#[test]
fn a_removal_over_there_meets_an_edit_here() {
    let rules = rules("ask", &[("name", ""), ("since", "direction = \"in\"")]);
    let base = values(&[("name", "a")]);
    let delete = |core: Option<&_>, removal: &Removal| {
        merge_delete(&DeleteInput {
            rules: &rules,
            base: Some(&base),
            core,
            removal,
        })
    };
    assert_eq!(delete(None, &Removal::Deleted), Deletion::Nothing);
    assert_eq!(
        delete(Some(&values(&[("name", " a")])), &Removal::Deleted),
        Deletion::Tombstone {
            rule: Rule::Deleted
        }
    );
    let edited = delete(Some(&values(&[("name", "b")])), &Removal::Deleted);
    let Deletion::Conflict {
        rule: Rule::DeletedButEdited,
        edited,
    } = edited
    else {
        panic!("{edited:?}");
    };
    assert_eq!(edited.len(), 1);
    let merged = Removal::MergedInto {
        key: "2".to_owned(),
    };
    assert_eq!(
        delete(Some(&values(&[("name", "b")])), &merged),
        Deletion::Relink {
            stream: None,
            key: "2".to_owned()
        }
    );
}

#[test]
fn decisions_are_small_and_come_back_from_json() {
    let moved = Decision {
        group: Some("phone".into()),
        rule: Rule::OneSideMoved,
        winner: Winner::Remote,
        lost: Default::default(),
    };
    let json = serde_json::to_string(&moved).unwrap();
    assert_eq!(
        json,
        r#"{"group":"phone","rule":{"rule":"one_side_moved"},"winner":"remote"}"#
    );
    assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), moved);
}

#[test]
fn a_union_keeps_additions_and_removals_of_both() {
    let rules = rules("ask", &[("tags", "policy = \"union\"")]);
    let tags = |tags: &[&str]| {
        let list = Value::List(tags.iter().map(|tag| Value::from(*tag)).collect());
        [("tags".to_owned(), list)].into()
    };
    let (base, core) = (tags(&["a", "b", "c"]), tags(&["b", "c", "mine"]));
    let news = patch(tags(&["a", "theirs", " c"]));
    let done = merged(&rules, Some(&base), Some(&core), &news, &Context::default());
    assert_eq!(applied(Some(&core), &done), tags(&["c", "mine", "theirs"]));
    assert!(done.push.contains("tags"));
}

#[test]
fn notes_of_both_sides_are_kept_one_below_the_other_and_once() {
    let rules = rules("ask", &[("notes", "policy = \"append\"")]);
    let text = |text: &str| values(&[("notes", text)]);
    let base = text("called\nold");
    let core = text("called\nhub wrote");
    let news = patch(text("called\nold\npeer wrote\n"));
    let done = merged(&rules, Some(&base), Some(&core), &news, &Context::default());
    let after = applied(Some(&core), &done);
    assert_eq!(
        after,
        text("called\nhub wrote\npeer wrote"),
        "what the hub took out stays out"
    );
    assert_eq!(
        (&done.decisions[0].rule, done.decisions[0].winner),
        (&Rule::Append, Winner::Both)
    );
    assert!(done.push.contains("notes"));
    let again = merged(
        &rules,
        Some(&done.base),
        Some(&after),
        &news,
        &Context::default(),
    );
    assert!(again.changes.is_empty(), "{again:?}");

    // Longer than the field: a person decides.
    let long = patch(text(&"x".repeat(500)));
    let done = merged(&rules, Some(&base), Some(&core), &long, &Context::default());
    assert_eq!(done.conflicts.len(), 1);
}

#[test]
fn what_somebody_entered_over_there_is_not_written_over_where_the_mapping_says_so() {
    let rules = rules(
        "core",
        &[("phone", "write = \"if_empty\"\nowner = \"core\"")],
    );
    let phone = |phone: &str| values(&[("phone", phone)]);
    let (base, core) = (phone("5550001"), phone("5550002"));
    for said in [phone("5550001"), phone("5550003"), Values::new()] {
        let done = merged(
            &rules,
            Some(&base),
            Some(&core),
            &patch(said),
            &Context::default(),
        );
        assert!(done.push.is_empty() && done.changes.is_empty(), "{done:?}");
        let decided = (&done.decisions[0].rule, done.decisions[0].winner);
        assert_eq!(decided, (&Rule::NotOverwritten, Winner::Neither));
    }
    let empty = Values::from([("phone".to_owned(), Value::Null)]);
    let done = merged(
        &rules,
        Some(&empty),
        Some(&core),
        &patch(empty.clone()),
        &Context::default(),
    );
    assert!(done.push.contains("phone"), "nothing is there");
}
