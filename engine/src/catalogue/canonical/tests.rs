use connector_sdk::Value;
use proptest::prelude::*;

use super::{canonical, canonical_with, fingerprint, same};
use crate::catalogue::{Empty, Field, FieldKind, TypeError, typed};

const KINDS: [FieldKind; 15] = [
    FieldKind::Text,
    FieldKind::LongText,
    FieldKind::Integer,
    FieldKind::Decimal,
    FieldKind::Currency,
    FieldKind::Boolean,
    FieldKind::Date,
    FieldKind::Instant,
    FieldKind::Email,
    FieldKind::Phone,
    FieldKind::Url,
    FieldKind::Choice,
    FieldKind::Choices,
    FieldKind::Reference,
    FieldKind::User,
];

fn field(kind: FieldKind) -> Field {
    Field::new("field", "Field", kind)
}

fn alike(kind: FieldKind, spellings: &[&str]) {
    for one in spellings {
        for other in spellings {
            let (one, other) = (Value::from(*one), Value::from(*other));
            assert!(
                same(&field(kind), &one, &other, Empty::Null),
                "{one:?} {other:?}"
            );
        }
    }
}

fn apart(kind: FieldKind, values: &[&str]) {
    for (place, one) in values.iter().enumerate() {
        for other in &values[place + 1..] {
            let (one, other) = (Value::from(*one), Value::from(*other));
            assert!(
                !same(&field(kind), &one, &other, Empty::Null),
                "{one:?} {other:?}"
            );
        }
    }
}

#[test]
fn spellings_of_one_value_are_the_same_and_other_values_are_not() {
    alike(FieldKind::Text, &["Café", " Cafe\u{301} "]);
    apart(FieldKind::Text, &["cafe", "Cafe", "Café"]);
    alike(FieldKind::LongText, &["a\r\nb", "a\nb\n", "a\rb"]);
    alike(FieldKind::Email, &["Ann@Example.org", " ann@example.ORG"]);
    alike(
        FieldKind::Phone,
        &["+49 30 123-456", "0049 (30) 123456", "+49 (0)30 123456"],
    );
    alike(
        FieldKind::Phone,
        &[
            "(415) 555-1234 x12",
            "4155551234 ext. 12",
            "415.555.1234;ext=12",
        ],
    );
    apart(
        FieldKind::Phone,
        &["030 123", "+49 30 123", "030 123 x1", "ask Ann"],
    );
    alike(
        FieldKind::Url,
        &["HTTPS://Example.org/", "https://example.org"],
    );
    apart(
        FieldKind::Url,
        &[
            "https://example.org/A",
            "https://example.org/a",
            "http://example.org",
            "example.org",
        ],
    );
    alike(FieldKind::Integer, &["42", "42.0", "4.2E1"]);
    alike(
        FieldKind::Instant,
        &[
            "2026-05-01T22:51:36.000+0000",
            "2026-05-01T22:51:36Z",
            "2026-05-02T00:51:36+02:00",
        ],
    );
    alike(FieldKind::Boolean, &["true", "TRUE"]);
    alike(FieldKind::Text, &["", "  "]);
}

#[test]
fn amounts_are_compared_at_their_scale() {
    let mut amount = field(FieldKind::Currency);
    amount.scale = Some(2);
    let number = |text: &str| Value::number(text).unwrap();
    assert!(same(&amount, &number("10.004"), &number("10"), Empty::Null));
    assert!(same(&amount, &number("-0.001"), &number("0"), Empty::Null));
    assert!(!same(
        &amount,
        &number("10.005"),
        &number("10"),
        Empty::Null
    ));
    assert_eq!(
        typed(&amount, number("10.004")).unwrap(),
        number("10.004"),
        "stored as it came"
    );
}

#[test]
fn lists_are_compared_as_sets_and_choices_by_their_own_spelling() {
    let mut choices = field(FieldKind::Choices);
    choices.choices = vec!["Gold".to_owned(), "Silver".to_owned()];
    let list = |texts: &[&str]| Value::List(texts.iter().map(|text| Value::from(*text)).collect());
    assert!(same(
        &choices,
        &list(&["gold", "Silver", "Gold"]),
        &list(&["Silver", "Gold"]),
        Empty::Null
    ));
    assert!(same(&choices, &list(&[]), &Value::Null, Empty::Null));
    assert_eq!(
        typed(&choices, list(&["Tin"])),
        Err(TypeError::NotAChoice { choices: 2 })
    );
}

