//! The way to the model's server: connections, how long they take and how they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::Instant;

use super::db::{Around, Change, Db, Statement, TxId};
use super::error::{self, Stop};
use super::rows::Key;
use crate::ids::TenantId;
use crate::runtime::locked;
use crate::simulation::planted::{self, Planted};
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
struct Link {
    /// Nothing gets through until then.
    cut_until: Option<Instant>,
    /// Commits to come; with `true` those that journal a step.
    lost: Vec<(Lost, bool)>,
}

/// A session that holds a process's lock.
struct Held {
    process: usize,
    lock_key: i64,
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
    links: BTreeMap<usize, Link>,
    sessions: BTreeMap<u64, Held>,
    next_session: u64,
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
    moved: Arc<watch::Sender<u64>>,
    bells: Bells,
}

/// Notifications between processes.
pub(crate) type Bells = tokio::sync::broadcast::Sender<(usize, String)>;

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

    fn moved(&self) {
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
        state.trace.push(format!("{:>9.3} {}", at.as_secs_f64(), line()));
    }

    /// A process is gone; the server notices at once.
    pub(crate) fn gone(&self, process: usize) {
        let mut state = self.state();
        state.db.roll_back_all(Some(process));
        state.sessions.retain(|_, held| held.process != process);
        state.links.remove(&process);
        drop(state);
        self.moved();
    }

    /// The connections of a process are reset, with or without its session.
    pub(crate) fn reset(&self, process: usize, with_session: bool) {
        let mut state = self.state();
        state.db.roll_back_all(Some(process));
        if with_session {
            state.sessions.retain(|_, held| held.process != process);
        }
        drop(state);
        self.moved();
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
        self.moved();
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
        self.moved();
    }

    /// The way to the server, or back; an error when the connection breaks on it.
    async fn travel(&self, process: usize) -> Result<(), StoreError> {
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
    async fn connect(&self, process: usize) -> Result<(), StoreError> {
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

    fn around(&self) -> Around {
        Around {
            server_time: self.now(),
            sessions: self.sessions.values().map(|held| held.lock_key).collect(),
        }
    }

    fn apply(&mut self, tx: TxId, by: usize) {
        let changes = self.db.commit(tx);
        self.tell(&changes, Some(by));
    }

    fn tell(&mut self, changes: &[Change], by: Option<usize>) {
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

/// One process's way to the server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) server: Server,
    pub(crate) process: usize,
}

impl Client {
    /// Begins a transaction with the statement that the engine sends for it.
    pub(crate) async fn begin(
        &self,
        begin: &str,
        tenant: Option<TenantId>,
        now: DateTime<Utc>,
    ) -> Result<Transaction, StoreError> {
        self.server.connect(self.process).await?;
        let relaxed = begin.contains("synchronous_commit = off");
        let patience = begin
            .split_once("idle_in_transaction_session_timeout = '")
            .and_then(|(_, rest)| rest.split_once("s'"))
            .and_then(|(seconds, _)| seconds.parse().ok())
            .map(Duration::from_secs);
        let id = self
            .server
            .state()
            .db
            .begin(self.process, relaxed, patience);
        let mut tx = Transaction {
            server: self.server.clone(),
            process: self.process,
            id,
            tenant,
            now,
        };
        if begin.contains("pg_advisory_xact_lock(7311002024)") {
            tx.statement("claims' lock", |statement| {
                statement.lock(&Key::Claims, super::db::Mode::Update)
            })
            .await?;
        }
        Ok(tx)
    }

    /// A session that holds a lock for as long as it lives.
    pub(crate) async fn session(&self, lock_key: i64) -> Result<Session, StoreError> {
        self.server.connect(self.process).await?;
        let mut state = self.server.state();
        state.next_session += 1;
        let id = state.next_session;
        let process = self.process;
        state.sessions.insert(id, Held { process, lock_key });
        drop(state);
        Ok(Session {
            client: self.clone(),
            id,
        })
    }

    /// Sends a notification to the other processes.
    pub(crate) async fn notify(&self, letter: String) -> Result<(), StoreError> {
        self.server.connect(self.process).await?;
        let lost = {
            let state = self.server.state();
            state.deaf_until.is_some_and(|until| until > Instant::now())
        };
        if !lost {
            // An error means that nobody listens.
            self.server.bells.send((self.process, letter)).ok();
        }
        Ok(())
    }

    /// What other processes send from now on.
    pub(crate) fn listen(&self) -> Listener {
        Listener {
            client: self.clone(),
            letters: self.server.bells.subscribe(),
        }
    }
}

/// Hears notifications, late and perhaps not in their order.
pub(crate) struct Listener {
    client: Client,
    letters: tokio::sync::broadcast::Receiver<(usize, String)>,
}

impl Listener {
    /// # Errors
    /// A connection that was cut.
    pub(crate) async fn next(&mut self) -> Result<String, StoreError> {
        loop {
            match self.letters.recv().await {
                Ok((from, letter)) if from != self.client.process => {
                    self.client.server.travel(self.client.process).await?;
                    return Ok(letter);
                }
                Ok(_) => {}
                Err(_) => return Err(error::lost()),
            }
        }
    }
}

/// A session that holds a process's lock; gone with the value.
pub(crate) struct Session {
    client: Client,
    id: u64,
}

impl Session {
    /// Returns when the process hears that the session is gone.
    pub(crate) async fn lost(&self) {
        let mut moved = self.client.server.moved.subscribe();
        loop {
            moved.borrow_and_update();
            let (lives, cut) = {
                let state = self.client.server.state();
                let cut = state.links.get(&self.client.process);
                let cut = cut.and_then(|link| link.cut_until);
                (state.sessions.contains_key(&self.id), cut)
            };
            match cut.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None if !lives => return,
                None => drop(moved.changed().await),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.server.state().sessions.remove(&self.id);
        self.client.server.moved();
    }
}

/// A transaction on the model's server; rolled back when dropped.
pub(crate) struct Transaction {
    pub(super) server: Server,
    process: usize,
    id: TxId,
    pub(super) tenant: Option<TenantId>,
    /// By the process's clock.
    pub(super) now: DateTime<Utc>,
}

impl Transaction {
    /// Makes one statement: the way there, its locks, the way back.
    pub(super) async fn statement<T>(
        &mut self,
        what: &'static str,
        mut statement: impl FnMut(&mut Statement<'_>) -> Result<T, Stop>,
    ) -> Result<T, StoreError> {
        self.server.travel(self.process).await?;
        loop {
            let mut moved = self.server.moved.subscribe();
            let done = {
                let mut state = self.server.state();
                state.db.end_idle();
                let around = state.around();
                state.db.execute(self.id, &around, &mut statement)
            };
            match done {
                Ok(done) => {
                    let (process, id) = (self.process, self.id);
                    self.server.note(|| format!("p{process} tx{id} {what}"));
                    self.server.travel(self.process).await?;
                    return Ok(done);
                }
                Err(Stop::Failed(error)) => {
                    let (process, id) = (self.process, self.id);
                    self.server.note(|| format!("p{process} tx{id} {what}: {error:?}"));
                    return Err(error);
                }
                Err(Stop::Blocked) => {
                    // Not for ever: the holder may be one that stands still.
                    let wait = Duration::from_millis(500);
                    drop(tokio::time::timeout(wait, moved.changed()).await);
                }
            }
        }
    }

    /// For planted faults.
    pub(super) fn commit_part(&self, key: &Key) {
        let mut state = self.server.state();
        let changes = state.db.commit_part(self.id, key);
        state.tell(&changes, Some(self.process));
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant.expect("a transaction of a tenant")
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let (process, id) = (self.process, self.id);
        self.server.travel(process).await?;
        let lost = {
            let mut state = self.server.state();
            state.db.end_idle();
            if !state.db.is_open(id) {
                return Err(error::lost());
            }
            let journals = state.db.journals(id);
            let link = state.links.entry(process).or_default();
            let next = link.lost.iter().position(|(_, of_step)| journals || !of_step);
            let lost = next.map(|next| link.lost.remove(next).0);
            if lost.is_none() || lost == Some(Lost::After) {
                state.apply(id, process);
            }
            lost
        };
        self.server.note(|| match lost {
            None => format!("p{process} tx{id} commit"),
            Some(how) => format!("p{process} tx{id} commit, lost {how:?}"),
        });
        self.server.moved();
        match lost {
            None => {
                self.server.travel(process).await?;
                return Ok(());
            }
            Some(Lost::Before) => self.server.state().db.roll_back(id),
            Some(Lost::After) => {}
            Some(Lost::Late(time)) => {
                let server = self.server.clone();
                crate::simulation::executor::beside(async move {
                    tokio::time::sleep(time).await;
                    server.state().apply(id, process);
                    server.note(|| format!("p{process} tx{id} commit, late"));
                    server.moved();
                });
                // The server has it: dropping the handle changes nothing.
                std::mem::forget(self);
                return Err(error::lost());
            }
        }
        if planted::is(Planted::UnknownIsDone) && process < CALLERS {
            return Ok(());
        }
        Err(error::lost())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let mut state = self.server.state();
        let cut = state.links.get(&self.process);
        let is_cut = cut
            .and_then(|link| link.cut_until)
            .is_some_and(|until| until > Instant::now());
        // What does not reach the server it ends by itself when it stands still.
        if !is_cut {
            state.db.roll_back(self.id);
            drop(state);
            self.server.moved();
        }
    }
}
