//! Group commit in the process: while one write to the journal is under way, what other runs did
//! is collected and then written together.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::core::Core;
use crate::failpoints::{self, Failpoint};
use crate::queue::Slot;
use crate::store::activations::{self, Lease};
use crate::store::journal::{self, Entry, Recorded};
use crate::store::{Store, StoreError};
use crate::tasks;

/// Writes under way at once: one that waits for the disk, one that works in the server.
const LANES: u32 = 2;
const MOST_ENTRIES: usize = 1000;
/// As many are worth a statement of their own while another one is under way.
const ENOUGH: usize = 250;
/// Tries after failures that certainly changed nothing, such as a deadlock.
const TRIES: u32 = 5;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done {
        cancel_requested: bool,
    },
    /// The run has another owner now, or none.
    Lost,
    /// The connection went away, perhaps after the commit; the run is queued again.
    Unknown,
    /// The database does not take these values, however often it is asked.
    Refused,
}

/// Who waits for an entry.
enum Waiter {
    Activation(oneshot::Sender<Written>),
    /// Nobody in this process: the activation is over and its slot is given back with the write.
    Slot(Slot),
}

struct Item {
    entry: Entry,
    waiter: Waiter,
    /// Somebody is held up until it is written.
    awaited: bool,
}

/// The process's end of the journal.
pub(super) struct Writer(mpsc::UnboundedSender<Item>);

/// What [`start`] reads from.
pub(super) struct Inbox(mpsc::UnboundedReceiver<Item>);

impl Writer {
    pub(super) fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Inbox(receiver))
    }

    /// Writes and waits until it is durable.
    pub(super) async fn write(&self, entry: Entry) -> Written {
        let (done, outcome) = oneshot::channel();
        let waiter = Waiter::Activation(done);
        let item = Item {
            entry,
            waiter,
            awaited: true,
        };
        if self.0.send(item).is_err() {
            return Written::Unknown;
        }
        outcome.await.unwrap_or(Written::Unknown)
    }

    /// Writes the last entry of an activation, which holds its slot until that is durable. `awaited`:
    /// another run waits for its end.
    pub(super) fn write_last(&self, entry: Entry, slot: Slot, awaited: bool) {
        let waiter = Waiter::Slot(slot);
        let item = Item {
            entry,
            waiter,
            awaited,
        };
        // An error means that the process is going down; whoever finds it dead queues the run.
        self.0.send(item).ok();
    }
}

/// Runs the lanes until the engine is killed.
pub(super) async fn start(core: Arc<Core>, mut inbox: Inbox) {
    let lanes = Arc::new(Semaphore::new(LANES as usize));
    loop {
        let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else {
            return;
        };
        let mut items = Vec::with_capacity(64);
        let received = core
            .kill
            .run_until_cancelled(inbox.0.recv_many(&mut items, MOST_ENTRIES))
            .await;
        if received.unwrap_or(0) == 0 {
            return;
        }
        collect(&mut inbox, &mut items, &lanes).await;
        let core = Arc::clone(&core);
        tokio::spawn(tasks::own(async move {
            let kill = core.kill.clone();
            kill.run_until_cancelled(flush(&core, items)).await;
            drop(lane);
        }));
    }
}

/// Adds what comes while another write is under way, as long as nobody is held up by that: a statement
/// costs as much as some fifty ends of runs.
async fn collect(inbox: &mut Inbox, items: &mut Vec<Item>, lanes: &Semaphore) {
    let mut seen = 0;
    while items.len() < ENOUGH && !items[seen..].iter().any(|item| item.awaited) {
        seen = items.len();
        tokio::select! {
            biased;
            // All others have come to their end.
            _ = lanes.acquire_many(LANES - 1) => return,
            received = inbox.0.recv_many(items, MOST_ENTRIES - seen) => {
                if received == 0 {
                    return;
                }
            }
        }
    }
}

async fn flush(core: &Core, items: Vec<Item>) {
    metrics::histogram!("engine_journal_entries").record(items.len() as f64);
    let (entries, waiters): (Vec<_>, Vec<_>) = items
        .into_iter()
        .map(|item| (item.entry, item.waiter))
        .unzip();
    let mut outcomes = vec![Written::Unknown; entries.len()];
    write(core, &entries, &mut outcomes).await;
    let mut again = Vec::new();
    for ((entry, waiter), outcome) in entries.iter().zip(waiters).zip(outcomes) {
        if outcome == Written::Unknown {
            again.push(entry.lease);
        }
        match waiter {
            // The activation may be gone already.
            Waiter::Activation(done) => drop(done.send(outcome)),
            Waiter::Slot(slot) if outcome == Written::Refused => core.refused(entry.lease, slot),
            Waiter::Slot(_) => {}
        }
    }
    core.release(again);
}

