//! Pipes: `trim | lookup(plan_codes) | default("Free")`, read into steps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use connector_sdk::Value;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use super::date_format::DateFormat;
use super::place::hint;
use super::transform::{Table, Transform, TransformError};
use crate::catalogue::MAX_TEXT_BYTES;

/// Most steps of a pipe.
const MAX_STEPS: usize = 16;
/// Longest text written in a pipe, in bytes.
const MAX_LITERAL: usize = 256;

/// Steps that a value goes through, in order; without steps it stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipe {
    pub steps: Vec<Transform>,
}

/// A mistake in a pipe, `offset` bytes into its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PipeError {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl Pipe {
    /// Sends a value through.
    ///
    /// # Errors
    /// The first step that refuses it.
    pub fn apply(&self, value: Value) -> Result<Value, TransformError> {
        let Some(first) = self.steps.first() else {
            return Ok(value);
        };
        if matches!(&value, Value::Text(text) if text.len() > MAX_TEXT_BYTES) {
            return Err(TransformError::TooLong { step: first.name() });
        }
        self.steps
            .iter()
            .try_fold(value, |value, step| step.apply(value))
    }

    /// Reads a pipe.
    ///
    /// # Errors
    /// The first mistake: behind it, nothing can be told.
    pub(super) fn parse(
        text: &str,
        tables: &BTreeMap<String, Arc<Table>>,
    ) -> Result<Self, PipeError> {
        let mut reader = Reader { text, at: 0 };
        let mut steps = Vec::new();
        reader.skip_blanks();
        if reader.is_done() {
            return Ok(Self::default());
        }
        loop {
            reader.skip_blanks();
            let begin = reader.at;
            let (name, arguments) = reader.call()?;
            let step = build(name, &arguments, tables).map_err(|(offset, message)| PipeError {
                offset: offset.unwrap_or(begin),
                message,
            })?;
            steps.push(step);
            if steps.len() > MAX_STEPS {
                let message = format!("a pipe has at most {MAX_STEPS} steps");
                return Err(PipeError {
                    offset: begin,
                    message,
                });
            }
            reader.skip_blanks();
            if reader.is_done() {
                return Ok(Self { steps });
            }
            if !reader.take('|') {
                return Err(reader.error("expected `|` between two steps"));
            }
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

impl Serialize for Pipe {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What stands between the parentheses.
#[derive(Clone, Debug, PartialEq)]
enum Argument {
    Literal(Value),
    /// A bare word: a table's name.
    Word(String),
}

/// Arguments with where each begins.
type Arguments = Vec<(usize, Argument)>;

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn error(&self, message: impl Into<String>) -> PipeError {
        PipeError {
            offset: self.at,
            message: message.into(),
        }
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn call(&mut self) -> Result<(&'t str, Arguments), PipeError> {
        let name = self.word();
        if name.is_empty() {
            return Err(self.error("expected the name of a transform"));
        }
        let mut arguments = Arguments::new();
        self.skip_blanks();
        if !self.take('(') {
            return Ok((name, arguments));
        }
        loop {
            self.skip_blanks();
            if arguments.is_empty() && self.take(')') {
                return Ok((name, arguments));
            }
            arguments.push((self.at, self.argument()?));
            self.skip_blanks();
            if self.take(')') {
                return Ok((name, arguments));
            }
            if !self.take(',') {
                return Err(self.error("expected `,` or `)`"));
            }
        }
    }

    fn argument(&mut self) -> Result<Argument, PipeError> {
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => Ok(match self.word() {
                "true" => Argument::Literal(Value::Bool(true)),
                "false" => Argument::Literal(Value::Bool(false)),
                word => Argument::Word(word.to_owned()),
            }),
            _ => Err(self.error("expected a text in quotes, a number, true, false or a table")),
        }
    }

    fn number(&mut self) -> Result<Argument, PipeError> {
        let offset = self.at;
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')
            .unwrap_or(rest.len());
        self.at += end;
        let message = "not a number that can be kept exactly".to_owned();
        Value::number(&rest[..end])
            .map(Argument::Literal)
            .map_err(|_digits| PipeError { offset, message })
    }

    /// Text in double quotes knows `\"`, `\\`, `\n` and `\t`; in single quotes it stands as it is.
    fn quoted(&mut self, quote: char) -> Result<Argument, PipeError> {
        let begin = self.at;
        self.at += 1;
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 1;
                if text.len() > MAX_LITERAL {
                    let message = format!("a text in a pipe has at most {MAX_LITERAL} bytes");
                    return Err(PipeError {
                        offset: begin,
                        message,
                    });
                }
                return Ok(Argument::Literal(Value::Text(text)));
            }
            if c != '\\' || quote == '\'' {
                text.push(c);
                continue;
            }
            text.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, c @ ('"' | '\\'))) => c,
                _ => {
                    let message = "after `\\` in a text: one of `\"`, `\\`, `n`, `t`".to_owned();
                    return Err(PipeError {
                        offset: self.at + at,
                        message,
                    });
                }
            });
        }
        Err(PipeError {
            offset: begin,
            message: "the text is not closed".to_owned(),
        })
    }
}

