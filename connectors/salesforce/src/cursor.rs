//! Where a read goes on, as text: versioned JSON that any later build of this connector reads.
//!
//! A full read is either a bulk query or one ordered pass; from then on incremental passes
//! follow each other. Every cursor names a page that has not been given yet, so reading from the
//! same cursor twice gives the same page again.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};
use connector_sdk::{ConnectorError, Cursor, Fields, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::soql::Place;
use crate::streams::Object;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u8,
    stream: String,
    at: Phase,
}

/// What the next read does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Polls a bulk query, or fetches its next results.
    Bulk(BulkAt),
    /// Fetches the next page of an ordered pass.
    Pass(Box<Pass>),
    /// Goes on with a long list of deleted records.
    Deletes(Box<Deletes>),
    /// Opens the next incremental pass.
    Rest(Rest),
}

/// A bulk query and how far its results are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BulkAt {
    pub(crate) job: String,
    /// The version that made it: its results answer to no other.
    pub(crate) api_version: String,
    /// The server's time before it began.
    pub(crate) to: DateTime<Utc>,
    pub(crate) ready: bool,
    pub(crate) polls: u32,
    pub(crate) locator: Option<String>,
}

/// An ordered pass over a window of stamps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// Over everything that lives, instead of over what changed.
    pub(crate) full: bool,
    pub(crate) from: Option<DateTime<Utc>>,
    /// The server's time when the pass began; known from its first answer on.
    pub(crate) to: Option<DateTime<Utc>>,
    /// The end of the part being read, after a query over the whole window took too long.
    pub(crate) cut: Option<DateTime<Utc>>,
    /// Ordered by id within the part: the last resort for a crowded second.
    pub(crate) by_id: bool,
    /// The system's own address of the next page. Dies after two days.
    pub(crate) next: Option<String>,
    /// What was asked for there: other fields need another query.
    pub(crate) asked: String,
    /// The last row given. A query can always go on from here.
    pub(crate) after: Option<Place>,
    pub(crate) log: LogAt,
    /// Given by the pass before, within the overlap.
    pub(crate) seen: Seen,
    /// Given by this pass, within the next overlap.
    pub(crate) fresh: Seen,
}

/// How far the log of deleted records is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogAt {
    /// Covered up to here by the system's own word, which may lie well in the past.
    pub(crate) covered: DateTime<Utc>,
    /// When it was asked last.
    pub(crate) asked: DateTime<Utc>,
}

impl LogAt {
    /// For a stream that is read in full now: what goes from here on is of interest.
    pub(crate) fn begin(at: DateTime<Utc>) -> Self {
        Self {
            covered: at,
            asked: at,
        }
    }
}

/// Between two passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rest {
    /// Every change stamped before this was given, but for those that commit late.
    pub(crate) since: DateTime<Utc>,
    pub(crate) log: LogAt,
    #[serde(default)]
    pub(crate) seen: Seen,
    /// A bulk query whose results are all stored, to be removed.
    #[serde(default)]
    pub(crate) bulk_done: Option<String>,
}

/// A list of deleted records too long for one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deletes {
    pub(crate) rest: Rest,
    pub(crate) until: DateTime<Utc>,
    /// The last one given, in the order of deletion.
    pub(crate) after: Option<Place>,
}

impl Phase {
    pub(crate) fn into_cursor(self, object: &Object) -> Cursor {
        let envelope = Envelope {
            v: VERSION,
            stream: object.name.to_owned(),
            at: self,
        };
        Cursor(serde_json::to_string(&envelope).expect("cursors have text keys only"))
    }

    /// # Errors
    /// `Gone` when the cursor is not one of this stream: a full read is due.
    pub(crate) fn from_cursor(cursor: &Cursor, object: &Object) -> Result<Self> {
        let envelope: Envelope = serde_json::from_str(&cursor.0).map_err(|error| {
            ConnectorError::gone(format!("cursor of {} cannot be read", object.name))
                .with_source(error)
        })?;
        if envelope.v != VERSION || envelope.stream != object.name {
            return Err(ConnectorError::gone(format!(
                "cursor is not one of {} in version {VERSION}",
                object.name
            )));
        }
        Ok(envelope.at)
    }
}

/// Rows given from within the overlap, so that the next pass need not give them again.
///
/// A row counts as given only with the same stamp and the same content: stamps have a resolution
/// of a second, and a second change within one may become visible later. Bounded: of a busy
/// overlap the newest are remembered, the others are given again, which is harmless.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Seen(VecDeque<(String, DateTime<Utc>, String)>);

const SEEN: usize = 256;

impl Seen {
    pub(crate) fn contains(&self, id: &str, print: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _, was)| known == id && was == print)
    }

    pub(crate) fn note(&mut self, id: &str, stamp: DateTime<Utc>, print: String) {
        self.0.push_back((id.to_owned(), stamp, print));
        if self.0.len() > SEEN {
            self.0.pop_front();
        }
    }

    /// Forgets what the next pass will not ask for.
    pub(crate) fn forget_before(&mut self, bound: DateTime<Utc>) {
        self.0.retain(|(_, stamp, _)| *stamp >= bound);
    }
}

