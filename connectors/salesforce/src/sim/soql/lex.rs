//! Words, literals and signs of a query.

use super::SoqlError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword, dots included.
    Word(String),
    /// A quoted string, unescaped; `\%` and `\_` keep their backslash for `LIKE`.
    Text(String),
    /// A number, date or date-time, unquoted.
    Literal(String),
    Sign(&'static str),
    End,
}

impl Token {
    /// As error messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Literal(text) => text.clone(),
            Self::Sign(sign) => (*sign).to_owned(),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

const SIGNS: [&str; 10] = ["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ","];

/// Tokens with the byte offset of each.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SoqlError> {
    let mut tokens = vec![];
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '\'' {
            let (value, length) = string(rest)
                .ok_or_else(|| SoqlError::malformed(text, at, "unexpected token: '<EOF>'"))?;
            tokens.push((at, Token::Text(value)));
            at += length;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let length = span(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            tokens.push((at, Token::Word(rest[..length].to_owned())));
            at += length;
        } else if c.is_ascii_digit() || ((c == '-' || c == '+') && rest.len() > 1) {
            let length = 1 + span(&rest[1..], |c| {
                c.is_ascii_alphanumeric() || ".:+-".contains(c)
            });
            tokens.push((at, Token::Literal(rest[..length].to_owned())));
            at += length;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push((at, Token::Sign(if *sign == "<>" { "!=" } else { sign })));
            at += sign.len();
        } else {
            return Err(SoqlError::malformed(
                text,
                at,
                &format!("unexpected token: '{c}'"),
            ));
        }
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

fn span(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c| !keep(c)).unwrap_or(text.len())
}

/// The string that `text` opens with, and its length in the source with both quotes.
fn string(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' | 'N' => value.push('\n'),
                'r' | 'R' => value.push('\r'),
                't' | 'T' => value.push('\t'),
                wild @ ('%' | '_') => value.extend(['\\', wild]),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