/// The names a pipe may call, with how they are called.
const CALLS: &[(&str, &str)] = &[
    ("boolean", "boolean(\"yes\", \"no\")"),
    ("boolean_text", "boolean_text(\"yes\", \"no\")"),
    ("collapse", "collapse"),
    ("date", "date"),
    ("default", "default(value)"),
    ("digits", "digits"),
    ("divide", "divide(number), not by zero"),
    ("domain", "domain"),
    ("first", "first"),
    (
        "format_date",
        "format_date(\"%Y-%m-%d\"), with each of %Y, %m, %d once",
    ),
    ("join", "join(\"separator\")"),
    ("last", "last"),
    ("lookup", "lookup(table) or lookup(table, default)"),
    (
        "lookup_back",
        "lookup_back(table), of a table without two equal values",
    ),
    ("lower", "lower"),
    ("multiply", "multiply(number), not by zero"),
    ("not", "not"),
    ("null_if", "null_if(\"text\")"),
    ("number", "number or number(\"point\", \"thousands\")"),
    (
        "parse_date",
        "parse_date(\"%Y-%m-%d\"), with each of %Y, %m, %d once",
    ),
    ("prefix", "prefix(\"text\")"),
    ("replace", "replace(\"from\", \"to\"), from not empty"),
    ("round", "round(digits), at most 28"),
    ("split", "split(\"separator\")"),
    ("strip_prefix", "strip_prefix(\"text\")"),
    ("text", "text"),
    ("trim", "trim"),
    ("truncate", "truncate(characters)"),
    ("upper", "upper"),
];

/// Every transform with how it is called, for pickers and for completion.
pub fn calls() -> &'static [(&'static str, &'static str)] {
    CALLS
}

type Refusal = (Option<usize>, String);

fn build(
    name: &str,
    arguments: &[(usize, Argument)],
    tables: &BTreeMap<String, Arc<Table>>,
) -> Result<Transform, Refusal> {
    let Some((_, usage)) = CALLS.iter().find(|(known, _)| *known == name) else {
        let hint = hint(name, CALLS.iter().map(|(known, _)| *known));
        return Err((None, format!("unknown transform `{name}`{hint}")));
    };
    if let Some((offset, Argument::Word(word))) = arguments.first()
        && name.starts_with("lookup")
        && !tables.contains_key(word)
    {
        let hint = hint(word, tables.keys().map(String::as_str));
        return Err((Some(*offset), format!("unknown table `{word}`{hint}")));
    }
    let plain: Vec<&Argument> = arguments.iter().map(|(_, argument)| argument).collect();
    no_arguments(name, &plain)
        .or_else(|| of_texts(name, &plain))
        .or_else(|| of_numbers(name, &plain))
        .or_else(|| of_tables(name, &plain, tables))
        .ok_or_else(|| (None, format!("`{name}` is called {usage}")))
}