/// Writes entries; a value that the database refuses is found by halving, so that it stops nobody
/// else's run.
async fn write(core: &Core, entries: &[Entry], outcomes: &mut [Written]) {
    match write_together(&core.store, entries).await {
        Ok(recorded) => {
            core.after_record(entries, &recorded);
            for (entry, outcome) in entries.iter().zip(outcomes) {
                *outcome = match recorded.written.get(&entry.lease.id) {
                    Some(&cancel_requested) => Written::Done { cancel_requested },
                    None => Written::Lost,
                };
            }
        }
        Err(Failed::Unknown(error) | Failed::Again(error)) => {
            tracing::warn!(%error, runs = entries.len(), "journal could not be written");
            outcomes.fill(Written::Unknown);
        }
        Err(Failed::Refused(error)) if entries.len() == 1 => {
            let run = entries[0].lease.id;
            tracing::error!(run.id = %run, %error, "journal entry was refused");
            outcomes.fill(Written::Refused);
        }
        Err(Failed::Refused(_)) => {
            let middle = entries.len() / 2;
            let (left, right) = outcomes.split_at_mut(middle);
            Box::pin(write(core, &entries[..middle], left)).await;
            Box::pin(write(core, &entries[middle..], right)).await;
        }
    }
}

enum Failed {
    /// Certainly not written; another try may help.
    Again(StoreError),
    Unknown(StoreError),
    Refused(StoreError),
}

async fn write_together(store: &Store, entries: &[Entry]) -> Result<Recorded, Failed> {
    let mut wait = Duration::from_millis(20);
    let mut tries = 0;
    loop {
        tries += 1;
        match try_write(store, entries).await {
            Err(Failed::Again(error)) if tries == TRIES => return Err(Failed::Unknown(error)),
            Err(Failed::Again(_)) => {}
            other => return other,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

async fn try_write(store: &Store, entries: &[Entry]) -> Result<Recorded, Failed> {
    let alone = journal::is_one_statement(entries);
    let begun = if alone {
        store.journal_alone().await
    } else {
        store.begin_journal().await
    };
    let mut tx = begun.map_err(Failed::Again)?;
    let recorded = journal::record(&mut tx, entries).await.map_err(|error| {
        if is_refusal(&error) {
            Failed::Refused(error)
        } else if alone && !is_answer(&error) {
            Failed::Unknown(error)
        } else {
            Failed::Again(error)
        }
    })?;
    let ends = entries.iter().any(|entry| entry.end.is_some());
    failpoints::reach(Failpoint::JournalCommits);
    if ends {
        failpoints::reach(Failpoint::EndCommits);
    }
    tx.commit().await.map_err(Failed::Unknown)?;
    failpoints::reach(Failpoint::JournalCommitted);
    if ends {
        failpoints::reach(Failpoint::EndCommitted);
    }
    Ok(recorded)
}

/// Whether it is a value that the database does not take: classes 22 data, 23 integrity, 54 limits.
pub(super) fn is_refusal(error: &StoreError) -> bool {
    match error {
        StoreError::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
            ["22", "23", "54"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        StoreError::Database(sqlx::Error::Encode(_)) => true,
        _ => false,
    }
}

/// Whether the server has said no: nothing was written.
pub(super) fn is_answer(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(sqlx::Error::Database(_)))
}

/// Queues runs again of which it is unknown what became of their last write; does not give up, for
/// without it they would wait until this process ends.
pub(super) async fn keep_releasing(core: Arc<Core>) {
    let mut left: Vec<Lease> = Vec::new();
    loop {
        if left.is_empty() {
            core.to_release.notified().await;
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        left.append(&mut core.take_releases());
        if left.is_empty() {
            continue;
        }
        match release(&core.store, &left).await {
            Ok(()) => {
                left.clear();
                core.queued_since(DateTime::UNIX_EPOCH);
                core.store.feed().ring();
            }
            Err(error) => tracing::debug!(%error, "runs could not be released yet"),
        }
    }
}

/// Under the claims' lock: a claim of unknown outcome has come to its end by then.
pub(super) async fn release(store: &Store, leases: &[Lease]) -> Result<(), StoreError> {
    let mut tx = store.begin_claim().await?;
    activations::release(&mut tx, leases).await?;
    tx.commit().await
}
