//! The named functions a mapping may call on a value. Each is total: it ends with a value no
//! larger than a field may be, or with an error.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use connector_sdk::Value;
use rust_decimal::{Decimal, RoundingStrategy};

use super::date_format::DateFormat;
use crate::catalogue::{MAX_CHOICES, MAX_TEXT_BYTES, found, parse_date, parse_instant};

/// One step of a pipe. Null passes through all of them but [`Transform::Default`]; functions of
/// text work on every entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    Trim,
    Lower,
    Upper,
    /// Runs of blanks become one space.
    Collapse,
    /// Only the digits stay.
    Digits,
    /// The host of a web address or an e-mail address, lower-cased, without `www.`.
    Domain,
    Replace {
        from: String,
        to: String,
    },
    Prefix(String),
    /// The text without this beginning, which it must have.
    StripPrefix(String),
    /// The first characters.
    Truncate(usize),
    NullIf(String),
    Default(Value),
    Lookup {
        table: Arc<Table>,
        default: Option<Value>,
    },
    /// [`Transform::Lookup`], backwards.
    LookupBack {
        table: Arc<Table>,
    },
    /// Text to list; entries are trimmed, empty ones dropped.
    Split(String),
    /// List to text; nulls and empty entries dropped. `strict` refuses entries that hold the
    /// separator, so that splitting gives the list back.
    Join {
        separator: String,
        strict: bool,
    },
    First,
    Last,
    Text,
    /// Text to number, with the sign of the fraction and of thousands.
    Number {
        point: char,
        thousands: Option<char>,
    },
    Multiply(Decimal),
    /// `exact` refuses a result that multiplying does not bring back.
    Divide {
        by: Decimal,
        exact: bool,
    },
    Round(u32),
    /// The words for true and false, to a boolean.
    Boolean {
        yes: String,
        no: String,
    },
    BooleanText {
        yes: String,
        no: String,
    },
    Not,
    /// The day of an instant, in UTC; a date stays.
    Date,
    ParseDate(DateFormat),
    FormatDate(DateFormat),
}

/// A table of a mapping: remote text → core value.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub entries: BTreeMap<String, Value>,
    forward: HashMap<String, Value>,
    /// None when two entries have the same value.
    back: Option<HashMap<String, String>>,
}

impl Table {
    pub(super) fn new(name: &str, entries: BTreeMap<String, Value>) -> Self {
        let back: HashMap<String, String> = entries
            .iter()
            .map(|(key, value)| (value.to_string(), key.clone()))
            .collect();
        let back = (back.len() == entries.len()).then_some(back);
        let forward = entries.clone().into_iter().collect();
        Self {
            name: name.to_owned(),
            entries,
            forward,
            back,
        }
    }

    /// Whether every value has one key.
    pub fn is_one_to_one(&self) -> bool {
        self.back.is_some()
    }
}

