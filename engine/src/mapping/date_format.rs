//! How a system writes a day: `%d.%m.%Y`. Year, month and day once each and nothing else, so that
//! what was written can be read back.

use chrono::{Datelike, NaiveDate};

/// A pattern of `%Y`, `%m`, `%d` and literal characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Literal(char),
}

impl DateFormat {
    /// Reads a pattern; None when it does not hold each of `%Y`, `%m`, `%d` once.
    pub fn new(source: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' => match chars.next()? {
                    'Y' => Part::Year,
                    'm' => Part::Month,
                    'd' => Part::Day,
                    _ => return None,
                },
                c => Part::Literal(c),
            });
        }
        let once = |wanted: Part| parts.iter().filter(|part| **part == wanted).count() == 1;
        let whole = once(Part::Year) && once(Part::Month) && once(Part::Day);
        whole.then(|| Self {
            source: source.to_owned(),
            parts,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The day a text names, if it follows the pattern; months and days may lack a leading zero.
    pub fn parse(&self, text: &str) -> Option<NaiveDate> {
        let (mut year, mut month, mut day) = (0, 0, 0);
        let mut rest = text;
        for part in &self.parts {
            match part {
                Part::Year => (year, rest) = digits(rest, 4, 4)?,
                Part::Month => (month, rest) = digits(rest, 1, 2)?,
                Part::Day => (day, rest) = digits(rest, 1, 2)?,
                Part::Literal(c) => rest = rest.strip_prefix(*c)?,
            }
        }
        if !rest.is_empty() || year == 0 {
            return None;
        }
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
    }

    pub fn write(&self, day: NaiveDate) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Year => text.push_str(&format!("{:04}", day.year())),
                Part::Month => text.push_str(&format!("{:02}", day.month())),
                Part::Day => text.push_str(&format!("{:02}", day.day())),
                Part::Literal(c) => text.push(*c),
            }
        }
        text
    }
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let number = text
        .get(..length)
        .filter(|_| length >= least)?
        .parse()
        .ok()?;
    Some((number, &text[length..]))
}
