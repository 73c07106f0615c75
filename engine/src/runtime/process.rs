//! This process among the others: its registration, its signs of life, and the burial of those that
//! have died.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use super::core::{Core, Incarnation};
use super::schedules;
use crate::failpoints::{self, Failpoint};
use crate::ids::ProcessId;
use crate::store::processes::{self, Pulse};
use crate::store::{Store, StoreError, activations};

const PULSE: Duration = Duration::from_secs(1);

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
            () = tokio::time::sleep(wait) => {}
            () = done.cancelled() => return,
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

/// The connection that holds this incarnation's lock. It runs no statements: the server notices the
/// end of a process at once only on an idle session.
struct Session(PgListener);

impl Session {
    /// Returns when the connection is gone.
    async fn lost(&mut self) {
        while let Ok(Some(_)) = self.0.try_recv().await {}
    }
}

/// Takes a lock, enters this incarnation, and buries the one before, whose runs are ours no more.
async fn register(
    core: &Core,
    id: ProcessId,
    before: Option<ProcessId>,
) -> Result<Session, StoreError> {
    // A pool of its own: a session that went back to the common one would keep the lock.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with((*core.store.pool().connect_options()).clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    // The last eight bytes of a UUID v7 are random.
    let lock_key = id.0.as_u64_pair().1.cast_signed();
    sqlx::query("select pg_advisory_lock($1)")
        .bind(lock_key)
        .execute(&mut listener)
        .await?;
    failpoints::reach(Failpoint::RegistrationBegins);
    let mut tx = core.store.begin_system().await?;
    processes::register(&mut tx, id, &core.host, lock_key).await?;
    if let Some(before) = before {
        processes::bury(&mut tx, before).await?;
    }
    tx.commit().await?;
    failpoints::reach(Failpoint::Registered);
    Ok(Session(listener))
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
    let mut failing = false;
    loop {
        let incarnation = incarnations.borrow_and_update().clone();
        if let Some(incarnation) = incarnation {
            looks.borrow_and_update();
            match pulse(&core, &incarnation, beats).await {
                Ok(()) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "pulse failed");
                }
                Err(_) => {}
            }
            beats += 1;
        }
        tokio::select! {
            () = tokio::time::sleep(PULSE) => {}
            _ = looks.changed() => {}
            // A new one looks around at once: what a dead one left is not to wait for a second.
            _ = incarnations.changed() => {}
        }
    }
}

async fn pulse(core: &Arc<Core>, incarnation: &Incarnation, beats: u64) -> Result<(), StoreError> {
    let sent = Instant::now();
    let mut tx = core.store.begin_system_relaxed().await?;
    let pulse = processes::pulse(&mut tx, incarnation.id).await?;
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
    follow_up(core, pulse, overdue, beats).await
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
    for due in [pulse.next_due, pulse.next_wait].into_iter().flatten() {
        core.due_by(due);
    }
    if pulse.behind && beats.is_multiple_of(3) {
        let mut tx = core.store.begin_system().await?;
        let keys = activations::forgotten_keys(&mut tx).await?;
        tx.commit().await?;
        if !keys.is_empty() {
            core.add_freed(keys);
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
        tx.commit().await?;
    }
    Ok(())
}