/// Tells contents apart: stamp and fields, in 8 bytes.
pub(crate) fn print_of(stamp: DateTime<Utc>, removed: bool, fields: &Fields) -> String {
    let text = serde_json::to_vec(&(stamp, removed, fields)).expect("fields have text keys only");
    let digest = Sha256::digest(&text);
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Pass {
    /// The pass after a rest.
    pub(crate) fn after_rest(rest: Rest, overlap: std::time::Duration) -> Self {
        let overlap = Duration::from_std(overlap).unwrap_or(Duration::zero());
        Self {
            from: Some(rest.since - overlap),
            log: rest.log,
            seen: rest.seen,
            ..Self::default()
        }
    }

    /// The whole stream, up to now.
    pub(crate) fn full(to: DateTime<Utc>) -> Self {
        Self {
            full: true,
            to: Some(to),
            log: LogAt::begin(to),
            ..Self::default()
        }
    }

    fn lower(&self) -> DateTime<Utc> {
        let place = self.after.as_ref().map(|place| place.stamp);
        // Nothing in any org is older than the vendor.
        place.or(self.from).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Halves the part to be read after a query took too long; `false` when it is as small as
    /// it gets.
    pub(crate) fn narrow(&mut self, now: DateTime<Utc>) -> bool {
        if self.by_id {
            return false;
        }
        let to = *self.to.get_or_insert(now);
        let lower = self.lower();
        let width = self.cut.unwrap_or(to) - lower;
        self.next = None;
        if width > Duration::seconds(1) {
            let half = Duration::seconds((width.num_seconds() / 2).max(1));
            self.cut = Some(lower + half);
        } else {
            self.by_id = true;
            self.from = Some(lower);
            self.after = None;
            self.cut = Some((lower + Duration::seconds(1)).min(to));
        }
        true
    }

    /// After a part is read: the next part, twice as wide, or `false` at the end of the window.
    pub(crate) fn advance(&mut self) -> bool {
        let (Some(cut), Some(to)) = (self.cut, self.to) else {
            return false;
        };
        if cut >= to {
            return false;
        }
        let width = cut - self.from.unwrap_or(DateTime::UNIX_EPOCH);
        self.from = Some(cut);
        self.cut = Some((cut + width * 2).min(to));
        self.after = None;
        self.next = None;
        self.by_id = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::OBJECTS;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_777_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_and_only_for_its_stream() {
        let mut seen = Seen::default();
        seen.note("001", at(1), "ab".to_owned());
        let pass = Pass {
            seen,
            next: Some("/services/x".to_owned()),
            ..Pass::full(at(5))
        };
        let phase = Phase::Pass(Box::new(pass));
        let cursor = phase.clone().into_cursor(&OBJECTS[0]);
        assert_eq!(Phase::from_cursor(&cursor, &OBJECTS[0]).unwrap(), phase);
        for (text, object) in [
            (cursor.0.clone(), &OBJECTS[1]),
            (cursor.0.replace("\"v\":1", "\"v\":9"), &OBJECTS[0]),
            ("{}".to_owned(), &OBJECTS[0]),
            ("not json".to_owned(), &OBJECTS[0]),
        ] {
            let error = Phase::from_cursor(&Cursor(text), object).unwrap_err();
            assert_eq!(error.kind, connector_sdk::ErrorKind::Gone);
        }
    }

    #[test]
    fn a_window_is_halved_down_to_a_second_and_then_read_by_id() {
        let mut pass = Pass {
            from: Some(at(0)),
            ..Pass::default()
        };
        let mut cuts = Vec::new();
        while !pass.by_id {
            assert!(pass.narrow(at(8)));
            cuts.push(pass.cut.unwrap());
        }
        assert_eq!(cuts, [at(4), at(2), at(1), at(1)]);
        assert!(!pass.narrow(at(8)));
    }

    #[test]
    fn parts_cover_the_window_without_a_gap() {
        let mut pass = Pass {
            from: Some(at(0)),
            to: Some(at(100)),
            ..Pass::default()
        };
        for _ in 0..5 {
            assert!(pass.narrow(at(100)));
        }
        let mut covered = at(0);
        loop {
            assert_eq!(pass.from.unwrap(), covered);
            covered = pass.cut.unwrap();
            if !pass.advance() {
                break;
            }
        }
        assert_eq!(covered, at(100));
    }

    #[test]
    fn the_memory_of_given_rows_is_bounded_and_keeps_the_newest() {
        let mut seen = Seen::default();
        for row in 0..1_000 {
            seen.note(&row.to_string(), at(row), "p".to_owned());
        }
        assert!(seen.contains("999", "p") && !seen.contains("1", "p"));
        assert!(!seen.contains("999", "other content"));
        seen.forget_before(at(900));
        assert_eq!(seen.0.len(), 100);
    }
}
