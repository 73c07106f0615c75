//! Expressions over a record's fields: which records a mapping takes, when a row applies, what a
//! computed field holds. `Type = "Customer" and not (Stage in ["Lost", "Gone"])`
//!
//! Total: no loops, no calls, at most [`MAX_NODES`] operators and values in [`MAX_DEPTH`] levels. What
//! cannot be computed (a division by zero, a number too great) is an [`ExpressionError`] of that one
//! field or record.

mod eval;
mod parse;

use std::collections::BTreeSet;
use std::fmt;

use connector_sdk::Value;
use serde::{Serialize, Serializer};

use super::row::RemotePath;

pub(super) use self::parse::BadExpression;

/// Longest text of an expression, in bytes.
pub(super) const MAX_LENGTH: usize = 2_000;
/// Most operators, values and fields.
pub(super) const MAX_NODES: usize = 200;
/// Deepest nesting.
pub(super) const MAX_DEPTH: usize = 24;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

/// Why an expression has no value for a record. Holds no value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("`{operator}` divides by zero")]
    DivisionByZero { operator: &'static str },
    #[error("`{operator}` makes a number with more digits than are kept")]
    Overflow { operator: &'static str },
    #[error("`{operator}` takes {expected}, not {found}")]
    Kind {
        operator: &'static str,
        expected: &'static str,
        found: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Value(Value),
    Field(RemotePath),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Value>),
    IsEmpty(Box<Node>),
    Text(Match, Box<Node>, Box<Node>),
    Minus(Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn parse(text: &str) -> Result<Self, BadExpression> {
        Ok(Self {
            text: text.trim().to_owned(),
            root: parse::parse(text)?,
        })
    }

    /// The remote fields it names, each once, sorted.
    pub fn fields(&self) -> Vec<&RemotePath> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        let mut seen = BTreeSet::new();
        found.retain(|path: &&RemotePath| seen.insert(path.name.as_str()));
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}

fn collect<'n>(node: &'n Node, found: &mut Vec<&'n RemotePath>) {
    match node {
        Node::Value(_) => {}
        Node::Field(path) => found.push(path),
        Node::Not(one) | Node::IsEmpty(one) | Node::Minus(one) | Node::In(one, _) => {
            collect(one, found);
        }
        Node::And(left, right)
        | Node::Or(left, right)
        | Node::Compare(_, left, right)
        | Node::Text(_, left, right)
        | Node::Arithmetic(_, left, right) => {
            collect(left, found);
            collect(right, found);
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