#[test]
fn an_empty_text_is_null_unless_told_otherwise() {
    let text = field(FieldKind::Text);
    assert_eq!(canonical(&text, &Value::from("")), Ok(Value::Null));
    assert_eq!(
        canonical_with(&text, &Value::from(""), Empty::Value),
        Ok(Value::from(""))
    );
    let date = field(FieldKind::Date);
    assert_eq!(
        canonical_with(&date, &Value::from(""), Empty::Value),
        Ok(Value::Null)
    );
}

#[test]
fn what_is_none_of_the_kind_is_refused_without_repeating_it() {
    for (kind, text) in [
        (FieldKind::Date, "2026-02-30"),
        (FieldKind::Date, "0000-01-01"),
        (FieldKind::Date, "2026-05-01T00:00:00Z"),
        (FieldKind::Instant, "2026-05-01"),
        (FieldKind::Instant, "+12026-05-01T00:00:00Z"),
        (FieldKind::Integer, "1.5"),
        (FieldKind::Integer, "9223372036854775808"),
        (FieldKind::Decimal, "secret"),
        (FieldKind::Decimal, "1e400"),
        (FieldKind::Email, "secret"),
        (FieldKind::Email, "a@b@secret"),
        (FieldKind::Url, "not secret"),
        (FieldKind::Boolean, "secret"),
        (FieldKind::Choices, "secret"),
        (FieldKind::Text, "secret\0"),
    ] {
        let refused = typed(&field(kind), Value::from(text)).unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    let long = Value::Text("x".repeat(10 << 20));
    assert!(matches!(
        typed(&field(FieldKind::LongText), long),
        Err(TypeError::TooLong { .. })
    ));
    let mut short = field(FieldKind::Text);
    short.max_length = Some(3);
    assert!(
        typed(&short, Value::from("äöü")).is_ok(),
        "characters are counted, not bytes"
    );
    assert_eq!(
        typed(&short, Value::from("äöüß")),
        Err(TypeError::TooLong { length: 4, max: 3 })
    );
}

#[test]
fn a_fingerprint_tells_values_apart_and_spellings_not() {
    let email = field(FieldKind::Email);
    let print = |text: &str| fingerprint(&email, &Value::from(text), Empty::Null);
    assert_eq!(print("A@x.org"), print("a@X.org "));
    assert_ne!(print("a@x.org"), print("b@x.org"));
    assert_eq!(print("a@x.org").to_string().parse(), Ok(print("a@x.org")));
    assert_ne!(
        fingerprint(&field(FieldKind::Text), &Value::Null, Empty::Value),
        fingerprint(&field(FieldKind::Text), &Value::from(""), Empty::Value)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_canonical_value_is_its_own_canonical_form(
        text in prop_oneof![".*", "[+0-9() x#.-]{0,20}", "(https?://)?[A-Za-z./?#]{1,12}", "[0-9]{1,4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z)?"],
        scale in proptest::option::of(0_u32..30),
    ) {
        for kind in KINDS {
            let mut field = field(kind);
            field.scale = scale;
            for value in [Value::Text(text.clone()), Value::List(vec![Value::Text(text.clone())])] {
                if let Ok(once) = canonical(&field, &value) {
                    prop_assert_eq!(canonical(&field, &once), Ok(once.clone()), "{:?}", kind);
                    let stored = typed(&field, value).unwrap();
                    prop_assert_eq!(canonical(&field, &stored), Ok(once));
                }
            }
        }
    }

    #[test]
    fn numbers_of_any_size_keep_their_canonical_form(mantissa in any::<i128>(), scale in 0_u32..40, digits in 0_u32..30) {
        let text = format!("{mantissa}e-{scale}");
        for kind in [FieldKind::Integer, FieldKind::Decimal, FieldKind::Text] {
            let mut field = field(kind);
            field.scale = Some(digits);
            if let Ok(value) = Value::number(&text)
                && let Ok(once) = canonical(&field, &value)
            {
                prop_assert_eq!(canonical(&field, &once), Ok(once));
            }
        }
    }
}
