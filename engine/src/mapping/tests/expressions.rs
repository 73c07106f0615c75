//! Conditions and computed values.

use connector_sdk::{FieldType, Value};
use proptest::prelude::*;

use super::{mapping, patch, record, stream, text, things};
use crate::mapping::expression::{Expression, MAX_DEPTH, MAX_NODES};
use crate::mapping::{ExpressionError, FailReason, Mapping, ProblemKind, Taken};

fn read(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message))
}

fn of(text: &str, fields: &[(&str, Value)]) -> Result<Option<Value>, ExpressionError> {
    read(text).value(&record(fields).fields)
}

fn some() -> Vec<(&'static str, Value)> {
    vec![
        ("Name", "Acme".into()),
        ("Size", 12_i64.into()),
        ("Count", "7".into()),
        ("Zero", 0_i64.into()),
        ("Gone", Value::Null),
        ("Blank", " ".into()),
        ("Open", true.into()),
        ("Tags", Value::List(vec!["a".into(), "b".into()])),
        ("odd name", "x".into()),
    ]
}

#[test]
fn what_conditions_say_of_a_record() {
    for (text, expected) in [
        ("Name = \"Acme\"", true),
        ("Name != 'Acme'", false),
        ("Size >= 12 and Size < 12.5", true),
        ("Size > 100 or Open", true),
        ("not Open", false),
        ("not (Open and Size = 13)", true),
        ("not Size = 12", false),
        ("Count = 7", true),
        ("Count < 10", true),
        ("Name < 10", false),
        ("Name > 10", false),
        ("Gone = null", true),
        ("Gone < 1", false),
        ("Gone is empty and Blank is empty", true),
        ("Zero is empty", false),
        ("Tags is not empty", true),
        ("Name in [\"Other\", 'Acme']", true),
        ("Size in [1, 12, -3]", true),
        ("Name not in [\"Acme\"]", false),
        ("Tags in ['b', 'c']", true),
        ("Tags contains 'a'", true),
        ("Name starts with 'Ac'", true),
        ("Name not starts with 'Ac'", false),
        ("Name ends with 'me'", true),
        ("Name contains 'cm'", true),
        ("Size contains '1'", false),
        ("`odd name` = 'x'", true),
        ("Size * 2 - 4 = (Size - 2) * 2", true),
        ("-Size < 0", true),
        ("Size / 5 = 2.4", true),
        ("Gone + 1 is empty", true),
        ("Open = true", true),
    ] {
        assert_eq!(of(text, &some()), Ok(Some(expected.into())), "{text}");
    }
}

#[test]
fn what_cannot_be_computed_says_why() {
    let kind = |operator, expected, found| ExpressionError::Kind {
        operator,
        expected,
        found,
    };
    for (text, expected) in [
        (
            "Size / Zero",
            ExpressionError::DivisionByZero { operator: "/" },
        ),
        (
            "79228162514264337593543950335 * Size",
            ExpressionError::Overflow { operator: "*" },
        ),
        (
            "79228162514264337593543950335 + Size",
            ExpressionError::Overflow { operator: "+" },
        ),
        (
            "-79228162514264337593543950335 - Size",
            ExpressionError::Overflow { operator: "-" },
        ),
        ("Name + 1", kind("+", "a number", "text")),
        ("not Name", kind("not", "true or false", "text")),
        ("Size and Open", kind("and", "true or false", "a number")),
    ] {
        assert_eq!(of(text, &some()), Err(expected), "{text}");
    }
    // What does not have to be computed is not.
    assert_eq!(
        of("Zero != 0 and 1 / Zero > 2", &some()),
        Ok(Some(false.into()))
    );
}

#[test]
fn a_field_that_the_record_does_not_say_makes_the_whole_unknown() {
    assert_eq!(of("Name = 'Acme' or Missing = 1", &some()), Ok(None));
    assert_eq!(
        read("Missing is empty").holds(&record(&some()).fields),
        Ok(None)
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, offset, message) in [
        ("", 0, "an expression is empty"),
        ("Name =", 6, "the expression ends where a value is expected"),
        ("Name = 1 2", 9, "expected `and`, `or` or the end"),
        ("(Name = 1", 9, "expected `)`"),
        ("Name = 'x", 7, "the ' is not closed"),
        ("Name = # 1", 7, "`#` means nothing here"),
        ("Name is gone", 8, "expected `empty`"),
        ("Name starts 'x'", 12, "expected `with`"),
        (
            "Name in ['a', Size]",
            14,
            "a list holds texts, numbers, true, false or null",
        ),
        (
            "Name not 1",
            9,
            "after `not` stands `in`, `starts with`, `ends with` or `contains`",
        ),
        ("1.2.3 = 1", 0, "`1.2.3` is no number"),
        ("and = 1", 0, "`and` stands where a value is expected"),
        (
            "Name = \"\\q\"",
            8,
            "after `\\` stands a quote, `\\`, `n` or `t`",
        ),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(
            (error.offset, error.message.as_str()),
            (offset, message),
            "{text}"
        );
    }
}

