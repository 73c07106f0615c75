use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::canaries::{self, MOST_KEYS, Trial};
use engine::StoreError;
use engine::ids::{CanaryId, MappingId, PreviewId, RunId};
use engine::store::canaries::{self as stored, Canary as Row, Limits};
use engine::store::mappings as store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Mapping;
use super::publish::{now, stale};
use crate::caller::{Admin, Caller};
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{self, Path, Query};
use crate::page::{self, Page};

/// How much is borne of what goes wrong; more than that stops the canary.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CanaryLimits {
    /// Records of which a field could not be taken over.
    failures: u32,
    conflicts: u32,
    /// Values that the system stored in another form than it was given.
    near_misses: u32,
}

/// What is to be tried, on which records: a share of them or a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanaryOrder {
    /// A draft.
    version: i32,
    /// Percent of the stream's records, 1 to 50; always the same records for one share.
    share: Option<i32>,
    /// Keys of the records, at most 1,000.
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    limits: CanaryLimits,
    /// What was shown of the version; refused when that holds no more.
    #[schema(value_type = Option<String>)]
    preview_id: Option<PreviewId>,
}

/// A version that is in force for some records only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Canary {
    #[schema(value_type = String)]
    id: CanaryId,
    version: i32,
    /// Percent of the records; null for a list.
    share: Option<i32>,
    keys: Vec<String>,
    limits: CanaryCounts,
    /// What happened under it so far.
    seen: CanaryCounts,
    /// Records that it mapped, each as often as it was.
    records: i64,
    #[schema(value_type = CanaryState)]
    state: String,
    /// Why it was stopped: limit, asked, or replaced by another version.
    reason: Option<String>,
    #[schema(value_type = Option<String>)]
    preview_id: Option<PreviewId>,
    /// Applied it to the stored snapshots: undoing this run takes back what it did.
    #[schema(value_type = String)]
    run_id: RunId,
    /// When all of its stored snapshots were mapped.
    applied_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

/// Counts of a canary.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct CanaryCounts {
    failures: i64,
    conflicts: i64,
    near_misses: i64,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum CanaryState {
    Running,
    Stopped,
    Promoted,
}

impl From<Row> for Canary {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            version: row.version,
            share: row.share,
            keys: row.keys,
            limits: CanaryCounts {
                failures: row.limits.failures,
                conflicts: row.limits.conflicts,
                near_misses: row.limits.near_misses,
            },
            seen: CanaryCounts {
                failures: row.seen.failures,
                conflicts: row.seen.conflicts,
                near_misses: row.seen.near_misses,
            },
            records: row.seen.records,
            state: row.state,
            reason: row.reason,
            preview_id: row.preview,
            run_id: row.run,
            applied_at: row.applied_at,
            at: row.at,
            ended_at: row.ended_at,
        }
    }
}

fn trial(order: CanaryOrder) -> Result<Trial, ApiError> {
    match order.share {
        None if order.keys.is_empty() => {
            return Err(ApiError::invalid("/share", "a share or keys are needed"));
        }
        Some(_) if !order.keys.is_empty() => {
            let message = "a share or keys are given, not both";
            return Err(ApiError::invalid("/keys", message));
        }
        Some(share) if !(1..=50).contains(&share) => {
            return Err(ApiError::invalid("/share", "share lies between 1 and 50"));
        }
        _ => {}
    }
    if order.keys.len() > MOST_KEYS {
        let message = format!("at most {MOST_KEYS} keys are named");
        return Err(ApiError::invalid("/keys", message));
    }
    let is_key = |key: &String| !key.is_empty() && key.len() <= 255 && !key.contains('\0');
    if !order.keys.iter().all(is_key) {
        let message = "a key has 1 to 255 bytes and no NUL";
        return Err(ApiError::invalid("/keys", message));
    }
    let CanaryLimits {
        failures,
        conflicts,
        near_misses,
    } = order.limits;
    Ok(Trial {
        version: order.version,
        share: order.share,
        keys: order.keys,
        limits: Limits {
            failures: failures.into(),
            conflicts: conflicts.into(),
            near_misses: near_misses.into(),
        },
        preview: order.preview_id,
    })
}

/// Tries a draft on some records
///
/// It maps them in the place of the version in force, both ways, until it is promoted or stopped. It
/// stops by itself beyond a limit; what it did can then be undone by its run.
#[utoipa::path(
    post, path = "/mappings/{id}/canaries", operation_id = "start_canary", tag = "mappings",
    params(("id" = String, Path)), request_body = CanaryOrder,
    responses((status = 201, description = "Begun", body = Canary)),
)]
pub(super) async fn start(
    caller: Admin,
    Path(id): Path<MappingId>,
    extract::Json(body): extract::Json<CanaryOrder>,
) -> Result<(StatusCode, Json<Canary>), ApiError> {
    let trial = trial(body)?;
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let by = caller.session.user.id;
    let canary = canaries::start(&mut tx, tables, &row, &trial, by).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(canary.into())))
}

/// Canaries of a mapping, newest first
#[utoipa::path(
    get, path = "/mappings/{id}/canaries", operation_id = "list_canaries", tag = "mappings",
    params(("id" = String, Path), page::Params),
    responses((status = 200, description = "A page", body = Page<Canary>)),
)]
pub(super) async fn list(
    caller: Caller,
    Path(id): Path<MappingId>,
    Query(params): Query<page::Params>,
) -> Result<Json<Page<Canary>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    store::get(&mut tx, id).await?;
    let slice = stored::list(&mut tx, id, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-id", Canary::from)))
}

/// One canary
#[utoipa::path(
    get, path = "/mappings/{id}/canaries/{canary}", operation_id = "get_canary", tag = "mappings",
    params(("id" = String, Path), ("canary" = String, Path)),
    responses((status = 200, description = "The canary", body = Canary)),
)]
pub(super) async fn get(
    caller: Caller,
    Path((id, canary)): Path<(MappingId, CanaryId)>,
) -> Result<Json<Canary>, ApiError> {
    let mut tx = caller.begin().await?;
    store::get(&mut tx, id).await?;
    Ok(Json(stored::get(&mut tx, id, canary).await?.into()))
}

/// Stops a canary
///
/// The version in force maps its records from now on.
#[utoipa::path(
    post, path = "/mappings/{id}/canaries/{canary}/stop", operation_id = "stop_canary",
    tag = "mappings", params(("id" = String, Path), ("canary" = String, Path)),
    responses((status = 200, description = "As it is now", body = Canary)),
)]
pub(super) async fn stop(
    caller: Admin,
    Path((id, canary)): Path<(MappingId, CanaryId)>,
) -> Result<Json<Canary>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let canary = canaries::stop(&mut tx, &row, canary).await?;
    tx.commit().await?;
    Ok(Json(canary.into()))
}

/// Puts the version of a canary in force for all records
#[utoipa::path(
    post, path = "/mappings/{id}/canaries/{canary}/promote", operation_id = "promote_canary",
    tag = "mappings",
    params(("id" = String, Path), ("canary" = String, Path), ("If-Match" = String, Header)),
    responses((status = 200, description = "The mapping as it is now", body = Mapping)),
)]
pub(super) async fn promote(
    caller: Admin,
    Path((id, canary)): Path<(MappingId, CanaryId)>,
    IfMatch(read): IfMatch,
) -> Result<Tagged<Mapping>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let by = caller.session.user.id;
    match canaries::promote(&mut tx, tables, &row, canary, read, by).await {
        Ok(_) => {}
        Err(domain::mappings::Refused::Store(StoreError::Stale(_))) => {
            return Err(stale(&caller, id).await?);
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    now(&caller, id).await
}
