//! Our own writes coming back, in the order in which trouble comes.

use chrono::{DateTime, Utc};

use super::{applied, merged, patch, rules, values};
use crate::catalogue::{Empty, fingerprint};
use crate::ids::WriteId;
use crate::merge::{Context, Echo, Rule, Rules};

fn two_way() -> Rules {
    rules("ask", &[("name", "policy = \"ask\"")])
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn wrote(rules: &Rules, value: &str, written_at: Option<i64>) -> Echo {
    let field = &rules.field("name").unwrap().field;
    Echo {
        field: "name".to_owned(),
        value: fingerprint(field, &value.into(), Empty::Null),
        written_at: written_at.map(at),
        write: WriteId::fresh(),
    }
}

#[test]
fn an_own_write_that_comes_back_late_does_not_undo_a_newer_edit() {
    let rules = two_way();
    // The hub set a, then b; both were written; now a comes back.
    let context = Context {
        echoes: vec![wrote(&rules, "a", None), wrote(&rules, "b", None)],
        ..Context::default()
    };
    let (base, core) = (values(&[("name", "old")]), values(&[("name", "b")]));
    let first = merged(
        &rules,
        Some(&base),
        Some(&core),
        &patch(values(&[("name", "a")])),
        &context,
    );
    assert!(first.changes.is_empty() && first.conflicts.is_empty());
    assert!(
        first.push.is_empty(),
        "b is under way and not written a third time"
    );
    assert_eq!(first.consumed, [0]);
    assert_eq!(first.base, values(&[("name", "a")]));

    let context = Context {
        echoes: vec![wrote(&rules, "b", None)],
        ..Context::default()
    };
    let second = merged(
        &rules,
        Some(&first.base),
        Some(&core),
        &patch(values(&[("name", " b ")])),
        &context,
    );
    assert!(second.is_quiet());
    assert_eq!(second.consumed, [0]);
    assert_eq!(second.base, values(&[("name", " b ")]));
    assert_eq!(second.decisions[0].rule, Rule::Echo);
}

#[test]
fn another_value_is_a_real_change_however_soon_it_comes() {
    let rules = two_way();
    let context = Context {
        echoes: vec![wrote(&rules, "a", Some(0))],
        ..Context::default()
    };
    let (base, core) = (values(&[("name", "a")]), values(&[("name", "a")]));
    let mut news = patch(values(&[("name", "A & Sons")]));
    news.changed_at = Some(at(1));
    let done = merged(&rules, Some(&base), Some(&core), &news, &context);
    assert_eq!(applied(Some(&core), &done), values(&[("name", "A & Sons")]));
    assert_eq!(
        (done.consumed.as_slice(), done.retired.as_slice()),
        (&[][..], &[0][..])
    );
}

#[test]
fn a_person_may_set_the_value_back_to_what_the_hub_once_wrote() {
    let rules = two_way();
    // The write of a was seen to be overtaken by c, so its echo was retired: a is news again.
    let (base, core) = (values(&[("name", "c")]), values(&[("name", "c")]));
    let done = merged(
        &rules,
        Some(&base),
        Some(&core),
        &patch(values(&[("name", "a")])),
        &Context::default(),
    );
    assert_eq!(applied(Some(&core), &done), values(&[("name", "a")]));
}

#[test]
fn one_write_is_used_up_by_one_echo() {
    let rules = two_way();
    let context = Context {
        echoes: vec![wrote(&rules, "a", None), wrote(&rules, "a", None)],
        ..Context::default()
    };
    let base = values(&[("name", "old")]);
    let core = values(&[("name", "a")]);
    let done = merged(
        &rules,
        Some(&base),
        Some(&core),
        &patch(values(&[("name", "a")])),
        &context,
    );
    assert_eq!(done.consumed, [0]);
}

#[test]
fn an_edit_whose_write_is_under_way_is_not_owed_again() {
    let rules = two_way();
    let (base, core) = (values(&[("name", "old")]), values(&[("name", "new")]));
    let context = Context {
        echoes: vec![wrote(&rules, "new", None)],
        ..Context::default()
    };
    for said in [values(&[]), values(&[("name", "old")])] {
        let done = merged(&rules, Some(&base), Some(&core), &patch(said), &context);
        assert!(done.push.is_empty());
    }
    let done = merged(
        &rules,
        Some(&base),
        Some(&core),
        &patch(values(&[])),
        &Context::default(),
    );
    assert!(done.push.contains("name"));
}

#[test]
fn a_value_beside_one_that_arrived_with_our_write_was_set_after_it() {
    let rules = rules(
        "ask",
        &[("name", "policy = \"ask\""), ("phone", "policy = \"ask\"")],
    );
    let (mut name, mut phone) = (wrote(&rules, "a", Some(1)), wrote(&rules, "1", Some(1)));
    phone.field = "phone".to_owned();
    let field = &rules.field("phone").unwrap().field;
    phone.value = fingerprint(field, &"1".into(), Empty::Null);
    let core = values(&[("name", "a"), ("phone", "1")]);
    // Stamped as before the write, by a clock that tells whole seconds.
    let mut news = patch(values(&[("name", "a"), ("phone", "2")]));
    news.changed_at = Some(at(0));
    let apart = Context {
        echoes: vec![name.clone(), phone.clone()],
        ..Context::default()
    };
    let done = merged(&rules, Some(&core), Some(&core), &news, &apart);
    assert_eq!(
        done.changes,
        [],
        "of two writes the other may not have arrived"
    );

    name.write = phone.write;
    let together = Context {
        echoes: vec![name, phone],
        ..Context::default()
    };
    let done = merged(&rules, Some(&core), Some(&core), &news, &together);
    let wanted = values(&[("name", "a"), ("phone", "2")]);
    assert_eq!(applied(Some(&core), &done), wanted);
    // A record that shows nothing of the write is from before it.
    let mut old = patch(values(&[("name", "old"), ("phone", "2")]));
    old.changed_at = Some(at(0));
    let done = merged(&rules, Some(&core), Some(&core), &old, &together);
    assert_eq!(done.changes, []);
}
