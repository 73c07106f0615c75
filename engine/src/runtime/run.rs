//! What a workflow may ask.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Shown};
use super::patches::MARKER;
use super::perform::{Beat, Patience, encode, perform, within};
use super::writer::Written;
use super::{Counts, MissingService, Progress, RunError, Step, StepCx, StepError, TxStep};
use crate::failpoints::{self, Failpoint};
use crate::ids::{RunId, TenantId};
use crate::store::activations::{History, Lease, PastAttempts};
use crate::store::attempts::AttemptRow;
use crate::store::steps::StepRow;
use crate::store::{StoreError, Tx, journal, steps};
use crate::trace::Traced;

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
    /// Until this time; with what a system said that asked for a rest.
    Asleep(DateTime<Utc>, Option<String>),
    /// With the reason why its lane is closed as long, if it is.
    BackOff(AttemptRow, Option<String>),
    /// For a person, with this message.
    Parked(String),
}

/// One activation of a run, as its workflow sees it.
pub struct Run {
    pub(super) core: Arc<Core>,
    pub(super) lease: Lease,
    trigger: Arc<str>,
    /// Journaled steps that the workflow has not come to yet.
    pub(super) history: VecDeque<StepRow>,
    /// Failed attempts of steps that are not journaled.
    pub(super) past: BTreeMap<i32, PastAttempts>,
    pub(super) seq: i32,
    /// Finished, but not journaled yet: written with the next step's or the run's end, before any
    /// further effect.
    pub(super) pending: Vec<StepRow>,
    pub(super) pending_attempts: Vec<AttemptRow>,
    pub(super) cancelled: CancellationToken,
    pub(super) shown: Arc<Shown>,
    /// What was answered about changes of the code.
    pub(super) patches: BTreeMap<&'static str, bool>,
    counts: Counts,
    exit: Option<oneshot::Sender<Exit>>,
}

