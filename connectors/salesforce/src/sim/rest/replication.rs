//! What changed and what was deleted in a window of time.

use serde_json::{Value as Json, json};

use super::super::clock::{parse_datetime, rest_datetime};
use super::super::errors::ApiError;
use super::super::state::State;
use super::super::store::DAY;
use super::{Call, Reply, table};

const MAX_IDS: usize = 600_000;

/// `GET /sobjects/{object}/updated/?start=&end=`.
pub(super) fn updated(state: &State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let (start, end) = window(state, call, 30)?;
    let ids: Vec<String> = state.store.tables[table]
        .rows()
        .filter(|row| row.deleted.is_none() && row.stamp >= start && row.stamp < end)
        .map(|row| row.id.to_string())
        .collect();
    check_count(ids.len())?;
    let body = json!({"ids": ids, "latestDateCovered": covered(state, end)});
    Ok(Reply::json(200, &body))
}

/// `GET /sobjects/{object}/deleted/?start=&end=`.
pub(super) fn deleted(state: &State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let (start, end) = window(state, call, 15)?;
    let log = state.store.delete_log.iter();
    let records: Vec<Json> = log
        .filter(|entry| entry.table == table && entry.at >= start && entry.at < end)
        .map(|entry| json!({"id": entry.id.to_string(), "deletedDate": rest_datetime(entry.at)}))
        .collect();
    check_count(records.len())?;
    let body = json!({
        "deletedRecords": records,
        "earliestDateAvailable": rest_datetime(state.store.log_starts),
        "latestDateCovered": covered(state, end),
    });
    Ok(Reply::json(200, &body))
}

fn check_count(ids: usize) -> Result<(), ApiError> {
    if ids <= MAX_IDS {
        return Ok(());
    }
    Err(ApiError::new(
        400,
        "EXCEEDED_ID_LIMIT",
        "too many ids in the window",
    ))
}

/// Lowered to the oldest transaction that has stamped rows and not committed.
fn covered(state: &State, end: i64) -> String {
    let end = end.min(state.clock.now_ms());
    let safe = state
        .store
        .oldest_open_stamp()
        .map_or(end, |stamp| end.min(stamp));
    rest_datetime(safe.div_euclid(60_000) * 60_000)
}

fn window(state: &State, call: &Call<'_>, days: i64) -> Result<(i64, i64), ApiError> {
    let refuse = |message: &str| ApiError::new(400, "INVALID_REPLICATION_DATE", message);
    let read = |name: &str| {
        // A `+` that was not encoded arrives as a space.
        let text = call.param(name).map(|text| text.replace(' ', "+"));
        text.as_deref()
            .and_then(parse_datetime)
            .ok_or_else(|| refuse(&format!("{name} is missing or not a date-time")))
    };
    let (start, end) = (read("start")?, read("end")?);
    if end - start <= 60_000 {
        return Err(refuse(
            "endDate must be more than one minute after startDate",
        ));
    }
    if start < state.clock.now_ms() - days * DAY {
        return Err(refuse(&format!(
            "startDate cannot be more than {days} days ago"
        )));
    }
    Ok((start, end))
}
