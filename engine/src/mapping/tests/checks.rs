//! A mapping held against both schemas.

use connector_sdk::FieldType;
use insta::assert_snapshot;

use super::{mapping, stream, things};
use crate::mapping::{Mapping, Severity};

fn told(mapping: &Mapping, stream: Option<&connector_sdk::Stream>) -> String {
    let lines: Vec<String> = mapping
        .check(&things(), stream)
        .iter()
        .map(|problem| format!("{:?} {:?} {problem}", problem.severity, problem.kind))
        .collect();
    lines.join("\n")
}

#[test]
fn what_does_not_fit_is_told_with_its_row() {
    let rows = r#"
[[field]]
core = "nam"
remote = "Nmae"

[[field]]
core = "count"
remote = "Amount"

[[field]]
core = "tags"
remote = "Name"

[[field]]
core = "active"
remote = "Name"
in = "split(';') | number"
direction = "in"

[[field]]
core = "seen"
remote = "Seen"
owner = "core"

[[field]]
core = "since"
remote = "Seen"
direction = "in"
in = "date"
owner = "core"

[[field]]
core = "name"
remote = "Name"
in = "upper"
policy = "union"

[[field]]
core = "email"
remote = "Mail"
in = "digits"

[[field]]
core = "email"
remote = "Mail"
in = "trim | lower"

[[field]]
core = "owner"
remote = "OwnerId"

[constants]
Sorce = "hub"
"#;
    let mut stream = stream(
        "Thing",
        &[
            ("Id", FieldType::Text),
            ("Name", FieldType::Text),
            ("Amount", FieldType::Decimal),
            ("Seen", FieldType::Instant),
            ("Mail", FieldType::Email),
            ("OwnerId", FieldType::Reference),
            ("Status", FieldType::Choice),
            ("Source", FieldType::Text),
        ],
    );
    stream.fields[3].can_update = false;
    stream.fields[4].max_length = Some(80);
    stream.fields[6].required = true;
    let mapping = mapping(rows);
    assert_snapshot!(told(&mapping, Some(&stream)), @"");
    let without: Vec<_> = mapping.check(&things(), None);
    assert!(
        without
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    );
}

#[test]
fn rows_of_one_group_must_ask_for_one_decision() {
    let rows = r#"
[[field]]
core = "name"
remote = "Name"
group = "g"
owner = "core"

[[field]]
core = "count"
remote = "Count"
group = "g"
owner = "remote"

[[field]]
core = "amount"
remote = "Amount"
group = "h"

[[field]]
core = "email"
remote = "Mail"
group = "h"
direction = "in"

[[field]]
core = "since"
remote = "Since"
group = "h"
policy = "max"
"#;
    assert_snapshot!(told(&mapping(rows), None), @"");
}

#[test]
fn a_mapping_for_something_else_is_refused() {
    let mapping = mapping("[[field]]\ncore = \"name\"\nremote = \"Name\"\n");
    let other = crate::catalogue::Catalogue::new("person", vec![]).unwrap();
    assert!(
        mapping
            .check(&other, None)
            .iter()
            .any(|p| p.severity == Severity::Error)
    );
    assert!(mapping.inbound(&other, &super::record(&[])).is_err());
    let elsewhere = stream("Other", &[("Name", FieldType::Text)]);
    assert!(crate::merge::Rules::new(&mapping, &things(), Some(&elsewhere)).is_err());
}