fn no_arguments(name: &str, arguments: &[&Argument]) -> Option<Transform> {
    if !arguments.is_empty() {
        return None;
    }
    Some(match name {
        "trim" => Transform::Trim,
        "lower" => Transform::Lower,
        "upper" => Transform::Upper,
        "collapse" => Transform::Collapse,
        "digits" => Transform::Digits,
        "domain" => Transform::Domain,
        "first" => Transform::First,
        "last" => Transform::Last,
        "text" => Transform::Text,
        "number" => Transform::Number {
            point: '.',
            thousands: None,
        },
        "not" => Transform::Not,
        "date" => Transform::Date,
        _ => return None,
    })
}

fn of_texts(name: &str, arguments: &[&Argument]) -> Option<Transform> {
    let texts: Vec<&str> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Literal(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    Some(match (name, texts.as_slice()) {
        ("prefix", [text]) => Transform::Prefix((*text).to_owned()),
        ("strip_prefix", [text]) => Transform::StripPrefix((*text).to_owned()),
        ("null_if", [text]) => Transform::NullIf(text.trim().to_owned()),
        ("split", [text]) if !text.is_empty() => Transform::Split((*text).to_owned()),
        ("join", [text]) => Transform::Join {
            separator: (*text).to_owned(),
            strict: false,
        },
        ("replace", [from, to]) if !from.is_empty() => Transform::Replace {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        },
        ("boolean", [yes, no]) if is_pair(yes, no) => Transform::Boolean {
            yes: yes.trim().to_owned(),
            no: no.trim().to_owned(),
        },
        ("boolean_text", [yes, no]) if is_pair(yes, no) => Transform::BooleanText {
            yes: yes.trim().to_owned(),
            no: no.trim().to_owned(),
        },
        ("number", [point, thousands]) if point != thousands => {
            let mut thousands = thousands.chars();
            let number = Transform::Number {
                point: single(point)?,
                thousands: thousands.next(),
            };
            return thousands.next().is_none().then_some(number);
        }
        ("parse_date", [format]) => Transform::ParseDate(DateFormat::new(format)?),
        ("format_date", [format]) => Transform::FormatDate(DateFormat::new(format)?),
        _ => return None,
    })
}

fn is_pair(yes: &str, no: &str) -> bool {
    yes.trim().to_lowercase() != no.trim().to_lowercase()
}

fn single(text: &str) -> Option<char> {
    let mut chars = text.chars();
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

fn of_numbers(name: &str, arguments: &[&Argument]) -> Option<Transform> {
    let [Argument::Literal(Value::Number(number))] = arguments else {
        return None;
    };
    let small = |most: u32| u32::try_from(*number).ok().filter(|digits| *digits <= most);
    Some(match name {
        "multiply" if !number.is_zero() => Transform::Multiply(*number),
        "divide" if !number.is_zero() => Transform::Divide {
            by: *number,
            exact: false,
        },
        "round" if number.is_integer() => Transform::Round(small(Decimal::MAX_SCALE)?),
        "truncate" if number.is_integer() => Transform::Truncate(small(1_000_000)? as usize),
        "default" => Transform::Default(Value::Number(*number)),
        _ => return None,
    })
}

fn of_tables(
    name: &str,
    arguments: &[&Argument],
    tables: &BTreeMap<String, Arc<Table>>,
) -> Option<Transform> {
    let table = |argument: &Argument| match argument {
        Argument::Word(word) => tables.get(word).cloned(),
        Argument::Literal(_) => None,
    };
    Some(match (name, arguments) {
        ("lookup", [word]) => Transform::Lookup {
            table: table(word)?,
            default: None,
        },
        ("lookup", [word, Argument::Literal(default)]) => Transform::Lookup {
            table: table(word)?,
            default: Some(default.clone()),
        },
        ("lookup_back", [word]) => Transform::LookupBack {
            table: table(word).filter(|table| table.is_one_to_one())?,
        },
        ("default", [Argument::Literal(value)]) => Transform::Default(value.clone()),
        _ => return None,
    })
}
