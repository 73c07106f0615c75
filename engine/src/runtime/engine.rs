//! The handle to a running engine.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Pace};
use super::registry::Registry;
use super::services::Services;
use super::starter::{self, Starter};
use super::writer::{self, Writer};
use super::{Workflow, house, process};
use crate::budget::Budgets;
use crate::ids::{ProcessId, RunId, TenantId};
use crate::queue::{self, Ahead};
use crate::store::runs::{self, Fork, NewRun, RunState, StartOptions, Started};
use crate::store::{Store, StoreError, Tx, signals};
use crate::tasks;

/// Collects what an engine runs and with what.
pub struct EngineBuilder {
    store: Store,
    services: Services,
    registry: Registry,
    concurrency: usize,
    grace: Duration,
    retention: Duration,
    cancel_grace: Duration,
    host: String,
    pace: Pace,
}

/// How long finished runs and their journals are kept.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

impl EngineBuilder {
    /// Gives steps a service; the last one of a type counts.
    #[must_use]
    pub fn service<T: Any + Send + Sync>(mut self, service: Arc<T>) -> Self {
        self.services.insert(service);
        self
    }

    /// Lets this process run a workflow. Register every version of which runs are open.
    #[must_use]
    pub fn register<W: Workflow>(mut self) -> Self {
        self.registry.add::<W>();
        self
    }

    /// Activations at once; 50 unless said. At least one.
    #[must_use]
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = runs.max(1);
        self
    }

    /// How long a shutdown waits for steps under way; 20 s unless said.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// How long finished runs and their journals are kept; 30 days unless said. They go by the day in
    /// which they were made, when the last run of that day has been over for this long: a run that
    /// stays open keeps the others of its day. What one engine drops is gone for all.
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = time;
        self
    }

    /// How long a cancelled run may go on with the step it is in before that is dropped where it is;
    /// 30 s unless said. A step that keeps its thread busy without waiting cannot be dropped.
    #[must_use]
    pub fn cancel_grace(mut self, time: Duration) -> Self {
        self.cancel_grace = time;
        self
    }

    /// The machine's name, for people.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self
    }

    /// How long a run waits at most for runs of the next higher priority of its tenant; a minute
    /// unless said, at most 30 days. Having waited so long it goes before those of them that are due
    /// just now.
    #[must_use]
    pub fn ageing(mut self, time: Duration) -> Self {
        self.pace.ageing = time.min(Duration::from_secs(30 * 86_400));
        self
    }

    /// How long a due run waits for a process that knows its workflow and version; five minutes
    /// unless said. Then it is parked with a message.
    #[must_use]
    pub fn park_unknown_after(mut self, time: Duration) -> Self {
        self.pace.unknown = time;
        self
    }

    /// The least time between claims that look at all queued runs.
    #[cfg(test)]
    pub(crate) fn look_everywhere_after(mut self, time: Duration) -> Self {
        self.pace.everywhere = time;
        self
    }

    /// Starts working; must be called in a tokio runtime. The database may be away: the engine
    /// waits for it.
    pub fn start(mut self) -> Engine {
        self.services.insert(Arc::new(Budgets::default()));
        let (writer, inbox) = Writer::new();
        let core = Arc::new(Core::new(
            self.store,
            self.services,
            self.registry,
            writer,
            self.host,
            self.pace,
            self.cancel_grace,
        ));
        let ahead = Arc::new(Ahead::new(self.concurrency));
        let signed_off = CancellationToken::new();
        core.store.feed().listen(core.kill.clone());
        let mut running = JoinSet::new();
        running.spawn(tasks::own(writer::start(Arc::clone(&core), inbox)));
        let (starter, wanted) = Starter::new();
        let starting = starter::start(core.store.clone(), core.kill.clone(), wanted);
        running.spawn(tasks::own(starting));
        running.spawn(tasks::own(writer::keep_releasing(Arc::clone(&core))));
        running.spawn(tasks::own(process::keep_pulse(Arc::clone(&core))));
        running.spawn(tasks::own(house::keep(Arc::clone(&core), self.retention)));
        let claiming = queue::claim_on(Arc::clone(&core), Arc::clone(&ahead));
        running.spawn(tasks::own(claiming));
        let giving_back = queue::give_back_stale(Arc::clone(&core), Arc::clone(&ahead));
        running.spawn(tasks::own(giving_back));
        let working = queue::work(Arc::clone(&core), Arc::clone(&ahead), self.concurrency);
        running.spawn(tasks::own(working));
        let registration = process::stay_registered(Arc::clone(&core), signed_off.clone());
        let registration = tokio::spawn(tasks::own(registration));
        Engine {
            core,
            starter,
            ahead,
            grace: self.grace,
            tasks: running,
            registration,
            signed_off,
        }
    }
}

