//! Group commit of single starts: while one transaction of starts is under way, what other callers
//! want started is collected and then started together. Each caller waits until its run is durable
//! and gets its own answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::writer::{is_answer, is_refusal};
use crate::feed::Changed;
use crate::ids::TenantId;
use crate::store::runs::{self, NewRun, Outcome, Start, Started};
use crate::store::{Store, StoreError};
use crate::tasks;

/// Transactions under way at once: one that waits for the disk, one that works in the server.
const LANES: usize = 2;
const MOST_STARTS: usize = 500;
/// Tries after failures that certainly started nothing, such as a deadlock.
const TRIES: u32 = 5;

struct Item {
    tenant: TenantId,
    new: NewRun,
    answer: oneshot::Sender<Result<Started, StoreError>>,
}

/// The callers' end.
pub(super) struct Starter(mpsc::UnboundedSender<Item>);

/// What [`start`] reads from.
pub(super) struct Wanted(mpsc::UnboundedReceiver<Item>);

impl Starter {
    pub(super) fn new() -> (Self, Wanted) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Wanted(receiver))
    }

    /// Starts a run and waits until that is durable.
    pub(super) async fn start(&self, tenant: TenantId, new: NewRun) -> Result<Started, StoreError> {
        let (answer, answered) = oneshot::channel();
        let item = Item {
            tenant,
            new,
            answer,
        };
        // Both errors mean that the engine is going down.
        if self.0.send(item).is_err() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_gone) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }
}

/// Runs the lanes until the engine is killed.
pub(super) async fn start(store: Store, kill: CancellationToken, mut wanted: Wanted) {
    let lanes = Arc::new(Semaphore::new(LANES));
    loop {
        let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else {
            return;
        };
        let mut items = Vec::with_capacity(64);
        let received = kill
            .run_until_cancelled(wanted.0.recv_many(&mut items, MOST_STARTS))
            .await;
        if received.unwrap_or(0) == 0 {
            return;
        }
        let (store, kill) = (store.clone(), kill.clone());
        tokio::spawn(tasks::own(async move {
            kill.run_until_cancelled(flush(&store, items)).await;
            drop(lane);
        }));
    }
}

/// Starts these together; a start that the database refuses is found by halving, so that it fails
/// alone.
async fn flush(store: &Store, items: Vec<Item>) {
    metrics::histogram!("engine_starts_together").record(items.len() as f64);
    let mut parts = vec![items];
    while let Some(mut part) = parts.pop() {
        match start_together(store, &part).await {
            Ok(outcomes) => answer(store, part, outcomes),
            Err(Failed::Refused(_)) if part.len() > 1 => {
                let rest = part.split_off(part.len() / 2);
                parts.push(rest);
                parts.push(part);
            }
            Err(Failed::Again(error) | Failed::Unknown(error) | Failed::Refused(error)) => {
                let error = Arc::new(error);
                for item in part {
                    // The caller may be gone already.
                    drop(
                        item.answer
                            .send(Err(StoreError::Shared(Arc::clone(&error)))),
                    );
                }
            }
        }
    }
}

fn answer(store: &Store, items: Vec<Item>, outcomes: Vec<Outcome>) {
    let mut changes = Vec::new();
    for (item, outcome) in items.into_iter().zip(outcomes) {
        if let Outcome::Started(started) = outcome {
            changes.push(Changed {
                tenant: item.tenant,
                topic: "run".into(),
                id: Some(started.id().to_string()),
            });
        }
        // The caller may be gone already; its run is started.
        drop(item.answer.send(outcome.into_result()));
    }
    if !changes.is_empty() {
        store.feed().ring();
        store.feed().publish(changes);
    }
}

enum Failed {
    /// Certainly not started; another try may help.
    Again(StoreError),
    Unknown(StoreError),
    /// One of the starts cannot be.
    Refused(StoreError),
}

async fn start_together(store: &Store, items: &[Item]) -> Result<Vec<Outcome>, Failed> {
    let mut wait = Duration::from_millis(20);
    for _ in 1..TRIES {
        match try_start(store, items).await {
            Err(Failed::Again(_)) => {}
            other => return other,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    try_start(store, items).await
}

async fn try_start(store: &Store, items: &[Item]) -> Result<Vec<Outcome>, Failed> {
    // The hub's own role: the starts belong to several tenants, whom the rows name.
    let mut tx = store.start_alone().await.map_err(Failed::Again)?;
    let starts: Vec<_> = items
        .iter()
        .map(|item| Start::of(item.tenant, &item.new))
        .collect();
    let outcomes = runs::start_for_all(&mut tx, &starts)
        .await
        .map_err(|error| match error {
            StoreError::Conflict(_) => Failed::Refused(error),
            error if is_refusal(&error) => Failed::Refused(error),
            error if is_answer(&error) => Failed::Again(error),
            error => Failed::Unknown(error),
        })?;
    tx.commit().await.map_err(Failed::Unknown)?;
    Ok(outcomes)
}
