//! This process among the others: its registration, its signs of life, and the burial of those that
//! have died.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Incarnation};
use super::schedules;
use super::unknown::Unknown;
use crate::failpoints::{self, Failpoint};
use crate::feed::Changed;
use crate::ids::ProcessId;
use crate::store::processes::{self, Pulse};
use crate::store::runs::{self, Stopped};
use crate::store::{Store, StoreError, activations, lanes, time_used};

const PULSE: Duration = Duration::from_secs(1);
/// A pulse looks at the runs unless that took longer the last time; then after so many times as long.
const CHEAP_LOOK: Duration = Duration::from_millis(20);
const LOOKS_APART: u32 = 20;
const SHORTEST_LOOK: Duration = Duration::from_micros(200);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Registers, again and again when the registration is lost, until the engine stops; then gives
/// everything back.
pub(super) async fn stay_registered(core: Arc<Core>, done: CancellationToken) {
    let mut before = None;
    let mut wait = Duration::from_millis(100);
    loop {
        let id = ProcessId::fresh();
        let begun = Instant::now();
        match register(&core, id, before).await {
            Ok(mut session) => {
                wait = Duration::from_millis(100);
                let incarnation = Arc::new(Incarnation::new(id, begun));
                tracing::info!(process.id = %id, "worker process is registered");
                core.incarnation
                    .send_replace(Some(Arc::clone(&incarnation)));
                tokio::select! {
                    biased;
                    () = session.lost() => tracing::warn!(process.id = %id, "lease session was lost"),
                    () = incarnation.lost.cancelled() => {}
                    () = done.cancelled() => {
                        core.incarnation.send_replace(None);
                        sign_off(&core.store, id).await;
                        return;
                    }
                }
                core.incarnation.send_replace(None);
                incarnation.lost.cancel();
                before = Some(id);
            }
            Err(error) => tracing::warn!(%error, "worker process could not register"),
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            () = done.cancelled() => return,
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

/// The connection that holds this incarnation's lock. It runs no statements: the server notices the
/// end of a process at once only on an idle session.
enum Session {
    Postgres(PgListener),
    #[cfg(test)]
    Model(crate::simulation::Session),
}

impl Session {
    /// Opens a session that holds this lock.
    async fn open(store: &Store, lock_key: i64) -> Result<Self, StoreError> {
        #[cfg(test)]
        if let Some(client) = store.model() {
            return Ok(Self::Model(client.session(lock_key).await?));
        }
        // A pool of its own: a session that went back to the common one would keep the lock.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with((*store.pool().connect_options()).clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        sqlx::query("select pg_advisory_lock($1)")
            .bind(lock_key)
            .execute(&mut listener)
            .await?;
        Ok(Self::Postgres(listener))
    }

    /// Returns when the connection is gone.
    async fn lost(&mut self) {
        match self {
            Self::Postgres(listener) => while let Ok(Some(_)) = listener.try_recv().await {},
            #[cfg(test)]
            Self::Model(session) => session.lost().await,
        }
    }
}

/// Takes a lock, enters this incarnation, and buries the one before, whose runs are ours no more.
async fn register(
    core: &Core,
    id: ProcessId,
    before: Option<ProcessId>,
) -> Result<Session, StoreError> {
    // The last eight bytes of a UUID v7 are random.
    let lock_key = id.0.as_u64_pair().1.cast_signed();
    let session = Session::open(&core.store, lock_key).await?;
    failpoints::reach(Failpoint::RegistrationBegins);
    let mut tx = core.store.begin_system().await?;
    let knows = core.registry.known();
    processes::register(&mut tx, id, &core.host, lock_key, &knows).await?;
    if let Some(before) = before {
        processes::bury(&mut tx, before).await?;
    }
    tx.commit().await?;
    failpoints::reach(Failpoint::Registered);
    Ok(session)
}

async fn sign_off(store: &Store, id: ProcessId) {
    let result = async {
        let mut tx = store.begin_system().await?;
        processes::bury(&mut tx, id).await?;
        tx.commit().await
    };
    if let Err(error) = result.await {
        tracing::warn!(%error, "worker process could not sign off; the others will find it dead");
    }
}

/// One query a second: a sign of life, and what there is to do.
pub(super) async fn keep_pulse(core: Arc<Core>) {
    let mut looks = core.store.feed().looks();
    let mut incarnations = core.incarnation.subscribe();
    let mut beats = 0_u64;
    let mut unknown = Unknown::default();
    let mut thorough_at = Instant::now();
    let mut failing = false;
    loop {
        let incarnation = incarnations.borrow_and_update().clone();
        if let Some(incarnation) = incarnation {
            looks.borrow_and_update();
            match pulse(&core, &incarnation, &mut unknown, &mut thorough_at, beats).await {
                Ok(()) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "pulse failed");
                }
                Err(_) => {}
            }
            beats += 1;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(PULSE) => {}
            _ = looks.changed() => {}
            () = time_to_look(&core) => {}
            // A new one looks around at once: what a dead one left is not to wait for a second.
            _ = incarnations.changed() => {}
        }
    }
}

/// Returns when a run that waits, or has a deadline, is to be looked at.
async fn time_to_look(core: &Core) {
    let mut next = core.next_look().subscribe();
    loop {
        let due = *next.borrow_and_update();
        let left = due.map(|due| {
            (due - core.store.clock().now())
                .to_std()
                .unwrap_or_default()
        });
        match left {
            Some(Duration::ZERO) => {
                core.next_look().send_replace(None);
                return;
            }
            // Not longer: a clock that tests move says nothing when it moves.
            Some(left) => tokio::select! {
                biased;
                () = tokio::time::sleep(left.clamp(SHORTEST_LOOK, LONGEST_LOOK)) => {}
                _ = next.changed() => {}
            },
            None => drop(next.changed().await),
        }
    }
}

async fn pulse(
    core: &Arc<Core>,
    incarnation: &Incarnation,
    unknown: &mut Unknown,
    thorough_at: &mut Instant,
    beats: u64,
) -> Result<(), StoreError> {
    let sent = Instant::now();
    let mut tx = core.store.begin_system_relaxed().await?;
    let asked = Instant::now();
    let thorough = asked >= *thorough_at;
    let pulse = processes::pulse(&mut tx, incarnation.id, thorough).await?;
    if thorough {
        let took = asked.elapsed();
        // As long as it costs little, every pulse is.
        let apart = took.saturating_sub(CHEAP_LOOK) * LOOKS_APART;
        *thorough_at = asked + apart;
    }
    for &dead in &pulse.dead {
        let runs = processes::bury(&mut tx, dead).await?;
        tracing::warn!(process.id = %dead, runs, "process has died, its runs are queued again");
    }
    let mut orphans = 0;
    if beats.is_multiple_of(3) {
        orphans = activations::release_orphans(&mut tx).await?;
    }
    let overdue = pulse.next_wait.is_some_and(|due| due <= tx.now());
    if overdue {
        activations::wake_overdue(&mut tx).await?;
    }
    if pulse.next_opening.is_some_and(|due| due <= tx.now()) {
        lanes::open_due(&mut tx).await?;
    }
    let mut ended = Stopped::default();
    if pulse.next_deadline.is_some_and(|due| due <= tx.now()) {
        ended = runs::end_overdue(&mut tx).await?;
    }
    let shown = core.unsaved_progress();
    if !shown.is_empty() {
        activations::show_progress(&mut tx, &shown).await?;
    }
    if !pulse.dead.is_empty() {
        failpoints::reach(Failpoint::BurialCommits);
    }
    tx.commit().await?;
    if !pulse.dead.is_empty() {
        failpoints::reach(Failpoint::BurialCommitted);
    }
    if orphans > 0 {
        tracing::warn!(runs = orphans, "runs of no process are queued again");
        core.store.feed().ring();
    }
    if !pulse.alive {
        tracing::warn!(process.id = %incarnation.id, "process was taken for dead, registering again");
        incarnation.lost.cancel();
        return Ok(());
    }
    incarnation.seen(sent);
    for (tenant, id) in &ended.ended {
        tracing::warn!(tenant.id = %tenant, run.id = %id, "run did not end before its deadline");
    }
    tell_of_stopped(core, ended);
    if !pulse.dead.is_empty() || orphans > 0 {
        core.queued_since(DateTime::UNIX_EPOCH);
    }
    let ready = pulse.ready;
    follow_up(core, pulse, overdue, beats).await?;
    share_time(core).await?;
    if ready && beats.is_multiple_of(5) {
        unknown.sweep(core).await?;
    }
    Ok(())
}

fn tell_of_stopped(core: &Core, stopped: Stopped) {
    if stopped.is_empty() {
        return;
    }
    let changes = stopped.ended.iter().map(|(tenant, id)| Changed {
        tenant: *tenant,
        topic: "run".into(),
        id: Some(id.to_string()),
    });
    core.store.feed().publish(changes.collect());
    core.cancel_active(&stopped.stopping);
    core.add_freed(stopped.freed);
    // Others may run what is to stop; a parent or the next of a key may be claimed.
    core.store.feed().look();
    core.store.feed().ring();
}

/// Cancels what cancelled runs had called, generation by generation.
async fn cancel_called(core: &Core) -> Result<(), StoreError> {
    loop {
        let mut tx = core.store.begin_system_relaxed().await?;
        let stopped = runs::cancel_called(&mut tx).await?;
        tx.commit().await?;
        // What was stopped may have called others.
        if stopped.is_empty() {
            return Ok(());
        }
        tell_of_stopped(core, stopped);
    }
}

async fn follow_up(
    core: &Arc<Core>,
    pulse: Pulse,
    overdue: bool,
    beats: u64,
) -> Result<(), StoreError> {
    core.cancel_active(&pulse.cancelled);
    if !pulse.dead.is_empty() || overdue {
        core.store.feed().ring();
    }
    let ready = pulse.ready.then(|| core.store.clock().now());
    for due in [ready, pulse.next_due].into_iter().flatten() {
        core.due_by(due);
    }
    let now = core.store.clock().now();
    // What is overdue and still there is locked by somebody: the next pulse sees it.
    let looks = [pulse.next_wait, pulse.next_deadline];
    for due in looks.into_iter().flatten().filter(|due| *due > now) {
        core.waits_until(due);
    }
    if pulse.orphans {
        cancel_called(core).await?;
    }
    if pulse.behind && beats.is_multiple_of(3) {
        let mut tx = core.store.begin_system().await?;
        let freed = lanes::free_forgotten(&mut tx).await?;
        tx.commit().await?;
        if let Some(due) = freed {
            core.queued_since(due);
            core.store.feed().ring();
        }
    }
    if !core.stopping.is_cancelled()
        && pulse
            .next_schedule
            .is_some_and(|due| due <= core.store.clock().now())
    {
        schedules::fire_due(core).await?;
    }
    if beats.is_multiple_of(600) {
        let mut tx = core.store.begin_system_relaxed().await?;
        activations::forget_expired_keys(&mut tx).await?;
        time_used::forget(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Tells the others what our runs used and learns what theirs did.
async fn share_time(core: &Arc<Core>) -> Result<(), StoreError> {
    let unsaved = core.shares.take_unsaved();
    if unsaved.is_empty() {
        return Ok(());
    }
    let shared = async {
        let mut tx = core.store.begin_system_relaxed().await?;
        let all = time_used::add(&mut tx, &unsaved).await?;
        tx.commit().await?;
        Ok(all)
    };
    match shared.await {
        Ok(all) => {
            core.shares.know(&all);
            Ok(())
        }
        Err(error) => {
            core.shares.unsaved_again(&unsaved);
            Err(error)
        }
    }
}
