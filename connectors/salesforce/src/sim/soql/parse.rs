//! The grammar. Knows no fields: names are checked in `plan`.

use super::SoqlError;
use super::lex::{Token, tokens};

/// A name with the offset where it stands, for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Empty for `COUNT()`.
    pub(super) fields: Vec<Name>,
    pub(super) count: bool,
    pub(super) object: Name,
    pub(super) filter: Option<Expr>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) field: Name,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test {
        field: Name,
        operator: Operator,
        values: Vec<Literal>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
    NotIn,
    Includes,
    Excludes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Text(String),
    /// Number, date or date-time: the field's type decides.
    Bare(String),
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

/// Deeper than any query needs, shallow enough for the stack.
const MAX_DEPTH: usize = 100;

pub(super) fn parse(text: &str) -> Result<Query, SoqlError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, SoqlError> {
        self.keyword("SELECT")?;
        let (fields, count) = self.select_list()?;
        self.keyword("FROM")?;
        let object = self.name()?;
        let filter = if self.eat("WHERE") {
            Some(self.either()?)
        } else {
            None
        };
        let mut order = vec![];
        if self.eat("ORDER") {
            self.keyword("BY")?;
            order.push(self.order()?);
            while self.eat_sign(",") {
                order.push(self.order()?);
            }
        }
        let limit = if self.eat("LIMIT") {
            Some(self.whole_number()?)
        } else {
            None
        };
        let offset = if self.eat("OFFSET") {
            self.whole_number()?
        } else {
            0
        };
        Ok(Query {
            fields,
            count,
            object,
            filter,
            order,
            limit,
            offset,
        })
    }

    fn select_list(&mut self) -> Result<(Vec<Name>, bool), SoqlError> {
        let first = self.name()?;
        if first.text.eq_ignore_ascii_case("COUNT") && self.eat_sign("(") {
            self.sign(")")?;
            return Ok((vec![], true));
        }
        let mut fields = vec![first];
        while self.eat_sign(",") {
            fields.push(self.name()?);
        }
        Ok((fields, false))
    }

    fn order(&mut self) -> Result<Order, SoqlError> {
        let field = self.name()?;
        let descending = if self.eat("ASC") {
            false
        } else {
            self.eat("DESC")
        };
        let mut nulls_last = descending;
        if self.eat("NULLS") {
            nulls_last = self.eat("LAST");
            if !nulls_last {
                self.keyword("FIRST")?;
            }
        }
        Ok(Order {
            field,
            descending,
            nulls_last,
        })
    }

    /// Terms joined by AND, or by OR; SOQL refuses a mixture without parentheses.
    fn either(&mut self) -> Result<Expr, SoqlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SoqlError::malformed(
                self.text,
                self.here(),
                "query is nested too deeply",
            ));
        }
        let first = self.term()?;
        let joined = if self.is("AND") {
            Expr::And(self.more("AND", first)?)
        } else if self.is("OR") {
            Expr::Or(self.more("OR", first)?)
        } else {
            first
        };
        self.depth -= 1;
        if self.is("AND") || self.is("OR") {
            return Err(self.unexpected());
        }
        Ok(joined)
    }

    fn more(&mut self, word: &str, first: Expr) -> Result<Vec<Expr>, SoqlError> {
        let mut terms = vec![first];
        while self.eat(word) {
            terms.push(self.term()?);
        }
        Ok(terms)
    }

    fn term(&mut self) -> Result<Expr, SoqlError> {
        if self.eat("NOT") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(SoqlError::malformed(
                    self.text,
                    self.here(),
                    "query is nested too deeply",
                ));
            }
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.eat_sign("(") {
            let inner = self.either()?;
            self.sign(")")?;
            return Ok(inner);
        }
        let field = self.name()?;
        let operator = self.operator()?;
        let list = matches!(
            operator,
            Operator::In | Operator::NotIn | Operator::Includes | Operator::Excludes
        );
        let values = if list {
            self.sign("(")?;
            let mut values = vec![self.literal()?];
            while self.eat_sign(",") {
                values.push(self.literal()?);
            }
            self.sign(")")?;
            values
        } else {
            vec![self.literal()?]
        };
        Ok(Expr::Test {
            field,
            operator,
            values,
        })
    }

    fn operator(&mut self) -> Result<Operator, SoqlError> {
        let operator = match self.peek() {
            Token::Sign("=") => Operator::Equal,
            Token::Sign("!=") => Operator::NotEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            Token::Word(word) => match word.to_ascii_uppercase().as_str() {
                "LIKE" => Operator::Like,
                "IN" => Operator::In,
                "INCLUDES" => Operator::Includes,
                "EXCLUDES" => Operator::Excludes,
                "NOT" => {
                    self.at += 1;
                    self.keyword("IN")?;
                    return Ok(Operator::NotIn);
                }
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(operator)
    }

    fn literal(&mut self) -> Result<Literal, SoqlError> {
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Literal(text) => Literal::Bare(text.clone()),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(literal)
    }

    fn whole_number(&mut self) -> Result<usize, SoqlError> {
        let number = match self.peek() {
            Token::Literal(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(number)
    }

    fn name(&mut self) -> Result<Name, SoqlError> {
        const RESERVED: [&str; 9] = [
            "FROM", "WHERE", "AND", "OR", "ORDER", "LIMIT", "SELECT", "LIKE", "OFFSET",
        ];
        match self.peek() {
            Token::Word(word) if !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word)) => {
                let name = Name {
                    text: word.clone(),
                    at: self.here(),
                };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn here(&self) -> usize {
        self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    fn eat_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> Result<(), SoqlError> {
        if self.eat(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn sign(&mut self, sign: &str) -> Result<(), SoqlError> {
        if self.eat_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn unexpected(&self) -> SoqlError {
        let message = format!("unexpected token: '{}'", self.peek().shown());
        SoqlError::malformed(self.text, self.here(), &message)
    }
}
