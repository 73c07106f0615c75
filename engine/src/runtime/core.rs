//! What the parts of a running engine share.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use super::services::Services;
use super::shares::Shares;
use super::writer::Writer;
use crate::feed::Changed;
use crate::ids::{ProcessId, RunId};
use crate::locked::locked;
use crate::queue::Slot;
use crate::store::activations::Lease;
use crate::store::journal::{End, Entry, Recorded};
use crate::store::lanes::Behind;
use crate::store::runs::RunState;
use crate::store::{Store, StoreError};

/// One registration of this process.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) id: ProcessId,
    /// Others may have taken our runs: activations of this incarnation stop where they are.
    pub(crate) lost: CancellationToken,
    /// When its last sign of life was sent that the database has.
    seen: Mutex<Instant>,
}

/// A process that has given no sign of life for this long takes its leases for lost: the others are
/// about to. It may have stood still, and whoever wakes knows of it before it begins another step.
const SILENCE: Duration = Duration::from_secs(12);

impl Incarnation {
    /// `sent`: when its registration was begun.
    pub(super) fn new(id: ProcessId, sent: Instant) -> Self {
        Self {
            id,
            lost: CancellationToken::new(),
            seen: Mutex::new(sent),
        }
    }

    /// Notes a sign of life, which comes too late when the leases are lost already.
    pub(super) fn seen(&self, sent: Instant) {
        if !self.holds() {
            self.lost.cancel();
        }
        *locked(&self.seen) = sent;
    }

    /// Whether its leases still stand, as far as it can tell without the database.
    pub(crate) fn holds(&self) -> bool {
        !self.lost.is_cancelled() && locked(&self.seen).elapsed() < SILENCE
    }
}

/// A run this process works on.
pub(crate) struct Active {
    pub(crate) lease: Lease,
    /// Somebody wants it to stop.
    pub(crate) cancelled: CancellationToken,
    pub(crate) shown: Arc<Shown>,
}

/// What a run shows of itself while it runs.
#[derive(Default)]
pub(crate) struct Shown(Mutex<ShownNow>);

#[derive(Default)]
struct ShownNow {
    progress: Option<Json>,
    counts: Option<Json>,
    unsaved: bool,
}

impl Shown {
    pub(crate) fn set_progress(&self, progress: Option<Json>) {
        let mut now = locked(&self.0);
        now.progress = progress;
        now.unsaved = true;
    }

    pub(crate) fn set_counts(&self, counts: Option<Json>) {
        let mut now = locked(&self.0);
        now.counts = counts;
        now.unsaved = true;
    }

    pub(crate) fn get(&self) -> (Option<Json>, Option<Json>) {
        let now = locked(&self.0);
        (now.progress.clone(), now.counts.clone())
    }

    fn take_unsaved(&self) -> Option<(Option<Json>, Option<Json>)> {
        let mut now = locked(&self.0);
        std::mem::take(&mut now.unsaved).then(|| (now.progress.clone(), now.counts.clone()))
    }
}

/// More runs than this, written at once, are told of by their tenants.
const MOST_NAMED: usize = 50;

/// How long an engine waits for what.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// A run waits at most so long for those of the next higher priority.
    pub(crate) ageing: Duration,
    /// A run whose workflow no process knows waits so long for one that does.
    pub(crate) unknown: Duration,
    /// The least time between claims that look everywhere, however little they cost.
    pub(crate) everywhere: Duration,
}

/// The engine's shared state.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) services: Services,
    pub(super) registry: Registry,
    pub(super) writer: Writer,
    pub(crate) host: String,
    pub(crate) pace: Pace,
    /// How long a run that is to stop may go on with the step it is in.
    pub(super) cancel_grace: Duration,
    /// Runs stop at their next step and nothing is claimed.
    pub(crate) stopping: CancellationToken,
    /// Runs that still go on at shutdown stop where they are and are queued again.
    pub(crate) grace_over: CancellationToken,
    /// Everything stops where it is, as if the process were gone.
    pub(crate) kill: CancellationToken,
    pub(crate) incarnation: watch::Sender<Option<Arc<Incarnation>>>,
    pub(super) to_release: Notify,
    releases: Mutex<Vec<Lease>>,
    active: Mutex<HashMap<RunId, Active>>,
    freed: Mutex<Vec<Behind>>,
    /// The earliest due time of runs that this process queued again.
    queued_since: Mutex<Option<DateTime<Utc>>>,
    pub(crate) shares: Arc<Shares>,
    /// A claim met a limit: from then on the end of any run may let another go.
    limited: AtomicBool,
    next_due: watch::Sender<Option<DateTime<Utc>>>,
    /// When the first run that waits, or has a deadline, is to be looked at.
    next_look: watch::Sender<Option<DateTime<Utc>>>,
}

impl Core {
    pub(super) fn new(
        store: Store,
        services: Services,
        registry: Registry,
        writer: Writer,
        host: String,
        pace: Pace,
        cancel_grace: Duration,
    ) -> Self {
        Self {
            store,
            services,
            registry,
            writer,
            host,
            pace,
            cancel_grace,
            stopping: CancellationToken::new(),
            grace_over: CancellationToken::new(),
            kill: CancellationToken::new(),
            incarnation: watch::channel(None).0,
            to_release: Notify::new(),
            releases: Mutex::default(),
            active: Mutex::default(),
            freed: Mutex::default(),
            queued_since: Mutex::default(),
            shares: Arc::default(),
            limited: AtomicBool::new(false),
            next_due: watch::channel(None).0,
            next_look: watch::channel(None).0,
        }
    }

