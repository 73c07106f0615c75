//! The model's tables, transactions and locks: as much of Postgres as the engine relies on.
//!
//! Read committed: a statement sees what has committed, and what its transaction wrote. Row locks
//! have Postgres' four strengths; a statement that meets one is undone and made again when it is
//! gone, so that it sees the newest rows, which is what Postgres does row by row. A circle of
//! waiters fails the one who closes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::error::{self, Stop};
use super::rows::{Key, Row, RunRec, Stored};
use crate::ids::RunId;

pub(crate) type TxId = u64;

/// How strongly a row is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

impl Mode {
    /// Postgres' table of conflicts between row locks.
    fn conflicts(self, other: Self) -> bool {
        let (weak, strong) = (self.min(other), self.max(other));
        match weak {
            Self::KeyShare => strong == Self::Update,
            Self::Share => strong >= Self::NoKeyUpdate,
            Self::NoKeyUpdate | Self::Update => true,
        }
    }
}

/// What became of rows: before and after.
pub(crate) type Change = (Key, Option<Stored>, Option<Stored>);

struct Open {
    process: usize,
    writes: BTreeMap<Key, Option<Stored>>,
    locks: BTreeMap<Key, Mode>,
    waits_for: BTreeSet<TxId>,
    /// Its commit need not be on the disk.
    relaxed: bool,
    /// The server ends it when it has done nothing for so long.
    patience: Option<Duration>,
    last: Instant,
    failed: bool,
}

#[derive(Default)]
pub(crate) struct Db {
    rows: BTreeMap<Key, Stored>,
    open: BTreeMap<TxId, Open>,
    next_tx: TxId,
    next_signal: i64,
    /// What a crash would lose: commits that did not wait for the disk, oldest first.
    unflushed: Vec<(Instant, Vec<Change>)>,
}

/// After so long the server's log writer has written everything. Three of its rounds.
const FLUSHED_AFTER: Duration = Duration::from_millis(600);

impl Db {
    pub(super) fn begin(
        &mut self,
        process: usize,
        relaxed: bool,
        patience: Option<Duration>,
    ) -> TxId {
        self.next_tx += 1;
        self.open.insert(
            self.next_tx,
            Open {
                process,
                writes: BTreeMap::new(),
                locks: BTreeMap::new(),
                waits_for: BTreeSet::new(),
                relaxed,
                patience,
                last: Instant::now(),
                failed: false,
            },
        );
        self.next_tx
    }

    pub(super) fn is_open(&self, tx: TxId) -> bool {
        self.open.contains_key(&tx)
    }

    /// Whether a transaction has written a step.
    pub(super) fn journals(&self, tx: TxId) -> bool {
        self.open
            .get(&tx)
            .is_some_and(|open| open.writes.keys().any(|key| matches!(key, Key::Step(..))))
    }

    /// Ends transactions that stand still for longer than they may.
    pub(super) fn end_idle(&mut self) {
        let now = Instant::now();
        self.open.retain(|_, tx| {
            tx.patience
                .is_none_or(|patience| now.duration_since(tx.last) < patience)
        });
    }

