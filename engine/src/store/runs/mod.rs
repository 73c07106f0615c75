//! Runs: starting them in the caller's transaction, reading them, and what a person does to them.
//! How workers claim and finish them is in `activations.rs`.

mod again;
mod bulk;
mod cascade;
mod control;
mod family;
mod moves;
mod overdue;
mod read;
mod start;
mod stop;

use std::time::Duration;

use chrono::{DateTime, Utc};
use connector_sdk::trace::{self, TraceContext};
use serde::Serialize;
use serde_json::Value as Json;

pub use again::{Fork, From, fork, restart, retry};
pub use bulk::{BulkFilter, BulkOperation, BulkPlan, plan as plan_bulk};
pub(crate) use bulk::{BulkPart, part as act_in_bulk};
pub(crate) use cascade::cancel_called;
pub use control::cancel;
pub(crate) use family::{
    Called, Hold, Wait, child, has_called, hold, journal_called, open_called, start_called, wait,
};
pub(crate) use overdue::end_overdue;
pub use read::{get, list};
pub(crate) use start::{Lineage, Outcome, Start, start_as, start_for_all};
#[cfg(test)]
pub(crate) use start::{delta, due_at, expires_at};
pub use start::{start, start_many};
pub(crate) use stop::Stopped;

use super::lanes::Lane;
use super::{Limits, StoreError};
use crate::clock::Deadline;
use crate::ids::{ConnectionId, ProcessId, RunId, TenantId};
use crate::runtime::{Counts, Progress, Workflow};

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// To be claimed from its due time on: ready, asleep or backing off.
    Queued,
    Running,
    /// For a child or a signal.
    Waiting,
    Succeeded,
    /// The dead letters: ended badly, waits for a person; [`retry`] goes on from the failed step.
    Failed,
    Cancelled,
    /// Cannot be run as it is (unknown workflow, input that does not decode, other steps than
    /// journaled); waits for a person or a new release.
    Parked,
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Parked => "parked",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "waiting" => Self::Waiting,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "parked" => Self::Parked,
            other => return Err(StoreError::corrupt("run state", other.to_owned())),
        })
    }

    /// Whether the run is over unless a person retries it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Until when a repeated start finds the earlier run instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DedupeUntil {
    /// For this long after the first start, whatever becomes of the run.
    Elapsed(Duration),
    /// Until a worker has begun it: a run that has not begun will see what the caller just wrote.
    Begun,
    /// Until it has ended.
    Ended,
}

/// What a start does when another run has its dedupe key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DedupeMode {
    /// Finds that run: [`Started::Existing`].
    #[default]
    Existing,
    /// Gives that run everything of the new start, if it has not begun; a run that has begun can
    /// take no new input, so then a new one is started, which has the key from now on.
    Replace,
    /// Fails: [`StoreError::Duplicate`].
    Reject,
    /// [`DedupeMode::Replace`] that also puts the run off: it is due `window` after the newest start,
    /// and at the latest `longest` after the first. The options' `due_at` must be empty.
    Debounce { window: Duration, longest: Duration },
}

/// Makes a start happen once.
///
/// ```no_run
/// use std::time::Duration;
/// use engine::store::runs::{Dedupe, DedupeMode, DedupeUntil, StartOptions};
/// # async fn order<W: engine::Workflow<Input = u32>>(
/// #     engine: &engine::Engine, tenant: engine::ids::TenantId,
/// # ) -> Result<(), engine::StoreError> {
/// let once = Dedupe {
///     key: "order/7".into(),
///     until: DedupeUntil::Elapsed(Duration::from_secs(3600)),
///     mode: DedupeMode::Existing,
/// };
/// let options = StartOptions { dedupe: Some(once), ..StartOptions::default() };
/// let first = engine.start::<W>(tenant, &7, options.clone()).await?;
/// let second = engine.start::<W>(tenant, &7, options).await?;
/// assert_eq!(first.id(), second.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// Unique within the tenant.
    pub key: String,
    pub until: DedupeUntil,
    pub mode: DedupeMode,
}

/// How a run is started; the default is now, by hand, with the workflow's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOptions {
    /// Runs of a tenant with the same key run one at a time, or as many as its
    /// [lane](crate::store::lanes) says.
    pub key: Option<String>,
    /// Higher first, among the tenant's runs; a lower one waits no longer than
    /// [`ageing`](crate::runtime::EngineBuilder::ageing) for each level.
    pub priority: i16,
    pub due_at: Option<DateTime<Utc>>,
    /// By when it must have ended: then a waiting run fails, and a running one is stopped and
    /// fails, with the class `deadline`.
    pub deadline: Option<Deadline>,
    pub dedupe: Option<Dedupe>,
    /// Who or what wanted it: `manual`, `schedule`, `delivery`, `run`, `fork`.
    pub trigger: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            key: None,
            priority: 0,
            due_at: None,
            deadline: None,
            dedupe: None,
            trigger: "manual".into(),
            connection_id: None,
            stream: None,
        }
    }
}

