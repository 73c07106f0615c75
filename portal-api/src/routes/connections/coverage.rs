use std::collections::BTreeMap;

use axum::Json;
use chrono::{DateTime, Utc};
use domain::coverage::{self, Difference, Interval, Reason, State};
use domain::permissions::needs::ConnectionsRead;
use engine::ids::{ConnectionId, DifferenceId, GapId, RunId};
use engine::reconcile::Cause;
use engine::sdk::GapReason;
use engine::store::coverage::GapRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::sweep::Sweep;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{self, Page, Params};

/// What is known to be complete of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamCoverage {
    #[schema(value_type = CoverageState)]
    state: State,
    sentence: String,
    /// Every change over there up to here is applied, but for the open gaps.
    covered_to: Option<DateTime<Utc>>,
    /// When the read began that is under way or broke off.
    pass_began_at: Option<DateTime<Utc>>,
    /// The read that broke off.
    #[schema(value_type = Option<String>)]
    failed_run_id: Option<RunId>,
    /// All of the stream's time, in order.
    intervals: Vec<CoverageInterval>,
    /// Records of which the hub was wrong, in the last round of sweeps that ended, or else so far.
    drift: u64,
    /// When the record was compared that was compared the longest time ago.
    oldest_comparison_at: Option<DateTime<Utc>>,
    oldest_comparison_seconds: Option<i64>,
    /// Changes of the system's description that wait for an answer.
    held: u64,
    sweep: Sweep,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum CoverageState {
    Never,
    Reading,
    Complete,
    Uncovered,
    Incomplete,
}

/// A stretch of time of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CoverageInterval {
    /// Null: from the beginning.
    from: Option<DateTime<Utc>>,
    /// Null: until now.
    to: Option<DateTime<Utc>>,
    covered: bool,
    /// Why it is not.
    #[schema(value_type = Option<CoverageReason>)]
    reason: Option<Reason>,
    #[schema(value_type = Option<String>)]
    gap_id: Option<GapId>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of reasons")]
pub(crate) enum CoverageReason {
    Overflow,
    Gap,
    Lost,
    IncompleteRead,
    NotRead,
}

impl From<Interval> for CoverageInterval {
    fn from(interval: Interval) -> Self {
        Self {
            from: interval.from,
            to: interval.to,
            covered: interval.reason.is_none(),
            reason: interval.reason,
            gap_id: interval.gap,
        }
    }
}

/// What is known to be complete of a stream
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/coverage", operation_id = "get_stream_coverage",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "The coverage", body = StreamCoverage)),
)]
pub(super) async fn get(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Json<StreamCoverage>, ApiError> {
    let mut tx = caller.begin().await?;
    let now = tx.now();
    let known = coverage::of_stream(&mut tx, id, &stream).await?;
    Ok(Json(StreamCoverage {
        state: known.state,
        sentence: known.sentence,
        covered_to: known.covered.covered_to,
        pass_began_at: known.covered.pass_began_at,
        failed_run_id: known.covered.failed.map(|failed| failed.run_id),
        intervals: known.intervals.into_iter().map(Into::into).collect(),
        drift: known.drift,
        oldest_comparison_at: known.oldest_at,
        oldest_comparison_seconds: known.oldest_at.map(|at| (now - at).num_seconds()),
        held: known.held,
        sweep: known.sweep.into(),
    }))
}

/// A stretch of a feed of which not every change was seen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamGap {
    #[schema(value_type = String)]
    id: GapId,
    #[schema(value_type = GapReasonName)]
    reason: GapReason,
    /// Null: from the beginning.
    from: Option<DateTime<Utc>>,
    to: DateTime<Utc>,
    /// How many records the system named; null for any.
    records: Option<usize>,
    found_at: DateTime<Utc>,
    /// The read that was told of it.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    closed_at: Option<DateTime<Utc>>,
    /// The sweep that closed it.
    #[schema(value_type = Option<String>)]
    closed_by_run_id: Option<RunId>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of reasons")]
pub(crate) enum GapReasonName {
    Overflow,
    Gap,
    Lost,
}

impl From<GapRow> for StreamGap {
    fn from(row: GapRow) -> Self {
        Self {
            id: row.id,
            reason: row.reason,
            from: row.from_at,
            to: row.to_at,
            records: row.keys.map(|keys| keys.len()),
            found_at: row.found_at,
            run_id: row.run_id,
            closed_at: row.closed_at,
            closed_by_run_id: row.closed_by,
        }
    }
}

/// Stretches of a stream's feed of which not every change was seen, newest first
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/gaps", operation_id = "list_stream_gaps",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<StreamGap>)),
)]
pub(super) async fn gaps(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Page<StreamGap>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    let slice = coverage::gaps(&mut tx, id, &stream, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-id", StreamGap::from)))
}

/// A record that was otherwise over there than the hub had it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamDifference {
    #[schema(value_type = String)]
    id: DifferenceId,
    /// The record's key.
    key: String,
    entity: String,
    /// With the prefix of its kind.
    entity_id: String,
    /// in_flight, missed_change, lost_write, normalisation, out_of_scope, permission, missing
    cause: String,
    /// Core fields that differed; remote ones where no core field did.
    fields: Vec<String>,
    found_at: DateTime<Utc>,
    /// The sweep that found it.
    #[schema(value_type = String)]
    run_id: RunId,
}

impl From<Difference> for StreamDifference {
    fn from(difference: Difference) -> Self {
        let row = difference.row;
        Self {
            id: row.id,
            key: row.key,
            entity: row.entity,
            entity_id: difference.entity_id,
            cause: row.cause,
            fields: row.fields,
            found_at: row.found_at,
            run_id: row.run_id,
        }
    }
}

/// Differences that sweeps of a stream found, newest first
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/differences",
    operation_id = "list_stream_differences", tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<StreamDifference>)),
)]
pub(super) async fn differences(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Page<StreamDifference>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    let slice = coverage::differences(&mut tx, id, &stream, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-id", StreamDifference::from)))
}

/// Counts of differences by the name of their cause.
pub(super) fn by_name(differing: BTreeMap<Cause, u64>) -> BTreeMap<String, u64> {
    let named = |(cause, count): (Cause, u64)| (cause.as_str().to_owned(), count);
    differing.into_iter().map(named).collect()
}
