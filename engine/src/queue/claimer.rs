//! Claims runs ahead of need and puts them in front of the workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::failpoints::{self, Failpoint};
use crate::runtime::{Activation, Core, Incarnation};
use crate::store::StoreError;
use crate::store::activations::{self, Claim, Claimed, History};

/// Most runs one claim takes.
const BATCH: usize = 200;
/// A clock that tests move is looked at this often; asks the database nothing.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(100);

/// Room for claimed runs: those that run and, up to as many again, those that wait for a worker.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    all: usize,
}

impl Slots {
    pub(crate) fn new(concurrency: usize) -> Self {
        let all = concurrency * 2;
        Self {
            free: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// Whether every claimed run has been dealt with, up to its last write.
    pub(crate) fn are_free(&self) -> bool {
        self.free.available_permits() == self.all
    }

    /// At least one slot, as many as are free, at most [`BATCH`].
    async fn take(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let mut slots = vec![Arc::clone(&self.free).acquire_owned().await.ok()?];
        while slots.len() < BATCH
            && let Ok(slot) = Arc::clone(&self.free).try_acquire_owned()
        {
            slots.push(slot);
        }
        Some(slots)
    }
}

/// Claims until the engine stops.
pub(crate) async fn claim_on(core: Arc<Core>, slots: Slots, to: mpsc::Sender<Activation>) {
    let mut rings = core.store.feed().rings();
    let mut incarnations = core.incarnation.subscribe();
    let mut wait = Duration::from_millis(100);
    let mut swamped = false;
    loop {
        let Some(Some(room)) = core.stopping.run_until_cancelled(slots.take()).await else {
            return;
        };
        let incarnation = incarnations.borrow_and_update().clone();
        let Some(incarnation) = incarnation else {
            drop(room);
            tokio::select! {
                () = core.stopping.cancelled() => return,
                _ = incarnations.changed() => {}
            }
            continue;
        };
        rings.borrow_and_update();
        let wanted = room.len();
        match claim(&core, &incarnation, wanted).await {
            Ok((claim, histories)) => {
                wait = Duration::from_millis(100);
                let more = claim.looked_at >= wanted;
                metrics::counter!("engine_claimed_total").increment(claim.runs.len() as u64);
                hand_over(claim.runs, histories, &incarnation, room, &to).await;
                if more && !std::mem::replace(&mut swamped, true) {
                    // More than we can take: the others may have room.
                    core.store.feed().ring_others();
                }
                if !more {
                    swamped = false;
                    core.store.feed().set_hungry(true);
                    rest(&core, &mut rings, &mut incarnations).await;
                    core.store.feed().set_hungry(false);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "claim failed");
                drop(room);
                tokio::select! {
                    () = core.stopping.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        }
    }
}

/// Returns when there may be something to claim.
async fn rest(
    core: &Core,
    rings: &mut watch::Receiver<u64>,
    incarnations: &mut watch::Receiver<Option<Arc<Incarnation>>>,
) {
    let mut next_due = core.next_due();
    loop {
        if core.is_due() {
            return;
        }
        let now = core.store.clock().now();
        let due = *next_due.borrow_and_update();
        let pause = due.map(|due| {
            (due - now)
                .to_std()
                .unwrap_or_default()
                .min(LOOK_AT_CLOCK)
                .max(Duration::from_micros(200))
        });
        tokio::select! {
            () = core.stopping.cancelled() => return,
            _ = rings.changed() => return,
            _ = incarnations.changed() => return,
            _ = next_due.changed() => {}
            () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)) => {}
        }
    }
}

async fn claim(
    core: &Core,
    incarnation: &Incarnation,
    wanted: usize,
) -> Result<(Claim, Vec<History>), StoreError> {
    let freed = core.take_freed();
    let mut tx = activations::begin_claim(&core.store).await?;
    if !freed.is_empty() {
        activations::free(&mut tx, &freed).await?;
    }
    let limit = i64::try_from(wanted).unwrap_or(1);
    let claim = activations::claim(&mut tx, incarnation.id, limit).await?;
    if !claim.runs.is_empty() {
        failpoints::reach(Failpoint::ClaimCommits);
    }
    tx.commit().await?;
    if !claim.runs.is_empty() {
        failpoints::reach(Failpoint::ClaimCommitted);
    }
    let histories = match load(core, &claim.runs).await {
        Ok(histories) => histories,
        Err(error) => {
            core.release(claim.runs.iter().map(|run| run.lease).collect());
            return Err(error);
        }
    };
    Ok((claim, histories))
}

/// The histories of those that have one.
async fn load(core: &Core, runs: &[Claimed]) -> Result<Vec<History>, StoreError> {
    let again: Vec<_> = runs
        .iter()
        .map(|run| run.lease)
        .filter(|lease| lease.epoch > 1)
        .collect();
    let mut loaded = Vec::new();
    if !again.is_empty() {
        let mut tx = core.store.begin_system_relaxed().await?;
        loaded = activations::histories(&mut tx, &again).await?;
        tx.commit().await?;
    }
    let mut loaded = loaded.into_iter();
    Ok(runs
        .iter()
        .map(|run| {
            (run.lease.epoch > 1)
                .then(|| loaded.next())
                .flatten()
                .unwrap_or_default()
        })
        .collect())
}

async fn hand_over(
    runs: Vec<Claimed>,
    histories: Vec<History>,
    incarnation: &Arc<Incarnation>,
    room: Vec<OwnedSemaphorePermit>,
    to: &mpsc::Sender<Activation>,
) {
    for ((claimed, history), slot) in runs.into_iter().zip(histories).zip(room) {
        let activation = Activation {
            claimed,
            history,
            incarnation: Arc::clone(incarnation),
            slot,
        };
        // The channel has room for every slot; it is closed when the engine is killed.
        to.send(activation).await.ok();
    }
}
