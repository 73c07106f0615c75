//! Rows in memory. A row never changes: writing replaces it, so a cursor or a Bulk job that holds
//! the old one keeps its snapshot at the price of a pointer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rust_decimal::Decimal;

use super::catalog;
use super::ids::Id;
use super::schema::{Field, Object};

pub(crate) const DAY: i64 = 86_400_000;
/// How long the recycle bin and the delete log reach back.
pub(crate) const BIN: i64 = 15 * DAY;
/// Serial numbers start here, so that ids look like those of an organisation with a past.
const FIRST_SERIAL: u64 = 40_000_000;

/// One field's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Num(Decimal),
    /// Days since 1970.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// Milliseconds since 1970.
    DateTime(i64),
    Id(Id),
    Text(Arc<str>),
}

impl Value {
    /// Text, or null when it is empty: the API stores no empty text.
    pub(crate) fn text(text: &str) -> Self {
        if text.is_empty() {
            Self::Null
        } else {
            Self::Text(text.into())
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_id(&self) -> Option<Id> {
        match self {
            Self::Id(id) => Some(*id),
            _ => None,
        }
    }
}

/// One version of one record.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) created: i64,
    pub(crate) created_by: Id,
    pub(crate) modified: i64,
    pub(crate) modified_by: Id,
    pub(crate) stamp: i64,
    /// When it went into the recycle bin.
    pub(crate) deleted: Option<i64>,
    /// By slot; fields added later have no entry in older rows.
    pub(crate) values: Box<[Value]>,
}

impl Row {
    pub(crate) fn value(&self, slot: usize) -> &Value {
        self.values.get(slot).unwrap_or(&Value::Null)
    }

    pub(crate) fn set(&mut self, slot: usize, value: Value) {
        if slot >= self.values.len() {
            let mut longer = std::mem::take(&mut self.values).into_vec();
            longer.resize(slot + 1, Value::Null);
            self.values = longer.into_boxed_slice();
        }
        self.values[slot] = value;
    }
}

/// One object and its rows, found by serial number.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) object: Object,
    rows: Vec<Option<Arc<Row>>>,
    live: usize,
    /// Slots of the indexed fields.
    keys: Vec<usize>,
    /// Slot of an indexed field → folded value → ids.
    index: HashMap<usize, HashMap<String, Vec<Id>>>,
    /// Grows with every change to rows or fields.
    edits: u64,
}

impl Table {
    fn new(object: Object) -> Self {
        let mut table = Self {
            object,
            keys: vec![],
            rows: vec![],
            live: 0,
            index: HashMap::new(),
            edits: 0,
        };
        table.rebuild_index();
        table
    }

    /// A table as it was saved; `None` if a row's id was never handed out or is there twice.
    pub(crate) fn restored(object: Object, handed_out: usize, rows: Vec<Arc<Row>>) -> Option<Self> {
        let mut table = Self::new(object);
        table.rows.resize(handed_out, None);
        for row in rows {
            let vacant = table.rows.get(table.position(row.id)?)?.is_none();
            if !vacant {
                return None;
            }
            table.put(row.id, Some(row));
        }
        Some(table)
    }

    /// How many ids have been given out, also to rows that are gone.
    pub(crate) fn handed_out(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        self.rows.reserve(more);
    }

    /// Takes the next id; the row may be put later.
    pub(crate) fn next_id(&mut self) -> Id {
        let serial = FIRST_SERIAL + self.rows.len() as u64;
        self.rows.push(None);
        self.edits += 1;
        Id::new(self.object.prefix, serial)
    }

    fn position(&self, id: Id) -> Option<usize> {
        if id.prefix() != self.object.prefix {
            return None;
        }
        usize::try_from(id.serial().checked_sub(FIRST_SERIAL)?).ok()
    }

    /// The committed row, in the recycle bin or not.
    pub(crate) fn get(&self, id: Id) -> Option<&Arc<Row>> {
        self.rows.get(self.position(id)?)?.as_ref()
    }

    /// All committed rows in id order, those in the recycle bin too.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Arc<Row>> {
        self.rows.iter().flatten()
    }

    /// Rows not in the recycle bin.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Ids of committed rows, not deleted, with this value in an indexed field.
    pub(crate) fn lookup(&self, slot: usize, value: &str) -> &[Id] {
        self.index
            .get(&slot)
            .and_then(|values| values.get(&value.to_lowercase()))
            .map_or(&[], Vec::as_slice)
    }

    /// Replaces a row (or removes it for good) and returns what was there.
    pub(crate) fn put(&mut self, id: Id, row: Option<Arc<Row>>) -> Option<Arc<Row>> {
        let at = self.position(id).filter(|&at| at < self.rows.len())?;
        self.edits += 1;
        let old = self.rows[at].take();
        if let Some(old) = old.as_ref().filter(|old| old.deleted.is_none()) {
            self.live -= 1;
            self.reindex(old, false);
        }
        if let Some(new) = row.as_ref().filter(|new| new.deleted.is_none()) {
            self.live += 1;
            self.reindex(new, true);
        }
        self.rows[at] = row;
        old
    }

    fn reindex(&mut self, row: &Row, add: bool) {
        for &slot in &self.keys {
            let Some(text) = row.value(slot).as_text() else {
                continue;
            };
            let ids = self
                .index
                .entry(slot)
                .or_default()
                .entry(text.to_lowercase())
                .or_default();
            if add {
                ids.push(row.id);
            } else {
                ids.retain(|id| *id != row.id);
            }
        }
    }

    /// Builds the index anew after the table of fields changed.
    pub(crate) fn rebuild_index(&mut self) {
        self.edits += 1;
        self.index.clear();
        let indexed = self.object.fields.iter().filter(|field| field.indexed());
        self.keys = indexed.filter_map(Field::slot).collect();
        let rows: Vec<Arc<Row>> = self
            .rows()
            .filter(|r| r.deleted.is_none())
            .cloned()
            .collect();
        for row in rows {
            self.reindex(&row, true);
        }
    }
}

