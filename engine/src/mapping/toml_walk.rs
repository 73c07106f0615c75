//! Taking values out of a TOML table with every mistake noted where it is.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Mistakes, Place, hint};

/// A table under reading, and where it stands.
pub(super) struct Section<'t, 'i> {
    pub(super) table: &'t DeTable<'i>,
    pub(super) span: Range<usize>,
    /// What it is called in messages: `a field`.
    pub(super) name: &'static str,
}

/// A text and where it stands.
#[derive(Clone)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) span: Range<usize>,
}

impl<'t, 'i> Section<'t, 'i> {
    /// The table behind a value, or a mistake.
    pub(super) fn of(
        value: &'t Spanned<DeValue<'i>>,
        name: &'static str,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Self> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            mistakes.add(
                value.span(),
                format!("{name} must be a table, found {}", kind(value)),
            );
        }
        table.map(|table| Self {
            table,
            span: value.span(),
            name,
        })
    }

    /// Notes every key that is none of `known`.
    pub(super) fn only(&self, known: &[&str], mistakes: &mut Mistakes<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = hint(name, known.iter().copied());
                mistakes.add(
                    key.span(),
                    format!("unknown key `{name}` in {}{hint}", self.name),
                );
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.table.get(key)
    }

    /// A text that may be left out; it must not be empty.
    pub(super) fn text(&self, key: &str, mistakes: &mut Mistakes<'_>) -> Option<Text<'t>> {
        let text = self.any_text(key, mistakes)?;
        if text.text.trim().is_empty() {
            mistakes.add(text.span, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    /// A text that may be left out or empty.
    pub(super) fn any_text(&self, key: &str, mistakes: &mut Mistakes<'_>) -> Option<Text<'t>> {
        let value = self.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            mistakes.add(
                value.span(),
                format!("`{key}` must be a text, found {}", kind(value)),
            );
            return None;
        };
        Some(Text {
            text,
            span: value.span(),
        })
    }

    /// A text that must be there. `None` after a mistake was noted.
    pub(super) fn required(&self, key: &str, mistakes: &mut Mistakes<'_>) -> Option<Text<'t>> {
        if self.get(key).is_none() {
            mistakes.add(self.span.clone(), format!("{} needs `{key}`", self.name));
        }
        self.text(key, mistakes)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&'static str, T)],
        mistakes: &mut Mistakes<'_>,
    ) -> Option<T> {
        let given = self.text(key, mistakes)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == given.text) {
            return Some(*value);
        }
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let text = given.text;
        let message = format!("`{key}` is one of {}, not `{text}`", known.join(", "));
        mistakes.add(given.span, message);
        None
    }

    /// True or false; false when left out or after a mistake was noted.
    pub(super) fn flag(&self, key: &str, mistakes: &mut Mistakes<'_>) -> bool {
        let Some(value) = self.get(key) else {
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            mistakes.add(
                value.span(),
                format!("`{key}` must be true or false, found {}", kind(value)),
            );
            false
        })
    }

    /// A text or a list of texts; empty when left out or after a mistake was noted.
    pub(super) fn texts(&self, key: &str, mistakes: &mut Mistakes<'_>) -> Vec<Text<'t>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(values) = value.get_ref().as_array() else {
            return self.text(key, mistakes).into_iter().collect();
        };
        if values.is_empty() {
            mistakes.add(value.span(), format!("`{key}` is empty"));
        }
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            match value.get_ref().as_str() {
                Some(text) if !text.trim().is_empty() => {
                    texts.push(Text {
                        text,
                        span: value.span(),
                    });
                }
                _ => mistakes.add(
                    value.span(),
                    format!("`{key}` holds something that is no text"),
                ),
            }
        }
        texts
    }

    pub(super) fn place(&self, mistakes: &Mistakes<'_>) -> Place {
        mistakes.place(self.span.start)
    }
}

/// What a TOML value is.
pub(super) fn kind(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Where the byte `offset` of a text's content stands in the document: the quotes and the escapes
/// of TOML lie between.
pub(super) fn offset_in(document: &str, offset: usize) -> usize {
    let mut quote = if document.starts_with("\"\"\"") || document.starts_with("'''") {
        3
    } else {
        1
    };
    // TOML drops a line break right behind three quotes.
    if quote == 3 {
        let rest = &document[quote..];
        quote += usize::from(rest.starts_with('\r'))
            + usize::from(rest.trim_start_matches('\r').starts_with('\n'));
    }
    if document.starts_with('\'') {
        return quote + offset;
    }
    let (mut raw, mut content) = (quote, 0);
    let mut chars = document.get(quote..).unwrap_or_default().chars();
    while content < offset {
        let Some(c) = chars.next() else {
            break;
        };
        raw += c.len_utf8();
        if c != '\\' {
            content += c.len_utf8();
            continue;
        }
        let Some(escaped) = chars.next() else {
            break;
        };
        raw += escaped.len_utf8();
        let digits = match escaped {
            'u' => 4,
            'U' => 8,
            'x' => 2,
            _ => 0,
        };
        let code: String = chars.by_ref().take(digits).collect();
        raw += code.len();
        let unescaped = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
        content += unescaped.map_or(1, char::len_utf8);
    }
    raw
}
