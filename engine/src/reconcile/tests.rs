use connector_sdk::Record;

use super::*;
use crate::catalogue::{Catalogue, Field, FieldKind};
use crate::mapping::Mapping;

const TEXT: &str = r#"
system = "crm"
stream = "Account"
entity = "account"
where = "Kind != 'Other'"

[link]
key = "Id"

[[field]]
core = "name"
remote = "Name"

[[field]]
core = "phone"
remote = "Phone"
"#;

fn at(minute: u32) -> DateTime<Utc> {
    format!("2026-11-20T10:{minute:02}:00Z").parse().unwrap()
}

/// A look at a record: what was seen of it, what is found, and what is known beside.
struct Look {
    seen: Fields,
    found: Fields,
    base: Values,
    changed_at: Option<DateTime<Utc>>,
    written: Vec<Sent>,
    is_owed: bool,
}

impl Look {
    fn new(seen: &[(&str, &str)], found: &[(&str, &str)]) -> Self {
        Self {
            seen: values(seen),
            found: values(found),
            base: values(&[("name", "One"), ("phone", "5550001")]),
            changed_at: Some(at(10)),
            written: Vec::new(),
            is_owed: false,
        }
    }

    fn cause(&self) -> Option<(Cause, Vec<String>)> {
        let fields = [("name", FieldKind::Text), ("phone", FieldKind::Phone)];
        let fields = fields.map(|(name, kind)| Field::new(name, name, kind));
        let catalogue = Catalogue::new("account", fields.to_vec()).unwrap();
        let mapping = Mapping::parse(TEXT).unwrap();
        let rules = Rules::new(&mapping, &catalogue, None).unwrap();
        let patch = |fields: &Fields, changed_at| {
            let record = Record {
                key: "1".to_owned(),
                version: None,
                changed_at,
                fields: fields.clone(),
            };
            mapping.inbound(&catalogue, &record).unwrap()
        };
        let (seen, found) = (patch(&self.seen, None), patch(&self.found, self.changed_at));
        let difference = classify(&Sides {
            rules: &rules,
            seen: (&self.seen, &seen),
            found: (&self.found, &found),
            base: &self.base,
            written: &self.written,
            is_owed: self.is_owed,
            covered_to: Some(at(30)),
        });
        difference.map(|difference| (difference.cause, difference.fields))
    }
}

fn values(values: &[(&str, &str)]) -> Values {
    let values = values.iter();
    values
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect()
}

const SEEN: [(&str, &str); 3] = [("Name", "One"), ("Phone", "5550001"), ("Kind", "Customer")];

fn moved() -> Look {
    Look::new(
        &SEEN,
        &[("Name", "Uno"), ("Phone", "5550001"), ("Kind", "Customer")],
    )
}

#[test]
fn what_is_the_same_is_no_difference() {
    assert_eq!(Look::new(&SEEN, &SEEN).cause(), None);
}

#[test]
fn a_change_that_should_have_come_was_missed() {
    let missed = Some((Cause::MissedChange, vec!["name".to_owned()]));
    assert_eq!(moved().cause(), missed);
    let unstamped = Look {
        changed_at: None,
        ..moved()
    };
    assert_eq!(unstamped.cause(), missed);
}

#[test]
fn a_change_that_may_still_come_is_in_flight() {
    let flight = Some((Cause::InFlight, vec!["name".to_owned()]));
    for minute in [29, 31] {
        let late = Look {
            changed_at: Some(at(minute)),
            ..moved()
        };
        assert_eq!(late.cause(), flight, "stamped in minute {minute}");
    }
    let owed = Look {
        is_owed: true,
        ..moved()
    };
    assert_eq!(owed.cause(), flight);
}

#[test]
fn another_form_and_other_fields_are_normalisation() {
    let formatted = [("Name", "One"), ("Phone", "555-0001"), ("Kind", "Customer")];
    let cause = Look::new(&SEEN, &formatted).cause();
    assert_eq!(
        cause,
        Some((Cause::Normalisation, vec!["Phone".to_owned()]))
    );
}

#[test]
fn fields_that_are_no_longer_shown_are_a_permission() {
    let narrowed = [("Name", "One"), ("Kind", "Customer")];
    let cause = Look::new(&SEEN, &narrowed).cause();
    assert_eq!(cause, Some((Cause::Permission, vec!["Phone".to_owned()])));
    assert!(Cause::Permission.is_drift());
}

#[test]
fn a_record_that_the_condition_leaves_out_is_out_of_scope() {
    let other = [("Name", "Uno"), ("Phone", "5550001"), ("Kind", "Other")];
    let cause = Look::new(&SEEN, &other).cause();
    assert_eq!(cause, Some((Cause::OutOfScope, Vec::new())));
}

#[test]
fn a_write_that_was_said_to_be_stored_and_is_not_there_was_lost() {
    let sent = || Sent {
        values: values(&[("name", "One")]),
        before: values(&[("name", "Old")]),
        sent_at: at(12),
    };
    let old = [("Name", "Old"), ("Phone", "5550001"), ("Kind", "Customer")];
    let lost = |look: Look| look.cause() == Some((Cause::LostWrite, vec!["name".to_owned()]));
    let look = |seen: &[(&str, &str)]| Look {
        written: vec![sent()],
        ..Look::new(seen, &old)
    };
    assert!(lost(look(&SEEN)), "read back as stored, and gone since");
    assert!(lost(look(&old)), "never seen as stored");
    let touched = Look {
        changed_at: Some(at(13)),
        ..look(&SEEN)
    };
    assert!(!lost(touched), "somebody set it back");
    let not_agreed = Look {
        base: values(&[("name", "Old")]),
        ..look(&old)
    };
    assert!(!lost(not_agreed), "the system never said it stored it");
    let before = before_lost(&[sent()], &["name".to_owned()]);
    assert_eq!(before, values(&[("name", "Old")]));
}

#[test]
fn the_drift_number_counts_what_the_hub_was_wrong_about() {
    let counted: BTreeMap<Cause, u64> = Cause::ALL.into_iter().map(|cause| (cause, 1)).collect();
    assert_eq!(drift(&counted), 4);
}
