//! Durable execution: workflows, their steps, the journal, replay, retry, timers and schedules.
//!
//! A [`Workflow`] is an ordinary async function over a [`Run`]. Each of its steps is journaled; when
//! the process dies, another one calls the function again, and steps that have a journal row return
//! what is in it instead of running. What lies outside a step may therefore run many times and must
//! be pure.
//!
//! ```no_run
//! # use std::time::Duration;
//! use engine::store::runs::StartOptions;
//! use engine::{Run, RunError, Step, StepCx, StepError, Workflow};
//!
//! /// Reaches out of the hub, perhaps twice: the other system knows the key and does it once.
//! struct Greet(String);
//!
//! impl Step for Greet {
//!     const NAME: &'static str = "greet";
//!     type Output = String;
//!
//!     async fn run(&self, cx: &StepCx) -> Result<String, StepError> {
//!         Ok(format!("hello {} under {}", self.0, cx.idempotency_key()))
//!     }
//! }
//!
//! struct Welcome;
//!
//! impl Workflow for Welcome {
//!     const NAME: &'static str = "welcome";
//!     type Input = Vec<String>;
//!     type Output = String;
//!
//!     async fn run(cx: &mut Run, mut names: Vec<String>) -> Result<String, RunError> {
//!         let Some(name) = names.pop() else {
//!             return Ok("all are welcome".into());
//!         };
//!         cx.step(Greet(name)).await?;
//!         // No worker is held meanwhile, nor while the other run, a child, is under way.
//!         cx.sleep("a day", Duration::from_secs(86_400)).await?;
//!         cx.call::<Welcome>(names, StartOptions::default()).await
//!     }
//! }
//! ```
//!
//! There is a whole program in `examples/order`.
//!
//! Not here: how runs are claimed and handed to workers (`queue`), SQL (`store`).

mod activation;
mod bulk;
mod children;
mod core;
pub mod cron;
mod engine;
mod error;
mod failing;
mod fan_out;
mod house;
mod map;
mod outcome;
mod patches;
mod perform;
mod process;
mod progress;
mod registry;
mod retry;
mod run;
mod schedules;
mod services;
mod shares;
mod starter;
mod step_cx;
mod unknown;
mod waits;
mod writer;

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use activation::{Activation, activate};
pub use bulk::{BulkInput, BulkOutcome, BulkRuns};
pub(crate) use core::{Core, Incarnation};
pub use engine::{Engine, EngineBuilder};
pub use error::{Class, Failure, RunError, StepError};
pub use progress::{Counts, Progress};
pub use retry::Retry;
pub use run::Run;
pub use services::{MissingService, Services};
pub use step_cx::StepCx;

use crate::store::Tx;

/// Code of runs. Its name and version are stored with every run and never change their meaning.
pub trait Workflow: Send + Sync + 'static {
    const NAME: &'static str;
    /// Old versions stay registered while runs of them are open.
    const VERSION: u16 = 1;
    /// Whether runs that succeeded stay to be read, until their retention is over. Without that such a
    /// run is gone with its end, and so is its journal: a short one costs about half. For runs of which
    /// there are many and that nobody asks for: [`Engine::outcome`] does not find them, nor does a start
    /// whose dedupe key still names one. Runs that failed or were cancelled always stay, and so do those
    /// that another one called ([`Run::call`]), which reads what they returned.
    const HISTORY: bool = true;
    type Input: Serialize + DeserializeOwned + Send;
    type Output: Serialize + DeserializeOwned + Send;

    /// Runs of one tenant with the same key run one at a time, or as many as the key's
    /// [lane](crate::store::lanes) says: a run holds its key from its first step until it ends, also
    /// while it sleeps or backs off. Used where no key is given at start.
    fn key(_input: &Self::Input) -> Option<String> {
        None
    }

    fn run(
        cx: &mut Run,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, RunError>> + Send;
}

/// Touches the outside world: runs at least once, so it hands on [`StepCx::idempotency_key`].
pub trait Step: Send + Sync {
    /// A name never changes its meaning; a new meaning is a new name.
    const NAME: &'static str;
    const RETRY: Retry = Retry::DEFAULT;
    /// An attempt that takes longer is dropped where it is and has failed transiently.
    const TIMEOUT: Option<Duration> = None;
    /// So has one that has not called [`StepCx::heartbeat`] for so long.
    const HEARTBEAT: Option<Duration> = None;
    type Output: Serialize + DeserializeOwned + Send;

    /// Tells repeats of one step apart: a page, a write.
    fn key(&self) -> String {
        String::new()
    }

    fn run(&self, cx: &StepCx) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// Touches only Postgres: its effects and its checkpoint commit together, exactly once. Runs that it
/// starts exist if its effects do.
///
/// ```no_run
/// use engine::store::runs::StartOptions;
/// use engine::{Run, RunError, StepCx, StepError, Tx, TxStep, Workflow};
///
/// struct Hire(String);
///
/// impl TxStep for Hire {
///     const NAME: &'static str = "hire";
///     type Output = ();
///
///     async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
///         // … rows of one's own, in `tx` …
///         cx.start_in::<Onboard>(tx, &self.0, StartOptions::default()).await?;
///         Ok(())
///     }
/// }
///
/// struct Onboard;
///
/// impl Workflow for Onboard {
///     const NAME: &'static str = "onboard";
///     type Input = String;
///     type Output = ();
///
///     async fn run(cx: &mut Run, name: String) -> Result<(), RunError> {
///         cx.tx(Hire(format!("a mentor for {name}"))).await
///     }
/// }
/// ```
pub trait TxStep: Send + Sync {
    /// A name never changes its meaning; a new meaning is a new name.
    const NAME: &'static str;
    const RETRY: Retry = Retry::DEFAULT;
    /// An attempt whose preparation or transaction takes longer is dropped, which rolls it back,
    /// and has failed transiently.
    const TIMEOUT: Option<Duration> = None;
    type Output: Serialize + DeserializeOwned + Send;

    /// Tells repeats of one step apart: a page, a write.
    fn key(&self) -> String {
        String::new()
    }

    /// Runs before the transaction begins: what the step needs from elsewhere, kept in the step.
    /// It is not journaled and may run many times; what it changes must
    /// be harmless to repeat.
    fn prepare(&self, _cx: &StepCx) -> impl Future<Output = Result<(), StepError>> + Send {
        std::future::ready(Ok(()))
    }

    fn run(
        &self,
        cx: &StepCx,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}