    /// Makes a statement; one that meets a lock changes nothing.
    pub(super) fn execute<T>(
        &mut self,
        tx: TxId,
        around: &Around,
        statement: &mut impl FnMut(&mut Statement<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let open = self.open.get_mut(&tx).ok_or_else(error::cut)?;
        if open.failed {
            return Err(error::failed("25P02"));
        }
        open.waits_for.clear();
        let before = open.writes.clone();
        let done = statement(&mut Statement {
            db: self,
            tx,
            around,
        });
        let open = self.open.get_mut(&tx).ok_or_else(error::cut)?;
        open.last = Instant::now();
        match &done {
            Ok(_) => {}
            Err(Stop::Blocked) => {
                open.writes = before;
                // A statement that waits is not idle.
                open.last += Duration::from_secs(86_400);
            }
            Err(Stop::Failed(_)) => {
                open.writes = before;
                open.failed = true;
            }
        }
        done
    }

    /// Ends a transaction; what it wrote is there for everybody, unless a statement of it failed.
    pub(super) fn commit(&mut self, tx: TxId) -> Vec<Change> {
        let Some(open) = self.open.remove(&tx) else {
            return Vec::new();
        };
        if open.failed {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for (key, row) in open.writes {
            let before = self.set(&key, row.clone());
            changes.push((key, before, row));
        }
        let now = Instant::now();
        self.unflushed
            .retain(|(at, _)| now.duration_since(*at) < FLUSHED_AFTER);
        if !open.relaxed {
            self.unflushed.clear();
        } else if !changes.is_empty() {
            self.unflushed.push((now, changes.clone()));
        }
        changes
    }

    fn set(&mut self, key: &Key, row: Option<Stored>) -> Option<Stored> {
        match row {
            Some(row) => self.rows.insert(key.clone(), row),
            None => self.rows.remove(key),
        }
    }

    /// Commits what a transaction wrote to one row before all else; no database does that.
    pub(super) fn commit_part(&mut self, tx: TxId, key: &Key) -> Vec<Change> {
        let written = self
            .open
            .get_mut(&tx)
            .and_then(|open| open.writes.remove(key));
        let Some(row) = written else {
            return Vec::new();
        };
        let before = self.set(key, row.clone());
        vec![(key.clone(), before, row)]
    }

    pub(super) fn roll_back(&mut self, tx: TxId) {
        self.open.remove(&tx);
    }

    /// Ends all transactions of one process, or all.
    pub(super) fn roll_back_all(&mut self, of: Option<usize>) {
        self.open
            .retain(|_, open| of.is_some_and(|process| process != open.process));
    }

    /// Loses the newest commits that were not on the disk; `choose` says how many of them.
    pub(super) fn crash(&mut self, choose: impl FnOnce(usize) -> usize) -> Vec<Change> {
        let now = Instant::now();
        self.unflushed
            .retain(|(at, _)| now.duration_since(*at) < FLUSHED_AFTER);
        let lost = choose(self.unflushed.len()).min(self.unflushed.len());
        let mut undone = Vec::new();
        for _ in 0..lost {
            let Some((_, changes)) = self.unflushed.pop() else {
                break;
            };
            for (key, before, after) in changes.into_iter().rev() {
                self.set(&key, before.clone());
                undone.push((key, after, before));
            }
        }
        self.unflushed.clear();
        undone
    }

    /// Puts a row there from outside.
    pub(crate) fn put(&mut self, key: Key, row: Row) {
        self.rows.insert(key, Arc::new(row));
    }

    /// Takes a row away from outside.
    pub(crate) fn take(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    /// Forgets all runs and what belongs to them.
    pub(crate) fn retire(&mut self) {
        self.rows
            .retain(|key, _| matches!(key, Key::Process(_) | Key::Lane(..) | Key::Schedule(_)));
    }

    pub(crate) fn somebody_waits(&self) -> bool {
        self.open.values().any(|open| !open.waits_for.is_empty())
    }

    /// What has committed.
    pub(crate) fn rows(&self) -> &BTreeMap<Key, Stored> {
        &self.rows
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key).map(|row| &**row)
    }

    pub(crate) fn open_runs(&self) -> impl Iterator<Item = &RunRec> {
        self.rows
            .range(Key::Run(RunId::MIN)..=Key::Run(RunId::MAX))
            .map(|(_, row)| row.run())
    }

    pub(crate) fn finished_runs(&self) -> impl Iterator<Item = &RunRec> {
        self.rows
            .range(Key::Finished(RunId::MIN)..=Key::Finished(RunId::MAX))
            .map(|(_, row)| row.run())
    }
}

impl RunId {
    pub(crate) const MIN: Self = Self(uuid::Uuid::nil());
    pub(crate) const MAX: Self = Self(uuid::Uuid::max());
}

/// A statement while it is made.
pub(crate) struct Statement<'a> {
    db: &'a mut Db,
    tx: TxId,
    around: &'a Around,
}

/// What a statement sees besides rows.
pub(super) struct Around {
    pub(super) server_time: DateTime<Utc>,
    /// Session locks that are held.
    pub(super) sessions: BTreeSet<i64>,
}

impl Statement<'_> {
    fn open(&mut self) -> &mut Open {
        self.db.open.get_mut(&self.tx).expect("checked by execute")
    }

