//! What the hub asks a system to store, and what the system answered.

use serde::{Deserialize, Serialize};

use crate::{Fields, Record};

/// One row to write. Repeating a write with the same `idempotency_key` must be harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The same on every attempt of this write, different for every other write.
    pub idempotency_key: String,
    /// The hub's id of the entity, stored in the system where it has room for it, so that a
    /// create whose answer was lost can be found again.
    pub hub_id: String,
    /// The system's key of the record this one hangs below (a contact's account): writes below
    /// one parent are not sent side by side, because systems lock the parent.
    pub parent: Option<String>,
    /// Of an update or a deletion: the record's version as it was looked at. A system that can writes
    /// over and deletes only that, and answers [`crate::ConnectorError::moved`] when the record is
    /// another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    pub op: WriteOp,
}

/// What to do with the row. Only the named fields are touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum WriteOp {
    Create { fields: Fields },
    Update { key: String, fields: Fields },
    Delete { key: String },
}

/// What the system says it stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub key: String,
    pub version: Option<String>,
    pub created: bool,
    /// What an earlier attempt made, as it is by now: nothing was written by this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_found: bool,
    /// The row as read back after the write, where the connector could: systems truncate and
    /// normalise. Holds at least the written fields.
    pub stored: Option<Record>,
    /// Whether the system itself made sure that the record was as [`Write::expected`] says.
    #[serde(default)]
    pub is_checked: bool,
    /// Where it did not: what the record held since then, oldest first, as [`Since`] was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub between: Vec<Record>,
}

impl Receipt {
    /// Of a record with this key, of which nothing else is known.
    pub fn of(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            version: None,
            created: false,
            is_found: false,
            stored: None,
            is_checked: false,
            between: Vec::new(),
        }
    }
}

/// Asks what a record held after a version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    pub key: String,
    pub version: String,
    /// The fields to tell, by the system's names.
    pub fields: Vec<String>,
}