/// A running engine. Dropped without [`Engine::shutdown`] it stops where it is, as if the process
/// had been killed: others find its lock free and go on with its runs.
pub struct Engine {
    core: Arc<Core>,
    starter: Starter,
    ahead: Arc<Ahead>,
    grace: Duration,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
    registration: tokio::task::JoinHandle<()>,
    signed_off: CancellationToken,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.core.kill.cancel();
        self.registration.abort();
    }
}

impl Engine {
    pub fn builder(store: Store) -> EngineBuilder {
        EngineBuilder {
            store,
            services: Services::default(),
            registry: Registry::default(),
            concurrency: 50,
            grace: Duration::from_secs(20),
            retention: RETENTION,
            cancel_grace: Duration::from_secs(30),
            host: "localhost".into(),
            pace: Pace {
                ageing: Duration::from_secs(60),
                unknown: Duration::from_secs(300),
                everywhere: Duration::ZERO,
            },
        }
    }

    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// Whether this process is registered and claims runs.
    pub fn is_running(&self) -> bool {
        self.core.incarnation.borrow().is_some() && !self.core.stopping.is_cancelled()
    }

    /// This process's registration, which changes when others took it for dead; `None` while it has
    /// none.
    pub fn process_id(&self) -> Option<ProcessId> {
        self.core.incarnation.borrow().as_ref().map(|now| now.id)
    }

    /// Activations under way.
    pub fn active(&self) -> usize {
        self.core.active_count()
    }

    /// Starts a run outside the caller's transaction; it is durable on return. Starts of callers that
    /// wait at the same moment share a transaction. A caller that stops waiting may find its run
    /// started all the same.
    ///
    /// # Errors
    /// [`StoreError::UnknownWorkflow`] when the workflow is not registered here;
    /// [`StoreError::TooLarge`]; as [`runs::start`]; what failed for several at once is
    /// [`StoreError::Shared`].
    pub async fn start<W: Workflow>(
        &self,
        tenant: TenantId,
        input: &W::Input,
        options: StartOptions,
    ) -> Result<Started, StoreError> {
        self.core.check_known(W::NAME, W::VERSION)?;
        let new = NewRun::of::<W>(input, options)?;
        new.check(self.core.store.limits())?;
        self.starter.start(tenant, new).await
    }

    /// Starts a run in the caller's transaction: it exists if and only if that commits.
    ///
    /// # Errors
    /// [`StoreError::UnknownWorkflow`] when the workflow is not registered here; as [`runs::start`].
    pub async fn start_in<W: Workflow>(
        &self,
        tx: &mut Tx,
        input: &W::Input,
        options: StartOptions,
    ) -> Result<Started, StoreError> {
        self.core.check_known(W::NAME, W::VERSION)?;
        runs::start(tx, NewRun::of::<W>(input, options)?).await
    }

