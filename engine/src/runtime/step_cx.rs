//! What a step may ask while it runs.

use std::any::Any;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::core::Shown;
use super::perform::Beat;
use super::services::{MissingService, Services};
use super::{Progress, StepError, Workflow};
use crate::budget::{Budgets, Lane};
use crate::clock::Clock;
use crate::ids::{RunId, TenantId};
use crate::store::runs::{NewRun, StartOptions, Started};
use crate::store::{Store, StoreError, SystemTx, Tx, runs};
use crate::trace::Traced;

/// One attempt of one step.
pub struct StepCx {
    pub(crate) tenant: TenantId,
    pub(crate) run_id: RunId,
    pub(crate) seq: i32,
    pub(crate) name: &'static str,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(super) trigger: Arc<str>,
    pub(super) traced: Traced,
    pub(crate) store: Store,
    pub(crate) services: Services,
    pub(crate) cancelled: CancellationToken,
    pub(super) shown: Arc<Shown>,
    pub(super) beat: Arc<Beat>,
}

impl StepCx {
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// The step's name and key.
    pub fn step(&self) -> (&'static str, &str) {
        (self.name, &self.key)
    }

    /// One for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Who or what wanted the run, as in [`StartOptions::trigger`].
    pub fn trigger(&self) -> &str {
        &self.trigger
    }

    /// The same for every attempt of this step in this run, and for no other step: give it to the
    /// other system, so that a repeat is harmless. 36 to 46 characters of `[a-z0-9_.]`.
    pub fn idempotency_key(&self) -> String {
        format!("{}.{}", self.run_id, self.seq)
    }

    pub fn clock(&self) -> &Clock {
        self.store.clock()
    }

    /// # Errors
    /// [`MissingService`]: the engine was built without one.
    pub fn service<T: Any + Send + Sync>(&self) -> Result<Arc<T>, MissingService> {
        self.services.get()
    }

    /// Cancelled when somebody wants the run to stop. A long step looks at it and returns
    /// [`StepError::Cancelled`]; one that does not is dropped where it
    /// is when the time of grace ([`EngineBuilder::cancel_grace`](super::EngineBuilder::cancel_grace))
    /// is over.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Spends tokens of a budget before a call to another system; without such a budget nothing is
    /// limited. Waits a moment (up to two seconds) if that is enough.
    ///
    /// # Errors
    /// To be handed on with `?`: [`StepError::Later`] when it takes longer, so that the step is tried
    /// again then; [`StepError::Permanent`] when the lane may never use as much at once;
    /// [`StepError::Cancelled`]; that of the database.
    ///
    /// ```
    /// use engine::budget::Lane;
    /// # async fn call(cx: &engine::StepCx, connection: engine::ids::ConnectionId)
    /// # -> Result<(), engine::StepError> {
    /// cx.budget(&connection.to_string(), Lane::Incremental, 1.0).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn budget(&self, name: &str, lane: Lane, cost: f64) -> Result<(), StepError> {
        check_cost(cost)?;
        let budgets = self.services.get::<Budgets>()?;
        let spent = budgets.spend(&self.store, self.tenant, name, lane, cost);
        let spent = self.cancelled.run_until_cancelled(spent).await;
        // The last bytes of a UUID v7 are random.
        let spread = f64::from(self.run_id.0.as_bytes()[15]) / 255.0;
        spent
            .ok_or(StepError::Cancelled)?
            .map_err(|refused| refused.into_step_error(name, lane, spread))
    }

    /// As [`StepCx::budget`], for a call that can as well be made later: spends nothing and says
    /// false where it would have to wait.
    ///
    /// # Errors
    /// That of the database.
    pub async fn try_budget(&self, name: &str, lane: Lane, cost: f64) -> Result<bool, StepError> {
        check_cost(cost)?;
        let budgets = self.services.get::<Budgets>()?;
        let spent = budgets.spend_now(&self.store, self.tenant, name, lane, cost);
        Ok(spent.await?)
    }

    /// Says that the step goes on; to be called more often than
    /// [`Step::HEARTBEAT`](super::Step::HEARTBEAT). Costs next to nothing.
    pub fn heartbeat(&self) {
        self.beat.now();
    }

    /// Sets the run's progress, from within a long step; written about once a second. Is a
    /// [heartbeat](Self::heartbeat) too.
    pub fn progress(&self, progress: Progress) {
        self.beat.now();
        self.shown.set_progress(serde_json::to_value(progress).ok());
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A transaction of the run's tenant, apart from the step's own.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.store.begin(self.tenant).await
    }

    /// Begins a transaction over all tenants, for what no tenant's own may do, such as the retention of
    /// the audit trail.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin_system(&self) -> Result<SystemTx, StoreError> {
        self.store.begin_system().await
    }

    /// Starts a run in a [`TxStep`](super::TxStep)'s transaction: it exists if the step's effects do.
    ///
    /// # Errors
    /// As [`runs::start`].
    pub async fn start_in<W: Workflow>(
        &self,
        tx: &mut Tx,
        input: &W::Input,
        options: StartOptions,
    ) -> Result<Started, StoreError> {
        let mut new = NewRun::of::<W>(input, options)?;
        new.parent_id.get_or_insert(self.run_id);
        runs::start(tx, new).await
    }
}

fn check_cost(cost: f64) -> Result<(), StepError> {
    if cost.is_finite() && cost >= 0.0 {
        return Ok(());
    }
    Err(StepError::bug("cost of a call is not a number of tokens"))
}