#[test]
fn an_expression_is_bounded() {
    let wide = vec!["X = 1"; MAX_NODES].join(" and ");
    let deep = format!(
        "{}X{}",
        "(".repeat(MAX_DEPTH + 1),
        ")".repeat(MAX_DEPTH + 1)
    );
    let negated = format!("{}X", "not ".repeat(MAX_DEPTH + 1));
    let long = format!("X = '{}'", "x".repeat(2_000));
    for text in [wide, deep, negated, long] {
        let error = Expression::parse(&text).unwrap_err();
        assert!(error.message.contains("at most"), "{}", error.message);
    }
    let fits = format!("{}X{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert!(Expression::parse(&fits).is_ok());
}

#[test]
fn a_row_with_a_condition_says_its_field_only_where_that_holds() {
    let mapping = mapping(
        "[[field]]\ncore = \"name\"\nremote = \"Name\"\ndirection = \"in\"\nwhen = \"Kind = 'Customer'\"\n",
    );
    assert!(mapping.remote_fields().contains(&"Kind".to_owned()));
    let said = |kind: Option<&str>| {
        let mut fields = vec![("Name", "Acme".into())];
        fields.extend(kind.map(|kind| ("Kind", kind.into())));
        patch(&mapping, &fields).values.contains_key("name")
    };
    assert!(said(Some("Customer")));
    assert!(!said(Some("Partner")));
    assert!(!said(None), "not said is not known");
}

#[test]
fn a_computed_value_that_fails_harms_no_other_field() {
    let mapping = mapping(
        "[[field]]\ncore = \"name\"\nremote = \"Name\"\n\n[[field]]\ncore = \"count\"\nvalue = \"Total / Parts\"\n\
         direction = \"in\"\nin = \"round(0)\"\n",
    );
    let of = |parts: i64| {
        let fields = [
            ("Name", "Acme".into()),
            ("Total", 10_i64.into()),
            ("Parts", parts.into()),
        ];
        patch(&mapping, &fields)
    };
    assert_eq!(of(4).values["count"], 3_i64.into());
    let failed = of(0);
    assert_eq!(failed.values["name"], "Acme".into());
    assert_eq!(failed.failed.len(), 1);
    assert_eq!(failed.failed[0].cause, FailReason::Expression);
    assert_eq!(
        failed.failed[0].to_string(),
        "Parts + Total → count: `/` divides by zero"
    );
}

fn filtered(condition: &str) -> Mapping {
    let row = "[[field]]\ncore = \"name\"\nremote = \"Name\"\n";
    let text = text(row).replacen("[link]", &format!("where = \"{condition}\"\n\n[link]"), 1);
    Mapping::parse(&text).unwrap()
}

#[test]
fn a_filter_says_whether_a_record_is_taken() {
    let mapping = filtered("Size / Parts > 2");
    let taken = |fields: &[(&str, Value)]| patch(&mapping, fields).taken;
    let of = |size: i64, parts: i64| taken(&[("Size", size.into()), ("Parts", parts.into())]);
    assert_eq!(of(9, 3), Taken::Yes);
    assert_eq!(of(1, 3), Taken::No);
    assert_eq!(taken(&[("Size", 9_i64.into())]), Taken::Unknown);
    assert!(matches!(of(1, 0), Taken::Failed(failure) if failure.core == "where"));
}

#[test]
fn an_expression_over_a_field_that_is_not_there_is_not_published() {
    let mapping = filtered("Removed__c = 'x'");
    let known = stream(
        "Thing",
        &[("Name", FieldType::Text), ("Id", FieldType::Text)],
    );
    let problems = mapping.check(&things(), Some(&known));
    let found = problems
        .iter()
        .find(|problem| problem.message.contains("Removed__c"));
    assert_eq!(found.unwrap().kind, ProblemKind::UnknownRemoteField);
}

#[test]
fn what_contradicts_itself_is_told() {
    let row = |more: &str| format!("[[field]]\ncore = \"count\"\n{more}\n");
    for (more, message) in [
        ("value = \"A + B\"", "a computed value only comes in"),
        (
            "value = \"A\"\nremote = \"B\"\ndirection = \"in\"",
            "a `remote` or a `value`",
        ),
        ("direction = \"in\"", "needs `remote` or `value`"),
        (
            "remote = \"A\"\nwhen = \"A = = 1\"",
            "`=` stands where a value is expected",
        ),
    ] {
        let errors = Mapping::parse(&text(&row(more))).unwrap_err().to_string();
        assert!(errors.contains(message), "{errors}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(Value::number("79228162514264337593543950335").unwrap()),
        Just(Value::List(vec!["a".into(), Value::Null])),
    ]
}

fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("A".to_owned()),
        Just("B".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("0".to_owned()),
        Just("'x'".to_owned()),
        (0_u32..1000).prop_map(|number| format!("{number}.5")),
    ];
    leaf.prop_recursive(5, 40, 2, |inner| {
        let operator = prop_oneof![
            Just("+"),
            Just("-"),
            Just("*"),
            Just("/"),
            Just("="),
            Just("!="),
            Just("<"),
            Just(">="),
            Just("and"),
            Just("or"),
            Just("starts with"),
            Just("contains"),
        ];
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|one| format!("(not {one})")),
            inner.clone().prop_map(|one| format!("({one} is empty)")),
            inner.clone().prop_map(|one| format!("(- {one})")),
            inner.prop_map(|one| format!("({one} in [1, 'x', null])")),
        ]
    })
}

proptest! {
    #[test]
    fn every_expression_of_every_record_has_a_value_or_a_reason(
        text in expressions(), a in values(), b in values()
    ) {
        let fields = [("A", a), ("B", b)];
        if let Ok(expression) = Expression::parse(&text) {
            let once = expression.value(&record(&fields).fields);
            prop_assert_eq!(&once, &expression.value(&record(&fields).fields));
        }
    }

    #[test]
    fn no_text_makes_reading_panic_and_mistakes_lie_in_it(text in ".{0,80}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(error.offset <= text.len());
        }
    }
}
