//! Runs that a run starts: on their own, or to wait for.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::failing::stored_failure;
use super::run::{Exit, Run};
use super::{Class, Failure, Retry, RunError, StepCx, StepError, TxStep, Workflow};
use crate::failpoints::{self, Failpoint};
use crate::ids::RunId;
use crate::store::runs::{self, Child, Hold, Lineage, NewRun, RunState, StartOptions, Wait};
use crate::store::steps::StepRow;
use crate::store::{StoreError, Tx};

/// What a parent found when it came to a call.
enum Called {
    Ended(Child),
    /// The parent waits now.
    Waiting,
    Cancelled,
    Lost,
}

impl Run {
    /// Starts a run once and does not wait for it. Many at once are better started by a
    /// [`TxStep`], in one transaction.
    ///
    /// # Errors
    /// Input that cannot be encoded; a database that fails for longer than retries allow.
    pub async fn start<W: Workflow>(
        &mut self,
        input: W::Input,
        options: StartOptions,
    ) -> Result<RunId, RunError> {
        let options = from_run(options);
        let mut new = NewRun::of::<W>(&input, options)?;
        new.parent_id = Some(self.run_id());
        self.tx_as("start", StartChild::<W>(new, PhantomData)).await
    }

    /// Starts a run once and waits for its end without holding a worker. A child must not need the
    /// key its parent holds, or both wait for ever.
    ///
    /// # Errors
    /// The child's failure, with its class.
    pub async fn call<W: Workflow>(
        &mut self,
        input: W::Input,
        options: StartOptions,
    ) -> Result<W::Output, RunError> {
        let options = StartOptions {
            dedupe: None,
            ..from_run(options)
        };
        if let Some(row) = self.next("call", W::NAME, "").await {
            return self.replayed(row).await;
        }
        let mut new = NewRun::of::<W>(&input, options)?;
        new.parent_id = Some(self.run_id());
        self.flush().await;
        let (cx, started_at) = self.attempt(W::NAME, String::new());
        match self.look_after(&new).await {
            Ok(Called::Ended(child)) => self.ended(&cx, started_at, child).await,
            Ok(Called::Waiting) => self.leave(Exit::Left).await,
            Ok(Called::Cancelled) => self.leave(Exit::Cancelled).await,
            Ok(Called::Lost) => self.leave(Exit::Lost).await,
            Err(error) => {
                let error = error.into();
                Err(self
                    .failed("call", &cx, started_at, Retry::DEFAULT, error)
                    .await)
            }
        }
    }

    /// Starts the child if there is none and goes to wait if it has not ended, in one transaction.
    async fn look_after(&self, new: &NewRun) -> Result<Called, StoreError> {
        let (lease, seq) = (&self.lease, self.seq);
        let mut tx = self.core.store.begin_brief(lease.tenant).await?;
        match runs::hold(&mut tx, lease).await? {
            Hold::Held => {}
            Hold::Cancelled => return Ok(Called::Cancelled),
            Hold::Lost => return Ok(Called::Lost),
        }
        // From here on the end of the child waits for this transaction, or is seen by it.
        match runs::child(&mut tx, lease.id, seq).await? {
            Some(child) if child.state.is_final() => return Ok(Called::Ended(child)),
            Some(_) => {}
            None => {
                let lineage = Lineage {
                    parent_id: Some(lease.id),
                    parent_seq: Some(seq),
                    wakes_parent: true,
                };
                runs::start_as(&mut tx, RunId::fresh(), new, lineage).await?;
            }
        }
        let wait = Wait {
            awaits: 1,
            ..self.wait()
        };
        runs::wait(&mut tx, lease, wait).await?;
        failpoints::reach(Failpoint::CallCommits);
        tx.commit().await?;
        failpoints::reach(Failpoint::CallCommitted);
        Ok(Called::Waiting)
    }

    async fn ended<T: DeserializeOwned>(
        &mut self,
        cx: &StepCx,
        started_at: DateTime<Utc>,
        child: Child,
    ) -> Result<T, RunError> {
        let seq = self.seq;
        if child.state == RunState::Succeeded {
            let row = self.row("call", cx, started_at, child.output);
            self.pending.push(row.clone());
            self.seq += 1;
            return self.replayed(row).await;
        }
        let failure = child
            .error
            .and_then(|error| serde_json::from_value::<Failure>(error).ok())
            .unwrap_or_else(|| Failure::new(Class::Bug, format!("run {} failed", child.id)));
        let row = self.row("call", cx, started_at, None);
        self.pending.push(StepRow {
            error: Some(stored_failure(&failure)),
            ..row
        });
        self.seq += 1;
        Err(RunError::at(failure, seq))
    }
}

pub(super) fn from_run(options: StartOptions) -> StartOptions {
    let default = StartOptions::default();
    StartOptions {
        trigger: if options.trigger == default.trigger {
            "run".into()
        } else {
            options.trigger
        },
        ..options
    }
}

/// The transaction of [`Run::start`].
struct StartChild<W>(NewRun, PhantomData<fn() -> W>);

impl<W: Workflow> TxStep for StartChild<W> {
    const NAME: &'static str = W::NAME;
    type Output = RunId;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<RunId, StepError> {
        Ok(runs::start(tx, self.0.clone()).await?.id())
    }
}
