//! Lanes: what limits, closes and pauses the claiming of runs.
//!
//! A run goes in the lanes of its tenant, its workflow, its connection and its key. A lane that is
//! paused (by a person) or closed (until a time, because another system asked for it) lets none of
//! its runs be claimed; those that run go on to the end of their step and do not begin another
//! activation. A lane with a limit lets so many run at once.
//!
//! With a [`Tx`](super::Tx) the lanes are those of its tenant; with a [`SystemTx`](super::SystemTx) those of all tenants
//! together, of which there are two: a workflow, and everything.

mod act;
mod behind;
mod read;
mod scope;

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) use act::remove;
pub use act::{Action, Touched, act, plan};
pub(crate) use behind::{Behind, close_after, free, free_for_claim, free_forgotten, open_due};
pub use read::{get, holding, list, lock};
pub use scope::Scope;

use super::StoreError;
use crate::ids::ConnectionId;

/// Which runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// All of the tenant, or of all tenants.
    Tenant,
    Workflow(String),
    Connection(ConnectionId),
    Key(String),
}

impl Lane {
    /// As stored: `workflow`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Workflow(_) => "workflow",
            Self::Connection(_) => "connection",
            Self::Key(_) => "key",
        }
    }

    /// The workflow, the key, the connection's bare id; empty for a tenant.
    pub fn name(&self) -> String {
        match self {
            Self::Tenant => String::new(),
            Self::Workflow(name) | Self::Key(name) => name.clone(),
            Self::Connection(id) => id.0.to_string(),
        }
    }

    /// As `runs.lane` has it: the kind, a slash, the name.
    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        Self::parse(kind, name.to_owned())
    }

    fn parse(kind: &str, name: String) -> Result<Self, StoreError> {
        Ok(match kind {
            "tenant" => Self::Tenant,
            "workflow" => Self::Workflow(name),
            "connection" => Self::Connection(ConnectionId(
                Uuid::parse_str(&name).map_err(|error| StoreError::corrupt("lane", error))?,
            )),
            "key" => Self::Key(name),
            other => return Err(StoreError::corrupt("kind of a lane", other.to_owned())),
        })
    }
}

/// Another system, or we, wanted it quiet until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub until: DateTime<Utc>,
    pub reason: String,
}

/// A person wants it quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    pub at: DateTime<Utc>,
    /// Who, as the caller names people.
    pub by: String,
    pub reason: String,
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind(), self.name())
    }
}

/// A lane with what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneRow {
    pub lane: Lane,
    pub max_running: Option<u32>,
    /// A tenant's part of the time, against 1 of the others.
    pub weight: Option<f64>,
    pub closed: Option<Closed>,
    pub paused: Option<Paused>,
    /// Runs that count against its limit, at most 10,000.
    pub running: u64,
    /// Due runs that wait for it, at most 10,000.
    pub waiting: u64,
}
