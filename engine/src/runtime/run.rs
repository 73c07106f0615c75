//! What a workflow may ask.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Shown};
use super::writer::Written;
use super::{
    Class, Counts, Failure, MissingService, Progress, RunError, Step, StepCx, StepError, TxStep,
};
use crate::failpoints::{self, Failpoint};
use crate::ids::{RunId, TenantId};
use crate::store::activations::{History, Lease, PastAttempts};
use crate::store::attempts::AttemptRow;
use crate::store::steps::StepRow;
use crate::store::{StoreError, Tx, journal, steps};

/// What ends an activation although the workflow's function has not ended.
#[derive(Debug)]
pub(super) enum Exit {
    /// The run has another owner: nothing may be written.
    Lost,
    /// It is unknown what became of the last write: the run is queued again.
    Unknown,
    /// The run's row says already where it goes.
    Left,
    /// The process is going down.
    Released,
    Cancelled,
    /// Until this time.
    Asleep(DateTime<Utc>),
    BackOff(AttemptRow),
    /// For a person, with this message.
    Parked(String),
}

/// One activation of a run, as its workflow sees it.
pub struct Run {
    pub(super) core: Arc<Core>,
    pub(super) lease: Lease,
    /// Journaled steps that the workflow has not come to yet.
    pub(super) history: VecDeque<StepRow>,
    /// Failed attempts of the first step that is not journaled.
    pub(super) past: PastAttempts,
    pub(super) seq: i32,
    /// Finished, but not journaled yet: written with the next step's or the run's end, before any
    /// further effect.
    pub(super) pending: Vec<StepRow>,
    pub(super) pending_attempt: Option<AttemptRow>,
    pub(super) cancelled: CancellationToken,
    pub(super) shown: Arc<Shown>,
    counts: Counts,
    exit: Option<oneshot::Sender<Exit>>,
}

impl Run {
    pub(super) fn new(
        core: Arc<Core>,
        lease: Lease,
        history: History,
        cancelled: CancellationToken,
        shown: Arc<Shown>,
    ) -> Self {
        Self {
            core,
            lease,
            history: history.steps.into(),
            past: history.attempts,
            seq: 0,
            pending: Vec::new(),
            pending_attempt: None,
            cancelled,
            shown,
            counts: Counts::default(),
            exit: None,
        }
    }

    pub fn run_id(&self) -> RunId {
        self.lease.id
    }

    pub fn tenant(&self) -> TenantId {
        self.lease.tenant
    }

    /// # Errors
    /// [`MissingService`]: the engine was built without one.
    pub fn service<T: Any + Send + Sync>(&self) -> Result<Arc<T>, MissingService> {
        self.core.services.get()
    }

