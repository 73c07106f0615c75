//! The value of an expression for one record.

use std::cmp::Ordering;

use connector_sdk::{Fields, Value};
use rust_decimal::Decimal;

use super::{Comparison, Expression, ExpressionError, Match, Node, Operator};
use crate::catalogue::found;
use crate::mapping::apply::look_up;

type Result<T> = std::result::Result<T, ExpressionError>;

impl Expression {
    /// Its value for a record; `None` when the record does not say a field that it names.
    ///
    /// # Errors
    /// [`ExpressionError`].
    pub fn value(&self, fields: &Fields) -> Result<Option<Value>> {
        if self
            .fields()
            .iter()
            .any(|path| look_up(path, fields).is_none())
        {
            return Ok(None);
        }
        value(&self.root, fields).map(Some)
    }

    /// Whether it holds for a record; null counts as no. `None` as for [`Self::value`].
    ///
    /// # Errors
    /// [`ExpressionError`], also for a value that is neither true nor false.
    pub fn holds(&self, fields: &Fields) -> Result<Option<bool>> {
        self.value(fields)?
            .map(|value| truth("a condition", &value))
            .transpose()
    }
}

fn value(node: &Node, fields: &Fields) -> Result<Value> {
    Ok(match node {
        Node::Value(value) => value.clone(),
        Node::Field(path) => look_up(path, fields).cloned().unwrap_or_default(),
        Node::Not(one) => Value::Bool(!truth("not", &value(one, fields)?)?),
        Node::And(left, right) => Value::Bool(
            truth("and", &value(left, fields)?)? && truth("and", &value(right, fields)?)?,
        ),
        Node::Or(left, right) => {
            Value::Bool(truth("or", &value(left, fields)?)? || truth("or", &value(right, fields)?)?)
        }
        Node::Compare(comparison, left, right) => {
            let (left, right) = (value(left, fields)?, value(right, fields)?);
            Value::Bool(compare(*comparison, &left, &right))
        }
        Node::In(one, values) => {
            let one = value(one, fields)?;
            let is_there = |one: &Value| values.iter().any(|value| is_equal(one, value));
            Value::Bool(match &one {
                // Several choices: one of them is enough.
                Value::List(entries) => entries.iter().any(is_there),
                one => is_there(one),
            })
        }
        Node::IsEmpty(one) => Value::Bool(is_empty(&value(one, fields)?)),
        Node::Text(wanted, left, right) => {
            let (left, right) = (value(left, fields)?, value(right, fields)?);
            Value::Bool(matches_text(*wanted, &left, &right))
        }
        Node::Minus(one) => match number("-", &value(one, fields)?)? {
            Some(number) => Value::Number(-number),
            None => Value::Null,
        },
        Node::Arithmetic(operator, left, right) => {
            let sign = operator.sign();
            let left = number(sign, &value(left, fields)?)?;
            let right = number(sign, &value(right, fields)?)?;
            match left.zip(right) {
                Some((left, right)) => Value::Number(compute(*operator, left, right)?),
                None => Value::Null,
            }
        }
    })
}

fn compute(operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal> {
    let sign = operator.sign();
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if right.is_zero() => {
            return Err(ExpressionError::DivisionByZero { operator: sign });
        }
        Operator::Divide => left.checked_div(right),
    };
    result
        .map(|number| number.normalize())
        .ok_or(ExpressionError::Overflow { operator: sign })
}

fn truth(operator: &'static str, value: &Value) -> Result<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Null => Ok(false),
        value => Err(ExpressionError::Kind {
            operator,
            expected: "true or false",
            found: found(value),
        }),
    }
}

/// A number, or a text of one; `None` for null.
fn number(operator: &'static str, value: &Value) -> Result<Option<Decimal>> {
    match value {
        Value::Null => Ok(None),
        value => match as_number(value) {
            Some(number) => Ok(Some(number)),
            None => Err(ExpressionError::Kind {
                operator,
                expected: "a number",
                found: found(value),
            }),
        },
    }
}

fn as_number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => Value::number(text.trim()).ok()?.as_decimal(),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(values) => values.is_empty(),
        Value::Map(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Text(_)) | (Value::Text(_), Value::Number(_)) => {
            as_number(left).is_some_and(|number| as_number(right) == Some(number))
        }
        (left, right) => left == right,
    }
}

/// Values of different kinds have no order: none is less than the other.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (left, right) => Some(as_number(left)?.cmp(&as_number(right)?)),
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let order = || order(left, right);
    match comparison {
        Comparison::Equal => is_equal(left, right),
        Comparison::NotEqual => !is_equal(left, right),
        Comparison::Less => order().is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order().is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

fn matches_text(wanted: Match, left: &Value, right: &Value) -> bool {
    if let (Match::Contains, Value::List(entries)) = (wanted, left) {
        return entries.iter().any(|entry| is_equal(entry, right));
    }
    let (Some(left), Some(right)) = (left.as_str(), right.as_str()) else {
        return false;
    };
    match wanted {
        Match::StartsWith => left.starts_with(right),
        Match::EndsWith => left.ends_with(right),
        Match::Contains => left.contains(right),
    }
}