    /// Whether a lease still stands, as far as this process can tell without the database.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        self.incarnation
            .borrow()
            .as_ref()
            .is_some_and(|now| now.id == lease.owner && now.holds())
    }

    /// Queues these runs again, as soon as the database can be reached.
    pub(crate) fn release(&self, leases: Vec<Lease>) {
        if !leases.is_empty() {
            locked(&self.releases).extend(leases);
            self.to_release.notify_one();
        }
    }

    pub(super) fn take_releases(&self) -> Vec<Lease> {
        std::mem::take(&mut *locked(&self.releases))
    }

    /// Parks a run whose last entry the database refused.
    pub(super) fn refused(&self, lease: Lease, slot: Slot) {
        let end = End::parked("what the run returned cannot be stored");
        let entry = Entry {
            lease,
            steps: Vec::new(),
            attempts: Vec::new(),
            end: Some(end),
        };
        self.writer.write_last(entry, slot, true);
    }

    /// # Errors
    /// [`StoreError::UnknownWorkflow`].
    pub(super) fn check_known(&self, workflow: &str, version: u16) -> Result<(), StoreError> {
        if self.registry.get(workflow, version).is_some() {
            return Ok(());
        }
        Err(StoreError::UnknownWorkflow {
            workflow: workflow.to_owned(),
            version,
        })
    }

    /// Why a value cannot be stored, if it is too long.
    pub(super) fn too_long(&self, what: &str, output: &[u8]) -> Option<String> {
        let (size, limit) = (output.len(), self.store.limits().output);
        (size > limit).then(|| format!("{what} has {size} bytes, more than the {limit} allowed"))
    }

    pub(super) fn after_record(&self, entries: &[Entry], recorded: &Recorded) {
        if !recorded.freed.is_empty() {
            locked(&self.freed).extend(recorded.freed.iter().cloned());
        }
        let mut changes = Vec::new();
        let mut tenants = BTreeSet::new();
        for entry in entries {
            if !recorded.written.contains_key(&entry.lease.id) {
                continue;
            }
            if let Some(End {
                state: RunState::Queued,
                due_at: Some(due),
                ..
            }) = entry.end
            {
                self.due_by(due);
            }
            let tenant = entry.lease.tenant;
            if entries.len() <= MOST_NAMED || tenants.insert(tenant) {
                changes.push(Changed {
                    tenant,
                    topic: "run".into(),
                    id: (entries.len() <= MOST_NAMED).then(|| entry.lease.id.to_string()),
                });
            }
        }
        self.store.feed().publish(changes);
        let ended = entries.iter().any(|entry| entry.end.is_some());
        let another_may_go = ended && self.has_met_limit();
        if let Some(due) = recorded.requeued {
            self.queued_since(due);
        }
        if !recorded.freed.is_empty()
            || recorded.woke
            || recorded.requeued.is_some()
            || another_may_go
        {
            self.store.feed().ring();
        }
    }

    pub(crate) fn take_freed(&self) -> Vec<Behind> {
        std::mem::take(&mut *locked(&self.freed))
    }

    pub(crate) fn add_freed(&self, lanes: impl IntoIterator<Item = Behind>) {
        locked(&self.freed).extend(lanes);
    }

    /// Runs are queued that were due at this time.
    pub(crate) fn queued_since(&self, due: DateTime<Utc>) {
        let mut since = locked(&self.queued_since);
        *since = Some(since.map_or(due, |since| since.min(due)));
    }

    pub(crate) fn take_queued_since(&self) -> Option<DateTime<Utc>> {
        locked(&self.queued_since).take()
    }

    pub(crate) fn met_limit(&self) {
        self.limited.store(true, Ordering::Relaxed);
    }

    /// Whether the end of any run may let another go.
    pub(super) fn has_met_limit(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// A run is due at this time: the claimer wakes then.
    pub(crate) fn due_by(&self, due: DateTime<Utc>) {
        self.next_due.send_if_modified(|next| {
            let earlier = next.is_none_or(|next| due < next);
            if earlier {
                *next = Some(due);
            }
            earlier
        });
    }

    /// A waiting run has waited long enough at this time: the pulse beats then.
    pub(super) fn waits_until(&self, due: DateTime<Utc>) {
        self.next_look.send_if_modified(|next| {
            let earlier = next.is_none_or(|next| due < next);
            if earlier {
                *next = Some(due);
            }
            earlier
        });
    }

    pub(super) fn next_look(&self) -> &watch::Sender<Option<DateTime<Utc>>> {
        &self.next_look
    }

    pub(crate) fn next_due(&self) -> watch::Receiver<Option<DateTime<Utc>>> {
        self.next_due.subscribe()
    }

    /// Forgets the next due time if it has come; returns whether it has.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.store.clock().now();
        self.next_due.send_if_modified(|next| {
            let due = next.is_some_and(|next| next <= now);
            if due {
                *next = None;
            }
            due
        })
    }

    pub(super) fn enter(&self, active: Active) {
        locked(&self.active).insert(active.lease.id, active);
    }

    /// Removes a run, unless a later claim of it has entered meanwhile.
    pub(super) fn leave(&self, lease: &Lease) {
        let mut active = locked(&self.active);
        if active.get(&lease.id).is_some_and(|run| run.lease == *lease) {
            active.remove(&lease.id);
        }
    }

    /// Activations under way.
    pub(crate) fn active_count(&self) -> usize {
        locked(&self.active).len()
    }

    pub(super) fn cancel_active(&self, ids: &[RunId]) {
        let active = locked(&self.active);
        for run in ids.iter().filter_map(|id| active.get(id)) {
            run.cancelled.cancel();
        }
    }

    pub(super) fn unsaved_progress(&self) -> Vec<(Lease, Option<Json>, Option<Json>)> {
        locked(&self.active)
            .values()
            .filter_map(|run| {
                let (progress, counts) = run.shown.take_unsaved()?;
                Some((run.lease, progress, counts))
            })
            .collect()
    }
}
