//! What a workflow may ask.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{MissingService, RunError, Step, TxStep, Workflow};
use crate::ids::{RunId, TenantId};
use crate::store::runs::StartOptions;

/// How far a run is; shown, never decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
    /// What is counted: `records`.
    pub unit: String,
}

/// What a run has done to records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub read: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub deleted: u64,
    pub conflicts: u64,
    pub failed: u64,
    pub written: u64,
}

/// One activation of a run, as its workflow sees it.
pub struct Run {}

impl Run {
    pub fn run_id(&self) -> RunId {
        unimplemented!()
    }

    pub fn tenant(&self) -> TenantId {
        unimplemented!()
    }

    /// # Errors
    /// [`MissingService`]: the engine was built without one.
    pub fn service<T: Any + Send + Sync>(&self) -> Result<Arc<T>, MissingService> {
        unimplemented!()
    }

    /// Runs the step, or returns what it returned when it ran before.
    ///
    /// # Errors
    /// The step's permanent failure, or its last transient one. It is journaled: handle it, or hand
    /// it on with `?` and the run fails; retrying the run then goes on with this step.
    pub async fn step<S: Step>(&mut self, _step: S) -> Result<S::Output, RunError> {
        unimplemented!()
    }

    /// Runs the step in a transaction that also holds its checkpoint, exactly once.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub async fn tx<T: TxStep>(&mut self, _step: T) -> Result<T::Output, RunError> {
        unimplemented!()
    }

    /// Waits without holding a worker; the time counts from when the run first got here.
    ///
    /// # Errors
    /// None today.
    pub async fn sleep(&mut self, _name: &'static str, _time: Duration) -> Result<(), RunError> {
        unimplemented!()
    }

    /// # Errors
    /// None today.
    pub async fn sleep_until(
        &mut self,
        _name: &'static str,
        _at: DateTime<Utc>,
    ) -> Result<(), RunError> {
        unimplemented!()
    }

    /// Starts a run once and does not wait for it.
    ///
    /// # Errors
    /// Input that cannot be encoded.
    pub async fn start<W: Workflow>(
        &mut self,
        _input: W::Input,
        _options: StartOptions,
    ) -> Result<RunId, RunError> {
        unimplemented!()
    }

    /// Starts a run once and waits for its end without holding a worker. A child must not need the
    /// key its parent holds.
    ///
    /// # Errors
    /// The child's failure, with its class.
    pub async fn call<W: Workflow>(
        &mut self,
        _input: W::Input,
        _options: StartOptions,
    ) -> Result<W::Output, RunError> {
        unimplemented!()
    }

    /// Sets the progress; written now and then, and when the run waits or ends.
    pub fn progress(&mut self, _progress: Progress) {
        unimplemented!()
    }

    /// Adds to the run's counts. Call it outside steps with what steps returned: a replay counts
    /// again from zero and comes to the same sum.
    pub fn counts(&mut self, _more: Counts) {
        unimplemented!()
    }

    /// Cancelled when somebody wants the run to stop; the next step does not start.
    pub fn cancelled(&self) -> &CancellationToken {
        unimplemented!()
    }
}