/// A run to be started.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub workflow: String,
    pub version: u16,
    /// JSON.
    pub input: Vec<u8>,
    pub parent_id: Option<RunId>,
    /// Where what starts it stands in a trace; its spans and requests go on from there.
    pub trace: Option<TraceContext>,
    pub options: StartOptions,
}

impl NewRun {
    /// Whether its input is not too long.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub(crate) fn check(&self, limits: Limits) -> Result<(), StoreError> {
        let what = format!("input of a run of {}", self.workflow);
        limits.check_input(&what, self.input.len())
    }

    /// A run of the first version of a workflow whose code is elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Encode`].
    pub fn named(
        workflow: &str,
        input: &impl Serialize,
        options: StartOptions,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            workflow: workflow.to_owned(),
            version: 1,
            input: serde_json::to_vec(input).map_err(StoreError::Encode)?,
            parent_id: None,
            trace: trace::current(),
            options,
        })
    }

    /// A run of a workflow whose code is at hand.
    ///
    /// # Errors
    /// [`StoreError::Encode`].
    pub fn of<W: Workflow>(
        input: &W::Input,
        mut options: StartOptions,
    ) -> Result<Self, StoreError> {
        options.key = options.key.or_else(|| W::key(input));
        let named = Self::named(W::NAME, input, options)?;
        Ok(Self {
            version: W::VERSION,
            ..named
        })
    }
}

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    New(RunId),
    /// The dedupe key was taken by this run, which has got the new input if the mode says so.
    Existing(RunId),
}

impl Started {
    pub fn id(self) -> RunId {
        let (Self::New(id) | Self::Existing(id)) = self;
        id
    }
}

/// A run as stored.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub tenant: TenantId,
    pub id: RunId,
    pub workflow: String,
    pub version: u16,
    pub state: RunState,
    pub key: Option<String>,
    pub priority: i16,
    pub due_at: Option<DateTime<Utc>>,
    /// Times it was claimed.
    pub activations: i64,
    pub owner: Option<ProcessId>,
    /// Failed attempts of the step it is backing off from.
    pub failed_attempts: i32,
    pub cancel_requested: bool,
    pub parent_id: Option<RunId>,
    /// The run that this one began as a copy of, and how many of its steps it was given.
    pub forked_from: Option<(RunId, i32)>,
    /// By when it must have ended.
    pub deadline: Option<DateTime<Utc>>,
    pub trigger: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    /// The lane whose want of room it was put behind; others may hold it back as a whole
    /// ([`lanes::holding`](crate::store::lanes::holding)).
    pub behind: Option<Lane>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// JSON as given; `None` in lists.
    pub input: Option<Vec<u8>>,
    pub output: Option<Vec<u8>>,
    /// `{class, message, code?}`.
    pub error: Option<Json>,
    pub progress: Option<Progress>,
    pub counts: Option<Counts>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Which runs a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub states: Vec<RunState>,
    /// With or without records that failed.
    pub partial: Option<bool>,
    pub workflow: Option<String>,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    pub trigger: Option<String>,
    pub error_class: Option<String>,
    pub parent_id: Option<RunId>,
    pub key: Option<String>,
    /// By the millisecond in which the run's id was made.
    pub created_from: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

/// A page of a list, newest first: the runs older than `after`. Ids are in the order of creation.
#[derive(Clone, Copy, Debug)]
pub struct RunPage {
    pub after: Option<RunId>,
    /// At most 500 are given.
    pub limit: u16,
}

/// A run that another one waits for.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: RunId,
    pub(crate) state: RunState,
    pub(crate) output: Option<Vec<u8>>,
    pub(crate) error: Option<Json>,
}

pub(crate) fn version_to_db(version: u16) -> Result<i16, StoreError> {
    i16::try_from(version).map_err(|_large| {
        StoreError::Conflict(format!("workflow version {version} is over {}", i16::MAX))
    })
}

pub(crate) fn version_from_db(version: i16) -> Result<u16, StoreError> {
    u16::try_from(version).map_err(|error| StoreError::corrupt("workflow version", error))
}
