//! The condition of a query, checked and ready to be asked of rows.

use std::collections::HashSet;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::super::ids::Id;
use super::super::schema::Source;
use super::super::store::{Row, Store, Value};
use super::super::values::compare;
use super::parse::Operator;
use super::plan::Column;

#[derive(Debug)]
pub(super) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Compare(Column, Operator, Value),
    In(Column, HashSet<Key>, bool),
    Like(Column, Vec<Pattern>),
    /// Each choice is a set of values that must all be there.
    Includes(Column, Vec<Vec<String>>, bool),
}

/// A value as sets and text comparisons know it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Id(Id),
    Number(Decimal),
    Whole(i64),
    Text(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Any,
    One,
    Char(char),
}

impl Test {
    pub(super) fn met(&self, store: &Store, row: &Arc<Row>) -> bool {
        match self {
            Self::And(tests) => tests.iter().all(|test| test.met(store, row)),
            Self::Or(tests) => tests.iter().any(|test| test.met(store, row)),
            Self::Not(test) => !test.met(store, row),
            Self::Compare(column, operator, value) => {
                compared(&column.read(store, row), *operator, value)
            }
            Self::In(column, keys, negated) => {
                keys.contains(&key(&column.read(store, row))) != *negated
            }
            Self::Like(column, pattern) => {
                let value = column.read(store, row);
                value.as_text().is_some_and(|text| {
                    like(
                        &text
                            .chars()
                            .flat_map(char::to_lowercase)
                            .collect::<Vec<_>>(),
                        pattern,
                    )
                })
            }
            Self::Includes(column, choices, negated) => {
                let value = column.read(store, row);
                let text = value.as_text().unwrap_or_default().to_lowercase();
                let held: HashSet<&str> = text.split(';').collect();
                let any = choices
                    .iter()
                    .any(|all| all.iter().all(|one| held.contains(&**one)));
                any != *negated
            }
        }
    }

    /// The ids a row must have for the test to hold, when the test says so.
    pub(super) fn ids(&self) -> Option<Vec<Id>> {
        let on_id = |column: &Column| column.via.is_none() && column.field.source == Source::Id;
        match self {
            Self::And(tests) => tests.iter().find_map(Self::ids),
            Self::Compare(column, Operator::Equal, Value::Id(id)) if on_id(column) => {
                Some(vec![*id])
            }
            Self::In(column, keys, false) if on_id(column) => keys
                .iter()
                .map(|key| {
                    if let Key::Id(id) = key {
                        Some(*id)
                    } else {
                        None
                    }
                })
                .collect(),
            _ => None,
        }
    }
}

fn compared(value: &Value, operator: Operator, with: &Value) -> bool {
    let order = compare(value, with);
    let both = !value.is_null() && !with.is_null();
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => both && order.is_lt(),
        Operator::LessOrEqual => both && order.is_le(),
        Operator::Greater => both && order.is_gt(),
        Operator::GreaterOrEqual => both && order.is_ge(),
        _ => false,
    }
}

pub(super) fn key(value: &Value) -> Key {
    match value {
        Value::Null => Key::Null,
        Value::Bool(value) => Key::Whole(i64::from(*value)),
        Value::Num(number) => Key::Number(number.normalize()),
        Value::Date(days) => Key::Whole(i64::from(*days)),
        Value::Time(ms) => Key::Whole(i64::from(*ms)),
        Value::DateTime(ms) => Key::Whole(*ms),
        Value::Id(id) => Key::Id(*id),
        Value::Text(text) => Key::Text(text.to_lowercase()),
    }
}

pub(super) fn pattern(text: &str) -> Vec<Pattern> {
    let mut out = vec![];
    let mut chars = text.chars().flat_map(char::to_lowercase);
    while let Some(c) = chars.next() {
        out.push(match c {
            '%' => Pattern::Any,
            '_' => Pattern::One,
            '\\' => Pattern::Char(chars.next().unwrap_or('\\')),
            other => Pattern::Char(other),
        });
    }
    out
}

/// Matches with one step back to the last `%`: linear in practice, never exponential.
fn like(text: &[char], pattern: &[Pattern]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Pattern::Any) => {
                retry = Some((t, p));
                p += 1;
            }
            Some(Pattern::One) => (t, p) = (t + 1, p + 1),
            Some(Pattern::Char(c)) if *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => match retry {
                Some((from, any)) => {
                    retry = Some((from + 1, any));
                    (t, p) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == Pattern::Any)
}
