//! What is owed to systems: claim it with the values of now ([`claim()`]), and settle it by the
//! system's answer ([`settle()`], [`put_back`]); [`start_pushes`] starts the workflow that does so.
//!
//! Between the two lies the network call, outside any transaction. What was claimed is journaled
//! by the run before it is sent, so that a crash repeats the same writes with the same keys.

mod agree;
mod claim;
mod early;
mod misses;
mod overtaken;
mod overwritten;
mod retry;
mod settle;
mod sides;
mod start;

use connector_sdk::{ConnectorError, ErrorKind, Receipt, Write};
use serde::{Deserialize, Serialize};

use crate::ids::{EntityId, WriteId};
use crate::mapping::Values;

pub use claim::claim;
pub use overtaken::drop_overtaken;
pub(super) use overwritten::OVERWRITTEN;
pub use overwritten::{Between, keep_overwritten};
pub use settle::{Settled, put_back, settle};
pub use start::{PUSH_WORKFLOW, PushInput, start_push_when_due, start_pushes};

/// A write on its way out, as journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outgoing {
    pub id: WriteId,
    pub entity_id: EntityId,
    pub attempt: i32,
    /// An earlier attempt may have created it: find it by the hub's id before creating it.
    pub look_first: bool,
    pub write: Write,
    /// Whether a person's edit asked for it.
    #[serde(default)]
    pub is_by_person: bool,
    /// What the record was seen to hold in their place; empty where it is yet to be made.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub before: Values,
    /// What earlier attempts carried that may have been carried out, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Values>,
    /// The record was not there when it was looked at.
    #[serde(default)]
    pub is_absent: bool,
    /// The core values it carries.
    pub sent: Values,
}

/// What a claim found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    pub outgoing: Vec<Outgoing>,
    /// Claimed and done with nothing to send: agreed already, or not to be sent.
    pub settled: u64,
}

/// What became of a write over there, as journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    Stored { receipt: Receipt },
    Refused(Refusal),
}

/// Why a system did not take a write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: ErrorKind,
    pub code: Option<String>,
    pub message: String,
    pub fields: Vec<String>,
    pub retry_after_ms: Option<u64>,
    /// It may have taken effect.
    pub outcome_unknown: bool,
}

impl From<&ConnectorError> for Refusal {
    fn from(error: &ConnectorError) -> Self {
        Self {
            kind: error.kind,
            code: error.code.clone(),
            message: error.message.clone(),
            fields: error.fields.clone(),
            retry_after_ms: error
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            outcome_unknown: error.outcome_unknown,
        }
    }
}
