//! A process's connections to the model's server: sessions, notifications, transactions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::db::{Mode, Statement, TxId};
use super::error::{self, Stop};
use super::rows::Key;
use super::server::{CALLERS, Held, Lost, Server};
use crate::ids::TenantId;
use crate::simulation::executor;
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;

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
                statement.lock(&Key::Claims, Mode::Update)
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
        self.client.server.has_moved();
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
                    self.server
                        .note(|| format!("p{process} tx{id} {what}: {error:?}"));
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
            let next = link
                .lost
                .iter()
                .position(|(_, of_step)| journals || !of_step);
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
        self.server.has_moved();
        match lost {
            None => {
                self.server.travel(process).await?;
                return Ok(());
            }
            Some(Lost::Before) => self.server.state().db.roll_back(id),
            Some(Lost::After) => {}
            Some(Lost::Late(time)) => {
                let server = self.server.clone();
                executor::beside(async move {
                    tokio::time::sleep(time).await;
                    server.state().apply(id, process);
                    server.note(|| format!("p{process} tx{id} commit, late"));
                    server.has_moved();
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
            self.server.has_moved();
        }
    }
}
