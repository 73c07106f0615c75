//! A page of a Bulk result, written in pieces while it is sent: a page of 200,000 rows never lies
//! in memory as text.

use std::sync::Arc;

use super::super::soql::{Column, Plan};
use super::super::store::{Row, Store};
use super::super::values::push_csv;

/// Rows written under one lock: a millisecond or two.
const PIECE: usize = 1000;

pub(crate) struct CsvPage {
    pub(super) plan: Arc<Plan>,
    pub(super) rows: Arc<Vec<Arc<Row>>>,
    pub(super) next: usize,
    pub(super) end: usize,
    pub(super) delimiter: char,
    pub(super) line: &'static str,
    /// Repeats the header row inside the page: a fault.
    pub(super) repeat_header: Option<usize>,
    /// The header is still to be written.
    pub(super) header: bool,
}

impl CsvPage {
    /// The next piece; `None` at the end.
    pub(crate) fn piece(&mut self, store: &Store) -> Option<String> {
        if !self.header && self.next >= self.end {
            return None;
        }
        let end = (self.next + PIECE).min(self.end);
        let mut out = String::with_capacity((end - self.next) * self.plan.columns.len() * 16 + 512);
        if std::mem::take(&mut self.header) {
            self.push_header(&mut out);
        }
        for at in self.next..end {
            if self
                .repeat_header
                .is_some_and(|every| at > 0 && at % every == 0)
            {
                self.push_header(&mut out);
            }
            self.push_row(&mut out, store, &self.rows[at]);
        }
        self.next = end;
        Some(out)
    }

    fn push_header(&self, out: &mut String) {
        for (at, column) in self.plan.columns.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            out.push('"');
            out.push_str(&name(column));
            out.push('"');
        }
        out.push_str(self.line);
    }

    fn push_row(&self, out: &mut String, store: &Store, row: &Arc<Row>) {
        for (at, column) in self.plan.columns.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            push_csv(out, column.field.kind, &column.read(store, row));
        }
        out.push_str(self.line);
    }
}

/// The field's own spelling, with the relationship before it.
fn name(column: &Column) -> String {
    match &column.via {
        None => column.field.name.clone(),
        Some((reference, _)) => {
            format!(
                "{}.{}",
                reference.relationship.as_deref().unwrap_or_default(),
                column.field.name
            )
        }
    }
}
