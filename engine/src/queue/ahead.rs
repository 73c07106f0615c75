//! Runs that were claimed ahead of need and wait for a worker.
//!
//! How many are worth having depends on how long a worker is busy with one: as many as the workers
//! do while a claim is under way, or short ones leave them idle; no more, or long ones wait here
//! while another process has hands free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::locked::locked;
use crate::runtime::{Activation, Core};
use crate::store::activations::Lease;

/// Runs ahead keep the workers busy for about this long.
const HORIZON: Duration = Duration::from_millis(50);
/// Most runs ahead, however short they are.
const MOST: usize = 1_000;
/// Most bytes of input ahead, by what inputs typically have.
const MOST_BYTES: u64 = 16 << 20;
/// Most runs of which the last write is not durable yet, besides those that workers have.
const MOST_IN_HAND: usize = 3_000;
/// What no worker has taken up for this long is given back: another process may be idle.
const STALE: Duration = Duration::from_secs(1);

/// The runs that wait, and what is known of their kind.
pub(crate) struct Ahead {
    workers: usize,
    waiting: Mutex<Waiting>,
    /// A run was taken up, or dealt with.
    moved: Notify,
    /// Claimed runs whose last write is not durable.
    in_hand: AtomicUsize,
    /// Nanoseconds for which one run typically keeps a worker busy; 0 until one has.
    busy: AtomicU64,
    /// Bytes of input of a typical run.
    bytes: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    runs: VecDeque<Activation>,
    worker: Option<Waker>,
    /// Runs that workers took up, ever.
    taken: u64,
    closed: bool,
}

/// A place among the runs in hand; given back when dropped.
pub(crate) struct Slot(Arc<Ahead>);

impl Slot {
    /// The worker is done with the run: it was busy with it for this long.
    pub(crate) fn worked(&self, time: Duration) {
        note(&self.0.busy, nanoseconds(time));
        self.0.moved.notify_one();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
        self.0.moved.notify_one();
    }
}

impl Ahead {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            waiting: Mutex::default(),
            moved: Notify::new(),
            in_hand: AtomicUsize::new(0),
            busy: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn slot(self: &Arc<Self>) -> Slot {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(self))
    }

    /// Whether every claimed run has been dealt with, up to its last write.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed) == 0
    }

    /// Waits until it is worth claiming; returns how many runs to claim. `active`: runs that workers
    /// are busy with.
    pub(super) async fn wanted(&self, active: impl Fn() -> usize) -> usize {
        loop {
            let moved = self.moved.notified();
            let waiting = locked(&self.waiting).runs.len();
            let idle = self.workers.saturating_sub(active());
            let ahead = self.worth_having();
            let in_hand = self.in_hand.load(Ordering::Relaxed);
            let room = (self.workers + MOST_IN_HAND).saturating_sub(in_hand);
            let wanted = (idle + ahead).saturating_sub(waiting).min(room);
            // Few at a time would cost as much as many.
            if wanted > 0 && (waiting < idle || waiting * 2 <= ahead) {
                return wanted;
            }
            moved.await;
        }
    }

    /// How many runs are to wait for workers that are all busy.
    fn worth_having(&self) -> usize {
        let busy = self.busy.load(Ordering::Relaxed);
        let workers = self.workers as u64;
        let short = match busy {
            0 => workers,
            busy => workers.saturating_mul(nanoseconds(HORIZON)) / busy,
        };
        let bytes = self.bytes.load(Ordering::Relaxed).max(1);
        let worth = short.min(MOST_BYTES / bytes);
        usize::try_from(worth).map_or(MOST, |worth| worth.min(MOST))
    }

    pub(super) fn add(&self, activations: impl IntoIterator<Item = Activation>) {
        let mut waiting = locked(&self.waiting);
        for activation in activations {
            note(&self.bytes, activation.claimed.input.len() as u64);
            waiting.runs.push_back(activation);
        }
        if let Some(worker) = waiting.worker.take() {
            worker.wake();
        }
    }

    /// The next run, if any; `None` when there will be none.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Activation>> {
        let mut waiting = locked(&self.waiting);
        if let Some(next) = waiting.runs.pop_front() {
            waiting.taken += 1;
            self.moved.notify_one();
            return Poll::Ready(Some(next));
        }
        if waiting.closed {
            return Poll::Ready(None);
        }
        waiting.worker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing is added any more.
    pub(super) fn close(&self) {
        let mut waiting = locked(&self.waiting);
        waiting.closed = true;
        if let Some(worker) = waiting.worker.take() {
            worker.wake();
        }
    }

    /// Takes everything back if no worker has taken up anything since `taken`; returns the leases, and
    /// how many were taken up until now.
    fn take_stale(&self, taken: u64) -> (Vec<Lease>, u64) {
        let mut waiting = locked(&self.waiting);
        if waiting.taken != taken || waiting.runs.is_empty() {
            return (Vec::new(), waiting.taken);
        }
        let stale = std::mem::take(&mut waiting.runs);
        drop(waiting);
        self.busy.fetch_max(nanoseconds(STALE), Ordering::Relaxed);
        let leases = stale.iter().map(|run| run.claimed.lease).collect();
        (leases, taken)
    }
}

/// Gives back what waits in vain, until the engine stops.
pub(crate) async fn give_back_stale(core: Arc<Core>, ahead: Arc<Ahead>) {
    let mut taken = 0;
    loop {
        let pause = tokio::time::sleep(STALE);
        if core.stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
        let stale;
        (stale, taken) = ahead.take_stale(taken);
        core.release(stale);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A moving average over some eight values; the first one counts as it is. Two at the same moment may
/// count as one.
fn note(average: &AtomicU64, value: u64) {
    let value = value.max(1);
    let before = average.load(Ordering::Relaxed);
    let after = match before {
        0 => value,
        before => before - before / 8 + value / 8,
    };
    average.store(after.max(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_runs_are_the_more_are_worth_having() {
        let ahead = Arc::new(Ahead::new(50));
        assert_eq!(ahead.worth_having(), 50, "nothing is known");
        let worth = |millis: u64| {
            for _ in 0..100 {
                ahead.slot().worked(Duration::from_millis(millis));
            }
            ahead.worth_having()
        };
        assert!((240..=260).contains(&worth(10)));
        assert!((2..=3).contains(&worth(1_000)));
        assert_eq!(worth(60_000), 0);
        assert_eq!(worth(0), MOST);
        assert!(ahead.is_empty());
    }

    #[test]
    fn large_inputs_are_not_piled_up() {
        let ahead = Ahead::new(50);
        note(&ahead.bytes, 4 << 20);
        assert_eq!(ahead.worth_having(), 4);
    }
}
