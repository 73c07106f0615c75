//! Whether a system made a value out of the one it was given, as systems do: trimmed, in another case,
//! without signs, cut, rounded.

use connector_sdk::Value;

/// Letters and digits of a text, in small letters.
fn letters(text: &str) -> String {
    let signs = text.chars().filter(|sign| sign.is_alphanumeric());
    signs.flat_map(char::to_lowercase).collect()
}

/// Whether `stored` looks like a system's own form of `given`. Of numbers: the same but for what lies
/// behind the point.
pub fn is_form_of(given: &Value, stored: &Value) -> bool {
    match (given, stored) {
        (Value::Text(given), Value::Null) => given.trim().is_empty(),
        (Value::Text(given), Value::Text(stored)) => {
            let (given, stored) = (letters(given), letters(stored));
            !stored.is_empty() && given.starts_with(&stored)
        }
        (Value::Number(given), Value::Number(stored)) => {
            let whole = |number: &dyn std::fmt::Display| {
                let text = number.to_string();
                text.split(['.', 'e', 'E']).next().map(str::to_owned)
            };
            whole(given) == whole(stored)
        }
        _ => given == stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_trimmed_cased_formatted_or_cut_and_another_value_is_none() {
        let form = |given: &str, stored: &str| is_form_of(&given.into(), &stored.into());
        assert!(form(" acme  inc. ", "Acme Inc"));
        assert!(form("+49 30 1234", "+49301234"));
        assert!(form("a long description", "A long de"));
        assert!(!form("Rail", "Air"));
        assert!(!form("Rail", ""));
        assert!(!form("Rail", "Railway"));
        assert!(is_form_of(&"  ".into(), &Value::Null));
        assert!(!is_form_of(&"Rail".into(), &Value::Null));
        assert!(is_form_of(&Value::from(12_i64), &Value::from(12_i64)));
        assert!(!is_form_of(&Value::from(12_i64), &Value::from(13_i64)));
    }
}
