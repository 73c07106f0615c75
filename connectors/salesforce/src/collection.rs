//! Rows on their way into a collection, and what its answer says of each.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{ConnectorError, ErrorKind, Fields, Receipt, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::errors::Fault;
use crate::ids;
use crate::streams::describe::Described;
use crate::streams::values;

/// Most rows of one collection.
pub(crate) const BATCH: usize = 200;

/// Most requests in one composite request, each with headers of its own.
pub(crate) const COMPOSITE: usize = 25;

/// What is done with a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Create,
    Update,
    /// An update under a condition.
    Guarded,
    Delete,
}

/// A row ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Its place in the call.
    pub(crate) at: usize,
    pub(crate) kind: Kind,
    /// What two rows of one request must not share.
    pub(crate) identity: String,
    pub(crate) parent: Option<String>,
    /// Of an update or a deletion: when the record was last changed before it was looked at. It must not
    /// have been since.
    pub(crate) unchanged_since: Option<DateTime<Utc>>,
    pub(crate) body: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
pub(crate) struct Outcome {
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    /// Told by upserts only; a plain create has created.
    pub(crate) created: Option<bool>,
    #[serde(default)]
    pub(crate) errors: Vec<Fault>,
    /// Of an answer that came with a status of its own.
    #[serde(skip)]
    pub(crate) status: u16,
}

pub(crate) fn id_of(key: &str) -> Result<String> {
    let id = ids::canonical(key).map(std::borrow::Cow::into_owned);
    id.ok_or_else(|| {
        ConnectorError::rejected("the key is not a salesforce id").with_code("MALFORMED_ID")
    })
}

pub(crate) fn body_of(
    fields: &Fields,
    described: &Described,
) -> Result<BTreeMap<String, Box<RawValue>>> {
    let mut body = BTreeMap::new();
    for (name, value) in fields {
        let Some(field) = described.field(name) else {
            // The whole collection would be refused for it.
            return Err(ConnectorError::config(format!(
                "{} has no field {name}, or hides it from the hub's user",
                described.stream.name
            ))
            .with_code("INVALID_FIELD")
            .with_fields(vec![name.clone()]));
        };
        body.insert(name.clone(), values::to_json(value, name, field.kind)?);
    }
    Ok(body)
}

pub(crate) fn settle(row: &Ready, outcome: Outcome) -> Result<Receipt> {
    if outcome.success {
        let id = outcome.id.as_deref().and_then(ids::canonical);
        let key = match id {
            Some(id) => id.into_owned(),
            None if row.kind != Kind::Create => row.identity.clone(),
            None => {
                return Err(
                    ConnectorError::transient("the system gave no id for a new record")
                        .with_outcome_unknown(),
                );
            }
        };
        return Ok(Receipt {
            created: row.kind == Kind::Create && outcome.created.unwrap_or(true),
            is_checked: row.kind == Kind::Guarded,
            ..Receipt::of(key)
        });
    }
    let mut faults = outcome.errors.into_iter();
    let Some(fault) = faults.next() else {
        if outcome.status == 412 {
            return Err(ConnectorError::moved());
        }
        if outcome.status >= 500 {
            return Err(
                ConnectorError::transient("the service failed on the row").with_outcome_unknown()
            );
        }
        return Err(ConnectorError::rejected(
            "the system refuses the row without a reason",
        ));
    };
    let status = if outcome.status == 0 {
        400
    } else {
        outcome.status
    };
    let mut error = fault.into_error(status);
    error.outcome_unknown |= status >= 500;
    if row.kind == Kind::Delete && error.kind == ErrorKind::Gone {
        // A repeated delete has its wish.
        return Ok(Receipt::of(row.identity.clone()));
    }
    Err(error)
}

/// Requests in the order they are sent: of one kind, without two rows of one record, at most
/// [`BATCH`] rows, those of one parent together. Rows of one record keep their order.
pub(crate) fn groups(rows: Vec<Ready>) -> Vec<Vec<Ready>> {
    let mut rounds: Vec<Vec<Ready>> = Vec::new();
    let mut next_round: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let round = next_round.entry(row.identity.clone()).or_insert(0);
        if rounds.len() <= *round {
            rounds.push(Vec::new());
        }
        let members = &mut rounds[*round];
        *round += 1;
        members.push(row);
    }
    let mut groups = Vec::new();
    for mut members in rounds {
        members.sort_by(|one, other| {
            (one.kind, &one.parent, one.at).cmp(&(other.kind, &other.parent, other.at))
        });
        for same_kind in members.chunk_by(|one, other| one.kind == other.kind) {
            let most = match same_kind.first().map(|row| row.kind) {
                Some(Kind::Guarded) => COMPOSITE,
                _ => BATCH,
            };
            groups.extend(same_kind.chunks(most).map(<[Ready]>::to_vec));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: usize, kind: Kind, identity: &str, parent: Option<&str>) -> Ready {
        Ready {
            at,
            kind,
            identity: identity.to_owned(),
            parent: parent.map(str::to_owned),
            unchanged_since: None,
            body: BTreeMap::new(),
        }
    }

    fn places(groups: &[Vec<Ready>]) -> Vec<Vec<usize>> {
        groups
            .iter()
            .map(|group| group.iter().map(|row| row.at).collect())
            .collect()
    }

    #[test]
    fn rows_are_grouped_by_kind_and_parent_and_a_record_is_in_a_request_once() {
        let rows = vec![
            row(0, Kind::Update, "a", Some("p2")),
            row(1, Kind::Update, "b", Some("p1")),
            row(2, Kind::Update, "a", Some("p2")),
            row(3, Kind::Delete, "b", None),
            row(4, Kind::Create, "h", None),
            row(5, Kind::Update, "c", Some("p2")),
        ];
        assert_eq!(
            places(&groups(rows)),
            [vec![4], vec![1, 0, 5], vec![2], vec![3]]
        );
    }

    #[test]
    fn no_request_has_more_than_two_hundred_rows() {
        let rows = (0..450)
            .map(|at| row(at, Kind::Update, &at.to_string(), None))
            .collect();
        let sizes: Vec<usize> = groups(rows).iter().map(Vec::len).collect();
        assert_eq!(sizes, [200, 200, 50]);
    }

    #[test]
    fn rows_under_a_condition_go_twenty_five_at_a_time() {
        let rows = (0..60)
            .map(|at| row(at, Kind::Guarded, &at.to_string(), None))
            .collect();
        let sizes: Vec<usize> = groups(rows).iter().map(Vec::len).collect();
        assert_eq!(sizes, [25, 25, 10]);
    }

    #[test]
    fn a_delete_of_what_is_deleted_has_succeeded() {
        let outcome = |json: &str| serde_json::from_str::<Outcome>(json).unwrap();
        let gone = r#"{"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]}"#;
        assert!(settle(&row(0, Kind::Delete, "001", None), outcome(gone)).is_ok());
        let error = settle(&row(0, Kind::Update, "001", None), outcome(gone)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Gone);
    }
}
