//! apalis over our tables; the only place that names it.
//!
//! apalis is the pool of hands: it takes activations from [`PgQueue`] and runs as many at once as
//! it may. One apalis task is one activation of a run. Nothing here can fail in apalis' sense: a run
//! that cannot be decoded, panics or loses its lease is dealt with inside the activation, so that
//! no run ever ends a worker. There is no `Sink`: runs are started by rows in the caller's
//! transaction, which a sink of tasks has no room for.

mod ahead;
mod claimer;
mod floors;

use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) use ahead::{Ahead, Slot, give_back_stale};
use apalis::layers::WorkerBuilderExt;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::layers::Identity;
use apalis_core::monitor::Monitor;
use apalis_core::task::Task;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
pub(crate) use claimer::claim_on;

use crate::runtime::{Activation, Core, activate};
use crate::tasks;

/// The backend never fails.
#[derive(Debug, thiserror::Error)]
#[error("queue failed")]
struct Never;

/// Claimed runs on their way to apalis.
#[derive(Clone)]
struct PgQueue {
    /// Shared, so that a worker that apalis restarts goes on with the same runs.
    ahead: Arc<Ahead>,
}

impl Backend for PgQueue {
    type Task = Task<Activation>;
    type Error = Never;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Activation>, Never>>> {
        self.ahead
            .poll(cx)
            .map(|activation| activation.map(|activation| Ok(Task::new(activation))))
    }

    /// What activations leave to be written is waited for by the engine's shutdown.
    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for PgQueue {
    type Args = Activation;
    type Id = uuid::Uuid;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Works until nothing is claimed any more and the last activation has ended.
pub(crate) async fn work(core: Arc<Core>, ahead: Arc<Ahead>, concurrency: usize) {
    let queue = PgQueue { ahead };
    let worker = move |_restarts: usize| {
        let core = Arc::clone(&core);
        WorkerBuilder::new("syncline")
            .backend(queue.clone())
            .concurrency(concurrency)
            .build(move |activation: Activation| {
                let core = Arc::clone(&core);
                // A task of its own: activations use all processors, not only the worker's.
                let activation = tokio::spawn(tasks::own(activate(core, activation)));
                async move {
                    // A panic is caught inside; what is left is a runtime that goes down.
                    activation.await.ok();
                }
            })
    };
    let monitor = Monitor::new().register(worker).should_restart(|_, _| true);
    if let Err(error) = monitor.run().await {
        tracing::error!(%error, "worker ended");
    }
}
