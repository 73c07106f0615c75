//! A small SOQL: text → [`parse::Query`] → [`plan::Plan`] checked against the table of fields → rows.
//! No sub-queries, aggregates other than `COUNT()`, `TYPEOF`, `GROUP BY` or date functions.

mod filter;
mod lex;
mod parse;
mod plan;

pub(crate) use plan::{Column, Plan};

/// Why a query is refused, in the API's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoqlError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl SoqlError {
    /// An error with the two lines that point into the query.
    fn at(text: &str, offset: usize, code: &'static str, message: &str) -> Self {
        let before = &text[..offset.min(text.len())];
        let row = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let line = text.lines().nth(row - 1).unwrap_or_default();
        let pointer = " ".repeat(column.saturating_sub(1));
        let message =
            format!("\n{line}\n{pointer}^\nERROR at Row:{row}:Column:{column}\n{message}");
        Self { code, message }
    }

    fn malformed(text: &str, offset: usize, message: &str) -> Self {
        Self::at(text, offset, "MALFORMED_QUERY", message)
    }
}
