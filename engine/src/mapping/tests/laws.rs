//! What holds for every transform.

use std::collections::BTreeSet;

use connector_sdk::{FieldType, Value};
use proptest::prelude::*;

use super::{mapping, patch, record, stream, things};
use crate::mapping::{Mapping, Severity, Values, calls};

/// Every transform, as it is called.
const CALLS: &[&str] = &[
    "boolean('Yes', 'No')",
    "boolean_text('Yes', 'No')",
    "collapse",
    "date",
    "default('x')",
    "digits",
    "divide(4)",
    "domain",
    "first",
    "format_date('%d.%m.%Y')",
    "join(';')",
    "last",
    "lookup(codes)",
    "lookup(codes, 'other')",
    "lookup_back(codes)",
    "lower",
    "multiply(100)",
    "not",
    "null_if('N/A')",
    "number",
    "number(',', '.')",
    "parse_date('%m/%d/%Y')",
    "prefix('A-')",
    "replace('a', 'bcd')",
    "round(2)",
    "split(';')",
    "strip_prefix('A-')",
    "text",
    "trim",
    "truncate(3)",
    "upper",
];

const TABLE: &str = "\n[table.codes]\nP1 = 'Premium'\nP2 = 'Plus'\n\"\" = 'None'\n";

fn pipe(core: &str, pipe: &str, direction: &str) -> Mapping {
    mapping(&format!(
        "[[field]]\ncore = \"{core}\"\nremote = \"X\"\ndirection = \"{direction}\"\nin = \"{pipe}\"\n{TABLE}"
    ))
}

#[test]
fn the_list_of_transforms_is_whole() {
    let tried: BTreeSet<&str> = CALLS
        .iter()
        .map(|call| call.split('(').next().unwrap_or(call))
        .collect();
    let known: BTreeSet<&str> = calls().iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, known);
}

#[test]
fn a_pipe_is_written_as_it_was_read() {
    for call in CALLS {
        let read = pipe("name", call, "in").rows[0].inbound.clone();
        let written = read.to_string().replace('"', "'");
        assert_eq!(written, *call);
        assert_eq!(pipe("name", &written, "in").rows[0].inbound, read);
    }
}

#[test]
fn transforms_do_what_their_names_say() {
    let cases: &[(&str, &str, Value, Value)] = &[
        ("name", "collapse", " a \t b ".into(), "a b".into()),
        ("name", "digits", "+49 30/1".into(), "49301".into()),
        (
            "name",
            "domain",
            "https://u@WWW.Acme.co.uk:8080/x?y@z".into(),
            "acme.co.uk".into(),
        ),
        ("name", "domain", "Ann@Acme.com".into(), "acme.com".into()),
        ("name", "domain", "localhost".into(), Value::Null),
        ("name", "default('Free')", Value::Null, "Free".into()),
        ("name", "null_if('N/A')", " N/A ".into(), Value::Null),
        (
            "name",
            "trim | lookup(codes, 'other')",
            " P1 ".into(),
            "Premium".into(),
        ),
        (
            "name",
            "lookup(codes, 'other')",
            "P9".into(),
            "other".into(),
        ),
        ("name", "split(';') | first", "a; b".into(), "a".into()),
        ("name", "split(';') | last", ";".into(), Value::Null),
        ("name", "truncate(2)", "äöü".into(), "äö".into()),
        (
            "name",
            "replace('a', 'bb') | upper",
            "aß".into(),
            "BBSS".into(),
        ),
        (
            "tags",
            "split(';') | lookup(codes)",
            "P1;P2".into(),
            Value::List(vec!["Premium".into(), "Plus".into()]),
        ),
        ("count", "number", " 12 ".into(), Value::from(12_i64)),
        (
            "amount",
            "number(',', '.')",
            "1.234,50".into(),
            Value::number("1234.5").unwrap(),
        ),
        (
            "amount",
            "divide(4) | round(1)",
            Value::from(5_i64),
            Value::number("1.3").unwrap(),
        ),
        (
            "active",
            "boolean('Yes', 'No') | not",
            "YES".into(),
            Value::Bool(false),
        ),
        (
            "since",
            "date",
            "2026-05-01T23:30:00-02:00".into(),
            "2026-05-02".into(),
        ),
        (
            "since",
            "parse_date('%m/%d/%Y')",
            "2/29/2028".into(),
            "2028-02-29".into(),
        ),
        (
            "seen",
            "",
            "2026-05-01T22:51:36.000+0000".into(),
            "2026-05-01T22:51:36Z".into(),
        ),
    ];
    for (core, steps, raw, expected) in cases {
        let said = patch(&pipe(core, steps, "in"), &[("X", raw.clone())]);
        assert_eq!(said.failed, [], "{steps}");
        assert_eq!(said.values.get(*core), Some(expected), "{steps}");
    }
}

#[test]
fn a_way_out_that_would_come_back_as_something_else_is_refused() {
    let out = |core: &str, steps: &str, value: Value| {
        let values = Values::from([(core.to_owned(), value)]);
        pipe(core, steps, "both").outbound(&things(), &values, &BTreeSet::from([core.to_owned()]))
    };
    assert!(out("tags", "split(';')", Value::List(vec!["a;b".into()])).is_err());
    assert!(out("name", "lookup(codes)", "Unheard of".into()).is_err());
    assert!(out("name", "prefix('A-')", "no prefix".into()).is_err());
    let many = Value::number("7922816251426433759354395033.5").unwrap();
    assert!(
        out("amount", "multiply(64)", many).is_err(),
        "the quotient has too many digits"
    );
    for step in [
        "digits",
        "replace('a', 'b')",
        "truncate(3)",
        "lookup(codes, 'x')",
        "multiply(3)",
    ] {
        assert!(
            pipe("name", step, "both").rows[0].outbound.is_none(),
            "{step} has no way back"
        );
    }
}