    /// Runs the step, or returns what it returned when it ran before.
    ///
    /// # Errors
    /// The step's permanent failure, or its last transient one. It is journaled: handle it, or hand
    /// it on with `?` and the run fails; retrying the run then goes on with this step.
    pub async fn step<S: Step>(&mut self, step: S) -> Result<S::Output, RunError> {
        let key = step.key();
        if let Some(row) = self.next("step", S::NAME, &key).await {
            return self.replayed(row).await;
        }
        self.flush().await;
        let (cx, started_at) = self.attempt(S::NAME, key);
        failpoints::reach(Failpoint::StepBegins);
        let result = AssertUnwindSafe(Box::pin(step.run(&cx)))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Err(panicked(S::NAME)))
            .and_then(|output| Ok((encode(S::NAME, &output)?, output)));
        failpoints::reach(Failpoint::StepDone);
        match result {
            Ok((stored, output)) => {
                let row = self.row("step", &cx, started_at, Some(stored));
                self.pending.push(row);
                self.seq += 1;
                Ok(output)
            }
            Err(error) => Err(self.failed("step", &cx, started_at, S::RETRY, error).await),
        }
    }

    /// Runs the step in a transaction that also holds its checkpoint, exactly once.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub async fn tx<T: TxStep>(&mut self, step: T) -> Result<T::Output, RunError> {
        self.tx_as("tx", step).await
    }

    pub(super) async fn tx_as<T: TxStep>(
        &mut self,
        kind: &'static str,
        step: T,
    ) -> Result<T::Output, RunError> {
        let key = step.key();
        if let Some(row) = self.next(kind, T::NAME, &key).await {
            return self.replayed(row).await;
        }
        if self.pending_attempt.is_some() {
            self.flush().await;
        }
        let (cx, started_at) = self.attempt(T::NAME, key);
        let prepared = AssertUnwindSafe(Box::pin(step.prepare(&cx)))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Err(panicked(T::NAME)));
        let begun = match prepared {
            Ok(()) => self
                .core
                .store
                .begin(self.lease.tenant)
                .await
                .map_err(StepError::from),
            Err(error) => Err(error),
        };
        let mut tx = match begun {
            Ok(tx) => tx,
            Err(error) => return Err(self.failed(kind, &cx, started_at, T::RETRY, error).await),
        };
        let result = AssertUnwindSafe(Box::pin(step.run(&cx, &mut tx)))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Err(panicked(T::NAME)))
            .and_then(|output| Ok((encode(T::NAME, &output)?, output)));
        let result = match result {
            Ok((stored, output)) => {
                let row = self.row(kind, &cx, started_at, Some(stored));
                self.commit(tx, row).await.map(|()| output)
            }
            Err(error) => {
                drop(tx);
                Err(error)
            }
        };
        match result {
            Ok(output) => Ok(output),
            Err(error) => Err(self.failed(kind, &cx, started_at, T::RETRY, error).await),
        }
    }

    /// Waits without holding a worker; the time counts from when the run first got here.
    ///
    /// # Errors
    /// None today.
    pub async fn sleep(&mut self, name: &'static str, time: Duration) -> Result<(), RunError> {
        let due = self.core.store.clock().now() + time;
        self.sleep_until(name, due).await
    }

    /// Waits without holding a worker, until the time given when the run first got here.
    ///
    /// # Errors
    /// None today.
    pub async fn sleep_until(
        &mut self,
        name: &'static str,
        at: DateTime<Utc>,
    ) -> Result<(), RunError> {
        let journaled = self.next("sleep", name, "").await;
        let fresh = journaled.is_none();
        let due = match journaled {
            Some(row) => self.replayed::<DateTime<Utc>>(row).await?,
            None => at,
        };
        let now = self.core.store.clock().now();
        if fresh {
            let stored = serde_json::to_vec(&due).unwrap_or_default();
            self.pending.push(StepRow {
                seq: self.seq,
                name: name.into(),
                key: String::new(),
                kind: "sleep".into(),
                attempt: 1,
                output: Some(stored),
                error: None,
                started_at: now,
                finished_at: due.max(now),
            });
            self.seq += 1;
        }
        if due > now {
            return self.leave(Exit::Asleep(due)).await;
        }
        Ok(())
    }

    /// Sets the progress; written about once a second, and when the run waits or ends.
    pub fn progress(&mut self, mut progress: Progress) {
        if self.history.is_empty() {
            // jsonb takes no NUL character, and it is written together with everybody's.
            progress.unit = progress.unit.replace('\0', "\u{fffd}");
            self.shown.set_progress(serde_json::to_value(progress).ok());
        }
    }

    /// Adds to the run's counts. Call it outside steps with what steps returned: a replay counts
    /// again from zero and comes to the same sum.
    pub fn counts(&mut self, more: Counts) {
        self.counts.add(more);
        if self.history.is_empty() {
            self.shown
                .set_counts(serde_json::to_value(self.counts).ok());
        }
    }

    /// Cancelled when somebody wants the run to stop; the next step does not start.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// What [`Run::leave`] sends; to be called once, before the workflow's function.
    pub(super) fn exit_wanted(&mut self) -> oneshot::Receiver<Exit> {
        let (exit, wanted) = oneshot::channel();
        self.exit = Some(exit);
        wanted
    }

    /// Ends the activation: whoever drives this future drops it and never polls it again.
    pub(super) async fn leave<T>(&mut self, exit: Exit) -> T {
        if let Some(wanted) = self.exit.take() {
            wanted.send(exit).ok();
        }
        std::future::pending().await
    }

    /// The journal row of the step the workflow has come to, or none when it has to run.
    pub(super) async fn next(
        &mut self,
        kind: &'static str,
        name: &'static str,
        key: &str,
    ) -> Option<StepRow> {
        if self.exit.is_none() {
            // The workflow's code got around an end; it goes nowhere.
            return std::future::pending().await;
        }
        match self.history.pop_front() {
            Some(row) if row.kind == kind && row.name == name && row.key == key => {
                self.seq += 1;
                Some(row)
            }
            Some(row) => {
                let journaled = format!("{} {} {}", row.kind, row.name, row.key);
                let now = format!("{kind} {name} {key}");
                let message = format!(
                    "step {} is journaled as {:?}, but the workflow now has {:?} there",
                    self.seq,
                    journaled.trim_end(),
                    now.trim_end()
                );
                self.leave(Exit::Parked(message)).await
            }
            None if !self.core.holds(&self.lease) => self.leave(Exit::Lost).await,
            None if self.cancelled.is_cancelled() => self.leave(Exit::Cancelled).await,
            None if self.core.stopping.is_cancelled() => self.leave(Exit::Released).await,
            None => None,
        }
    }

    /// A journaled step's outcome.
    pub(super) async fn replayed<T: DeserializeOwned>(
        &mut self,
        row: StepRow,
    ) -> Result<T, RunError> {
        let decoded = match (row.error, row.output) {
            (Some(error), _) => serde_json::from_value(error).map(Err),
            (None, output) => serde_json::from_slice(output.as_deref().unwrap_or(b"null")).map(Ok),
        };
        match decoded {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(failure)) => Err(RunError::at(failure, row.seq)),
            Err(_) => {
                let message = format!("journaled output of step {} cannot be read", row.name);
                self.leave(Exit::Parked(message)).await
            }
        }
    }

    /// Makes durable what is finished, before the next effect.
    pub(super) async fn flush(&mut self) {
        if self.pending.is_empty() && self.pending_attempt.is_none() {
            return;
        }
        let entry = journal::Entry {
            lease: self.lease,
            steps: std::mem::take(&mut self.pending),
            attempt: self.pending_attempt.take(),
            end: None,
        };
        let exit = match self.core.writer.write(entry).await {
            Written::Done {
                cancel_requested: false,
            } => return,
            Written::Done {
                cancel_requested: true,
            } => {
                self.cancelled.cancel();
                Exit::Cancelled
            }
            Written::Lost => Exit::Lost,
            // The writer has seen to it that the run is queued again.
            Written::Unknown => Exit::Left,
            Written::Refused => Exit::Parked(format!(
                "output of the step before step {} cannot be stored",
                self.seq
            )),
        };
        self.leave::<()>(exit).await;
    }

    /// Commits a transaction with its checkpoint and those before it.
    pub(super) async fn commit(&mut self, mut tx: Tx, row: StepRow) -> Result<(), StepError> {
        let mut rows = self.pending.clone();
        rows.push(row);
        if !steps::insert_fenced(&mut tx, &self.lease, &rows).await? {
            drop(tx);
            return self.leave(Exit::Lost).await;
        }
        failpoints::reach(Failpoint::TxCommits);
        match tx.commit().await {
            Ok(()) => {
                failpoints::reach(Failpoint::TxCommitted);
                self.pending.clear();
                self.seq += 1;
                Ok(())
            }
            // The server has said no.
            Err(error @ StoreError::Database(sqlx::Error::Database(_))) => Err(error.into()),
            Err(error) => {
                tracing::warn!(run.id = %self.lease.id, %error, "outcome of a commit is unknown");
                self.leave(Exit::Unknown).await
            }
        }
    }

    pub(super) fn attempt(&mut self, name: &'static str, key: String) -> (StepCx, DateTime<Utc>) {
        let cx = StepCx {
            tenant: self.lease.tenant,
            run_id: self.lease.id,
            seq: self.seq,
            name,
            key,
            attempt: self.past.last + 1,
            store: self.core.store.clone(),
            services: self.core.services.clone(),
            cancelled: self.cancelled.clone(),
        };
        (cx, self.core.store.clock().now())
    }

    pub(super) fn row(
        &mut self,
        kind: &'static str,
        cx: &StepCx,
        started_at: DateTime<Utc>,
        output: Option<Vec<u8>>,
    ) -> StepRow {
        self.past = PastAttempts::default();
        StepRow {
            seq: cx.seq,
            name: cx.name.into(),
            key: cx.key.clone(),
            kind: kind.into(),
            attempt: i32::try_from(cx.attempt).unwrap_or(i32::MAX),
            output,
            error: None,
            started_at,
            finished_at: self.core.store.clock().now(),
        }
    }
}

fn panicked(step: &str) -> StepError {
    // What it said went to the panic hook; it may hold data and is not stored.
    StepError::Transient(Failure::new(Class::Bug, format!("step {step} panicked")))
}

fn encode<T: Serialize>(step: &str, output: &T) -> Result<Vec<u8>, StepError> {
    serde_json::to_vec(output).map_err(|error| {
        let message = format!("output of step {step} cannot be written as JSON");
        StepError::Permanent(Failure::new(Class::Bug, message).with_source(error))
    })
}
