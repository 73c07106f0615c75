//! How a step is written in a pipe.

use std::fmt;

use connector_sdk::Value;

use super::transform::Transform;

impl Transform {
    /// The name it is called by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Collapse => "collapse",
            Self::Digits => "digits",
            Self::Domain => "domain",
            Self::Replace { .. } => "replace",
            Self::Prefix(_) => "prefix",
            Self::StripPrefix(_) => "strip_prefix",
            Self::Truncate(_) => "truncate",
            Self::NullIf(_) => "null_if",
            Self::Default(_) => "default",
            Self::Lookup { .. } => "lookup",
            Self::LookupBack { .. } => "lookup_back",
            Self::Split(_) => "split",
            Self::Join { .. } => "join",
            Self::First => "first",
            Self::Last => "last",
            Self::Text => "text",
            Self::Number { .. } => "number",
            Self::Multiply(_) => "multiply",
            Self::Divide { .. } => "divide",
            Self::Round(_) => "round",
            Self::Boolean { .. } => "boolean",
            Self::BooleanText { .. } => "boolean_text",
            Self::Not => "not",
            Self::Date => "date",
            Self::ParseDate(_) => "parse_date",
            Self::FormatDate(_) => "format_date",
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Replace { from, to } => write!(f, "{name}({}, {})", quoted(from), quoted(to)),
            Self::Prefix(text)
            | Self::StripPrefix(text)
            | Self::NullIf(text)
            | Self::Split(text) => {
                write!(f, "{name}({})", quoted(text))
            }
            Self::Join { separator, .. } => write!(f, "{name}({})", quoted(separator)),
            Self::Truncate(length) => write!(f, "{name}({length})"),
            Self::Default(value) => write!(f, "{name}({})", literal(value)),
            Self::Lookup {
                table,
                default: Some(value),
            } => {
                write!(f, "{name}({}, {})", table.name, literal(value))
            }
            Self::Lookup { table, .. } | Self::LookupBack { table } => {
                write!(f, "{name}({})", table.name)
            }
            Self::Number {
                point: '.',
                thousands: None,
            } => f.write_str(name),
            Self::Number { point, thousands } => {
                let thousands = thousands.map(String::from).unwrap_or_default();
                write!(
                    f,
                    "{name}({}, {})",
                    quoted(&point.to_string()),
                    quoted(&thousands)
                )
            }
            Self::Multiply(by) | Self::Divide { by, .. } => write!(f, "{name}({by})"),
            Self::Round(digits) => write!(f, "{name}({digits})"),
            Self::Boolean { yes, no } | Self::BooleanText { yes, no } => {
                write!(f, "{name}({}, {})", quoted(yes), quoted(no))
            }
            Self::ParseDate(format) | Self::FormatDate(format) => {
                write!(f, "{name}({})", quoted(format.as_str()))
            }
            _ => f.write_str(name),
        }
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        value => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