impl Run {
    pub(super) fn new(
        core: Arc<Core>,
        lease: Lease,
        trigger: String,
        history: History,
        cancelled: CancellationToken,
        shown: Arc<Shown>,
    ) -> Self {
        Self {
            core,
            lease,
            trigger: trigger.into(),
            history: history.steps.into(),
            past: history.attempts,
            seq: 0,
            pending: Vec::new(),
            pending_attempts: Vec::new(),
            cancelled,
            shown,
            patches: BTreeMap::new(),
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

    /// Who or what wanted it, as in [`StartOptions`](crate::store::runs::StartOptions::trigger).
    pub fn trigger(&self) -> &str {
        &self.trigger
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
        let result = perform(&step, &cx).await;
        failpoints::reach(Failpoint::StepDone);
        match result {
            Ok((stored, output)) => {
                self.check_length(S::NAME, &stored).await;
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
        if !self.pending_attempts.is_empty() {
            self.flush().await;
        }
        let (cx, started_at) = self.attempt(T::NAME, key);
        let patience = Patience {
            timeout: T::TIMEOUT,
            heartbeat: None,
        };
        let prepared = within(&cx, patience, Box::pin(step.prepare(&cx))).await;
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
        let result = within(&cx, patience, Box::pin(step.run(&cx, &mut tx)))
            .await
            .and_then(|output| Ok((encode(T::NAME, &output)?, output)));
        let result = match result {
            Ok((stored, output)) => {
                self.check_length(T::NAME, &stored).await;
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

    /// Stands still when the activation has ended: the workflow's code got around that.
    pub(super) async fn check_goes_on(&self) {
        if self.exit.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// The journal row of the step the workflow has come to, or none when it has to run.
    pub(super) async fn next(&mut self, kind: &str, name: &str, key: &str) -> Option<StepRow> {
        self.check_goes_on().await;
        while self.history.front().is_some_and(|row| row.kind == MARKER) {
            self.pass_marker();
        }
        match self.history.pop_front() {
            Some(row)
                if row.seq == self.seq
                    && row.kind == kind
                    && row.name == name
                    && row.key == key =>
            {
                self.seq += 1;
                Some(row)
            }
            Some(row) if row.seq != self.seq => {
                let message = format!(
                    "step {} is journaled, but step {} before it is not",
                    row.seq, self.seq
                );
                self.leave(Exit::Parked(message)).await
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
            None => {
                self.check_stop().await;
                None
            }
        }
    }

    /// Nothing new begins when somebody wants the run or the process to stop.
    pub(super) async fn check_stop(&mut self) {
        if !self.core.holds(&self.lease) {
            self.leave::<()>(Exit::Lost).await;
        }
        if self.cancelled.is_cancelled() {
            self.leave::<()>(Exit::Cancelled).await;
        }
        if self.core.stopping.is_cancelled() {
            self.leave::<()>(Exit::Released).await;
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
        if self.pending.is_empty() && self.pending_attempts.is_empty() {
            return;
        }
        let written = self.write_pending().await;
        self.after_write(written).await;
    }

    /// Hands what is finished to the writer.
    pub(super) fn write_pending(&mut self) -> impl Future<Output = Written> + use<> {
        let entry = journal::Entry {
            lease: self.lease,
            steps: std::mem::take(&mut self.pending),
            attempts: std::mem::take(&mut self.pending_attempts),
            end: None,
        };
        let core = Arc::clone(&self.core);
        async move { core.writer.write(entry).await }
    }

    /// Goes on only if it was written and nobody wants the run to stop.
    pub(super) async fn after_write(&mut self, written: Written) {
        let exit = match written {
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

    /// An output that is too long to be stored parks the run: without it nothing can go on.
    async fn check_length(&mut self, step: &str, output: &[u8]) {
        if let Some(message) = self
            .core
            .too_long(&format!("output of step {step}"), output)
        {
            self.leave::<()>(Exit::Parked(message)).await;
        }
    }

    /// Commits a transaction with its checkpoint and those before it.
    pub(super) async fn commit(&mut self, mut tx: Tx, row: StepRow) -> Result<(), StepError> {
        let mut rows = self.pending.clone();
        rows.push(row);
        if !steps::insert_fenced(&mut tx, &self.lease, &rows).await? {
            drop(tx);
            return self.leave(Exit::Lost).await;
        }
        self.commit_all(tx).await?;
        self.pending.clear();
        self.seq += 1;
        Ok(())
    }

    /// Commits; an error means that the server has said no.
    pub(super) async fn commit_all(&mut self, tx: Tx) -> Result<(), StepError> {
        failpoints::reach(Failpoint::TxCommits);
        match tx.commit().await {
            Ok(()) => {
                failpoints::reach(Failpoint::TxCommitted);
                Ok(())
            }
            Err(error @ StoreError::Database(sqlx::Error::Database(_))) => Err(error.into()),
            Err(error) => {
                tracing::warn!(run.id = %self.lease.id, %error, "outcome of a commit is unknown");
                self.leave(Exit::Unknown).await
            }
        }
    }

    /// Failed attempts of a step that is not journaled.
    pub(super) fn past_attempts(&self, seq: i32) -> PastAttempts {
        self.past.get(&seq).copied().unwrap_or_default()
    }

    pub(super) fn attempt(&self, name: &'static str, key: String) -> (StepCx, DateTime<Utc>) {
        self.attempt_at(self.seq, name, key)
    }

    pub(super) fn attempt_at(
        &self,
        seq: i32,
        name: &'static str,
        key: String,
    ) -> (StepCx, DateTime<Utc>) {
        let attempt = self.past_attempts(seq).last + 1;
        let cx = StepCx {
            traced: Traced::step(name, &key, seq, attempt),
            trigger: Arc::clone(&self.trigger),
            tenant: self.lease.tenant,
            run_id: self.lease.id,
            seq,
            name,
            key,
            attempt,
            store: self.core.store.clone(),
            services: self.core.services.clone(),
            cancelled: self.cancelled.clone(),
            shown: Arc::clone(&self.shown),
            beat: Arc::new(Beat::new()),
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
        self.past.remove(&cx.seq);
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