/// An entry of the delete log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deleted {
    pub(crate) table: usize,
    pub(crate) id: Id,
    pub(crate) at: i64,
}

/// A row that is written and stamped but not yet committed.
#[derive(Debug)]
struct Pending {
    visible: i64,
    table: usize,
    row: Arc<Row>,
}

/// Everything the organisation stores.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) tables: Vec<Table>,
    pub(crate) delete_log: VecDeque<Deleted>,
    /// The delete log says nothing about the time before this.
    pub(crate) log_starts: i64,
    pending: Vec<Pending>,
    /// Grows with every change that the tables do not count.
    edits: u64,
}

impl Store {
    pub(crate) fn new(now: i64) -> Self {
        let mut tables: Vec<Table> = catalog::objects().into_iter().map(Table::new).collect();
        for table in &mut tables {
            table.object.changed = now;
        }
        Self {
            tables,
            delete_log: VecDeque::new(),
            log_starts: 0,
            pending: vec![],
            edits: 0,
        }
    }

    /// The same number twice means that nothing has changed in between but by time passing.
    pub(crate) fn edits(&self) -> u64 {
        self.edits + self.tables.iter().map(|table| table.edits).sum::<u64>()
    }

    /// The object's place, its name folded.
    pub(crate) fn table(&self, object: &str) -> Option<usize> {
        self.tables
            .iter()
            .position(|table| table.object.name.eq_ignore_ascii_case(object))
    }

    pub(crate) fn table_of(&self, id: Id) -> Option<usize> {
        self.tables
            .iter()
            .position(|table| table.object.prefix == id.prefix())
    }

    /// The record an id names, in whichever object.
    pub(crate) fn row(&self, id: Id) -> Option<&Arc<Row>> {
        self.tables[self.table_of(id)?].get(id)
    }

    /// Commits the row at `visible` only; until then readers see what was there before.
    pub(crate) fn put_later(&mut self, table: usize, row: Arc<Row>, visible: i64) {
        self.edits += 1;
        self.pending.push(Pending {
            visible,
            table,
            row,
        });
    }

    /// Replaces everything by what was saved.
    pub(crate) fn restore(&mut self, tables: Vec<Table>, log_starts: i64) {
        *self = Self {
            tables,
            delete_log: VecDeque::new(),
            log_starts,
            pending: vec![],
            edits: 0,
        };
    }

    /// Rows that wait to be committed, in the order of their writing, and when each will be.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (i64, &Arc<Row>)> {
        let pending = self.pending.iter();
        pending.map(|pending| (pending.visible, &pending.row))
    }

    /// Forgets deletions before `starts`; the rows stay in the recycle bin.
    pub(crate) fn truncate_delete_log(&mut self, starts: i64) {
        self.edits += 1;
        self.log_starts = self.log_starts.max(starts);
        self.delete_log.retain(|entry| entry.at >= starts);
    }

    /// The version of a row that an open transaction has written, the latest if there are several.
    pub(crate) fn uncommitted(&self, id: Id) -> Option<&Arc<Row>> {
        self.pending
            .iter()
            .rev()
            .map(|pending| &pending.row)
            .find(|row| row.id == id)
    }

    /// Forgets open versions of a row that a later write, made from them, replaces.
    pub(crate) fn supersede(&mut self, id: Id) {
        self.pending.retain(|pending| pending.row.id != id);
    }

    /// The earliest stamp among transactions that have not committed.
    pub(crate) fn oldest_open_stamp(&self) -> Option<i64> {
        self.pending.iter().map(|pending| pending.row.stamp).min()
    }

    /// Brings the store to `now`: late rows appear, the recycle bin and the delete log forget.
    pub(crate) fn settle(&mut self, now: i64) {
        let mut at = 0;
        while at < self.pending.len() {
            if self.pending[at].visible <= now {
                let Pending { table, row, .. } = self.pending.remove(at);
                self.tables[table].put(row.id, Some(row));
            } else {
                at += 1;
            }
        }
        while let Some(&Deleted { table, id, at }) = self.delete_log.front() {
            if at > now - BIN {
                break;
            }
            self.delete_log.pop_front();
            let in_bin = self.tables[table]
                .get(id)
                .is_some_and(|row| row.deleted.is_some());
            if in_bin {
                self.tables[table].put(id, None);
            }
        }
        self.log_starts = self.log_starts.max(now - BIN);
    }
}
