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
    assert_snapshot!(told(&mapping, Some(&stream)), @r##"
Error UnknownRemoteField line 1, column 1: `[constants]` names Sorce, which Thing does not have
Warning RequiredUnmapped line 1, column 1: Thing requires Status, which nothing writes: records cannot be created there
Error UnknownCoreField line 9, column 1: thing has no field nam; did you mean `name`?
Error UnknownRemoteField line 9, column 1: Thing has no field Nmae; did you mean `Name`?
Warning TypeLoss line 13, column 1: Amount may have a fraction, count holds whole numbers
Error TypeMismatch line 17, column 1: Name arrives as text, tags is a list of choices
Error TypeMismatch line 17, column 1: Name would be given a list
Error TypeMismatch line 21, column 1: `number` cannot take a list, which Name is by then
Error ReadOnlyRemote line 27, column 1: Seen cannot be written over there; the field only comes in
Error OwnerContradiction line 32, column 1: the hub owns the field, but the field only comes in
Error WrittenTwice line 39, column 1: remote field Name is written twice, first at line 17, column 1
Warning NotKept line 39, column 1: values the hub holds otherwise than `upper` makes them come back changed
Error PolicyDoesNotFit line 39, column 1: the policy cannot choose between two values of text
Warning TypeLoss line 45, column 1: Mail holds 80 characters, email may hold more
Error MissingInverse line 45, column 1: `digits` has no way back; write `out`, or let the field only come in
Warning TypeLoss line 50, column 1: Mail holds 80 characters, email may hold more
Error WrittenTwice line 50, column 1: core field email is mapped twice, first at line 45, column 1
Error WrittenTwice line 50, column 1: remote field Mail is written twice, first at line 45, column 1
Error ReferenceUnmarked line 55, column 1: owner is a reference: say the stream it points at with `reference`
"##);
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
    assert_snapshot!(told(&mapping(rows), None), @r##"
Error OwnerContradiction line 15, column 1: group g has another owner at line 9, column 1
Error MixedGroup line 26, column 1: group h has another policy, direction, first contact or write at line 21, column 1
Error MixedGroup line 32, column 1: group h has another policy, direction, first contact or write at line 21, column 1
Error PolicyDoesNotFit line 32, column 1: group h has several fields; the policy chooses between single values
"##);
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

#[test]
fn a_key_that_nothing_is_found_by_is_refused() {
    let rows = "[[field]]\ncore = \"name\"\nremote = \"Name\"\n";
    let named = |link: &str| {
        let link = format!("[link]\n{link}");
        let text = super::text(rows).replacen("[link]", &link, 1);
        told(&Mapping::parse(&text).unwrap(), None)
    };
    for link in ["strong = [\"name\"]", "similar = [\"name\"]"] {
        let told = named(link);
        assert!(told.contains("Error NotFoundBy"), "{link}: {told}");
    }
    let told = named("strong = [\"nam\"]");
    assert!(told.contains("Error UnknownCoreField"), "{told}");
}