/// Two-way pipes with the core field they fill and the values they can make.
fn two_way() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    let text = "[a-zA-Z0-9äß ;|'\"\\\\\n-]{0,12}".prop_map(Value::Text);
    let number = (any::<i64>(), 0_u32..8)
        .prop_map(|(digits, scale)| Value::number(&format!("{digits}e-{scale}")).unwrap());
    let entries = proptest::collection::vec("[a-zäß |,]{1,6}".prop_map(Value::Text), 0..5);
    let day = (1_i32..=9999, 1_u32..=12, 1_u32..=28)
        .prop_map(|(year, month, day)| Value::Text(format!("{year:04}-{month:02}-{day:02}")));
    let code = proptest::sample::select(&["Premium", "Plus", "None"][..]).prop_map(Value::from);
    prop_oneof![
        (
            Just("name"),
            proptest::sample::select(
                &[
                    "",
                    "trim",
                    "prefix('A-') | strip_prefix('A-')",
                    "strip_prefix('A-')"
                ][..]
            ),
            text
        ),
        (
            Just("email"),
            Just("trim | lower"),
            "[a-zA-Z]{1,4}@[a-zA-Z]{1,4}".prop_map(Value::Text)
        ),
        (
            Just("amount"),
            proptest::sample::select(
                &[
                    "",
                    "number",
                    "multiply(100)",
                    "divide(100)",
                    "multiply(0.05)",
                    "divide(-8)"
                ][..]
            ),
            number
        ),
        (
            Just("tags"),
            proptest::sample::select(&["split(';')", "split(' ; ')"][..]),
            entries.prop_map(Value::List)
        ),
        (
            Just("tags"),
            Just("split(';') | lookup(codes)"),
            proptest::collection::vec(code.clone(), 0..3).prop_map(|mut codes| {
                codes.retain(|code| *code != Value::from("None"));
                Value::List(codes)
            })
        ),
        (
            Just("name"),
            proptest::sample::select(&["lookup(codes)", "trim | lookup(codes)"][..]),
            code.prop_filter("an empty text is null", |code| *code != Value::from("None"))
        ),
        (
            Just("since"),
            proptest::sample::select(
                &[
                    "",
                    "parse_date('%m/%d/%Y')",
                    "parse_date('%Y%m%d')",
                    "parse_date('%d.%m.%Y') | format_date('%Y/%m/%d') | parse_date('%Y/%m/%d')"
                ][..]
            ),
            day
        ),
        (
            Just("active"),
            proptest::sample::select(
                &["", "not", "boolean('Yes', 'No')", "boolean('1', '0') | not"][..]
            ),
            any::<bool>().prop_map(Value::Bool)
        ),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::Text),
        "P[12]|A-.*|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|[0-9.,]{1,40}".prop_map(Value::Text),
        Just(Value::text("\0")),
        Just(()).prop_map(|()| Value::text("a".repeat(1 << 20))),
        Just(()).prop_map(|()| Value::text(";".repeat(10 << 20))),
        Just(Value::number("79228162514264337593543950335").unwrap()),
        Just(Value::number("0.0000000000000000000000000001").unwrap()),
        Just(Value::text("9999-12-31T23:59:59.999999999-23:59")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(".{0,4}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_two_way_pipe_sends_out_comes_back_the_same((core, steps, value) in two_way()) {
        let mapping = pipe(core, steps, "both");
        prop_assert!(mapping.rows[0].outbound.is_some(), "{steps} has a way back");
        prop_assert_eq!(mapping.keeps(&things(), core, &value), Ok(true));
    }

    #[test]
    fn what_comes_in_by_a_two_way_pipe_is_kept(steps in proptest::sample::select(CALLS), raw in anything()) {
        for core in ["name", "amount", "tags", "active", "since"] {
            let mapping = pipe(core, steps, "both");
            // What the checker refuses is never applied.
            let kind = match steps.split('(').next().unwrap_or(steps) {
                "multiply" | "divide" | "round" => FieldType::Decimal,
                "not" | "boolean_text" => FieldType::Boolean,
                _ => FieldType::Text,
            };
            let problems = mapping.check(&things(), Some(&stream("Thing", &[("X", kind)])));
            if problems.iter().any(|problem| problem.severity == Severity::Error) {
                continue;
            }
            let said = mapping.inbound(&things(), &record(&[("X", raw.clone())])).unwrap();
            // A number that loses digits, or a list whose entry holds the separator, has no way
            // out at all; what has one comes back.
            if let Some(value) = said.values.get(core)
                && let Ok(kept) = mapping.keeps(&things(), core, value)
            {
                prop_assert!(kept, "{steps} into {core}: {value:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_makes_a_pipe_panic_or_grow_without_bound(
        steps in proptest::collection::vec(proptest::sample::select(CALLS), 1..5),
        raw in anything(),
    ) {
        let steps = steps.join(" | ");
        for core in ["name", "amount", "tags", "seen"] {
            let said = patch(&pipe(core, &steps, "in"), &[("X", raw.clone())]);
            let size = said.values.get(core).map_or(0, |value| value.to_string().len());
            prop_assert!(size <= 5 << 20, "{size} bytes");
            prop_assert!(said.failed.iter().all(|failure| failure.reason.len() < 200));
        }
    }
}
