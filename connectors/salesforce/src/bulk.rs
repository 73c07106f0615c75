//! First reads of large streams by a Bulk API 2.0 query.
//!
//! Nothing here waits: while the query runs, pages are empty and say when to come back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use connector_sdk::{Change, ConnectorError, ErrorKind, Page, Reply, Result};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::client::Call;
use crate::cursor::{BulkAt, LogAt, Pass, Phase, Rest};
use crate::query::Reader;
use crate::rows::{Columns, field_list, from_csv};
use crate::soql::{Window, select_unordered};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    state: String,
    number_records_processed: Option<u64>,
}

/// Begins the query; `None` when the Bulk API does not take it.
pub(crate) async fn start(
    reader: &Reader<'_>,
    columns: &Columns,
    to: DateTime<Utc>,
) -> Result<Option<Page>> {
    let fields = field_list(reader.object, false, columns.names());
    let window = Window {
        to: Some(to),
        ..Window::default()
    };
    let body = json!({
        "operation": "query",
        "query": select_unordered(&fields, reader.object.name, &window),
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    });
    let call = Call::send(Method::POST, reader.org.data("/jobs/query"), &body);
    let job: Job = match reader.org.send(call).await {
        Ok(reply) => reply.json()?,
        Err(error) if is_declined(&error) => {
            tracing::warn!(
                stream = reader.object.name,
                %error,
                "bulk query is declined, reading page by page"
            );
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let at = BulkAt {
        job: job.id,
        api_version: reader.org.api_version().to_owned(),
        to,
        ready: false,
        polls: 0,
        locator: None,
    };
    let mut page = reader.page(Vec::new(), Phase::Bulk(at), true);
    page.wait = Some(Duration::from_secs(1));
    Ok(Some(page))
}

/// What speaks against a bulk query, as opposed to against any request.
fn is_declined(error: &ConnectorError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Config | ErrorKind::Rejected | ErrorKind::Unsupported
    ) || error.code.as_deref() == Some("LIMIT_EXCEEDED")
}

/// Polls, or fetches the next results.
pub(crate) async fn read(reader: &Reader<'_>, mut at: BulkAt) -> Result<Page> {
    let mut expected = None;
    if !at.ready {
        let job: Job = reader.org.send(Call::get(address(&at, ""))).await?.json()?;
        match job.state.as_str() {
            "JobComplete" => {
                at.ready = true;
                expected = job.number_records_processed;
            }
            "Failed" | "Aborted" => {
                tracing::warn!(
                    stream = reader.object.name,
                    job = at.job,
                    state = job.state,
                    "bulk query did not complete, reading page by page"
                );
                return reader.read_pass(Pass::full(at.to)).await;
            }
            _ => {
                let seconds = 1_u64 << at.polls.min(5);
                at.polls += 1;
                let mut page = reader.page(Vec::new(), Phase::Bulk(at), true);
                page.wait = Some(Duration::from_secs(seconds.min(30)));
                return Ok(page);
            }
        }
    }
    let mut page = results(reader, at).await?;
    page.expected = expected;
    Ok(page)
}

fn address(at: &BulkAt, rest: &str) -> String {
    format!(
        "/services/data/v{}/jobs/query/{}{rest}",
        at.api_version, at.job
    )
}

fn results_address(at: &BulkAt, rows: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("maxRecords", &rows.to_string());
    if let Some(locator) = &at.locator {
        query.append_pair("locator", locator);
    }
    address(at, &format!("/results?{}", query.finish()))
}

async fn results(reader: &Reader<'_>, mut at: BulkAt) -> Result<Page> {
    let described = reader.known.get(reader.object, reader.org).await?;
    let columns = Columns::of(&described, &reader.read.fields)?;
    let path = results_address(&at, reader.limit());
    let reply = reader.org.send(Call::get(path).accept("text/csv")).await?;
    at.locator = locator(&reply)?;
    let rows = from_csv(&reply.body, &columns)?;
    let changes: Vec<Change> = rows
        .into_iter()
        .map(crate::rows::Row::into_change)
        .collect();
    if at.locator.is_some() {
        return Ok(reader.page(changes, Phase::Bulk(at), true));
    }
    let rest = Rest {
        since: at.to,
        log: LogAt::begin(at.to),
        seen: crate::cursor::Seen::default(),
        // Kept until its last page is known to be stored.
        bulk_done: Some(address(&at, "")),
    };
    Ok(reader.page(changes, Phase::Rest(rest), false))
}

/// Where the results go on. The last page says `null`; saying nothing is not the end.
fn locator(reply: &Reply) -> Result<Option<String>> {
    match reply.header("sforce-locator") {
        None => Err(ConnectorError::transient(
            "the bulk results do not say where they go on",
        )),
        Some("null") => Ok(None),
        Some(locator) => Ok(Some(locator.to_owned())),
    }
}

/// Removes a query whose results are stored. It would go by itself in a week.
pub(crate) async fn remove(reader: &Reader<'_>, job: &str) {
    if let Err(error) = reader.org.send(Call::delete(job)).await
        && error.kind != ErrorKind::Gone
    {
        tracing::warn!(%error, "bulk query could not be removed, it expires by itself");
    }
}
