//! Lanes: what limits, closes and pauses the claiming of runs.
//!
//! A run goes in the lanes of its tenant, its workflow, its connection and its key. A lane that is
//! paused (by a person) or closed (until a time, because another system asked for it) lets none of
//! its runs be claimed; those that run go on to the end of their step and do not begin another
//! activation. A lane with a limit lets so many run at once.
//!
//! With a [`Tx`](super::Tx) the lanes are those of its tenant; with a [`SystemTx`](super::SystemTx) those of all tenants
//! together, of which there are two: a workflow, and everything.

mod behind;
mod scope;
mod set;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) use behind::{Behind, close_after, free, free_for_claim, free_forgotten, open_due};
pub use scope::Scope;
pub use set::{close, list, open, pause, resume, set_limit, set_weight};

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

/// A lane that has something to heed.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneRow {
    pub lane: Lane,
    pub max_running: Option<u32>,
    /// A tenant's part of the time, against 1 of the others.
    pub weight: Option<f64>,
    pub closed: Option<Closed>,
    pub paused: Option<Paused>,
}
