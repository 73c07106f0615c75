//! Updates under a condition: the record must not have changed since the hub looked at it.
//!
//! Collections take no conditions, so these rows go as requests of their own within composite
//! requests, each with `If-Unmodified-Since`. That header has whole seconds. A version is therefore
//! good for a condition only if its second was over when the record was read: a later change has a
//! later second then. One that was not over is marked, and its row is put off to the next second.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use connector_sdk::{ConnectorError, Record, Result};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{Call, Client};
use crate::collection::{Outcome, Ready};
use crate::errors::Fault;
use crate::rows::parse;
use crate::streams::values;

/// Behind a version whose second was not over.
const UNSURE: char = '~';
/// After that the second is over.
const NEXT_SECOND: Duration = Duration::from_secs(1);

/// Marks the version of a record that changed in the very second in which it was read.
pub(crate) fn marked(mut record: Record, read_at: DateTime<Utc>) -> Record {
    let is_over = record
        .changed_at
        .is_some_and(|at| at.trunc_subsecs(0) < read_at.trunc_subsecs(0));
    if let Some(version) = record.version.as_mut().filter(|_| !is_over) {
        version.push(UNSURE);
    }
    record
}

/// The condition that a version makes.
///
/// # Errors
/// [`ConnectorError::moved`] for one that may not tell two changes apart: look again a second later.
/// `Rejected` for what is no version of ours.
pub(crate) fn condition(version: &str) -> Result<DateTime<Utc>> {
    if version.ends_with(UNSURE) {
        return Err(ConnectorError::moved().with_retry_after(NEXT_SECOND));
    }
    values::parse_instant(version)
        .ok_or_else(|| ConnectorError::rejected("the expected version is none of salesforce's"))
}

/// `Sat, 02 May 2026 10:11:12 GMT`
fn http_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Composite<'a> {
    all_or_none: bool,
    composite_request: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    method: &'static str,
    url: String,
    reference_id: String,
    http_headers: BTreeMap<&'static str, String>,
    body: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    composite_response: Vec<PartAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartAnswer<'a> {
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
}

/// Sends the rows; the outcomes are in their order.
pub(crate) async fn send(org: &Client, object: &str, rows: &[Ready]) -> Result<Vec<Outcome>> {
    let body = Composite {
        all_or_none: false,
        composite_request: rows
            .iter()
            .enumerate()
            .map(|(place, row)| part(org, object, place, row))
            .collect(),
    };
    let call = Call::send(Method::POST, org.data("/composite"), &body);
    let reply = org.send(call).await?;
    let answer: Answer<'_> = parse(&reply.body).map_err(ConnectorError::with_outcome_unknown)?;
    if answer.composite_response.len() != rows.len() {
        return Err(ConnectorError::transient(
            "the system answered about another number of rows than were sent",
        )
        .with_outcome_unknown());
    }
    let parts = answer.composite_response.into_iter().zip(rows);
    Ok(parts.map(|(part, row)| outcome(&part, row)).collect())
}

fn part<'a>(org: &Client, object: &str, place: usize, row: &'a Ready) -> Part<'a> {
    Part {
        method: "PATCH",
        url: org.data(&format!("/sobjects/{object}/{}", row.identity)),
        reference_id: format!("row{place}"),
        http_headers: row
            .unchanged_since
            .map(|at| ("If-Unmodified-Since", http_date(at)))
            .into_iter()
            .collect(),
        body: row
            .body
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "id" | "attributes"))
            .map(|(name, value)| (name.as_str(), &**value))
            .collect(),
    }
}

/// An answer of its own as a row of a collection.
fn outcome(part: &PartAnswer<'_>, row: &Ready) -> Outcome {
    let is_success = (200..300).contains(&part.http_status_code);
    // A refused condition may come without a body.
    let faults = part.body.filter(|_| !is_success).map(RawValue::get);
    let faults: Option<Vec<Fault>> = faults.and_then(|text| serde_json::from_str(text).ok());
    Outcome {
        id: Some(row.identity.clone()),
        success: is_success,
        created: None,
        errors: faults.unwrap_or_default(),
        status: part.http_status_code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(changed_at: &str) -> Record {
        let at = values::parse_instant(changed_at).unwrap();
        Record {
            key: "001xx000003DGb2AAG".to_owned(),
            version: Some(changed_at.to_owned()),
            changed_at: Some(at),
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn a_version_whose_second_was_not_over_makes_no_condition() {
        let read_at = values::parse_instant("2026-05-02T10:11:12Z").unwrap();
        let sure = marked(record("2026-05-02T10:11:11Z"), read_at)
            .version
            .unwrap();
        let since = condition(&sure).unwrap();
        assert_eq!(http_date(since), "Sat, 02 May 2026 10:11:11 GMT");
        let unsure = marked(record("2026-05-02T10:11:12Z"), read_at)
            .version
            .unwrap();
        let error = condition(&unsure).unwrap_err();
        assert!(error.is_moved() && error.retry_after == Some(NEXT_SECOND));
        assert!(!condition("yesterday").unwrap_err().is_moved());
    }
}
