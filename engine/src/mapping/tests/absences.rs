//! Missing, null and empty are three things.

use connector_sdk::Value;

use super::{mapping, patch};
use crate::catalogue::Empty;
use crate::mapping::FailReason;

#[test]
fn missing_null_and_empty_are_told_apart_as_the_row_says() {
    let row = |policy: &str| {
        mapping(&format!(
            "[[field]]\ncore = \"name\"\nremote = \"Name\"\nin = \"trim\"\n{policy}\n"
        ))
    };
    let said = |policy: &str, value: Option<Value>| {
        let fields: Vec<_> = value.into_iter().map(|value| ("Name", value)).collect();
        patch(&row(policy), &fields).values.get("name").cloned()
    };
    let (null, empty, blank) = (Value::Null, Value::from(""), Value::from("  "));
    for policy in [
        "",
        "null = \"clear\"",
        "null = \"ignore\"",
        "empty = \"value\"",
    ] {
        assert_eq!(
            said(policy, None),
            None,
            "what is missing says nothing: {policy}"
        );
    }
    assert_eq!(said("", Some(null.clone())), Some(Value::Null));
    assert_eq!(said("null = \"ignore\"", Some(null.clone())), None);
    assert_eq!(said("", Some(empty.clone())), Some(Value::Null));
    assert_eq!(said("", Some(blank.clone())), Some(Value::Null));
    assert_eq!(said("null = \"ignore\"", Some(empty.clone())), None);
    let kept = Some(Value::from(""));
    assert_eq!(said("empty = \"value\"", Some(empty)), kept);
    assert_eq!(
        said("empty = \"value\"\nnull = \"ignore\"", Some(blank)),
        kept
    );
    assert_eq!(
        said("empty = \"value\"\nnull = \"ignore\"", Some(null)),
        None
    );
    assert_eq!(row("").rows[0].empty, Empty::Null);
}

#[test]
fn a_dotted_field_is_found_whole_or_through_the_relation() {
    let mapping =
        mapping("[[field]]\ncore = \"name\"\nremote = \"Owner.Name\"\ndirection = \"in\"\n");
    let owner = |value: Value| Value::Map([("Name".to_owned(), value)].into());
    let said = |fields: &[(&str, Value)]| patch(&mapping, fields).values.get("name").cloned();
    assert_eq!(said(&[("Owner.Name", "Ann".into())]), Some("Ann".into()));
    assert_eq!(said(&[("Owner", owner("Ann".into()))]), Some("Ann".into()));
    assert_eq!(said(&[("Owner", owner(Value::Null))]), Some(Value::Null));
    assert_eq!(
        said(&[("Owner", Value::Null)]),
        Some(Value::Null),
        "no owner has no name"
    );
    assert_eq!(said(&[("Owner", Value::Map([].into()))]), None);
    assert_eq!(said(&[("Owner", "text".into())]), None);
    assert_eq!(said(&[]), None);
}

#[test]
fn a_value_that_cannot_be_mapped_harms_no_other() {
    let rows = "
        [[field]]
        core = \"name\"
        remote = \"Name\"
        [[field]]
        core = \"count\"
        remote = \"Count\"
        [[field]]
        core = \"tags\"
        remote = \"Tags\"
        in = \"lookup(codes) | split(';')\"
        direction = \"in\"
        [[field]]
        core = \"since\"
        remote = \"Since\"
        in = \"parse_date('%d.%m.%Y')\"
        [[field]]
        core = \"email\"
        remote = \"Mail\"
        in = \"trim\"
        [table.codes]
        a = \"b\"";
    let patch = patch(
        &mapping(rows),
        &[
            ("Name", "secret".into()),
            ("Count", "secret".into()),
            ("Tags", "secret".into()),
            ("Since", "31.02.2026".into()),
            ("Mail", Value::Text("secret".repeat(2_000_000))),
        ],
    );
    assert_eq!(patch.values.len(), 1);
    let causes: Vec<_> = patch
        .failed
        .iter()
        .map(|failure| (failure.core.as_str(), failure.cause))
        .collect();
    assert_eq!(
        causes,
        [
            ("count", FailReason::Type),
            ("tags", FailReason::Lookup),
            ("since", FailReason::Transform),
            ("email", FailReason::Size),
        ]
    );
    let told = format!("{:?}", patch.failed);
    assert!(
        !told.contains("secret"),
        "a failure must not repeat the value: {told}"
    );
}

#[test]
fn a_date_that_no_calendar_or_store_holds_stands_still_alone() {
    let rows = "
        [[field]]
        core = \"name\"
        remote = \"Name\"
        [[field]]
        core = \"since\"
        remote = \"Since\"
        [[field]]
        core = \"seen\"
        remote = \"Seen\"";
    let mapping = mapping(rows);
    for (day, instant) in [
        ("0000-01-01", "0000-12-31T23:59:59Z"),
        ("2026-02-30", "2026-02-30T10:00:00Z"),
        ("10000-01-01", "+10000-01-01T00:00:00Z"),
        ("-0044-03-15", "-0044-03-15T10:00:00Z"),
        ("999999999-12-31", "999999999-12-31T00:00:00Z"),
        ("2026-13-01", "2026-05-01T25:00:00Z"),
        ("0001-01-01 BC", "0001-01-01T00:00:00+23:59"),
    ] {
        let fields = [
            ("Name", "fine".into()),
            ("Since", day.into()),
            ("Seen", instant.into()),
        ];
        let patch = patch(&mapping, &fields);
        let failed: Vec<&str> = patch.failed.iter().map(|one| one.core.as_str()).collect();
        assert_eq!(failed, ["since", "seen"], "{day}, {instant}");
        assert_eq!(patch.values.len(), 1);
    }
}

#[test]
fn several_fields_make_one_value_only_when_all_are_said() {
    let mapping = mapping(
        "[[field]]\ncore = \"name\"\nremote = [\"First\", \"Last\"]\ndirection = \"in\"\nin = 'join(\" \")'\n",
    );
    let said = |fields: &[(&str, Value)]| patch(&mapping, fields).values.get("name").cloned();
    assert_eq!(
        said(&[("First", "Ann".into()), ("Last", "Lee".into())]),
        Some("Ann Lee".into())
    );
    assert_eq!(
        said(&[("First", Value::Null), ("Last", "Lee".into())]),
        Some("Lee".into())
    );
    assert_eq!(
        said(&[("First", Value::Null), ("Last", Value::Null)]),
        Some(Value::Null)
    );
    assert_eq!(said(&[("Last", "Lee".into())]), None);
}

#[test]
fn a_reference_is_carried_as_the_key_it_is_over_there() {
    let mapping =
        mapping("[[field]]\ncore = \"owner\"\nremote = \"OwnerId\"\nreference = \"User\"\n");
    let mut said = patch(&mapping, &[("OwnerId", "005".into())]);
    assert_eq!(said.references["owner"].key, "005");
    assert_eq!(said.references["owner"].stream, "User".into());
    assert!(said.values.is_empty());
    said.resolve("owner", "usr_1");
    assert_eq!(said.values["owner"], "usr_1".into());
    assert_eq!(
        patch(&mapping, &[("OwnerId", Value::Null)]).values["owner"],
        Value::Null
    );
}
