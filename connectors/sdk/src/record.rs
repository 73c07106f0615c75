//! What a read returns: records, tombstones, pages, and where the next read goes on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Value;

/// Field name to value, as the system gave it. A field that is not in here was not in the payload, which
/// says nothing of it: feeds may carry only what changed. The first that they tell of a record, also of
/// one that comes back after its removal, is all of it.
pub type Fields = BTreeMap<String, Value>;

/// One kind of thing in a system (`Account`), by the system's own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(pub String);

impl StreamName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StreamName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl std::fmt::Display for StreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream as `discover` found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub name: StreamName,
    pub label: String,
    /// The field that names a record for ever.
    pub key_field: String,
    pub can_create: bool,
    pub can_update: bool,
    pub can_delete: bool,
    pub fields: Vec<StreamField>,
}

/// A field of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamField {
    pub name: String,
    pub label: String,
    #[serde(rename = "type")]
    pub kind: FieldType,
    pub nullable: bool,
    pub can_create: bool,
    pub can_update: bool,
    pub required: bool,
    /// Longest text in characters, where the system has a limit.
    pub max_length: Option<u32>,
    /// Digits after the point, for numbers.
    pub scale: Option<u32>,
    /// The values of a picklist, in the system's order.
    pub choices: Vec<String>,
    /// Streams a reference may point at.
    pub references: Vec<StreamName>,
    /// Whether the customer added it to the system.
    pub custom: bool,
}

/// What a field holds, told by the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    Text,
    LongText,
    Integer,
    Decimal,
    Boolean,
    Date,
    Instant,
    Email,
    Phone,
    Url,
    Choice,
    Choices,
    Reference,
    Other,
}

/// One thing as the system gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The system's own id of it, in canonical form.
    pub key: String,
    /// What changes when the record does, in the system's own terms: a stamp, an ETag.
    pub version: Option<String>,
    /// When the system says it last changed.
    pub changed_at: Option<DateTime<Utc>>,
    pub fields: Fields,
}

/// Proof that a record was removed in its system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub key: String,
    pub removed_at: Option<DateTime<Utc>>,
    pub removal: Removal,
}

/// How a record went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Removal {
    Deleted,
    /// It lives on inside another record of the same stream.
    MergedInto {
        key: String,
    },
    /// It became a record of another stream: a lead that is a contact by now.
    ConvertedInto {
        stream: StreamName,
        key: String,
    },
}

/// One change of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    Upsert(Record),
    Delete(Tombstone),
}

impl Change {
    pub fn key(&self) -> &str {
        match self {
            Self::Upsert(record) => &record.key,
            Self::Delete(tombstone) => &tombstone.key,
        }
    }
}

/// An opaque place in a stream; only the connector that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// What one read returns: changes, oldest first where the system can order them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub changes: Vec<Change>,
    /// Where the next read goes on. Every cursor ever returned stays readable or answers
    /// [`crate::ErrorKind::Gone`].
    pub cursor: Cursor,
    /// Whether there is more to read now.
    pub more: bool,
    /// How many records this pass will bring, when the system says so.
    pub expected: Option<u64>,
    /// Wait this long before reading on: the system is still preparing the page.
    pub wait: Option<std::time::Duration>,
    /// Changes of which the system said that there are some, and not what they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// A stretch of a feed whose changes did not come: told by the system itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub reason: GapReason,
    /// From when on; `None` where the system does not say: since the last read.
    pub from: Option<DateTime<Utc>>,
    /// Up to when; `None`: up to this read.
    pub to: Option<DateTime<Utc>>,
    /// The records it is about, where the system names them; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// Why changes did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// There were more than the feed holds.
    Overflow,
    /// The feed names what changed and not how.
    Gap,
    /// The feed was off, or forgot.
    Lost,
}
