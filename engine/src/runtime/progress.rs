//! What a run shows of itself.

use serde::{Deserialize, Serialize};

/// How far a run is; shown, never decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
    /// What is counted: `records`.
    pub unit: String,
}

/// What a run has done to records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub read: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub deleted: u64,
    pub conflicts: u64,
    pub failed: u64,
    pub written: u64,
    pub excluded: u64,
    /// Changes beyond a cap.
    pub withheld: u64,
    /// Records of people who were forgotten; who is not told.
    pub suppressed: u64,
    /// Records that were linked with what was here already.
    pub linked: u64,
    /// Records that wait for a person to say whose they are.
    pub held: u64,
}

impl Counts {
    pub(super) fn add(&mut self, more: Self) {
        self.read += more.read;
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.deleted += more.deleted;
        self.conflicts += more.conflicts;
        self.failed += more.failed;
        self.written += more.written;
        self.excluded += more.excluded;
        self.withheld += more.withheld;
        self.suppressed += more.suppressed;
        self.linked += more.linked;
        self.held += more.held;
    }
}
