//! The model's server: what stands between it and the processes, and when it is away. Connections
//! and transactions are in `client.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::Instant;

use super::db::{Around, Change, Db, TxId};
use super::error;
use crate::locked::locked;
use crate::simulation::rng::Rng;
use crate::store::StoreError;

/// From this number on they are no processes of the engine.
pub(crate) const CALLERS: usize = 100;

/// How a commit ends that its client hears nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The server never saw it.
    Before,
    /// It stands.
    After,
    /// The server comes to it so much later.
    Late(Duration),
}

/// What stands between one process and the server.
#[derive(Default)]
pub(super) struct Link {
    /// Nothing gets through until then.
    pub(super) cut_until: Option<Instant>,
    /// Commits to come; with `true` those that journal a step.
    pub(super) lost: Vec<(Lost, bool)>,
}

/// A session that holds a process's lock.
pub(super) struct Held {
    pub(super) process: usize,
    pub(super) lock_key: i64,
}

/// What became of the database in one moment.
pub(crate) struct Moment<'a> {
    pub(crate) db: &'a Db,
    pub(crate) changes: &'a [Change],
    /// Whose transaction it was; none of a server's crash, which undid what had committed.
    pub(crate) by: Option<usize>,
    pub(crate) now: DateTime<Utc>,
    /// Session locks that are held.
    pub(crate) sessions: &'a BTreeSet<i64>,
}

type Watcher = Box<dyn FnMut(&Moment<'_>) + Send>;

pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) rng: Rng,
    /// Longest way of a statement in ordinary times.
    pub(crate) slowest: Duration,
    pub(super) links: BTreeMap<usize, Link>,
    pub(super) sessions: BTreeMap<u64, Held>,
    pub(super) next_session: u64,
    /// The server is away until then.
    down_until: Option<Instant>,
    /// Notifications are lost until then.
    pub(crate) deaf_until: Option<Instant>,
    /// Looks at every commit.
    pub(crate) watcher: Option<Watcher>,
    pub(crate) trace: Vec<String>,
    started: (Instant, DateTime<Utc>),
}

/// One server, shared by the processes of a simulated world.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    /// Grows when a lock or a session may have gone.
    pub(super) moved: Arc<watch::Sender<u64>>,
    pub(super) bells: Bells,
}

/// Notifications between processes.
pub(super) type Bells = tokio::sync::broadcast::Sender<(usize, String)>;

impl Server {
    pub(crate) fn new(rng: Rng, at: DateTime<Utc>) -> Self {
        let state = State {
            db: Db::default(),
            rng,
            slowest: Duration::ZERO,
            links: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: 0,
            down_until: None,
            deaf_until: None,
            watcher: None,
            trace: Vec::new(),
            started: (Instant::now(), at),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            moved: Arc::new(watch::channel(0).0),
            bells: tokio::sync::broadcast::channel(1024).0,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(super) fn has_moved(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    /// The server's clock.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.state().now()
    }

    /// A line for whoever reads a failing seed.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let mut state = self.state();
        let at = state.started.0.elapsed();
        state
            .trace
            .push(format!("{:>9.3} {}", at.as_secs_f64(), line()));
    }

    /// A process is gone; the server notices at once.
    pub(crate) fn gone(&self, process: usize) {
        let mut state = self.state();
        state.db.roll_back_all(Some(process));
        state.sessions.retain(|_, held| held.process != process);
        state.links.remove(&process);
        drop(state);
        self.has_moved();
    }

    /// The connections of a process are reset, with or without its session.
    pub(crate) fn reset(&self, process: usize, with_session: bool) {
        let mut state = self.state();
        state.db.roll_back_all(Some(process));
        if with_session {
            state.sessions.retain(|_, held| held.process != process);
        }
        drop(state);
        self.has_moved();
    }

    /// Nothing gets through between a process and the server; neither side is told.
    pub(crate) fn cut(&self, process: usize, time: Duration) {
        let until = Instant::now() + time;
        self.state().links.entry(process).or_default().cut_until = Some(until);
    }

    /// The next commit of a process, or the next that journals a step, goes unheard.
    pub(crate) fn lose_commit(&self, process: usize, how: Lost, of_step: bool) {
        let mut state = self.state();
        let link = state.links.entry(process).or_default();
        link.lost.push((how, of_step));
    }

    /// The server restarts; in a crash it loses commits that did not wait for the disk.
    pub(crate) fn restart(&self, down: Duration, crash: bool) {
        let mut state = self.state();
        let state = &mut *state;
        state.db.roll_back_all(None);
        state.sessions.clear();
        state.down_until = Some(Instant::now() + down);
        if crash {
            let rng = &mut state.rng;
            let undone = state.db.crash(|most| rng.below(most as u64 + 1) as usize);
            state.tell(&undone, None);
        }
        self.has_moved();
    }

    /// Notifications are lost for so long.
    pub(crate) fn deafen(&self, time: Duration) {
        self.state().deaf_until = Some(Instant::now() + time);
    }

    /// No fault from here on.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.links.clear();
        state.down_until = None;
        state.deaf_until = None;
        drop(state);
        self.has_moved();
    }

    /// The way to the server, or back; an error when the connection breaks on it.
    pub(super) async fn travel(&self, process: usize) -> Result<(), StoreError> {
        let (time, cut) = {
            let mut state = self.state();
            let slowest = state.slowest.as_micros() as u64;
            let time = match state.rng.below(8) {
                0 => Duration::from_micros(state.rng.below(slowest * 10 + 1)),
                1 | 2 => Duration::from_micros(state.rng.below(slowest + 1)),
                _ => Duration::ZERO,
            };
            let cut = state.links.get(&process).and_then(|link| link.cut_until);
            (time, cut)
        };
        if let Some(until) = cut.filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
            return Err(error::lost());
        }
        crate::simulation::executor::turn().await;
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        Ok(())
    }

    /// Waits for a server that is away, as the pool does.
    pub(super) async fn connect(&self, process: usize) -> Result<(), StoreError> {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let waits = {
                let state = self.state();
                let cut = state.links.get(&process).and_then(|link| link.cut_until);
                [state.down_until, cut]
                    .into_iter()
                    .flatten()
                    .filter(|until| *until > Instant::now())
                    .max()
            };
            let Some(until) = waits else { break };
            tokio::time::sleep_until(until.min(patience)).await;
            if until > patience {
                return Err(StoreError::Database(sqlx::Error::PoolTimedOut));
            }
        }
        self.travel(process).await
    }
}

impl State {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.started.1 + self.started.0.elapsed()
    }

    pub(super) fn around(&self) -> Around {
        Around {
            server_time: self.now(),
            sessions: self.sessions.values().map(|held| held.lock_key).collect(),
        }
    }

    pub(super) fn apply(&mut self, tx: TxId, by: usize) {
        let changes = self.db.commit(tx);
        self.tell(&changes, Some(by));
    }

    pub(super) fn tell(&mut self, changes: &[Change], by: Option<usize>) {
        let around = self.around();
        if let Some(watcher) = &mut self.watcher {
            watcher(&Moment {
                db: &self.db,
                changes,
                by,
                now: around.server_time,
                sessions: &around.sessions,
            });
        }
    }
}