    fn others(&self, key: &Key, mode: Mode) -> BTreeSet<TxId> {
        self.db
            .open
            .iter()
            .filter(|(tx, open)| {
                **tx != self.tx && open.locks.get(key).is_some_and(|held| held.conflicts(mode))
            })
            .map(|(tx, _)| *tx)
            .collect()
    }

    pub(super) fn server_time(&self) -> DateTime<Utc> {
        self.around.server_time
    }

    /// Whether no session holds this process's lock.
    pub(super) fn session_is_free(&self, lock_key: i64) -> bool {
        !self.around.sessions.contains(&lock_key)
    }

    /// Takes a lock until the transaction ends, unless another transaction is in the way.
    pub(super) fn try_lock(&mut self, key: &Key, mode: Mode) -> bool {
        if !self.others(key, mode).is_empty() {
            return false;
        }
        let held = self.open().locks.entry(key.clone()).or_insert(mode);
        *held = (*held).max(mode);
        true
    }

    /// Takes a lock; waits for it if need be.
    pub(super) fn lock(&mut self, key: &Key, mode: Mode) -> Result<(), Stop> {
        if self.try_lock(key, mode) {
            return Ok(());
        }
        let holders = self.others(key, mode);
        if holders.iter().any(|holder| self.waits_for_me(*holder)) {
            return Err(error::failed("40P01"));
        }
        self.open().waits_for = holders;
        Err(Stop::Blocked)
    }

    fn waits_for_me(&self, tx: TxId) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![tx];
        while let Some(tx) = left.pop() {
            if tx == self.tx {
                return true;
            }
            if seen.insert(tx)
                && let Some(open) = self.db.open.get(&tx)
            {
                left.extend(&open.waits_for);
            }
        }
        false
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Stored> {
        match self.open().writes.get(key) {
            Some(row) => row.clone(),
            None => self.db.rows.get(key).cloned(),
        }
    }

    /// The rows from one key to another, as this transaction sees them.
    pub(super) fn range(&mut self, from: Key, to: Key) -> Vec<(Key, Stored)> {
        let mut rows: BTreeMap<Key, Stored> = self
            .db
            .rows
            .range(from.clone()..=to.clone())
            .map(|(key, row)| (key.clone(), Arc::clone(row)))
            .collect();
        let writes = &self.db.open[&self.tx].writes;
        for (key, row) in writes.range(from..=to) {
            match row {
                Some(row) => rows.insert(key.clone(), Arc::clone(row)),
                None => rows.remove(key),
            };
        }
        rows.into_iter().collect()
    }

    pub(super) fn put(&mut self, key: Key, row: Row) {
        self.open().writes.insert(key, Some(Arc::new(row)));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.open().writes.insert(key, None);
    }

    /// A row that must not be there yet.
    pub(super) fn insert(&mut self, key: Key, row: Row) -> Result<(), Stop> {
        self.lock(&key, Mode::Update)?;
        if self.get(&key).is_some() {
            return Err(error::failed("23505"));
        }
        self.put(key, row);
        Ok(())
    }

    /// `insert … on conflict do nothing`: who locks the row is not in the way, who takes it away or
    /// puts it there is.
    pub(super) fn insert_once(&mut self, key: Key, row: Row) -> Result<(), Stop> {
        let is_changed = self
            .db
            .open
            .iter()
            .any(|(tx, open)| *tx != self.tx && open.writes.contains_key(&key));
        if self.get(&key).is_some() && !is_changed {
            return Ok(());
        }
        self.lock(&key, Mode::Update)?;
        if self.get(&key).is_none() {
            self.put(key, row);
        }
        Ok(())
    }

    /// A sequence's next number, kept whatever becomes of the transaction.
    pub(super) fn next_signal(&mut self) -> i64 {
        self.db.next_signal += 1;
        self.db.next_signal
    }
}
