//! Streams: which objects, their fields, and how the system's values become ours.
//!
//! [`describe`] asks and remembers what the org says about an object; [`values`] converts by it.

pub(crate) mod describe;
pub(crate) mod values;

use connector_sdk::{ConnectorError, Result, StreamName};

/// An object that is a stream, and what its kind of object can do.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    /// Deleted rows stay readable in the recycle bin (`IsDeleted`).
    pub(crate) has_bin: bool,
    /// A merge leaves the winner's id on the loser (`MasterRecordId`).
    pub(crate) merges: bool,
}

pub(crate) const OBJECTS: &[Object] = &[
    Object {
        name: "Account",
        has_bin: true,
        merges: true,
    },
    Object {
        name: "Contact",
        has_bin: true,
        merges: true,
    },
    Object {
        name: "Opportunity",
        has_bin: true,
        merges: false,
    },
    // Users are deactivated, never deleted.
    Object {
        name: "User",
        has_bin: false,
        merges: false,
    },
];

/// # Errors
/// `Config` for a stream that is none.
pub(crate) fn object(stream: &StreamName) -> Result<&'static Object> {
    let named = |object: &&Object| object.name == stream.as_str();
    OBJECTS.iter().find(named).ok_or_else(|| {
        let shown: String = stream.as_str().chars().take(80).collect();
        ConnectorError::config(format!("salesforce has no stream {shown}"))
    })
}