    /// Starts many runs with the same options in one transaction; returns what became of each, in
    /// their order. For options of their own see [`runs::start_many`].
    ///
    /// # Errors
    /// [`StoreError::UnknownWorkflow`] when the workflow is not registered here; as
    /// [`runs::start_many`].
    pub async fn start_many<W: Workflow>(
        &self,
        tenant: TenantId,
        inputs: &[W::Input],
        options: &StartOptions,
    ) -> Result<Vec<Started>, StoreError> {
        self.core.check_known(W::NAME, W::VERSION)?;
        let new = inputs
            .iter()
            .map(|input| NewRun::of::<W>(input, options.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut tx = self.core.store.begin(tenant).await?;
        let started = runs::start_many(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(started)
    }

    /// Sends a signal; false when one with this name and dedupe key was sent before.
    ///
    /// # Errors
    /// As [`signals::send`].
    pub async fn signal(
        &self,
        tenant: TenantId,
        run: RunId,
        name: &str,
        body: &(impl Serialize + Sync),
        dedupe: Option<&str>,
    ) -> Result<bool, StoreError> {
        let body = serde_json::to_vec(body).map_err(StoreError::Encode)?;
        let mut tx = self.core.store.begin(tenant).await?;
        let sent = signals::send(&mut tx, run, name, &body, dedupe).await?;
        tx.commit().await?;
        Ok(sent)
    }

    /// Cancels a run; a running one stops at its next step, or where it is after the time of grace
    /// ([`EngineBuilder::cancel_grace`]). The runs it called go with it.
    ///
    /// # Errors
    /// As [`runs::cancel`].
    pub async fn cancel(&self, tenant: TenantId, run: RunId) -> Result<RunState, StoreError> {
        let mut tx = self.core.store.begin(tenant).await?;
        let state = runs::cancel(&mut tx, run).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Queues a failed, cancelled or parked run again.
    ///
    /// # Errors
    /// As [`runs::retry`].
    pub async fn retry(&self, tenant: TenantId, run: RunId) -> Result<(), StoreError> {
        let mut tx = self.core.store.begin(tenant).await?;
        runs::retry(&mut tx, run).await?;
        tx.commit().await
    }

    /// Makes a run go on from a point of its journal.
    ///
    /// # Errors
    /// As [`runs::restart`].
    pub async fn restart(
        &self,
        tenant: TenantId,
        run: RunId,
        from: runs::From,
    ) -> Result<(), StoreError> {
        let mut tx = self.core.store.begin(tenant).await?;
        runs::restart(&mut tx, run, from).await?;
        tx.commit().await
    }

    /// Starts a run that begins with another one's journal up to a point, perhaps in another
    /// version.
    ///
    /// # Errors
    /// [`StoreError::UnknownWorkflow`] when this process has no code of the wanted version; as
    /// [`runs::fork`].
    pub async fn fork(
        &self,
        tenant: TenantId,
        run: RunId,
        from: runs::From,
        fork: Fork,
    ) -> Result<RunId, StoreError> {
        let mut tx = self.core.store.begin(tenant).await?;
        if let Some(version) = fork.version {
            let workflow = runs::get(&mut tx, run).await?.workflow;
            self.core.check_known(&workflow, version)?;
        }
        let copy = runs::fork(&mut tx, run, from, fork).await?;
        tx.commit().await?;
        Ok(copy)
    }

    /// Stops claiming, lets runs come to the end of their step for as long as the grace time, stops
    /// and queues again those that do not, and signs off.
    pub async fn shutdown(mut self) {
        self.core.stopping.cancel();
        if !self.drained(self.grace).await {
            tracing::warn!(
                runs = self.active(),
                "steps still run after the time of grace"
            );
            self.core.grace_over.cancel();
            self.drained(Duration::from_secs(2)).await;
        }
        self.signed_off.cancel();
        let signed_off = tokio::time::timeout(Duration::from_secs(5), &mut self.registration).await;
        if signed_off.is_err() {
            tracing::warn!("worker process did not sign off in time");
        }
        self.core.kill.cancel();
        self.tasks.shutdown().await;
    }

    /// Whether all claimed runs were dealt with in this time.
    async fn drained(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.ahead.is_empty() {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}