/// Why a step refused a value. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    #[error("`{step}` expects {expected}, found {found}")]
    Kind {
        step: &'static str,
        expected: &'static str,
        found: &'static str,
    },
    #[error("table {table} has no entry for the value")]
    NotInTable { table: String },
    #[error("`{step}` cannot read the text")]
    Unreadable { step: &'static str },
    #[error("`{step}` makes a text longer than a field holds")]
    TooLong { step: &'static str },
    #[error("`{step}` makes a number that is too large or has too many digits")]
    Overflow { step: &'static str },
    #[error("`{step}` finds the separator inside an entry")]
    Ambiguous { step: &'static str },
    #[error("the record's values for one field cannot be joined without `join`")]
    Several,
}

type Result<T> = std::result::Result<T, TransformError>;

impl Transform {
    /// Applies the step.
    ///
    /// # Errors
    /// The value is not what the step takes, or it would make one no field can hold.
    pub fn apply(&self, value: Value) -> Result<Value> {
        if value.is_null() {
            return Ok(match self {
                Self::Default(value) => value.clone(),
                _ => Value::Null,
            });
        }
        match self {
            Self::Default(_) => Ok(value),
            Self::Trim => self.texts(value, |text| Ok(Value::Text(trimmed(text)))),
            Self::Lower => self.texts(value, |text| self.bounded(text.to_lowercase())),
            Self::Upper => self.texts(value, |text| self.bounded(text.to_uppercase())),
            Self::Collapse => self.texts(value, |text| {
                Ok(Value::Text(
                    text.split_whitespace().collect::<Vec<_>>().join(" "),
                ))
            }),
            Self::Digits => self.texts(value, |text| {
                Ok(Value::Text(
                    text.chars().filter(char::is_ascii_digit).collect(),
                ))
            }),
            Self::Domain => self.texts(value, |text| Ok(domain(&text))),
            Self::Replace { from, to } => self.texts(value, |text| self.replace(&text, from, to)),
            Self::Prefix(prefix) => {
                self.texts(value, |text| self.bounded(format!("{prefix}{text}")))
            }
            Self::StripPrefix(prefix) => self.texts(value, |text| {
                let rest = text
                    .strip_prefix(prefix.as_str())
                    .ok_or_else(|| self.unreadable())?;
                Ok(Value::Text(rest.to_owned()))
            }),
            Self::Truncate(length) => self.texts(value, |text| {
                let end = text
                    .char_indices()
                    .nth(*length)
                    .map_or(text.len(), |(at, _)| at);
                Ok(Value::Text(text[..end].to_owned()))
            }),
            Self::NullIf(mark) => self.texts(value, |text| {
                Ok(if text.trim() == mark {
                    Value::Null
                } else {
                    Value::Text(text)
                })
            }),
            Self::Lookup { table, default } => each(value, |value| {
                let found = match &value {
                    Value::Text(text) => table.forward.get(text.trim()),
                    value => table.forward.get(&value.to_string()),
                };
                found
                    .or(default.as_ref())
                    .cloned()
                    .ok_or_else(|| not_in(table))
            }),
            Self::LookupBack { table } => each(value, |value| {
                let back = table.back.as_ref().ok_or_else(|| not_in(table))?;
                let key = match &value {
                    Value::Text(text) => back.get(text.trim()),
                    value => back.get(&value.to_string()),
                };
                key.map(|key| Value::Text(key.clone()))
                    .ok_or_else(|| not_in(table))
            }),
            Self::Split(separator) => self.split(value, separator),
            Self::Join { separator, strict } => self.join(value, separator, *strict),
            Self::First => self.entry(value, |values| values.into_iter().next()),
            Self::Last => self.entry(value, |values| values.into_iter().next_back()),
            Self::Text => each(value, |value| match value {
                Value::Map(_) | Value::List(_) => Err(self.refuse("a plain value", &value)),
                value => Ok(Value::Text(value.to_string())),
            }),
            Self::Number { point, thousands } => self.number(value, *point, *thousands),
            Self::Multiply(by) => self.arithmetic(value, |number| number.checked_mul(*by)),
            Self::Divide { by, exact } => self.arithmetic(value, |number| {
                let result = number.checked_div(*by)?;
                (!exact || result.checked_mul(*by) == Some(number)).then_some(result)
            }),
            Self::Round(digits) => self.arithmetic(value, |number| {
                Some(number.round_dp_with_strategy(*digits, RoundingStrategy::MidpointAwayFromZero))
            }),
            Self::Boolean { yes, no } => self.boolean(value, yes, no),
            Self::BooleanText { yes, no } => match value {
                Value::Bool(value) => Ok(Value::text(if value { yes } else { no })),
                value => Err(self.refuse("true or false", &value)),
            },
            Self::Not => match value {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                value => Err(self.refuse("true or false", &value)),
            },
            Self::Date => self.texts(value, |text| self.day(&text)),
            Self::ParseDate(format) => self.texts(value, |text| {
                let day = format.parse(text.trim()).ok_or_else(|| self.unreadable())?;
                Ok(iso(day))
            }),
            Self::FormatDate(format) => self.texts(value, |text| {
                let day = parse_date(&text).ok_or_else(|| self.unreadable())?;
                Ok(Value::Text(format.write(day)))
            }),
        }
    }

    fn refuse(&self, expected: &'static str, value: &Value) -> TransformError {
        TransformError::Kind {
            step: self.name(),
            expected,
            found: found(value),
        }
    }

    fn unreadable(&self) -> TransformError {
        TransformError::Unreadable { step: self.name() }
    }

    fn texts(&self, value: Value, change: impl Fn(String) -> Result<Value>) -> Result<Value> {
        each(value, |value| match value {
            Value::Text(text) => change(text),
            Value::Null => Ok(Value::Null),
            value => Err(self.refuse("text", &value)),
        })
    }

    fn bounded(&self, text: String) -> Result<Value> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TransformError::TooLong { step: self.name() });
        }
        Ok(Value::Text(text))
    }

    /// The length is known before a byte is copied: a short pattern can make a text grow a
    /// hundredfold.
    fn replace(&self, text: &str, from: &str, to: &str) -> Result<Value> {
        let matches = text.matches(from).count();
        let length = (text.len() - matches * from.len()).saturating_add(matches * to.len());
        if length > MAX_TEXT_BYTES {
            return Err(TransformError::TooLong { step: self.name() });
        }
        Ok(Value::Text(text.replace(from, to)))
    }

    fn split(&self, value: Value, separator: &str) -> Result<Value> {
        let text = match value {
            Value::Text(text) => text,
            // Some connectors split what their system joins.
            Value::List(values) => return Ok(Value::List(values)),
            value => return Err(self.refuse("text", &value)),
        };
        let entries = text
            .split(separator)
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let entries: Vec<Value> = entries.take(MAX_CHOICES + 1).map(Value::from).collect();
        if entries.len() > MAX_CHOICES {
            return Err(TransformError::TooLong { step: self.name() });
        }
        Ok(Value::List(entries))
    }

    fn join(&self, value: Value, separator: &str, strict: bool) -> Result<Value> {
        let values = match value {
            Value::List(values) => values,
            Value::Text(text) => vec![Value::Text(text)],
            value => return Err(self.refuse("a list", &value)),
        };
        let mut joined = String::new();
        for value in values {
            let entry = match value {
                Value::Null => continue,
                Value::Text(text) => text,
                Value::Map(_) | Value::List(_) => return Err(self.refuse("plain values", &value)),
                value => value.to_string(),
            };
            let entry = entry.trim();
            if entry.is_empty() {
                continue;
            }
            if strict && entry.contains(separator) {
                return Err(TransformError::Ambiguous { step: self.name() });
            }
            if joined.len() + separator.len() + entry.len() > MAX_TEXT_BYTES {
                return Err(TransformError::TooLong { step: self.name() });
            }
            if !joined.is_empty() {
                joined.push_str(separator);
            }
            joined.push_str(entry);
        }
        Ok(if joined.is_empty() {
            Value::Null
        } else {
            Value::Text(joined)
        })
    }

    fn entry(&self, value: Value, pick: impl Fn(Vec<Value>) -> Option<Value>) -> Result<Value> {
        match value {
            Value::List(values) => Ok(pick(values).unwrap_or_default()),
            value => Err(self.refuse("a list", &value)),
        }
    }

    fn number(&self, value: Value, point: char, thousands: Option<char>) -> Result<Value> {
        match value {
            Value::Number(number) => Ok(Value::Number(number)),
            Value::Text(text) => {
                let plain: String = text
                    .trim()
                    .chars()
                    .filter(|c| Some(*c) != thousands)
                    .map(|c| if c == point { '.' } else { c })
                    .collect();
                Value::number(&plain).map_err(|_digits| self.unreadable())
            }
            value => Err(self.refuse("text", &value)),
        }
    }

    fn arithmetic(
        &self,
        value: Value,
        compute: impl Fn(Decimal) -> Option<Decimal>,
    ) -> Result<Value> {
        let Value::Number(number) = value else {
            return Err(self.refuse("a number", &value));
        };
        let result = compute(number).ok_or(TransformError::Overflow { step: self.name() })?;
        Ok(Value::Number(result.normalize()))
    }

    fn boolean(&self, value: Value, yes: &str, no: &str) -> Result<Value> {
        let text = match value {
            Value::Bool(value) => return Ok(Value::Bool(value)),
            Value::Text(text) => text,
            value => value.to_string(),
        };
        let text = text.trim().to_lowercase();
        if text == yes.to_lowercase() {
            Ok(Value::Bool(true))
        } else if text == no.to_lowercase() {
            Ok(Value::Bool(false))
        } else {
            Err(self.unreadable())
        }
    }

    fn day(&self, text: &str) -> Result<Value> {
        parse_date(text)
            .or_else(|| parse_instant(text).map(|instant| instant.date_naive()))
            .map(iso)
            .ok_or_else(|| self.unreadable())
    }
}

/// Every entry of a list, or the value itself.
fn each(value: Value, change: impl Fn(Value) -> Result<Value>) -> Result<Value> {
    match value {
        Value::List(values) => values
            .into_iter()
            .map(|value| {
                if value.is_null() {
                    Ok(value)
                } else {
                    change(value)
                }
            })
            .collect::<Result<Vec<_>>>()
            .map(Value::List),
        value => change(value),
    }
}

fn not_in(table: &Table) -> TransformError {
    TransformError::NotInTable {
        table: table.name.clone(),
    }
}

fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() {
        text
    } else {
        inner.to_owned()
    }
}

fn iso(day: NaiveDate) -> Value {
    Value::Text(format!(
        "{:04}-{:02}-{:02}",
        day.year(),
        day.month(),
        day.day()
    ))
}

fn domain(text: &str) -> Value {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_user, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _port)| host);
    let host = host.trim_matches('.').to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    // A word without a dot is no domain that could name a company.
    let is_domain = host.contains('.') && !host.chars().any(char::is_whitespace);
    if is_domain {
        Value::text(host)
    } else {
        Value::Null
    }
}
