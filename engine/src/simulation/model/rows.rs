//! The rows of the engine's tables, as the model keeps them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::trace::TraceContext;
use serde_json::Value as Json;

use crate::ids::{ConnectionId, ProcessId, RunId, ScheduleId, SignalId, TenantId};
use crate::store::attempts::AttemptRow;
use crate::store::runs::RunState;
use crate::store::schedules::Schedule;
use crate::store::steps::StepRow;

/// What a row is found and locked by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The lock under which claims are serial.
    Claims,
    /// A process's session lock.
    Session(i64),
    Process(ProcessId),
    Run(RunId),
    Finished(RunId),
    Step(RunId, i32),
    Attempt(RunId, i32, i32),
    Signal(RunId, SignalId),
    /// `signals_dedupe`: run, name, key.
    SentOnce(RunId, String, String),
    Dedupe(TenantId, String),
    /// Tenant, kind, name.
    Lane(TenantId, String, String),
    Schedule(ScheduleId),
    /// A run whose called ones are to be cancelled.
    CancelledParent(TenantId, RunId),
    /// What transactional steps of the simulation count: run, step.
    Effect(RunId, String),
}

/// An open run or a finished one: the columns of both tables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunRec {
    pub(crate) tenant: TenantId,
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) version: i16,
    pub(crate) state: RunState,
    pub(crate) key: Option<String>,
    pub(crate) holds_key: bool,
    pub(crate) behind: bool,
    pub(crate) lane: Option<String>,
    pub(crate) asleep: bool,
    pub(crate) priority: i16,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) epoch: i64,
    pub(crate) owner: Option<ProcessId>,
    pub(crate) attempt: i32,
    pub(crate) cancel_requested: bool,
    pub(crate) parent_id: Option<RunId>,
    pub(crate) parent_seq: Option<i32>,
    pub(crate) wakes_parent: bool,
    pub(crate) awaits: i32,
    pub(crate) deadline: Option<DateTime<Utc>>,
    pub(crate) trigger: String,
    pub(crate) connection_id: Option<ConnectionId>,
    pub(crate) stream: Option<String>,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Option<Vec<u8>>,
    pub(crate) error: Option<Json>,
    pub(crate) error_class: Option<String>,
    pub(crate) progress: Option<Json>,
    pub(crate) counts: Option<Json>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) trace: Option<TraceContext>,
}

impl RunRec {
    /// In the claim's way: the predicate of `runs_claim`.
    pub(super) fn is_ready(&self) -> bool {
        self.state == RunState::Queued && !self.behind && !self.asleep
    }

    /// The parent that waits for its end.
    pub(crate) fn woken_parent(&self) -> Option<RunId> {
        self.parent_id.filter(|_| self.wakes_parent)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ProcessRec {
    pub(crate) host: String,
    pub(crate) lock_key: i64,
    /// By the server's clock.
    pub(crate) seen_at: DateTime<Utc>,
    pub(crate) knows: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct SignalRec {
    pub(crate) name: String,
    pub(crate) dedupe: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) taken_seq: Option<i32>,
    pub(crate) number: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct DedupeRec {
    pub(crate) run: RunId,
    pub(crate) expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct LaneRec {
    pub(crate) max_running: Option<i32>,
    pub(crate) weight: Option<f64>,
    pub(crate) closed_until: Option<DateTime<Utc>>,
    pub(crate) closed_reason: Option<String>,
    pub(crate) paused_at: Option<DateTime<Utc>>,
}

impl LaneRec {
    pub(super) fn is_shut(&self, now: DateTime<Utc>) -> bool {
        self.paused_at.is_some() || self.closed_until.is_some_and(|until| until > now)
    }

    pub(crate) fn says_nothing(&self) -> bool {
        self.max_running.is_none()
            && self.weight.is_none()
            && self.closed_until.is_none()
            && self.paused_at.is_none()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Row {
    Process(ProcessRec),
    Run(Box<RunRec>),
    Step(StepRow),
    Attempt(AttemptRow),
    Signal(SignalRec),
    Sent,
    CancelledParent,
    Dedupe(DedupeRec),
    Lane(LaneRec),
    Schedule(TenantId, Box<Schedule>),
    Effect(u32),
}

/// Gives the row's record; a key of one kind always leads to a row of that kind.
macro_rules! record {
    ($($name:ident: $variant:ident -> $type:ty;)*) => {
        impl Row {
            $(pub(crate) fn $name(&self) -> &$type {
                match self {
                    Self::$variant(record) => record,
                    other => panic!("{other:?} is no {}", stringify!($variant)),
                }
            })*
        }
    };
}

record! {
    process: Process -> ProcessRec;
    run: Run -> RunRec;
    step: Step -> StepRow;
    attempt: Attempt -> AttemptRow;
    signal: Signal -> SignalRec;
    dedupe: Dedupe -> DedupeRec;
    lane: Lane -> LaneRec;
}

pub(crate) type Stored = Arc<Row>;
