//! The text of an expression, read: words, then the tree that they make.

use connector_sdk::Value;

use super::{Comparison, MAX_DEPTH, MAX_LENGTH, MAX_NODES, Match, Node, Operator, RemotePath};

/// A mistake in an expression, `offset` bytes into its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mapping) struct BadExpression {
    pub(in crate::mapping) offset: usize,
    pub(in crate::mapping) message: String,
}

type Result<T> = std::result::Result<T, BadExpression>;

fn bad<T>(offset: usize, message: impl Into<String>) -> Result<T> {
    Err(BadExpression {
        offset,
        message: message.into(),
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name or one of the language's words.
    Word(String),
    /// A name between backquotes, as it is: never one of the language's words.
    Name(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

const SIGNS: [&str; 15] = [
    "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",",
];

const WORDS: [&str; 13] = [
    "and", "or", "not", "in", "is", "empty", "starts", "ends", "with", "contains", "true", "false",
    "null",
];

pub(super) fn parse(text: &str) -> Result<Node> {
    if text.len() > MAX_LENGTH {
        return bad(0, format!("an expression has at most {MAX_LENGTH} bytes"));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return bad(0, "an expression is empty");
    }
    let mut reader = Reader {
        tokens,
        at: 0,
        end: text.trim_end().len(),
        nodes: 0,
        depth: 0,
    };
    let node = reader.either()?;
    if reader.at < reader.tokens.len() {
        return bad(reader.offset(), "expected `and`, `or` or the end");
    }
    Ok(node)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = if matches!(c, '"' | '\'' | '`') {
            quoted(rest, c, at)?
        } else if c.is_ascii_digit() {
            let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            (Token::Number(rest[..length].replace('_', "")), length)
        } else if c.is_alphabetic() || c == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            (Token::Word(rest[..length].to_owned()), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            return bad(at, format!("`{c}` means nothing here"));
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// A text or a name between quotes, and the bytes it takes.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        if c == quote {
            let token = if quote != '`' {
                Token::Text(text)
            } else {
                Token::Name(text)
            };
            return Ok((token, place + 1));
        }
        if c == '\\' && quote != '`' {
            match chars.next() {
                Some((_, c @ ('"' | '\'' | '\\'))) => text.push(c),
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                _ => return bad(at + place, "after `\\` stands a quote, `\\`, `n` or `t`"),
            }
        } else if c == '\0' {
            return bad(at + place, "a text holds a NUL character");
        } else {
            text.push(c);
        }
    }
    bad(at, format!("the {quote} is not closed"))
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    nodes: usize,
    depth: usize,
}

impl Reader {
    fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.at += usize::from(is);
        is
    }

    fn take_sign(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(is);
        is
    }

    fn need_word(&mut self, wanted: &str) -> Result<()> {
        if self.take_word(wanted) {
            return Ok(());
        }
        bad(self.offset(), format!("expected `{wanted}`"))
    }

    fn need_sign(&mut self, wanted: &str) -> Result<()> {
        if self.take_sign(wanted) {
            return Ok(());
        }
        bad(self.offset(), format!("expected `{wanted}`"))
    }

    fn node(&mut self, node: Node) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("an expression has at most {MAX_NODES} operators and values");
            return bad(self.offset(), message);
        }
        Ok(node)
    }

    /// Goes one level deeper.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Node>) -> Result<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("an expression is at most {MAX_DEPTH} levels deep");
            return bad(self.offset(), message);
        }
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn either(&mut self) -> Result<Node> {
        let mut left = self.both()?;
        while self.take_word("or") {
            let right = self.both()?;
            left = self.node(Node::Or(Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Node> {
        let mut left = self.negated()?;
        while self.take_word("and") {
            let right = self.negated()?;
            left = self.node(Node::And(Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn negated(&mut self) -> Result<Node> {
        if self.take_word("not") {
            let node = self.deeper(Self::negated)?;
            return self.node(Node::Not(Box::new(node)));
        }
        self.compared()
    }

    fn compared(&mut self) -> Result<Node> {
        let left = self.sum()?;
        for (sign, comparison) in [
            ("=", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ] {
            if self.take_sign(sign) {
                let right = self.sum()?;
                return self.node(Node::Compare(comparison, Box::new(left), Box::new(right)));
            }
        }
        if self.take_word("is") {
            let is_not = self.take_word("not");
            self.need_word("empty")?;
            let node = self.node(Node::IsEmpty(Box::new(left)))?;
            return self.perhaps_not(is_not, node);
        }
        let is_not = self.take_word("not");
        if self.take_word("in") {
            let values = self.values()?;
            let node = self.node(Node::In(Box::new(left), values))?;
            return self.perhaps_not(is_not, node);
        }
        for (word, wanted) in [
            ("starts", Match::StartsWith),
            ("ends", Match::EndsWith),
            ("contains", Match::Contains),
        ] {
            if self.take_word(word) {
                if wanted != Match::Contains {
                    self.need_word("with")?;
                }
                let right = self.sum()?;
                let node = self.node(Node::Text(wanted, Box::new(left), Box::new(right)))?;
                return self.perhaps_not(is_not, node);
            }
        }
        if is_not {
            return bad(
                self.offset(),
                "after `not` stands `in`, `starts with`, `ends with` or `contains`",
            );
        }
        Ok(left)
    }

    fn perhaps_not(&mut self, is_not: bool, node: Node) -> Result<Node> {
        if is_not {
            return self.node(Node::Not(Box::new(node)));
        }
        Ok(node)
    }

    /// `["a", "b"]`
    fn values(&mut self) -> Result<Vec<Value>> {
        self.need_sign("[")?;
        let mut values = Vec::new();
        while !self.take_sign("]") {
            if !values.is_empty() {
                self.need_sign(",")?;
            }
            let offset = self.offset();
            let is_negative = self.take_sign("-");
            match self.atom()? {
                Node::Value(Value::Number(number)) if is_negative => {
                    values.push(Value::Number(-number));
                }
                Node::Value(value) if !is_negative => values.push(value),
                _ => return bad(offset, "a list holds texts, numbers, true, false or null"),
            }
        }
        Ok(values)
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take_sign("+") {
                Operator::Add
            } else if self.take_sign("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = self.node(Node::Arithmetic(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.signed()?;
        loop {
            let operator = if self.take_sign("*") {
                Operator::Multiply
            } else if self.take_sign("/") {
                Operator::Divide
            } else {
                return Ok(left);
            };
            let right = self.signed()?;
            left = self.node(Node::Arithmetic(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn signed(&mut self) -> Result<Node> {
        if self.take_sign("-") {
            let node = self.deeper(Self::signed)?;
            return self.node(Node::Minus(Box::new(node)));
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Node> {
        let offset = self.offset();
        let Some(token) = self.peek().cloned() else {
            return bad(offset, "the expression ends where a value is expected");
        };
        self.at += 1;
        let node = match token {
            Token::Text(text) => Node::Value(Value::Text(text)),
            Token::Number(digits) => match Value::number(&digits) {
                Ok(number) => Node::Value(number),
                Err(_digits) => return bad(offset, format!("`{digits}` is no number")),
            },
            Token::Name(name) => Node::Field(RemotePath::new(&name)),
            Token::Word(word) => match word.as_str() {
                "true" => Node::Value(Value::Bool(true)),
                "false" => Node::Value(Value::Bool(false)),
                "null" => Node::Value(Value::Null),
                word if WORDS.contains(&word) => {
                    let message = format!("`{word}` stands where a value is expected");
                    return bad(offset, message);
                }
                name => Node::Field(RemotePath::new(name)),
            },
            Token::Sign("(") => {
                let node = self.deeper(Self::either)?;
                self.need_sign(")")?;
                return Ok(node);
            }
            Token::Sign(sign) => {
                return bad(offset, format!("`{sign}` stands where a value is expected"));
            }
        };
        self.node(node)
    }
}
