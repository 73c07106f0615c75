//! Where in a mapping's text something is wrong.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A place in the text, both counted from 1, columns in characters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One mistake in a mapping's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{place}: {message}")]
pub struct MappingError {
    #[serde(flatten)]
    pub place: Place,
    pub message: String,
}

/// Every mistake in a mapping's text, in its order; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MappingErrors(pub Vec<MappingError>);

impl fmt::Display for MappingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MappingErrors {}

/// Most mistakes that are reported at once: more are of no help.
const MAX_ERRORS: usize = 100;

/// Turns byte offsets into places and gathers mistakes.
pub(super) struct Mistakes<'t> {
    text: &'t str,
    lines: Vec<usize>,
    found: Vec<MappingError>,
}

impl<'t> Mistakes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(starts.map(|(at, _)| at + 1))
            .collect();
        Self {
            text,
            lines,
            found: Vec::new(),
        }
    }

    /// The place of a byte; the text's end for what lies behind it.
    pub(super) fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let column = self.text[self.lines[line - 1]..offset].chars().count() + 1;
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place {
            line: short(line),
            column: short(column),
        }
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        if self.found.len() < MAX_ERRORS {
            let place = self.place(span.start);
            self.found.push(MappingError {
                place,
                message: message.into(),
            });
        }
    }

    pub(super) fn text(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn finish(mut self) -> MappingErrors {
        self.found.sort_by_key(|error| error.place);
        MappingErrors(self.found)
    }
}

/// The known name closest to a mistyped one, for "did you mean".
pub(crate) fn closest<'n>(
    wanted: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    if wanted.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .filter(|name| name.len() <= 64)
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// "; did you mean `x`?" or nothing.
pub(super) fn hint<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    closest(wanted, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Levenshtein's distance, without regard to case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = corner + usize::from(left != *right);
            corner = row[column + 1];
            row[column + 1] = replaced.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
