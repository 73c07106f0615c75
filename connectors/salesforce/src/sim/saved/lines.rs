//! Lines of JSON with a running check, written and read one at a time.

use std::io::{self, BufRead, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LoadError;

/// Sums up what was written, to find damage by accident: any one changed word changes the sum.
/// Not a cryptographic hash, which without optimisation would take longer than all the rest.
#[derive(Default)]
pub(super) struct Check(pub(super) u64);

impl Check {
    pub(super) fn add(&mut self, line: &[u8]) {
        let (words, rest) = line.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let mut sum = self.0 ^ line.len() as u64;
        for word in words.iter().chain([&last]) {
            sum = (sum ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29);
        }
        self.0 = sum;
    }
}

pub(super) fn write_line(
    out: &mut impl Write,
    line: &mut Vec<u8>,
    check: &mut Check,
    content: &impl Serialize,
) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, content)?;
    check.add(line);
    line.push(b'\n');
    out.write_all(line)
}

pub(super) struct Lines<R> {
    file: R,
    /// The current line, without its end.
    pub(super) line: Vec<u8>,
    number: usize,
    /// Of the lines so far.
    pub(super) check: Check,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn of(file: R) -> Self {
        Self {
            file,
            line: vec![],
            number: 0,
            check: Check::default(),
        }
    }

    /// Goes to the next line, which must be there to its end.
    pub(super) fn next(&mut self) -> Result<(), LoadError> {
        self.line.clear();
        self.file.read_until(b'\n', &mut self.line)?;
        if self.line.pop() != Some(b'\n') {
            return Err(LoadError::Truncated(self.number));
        }
        self.number += 1;
        self.check.add(&self.line);
        Ok(())
    }

    /// The parser's own words are left out: they quote what they stumbled over.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, LoadError> {
        serde_json::from_slice(&self.line).map_err(|error| LoadError::Line {
            line: self.number,
            column: error.column(),
        })
    }
}
