use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::previews::{self, Cost, Shown};
use domain::{mappings, users};
use engine::Tx;
use engine::ids::{ConnectionId, MappingId, PreviewId, RunId};
use engine::outcomes::{Act, Cause, Totals};
use engine::sdk::SystemEntry;
use engine::store::keyset::After;
use engine::store::link_events::Method;
use engine::store::mappings::{self as store, MappingRow};
use engine::store::previews::{self as stored, Preview as Row, RowQuery};
use engine::store::runs;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::{Caller, Operator, SignedIn};
use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::page::{self, Page};

/// What a version of a mapping would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    #[schema(value_type = String)]
    id: PreviewId,
    version: i32,
    /// The version that was in force then.
    against: Option<i32>,
    #[schema(value_type = String)]
    run_id: RunId,
    /// waiting, running, done, failed
    state: &'static str,
    asked_at: DateTime<Utc>,
    asked_by: Option<String>,
    began_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// So far; null before it began.
    counts: Option<PreviewCounts>,
    /// Values that would change, by core field.
    fields: BTreeMap<String, u64>,
    /// Failures by cause, the most frequent first.
    causes: Vec<PreviewCause>,
    /// Failures of further causes.
    other_causes: u64,
    /// What would be written to systems.
    cost: Vec<PreviewCost>,
    /// Of records that were read again from the system.
    live: Option<PreviewLive>,
    /// Whether the version asks for fields that the stored snapshots do not hold: the stream will be
    /// read again, and the numbers say nothing about those fields.
    reads_again: bool,
}

/// What becomes of how many records.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewCounts {
    read: u64,
    creates: u64,
    updates: u64,
    unchanged: u64,
    deletes: u64,
    excluded: u64,
    /// Records that a person has to say of whose they are; those that wait already are looked at too.
    holds: u64,
    /// Records linked to what is here already, of those that wait.
    links: u64,
    /// Groups of fields, and removals, that a person has to decide.
    conflicts: u64,
    /// Records of which at least one field cannot be taken over.
    failed: u64,
    /// Records with values that change on the way out and back in.
    not_kept: u64,
    /// Records that wait for another one.
    waiting: u64,
}

impl From<&Totals> for PreviewCounts {
    fn from(totals: &Totals) -> Self {
        Self {
            read: totals.read,
            creates: totals.creates,
            updates: totals.updates,
            unchanged: totals.unchanged,
            deletes: totals.deletes,
            excluded: totals.excluded,
            holds: totals.holds,
            links: totals.links,
            conflicts: totals.conflicts,
            failed: totals.failed,
            not_kept: totals.not_kept,
            waiting: totals.waiting,
        }
    }
}

/// Failures of one cause.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewCause {
    field: String,
    /// The remote field.
    remote: String,
    /// transform, lookup, type, size
    #[schema(value_type = String)]
    cause: engine::mapping::FailReason,
    reason: String,
    records: u64,
    /// Key of one of the records.
    example: String,
}

impl From<Cause> for PreviewCause {
    fn from(cause: Cause) -> Self {
        Self {
            field: cause.core,
            remote: cause.remote,
            cause: cause.cause,
            reason: cause.reason,
            records: cause.records,
            example: cause.example,
        }
    }
}

/// Writes to one stream of a system.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewCost {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    writes: u64,
    calls: u64,
}

impl From<Cost> for PreviewCost {
    fn from(cost: Cost) -> Self {
        Self {
            connection_id: cost.connection,
            connection_name: cost.connection_name,
            stream: cost.stream,
            writes: cost.writes,
            calls: cost.calls,
        }
    }
}

/// What reading some records again gave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewLive {
    asked: u64,
    found: u64,
    counts: PreviewCounts,
    /// Why the system did not give them.
    error: Option<String>,
}

async fn show(
    tx: &mut Tx,
    systems: &[&SystemEntry],
    mapping: &MappingRow,
    preview: Row,
) -> Result<Preview, ApiError> {
    let state = match (preview.ended_at, preview.began_at) {
        (Some(_), _) => "done",
        (None, began_at) => {
            let run = runs::get(tx, preview.run).await?;
            match began_at {
                _ if run.state.is_final() => "failed",
                Some(_) => "running",
                None => "waiting",
            }
        }
    };
    let text = store::version(tx, mapping.id, preview.version).await?.body;
    let totals = preview.totals.unwrap_or_default();
    let names = users::names(tx, &[preview.asked_by]).await?;
    let cost = previews::cost(tx, systems, &totals.owed).await?;
    let counts = preview.began_at.map(|_| PreviewCounts::from(&totals));
    let mut causes = totals.causes;
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.records));
    Ok(Preview {
        id: preview.id,
        version: preview.version,
        against: preview.against,
        run_id: preview.run,
        state,
        asked_at: preview.asked_at,
        asked_by: names.get(&preview.asked_by).cloned(),
        began_at: preview.began_at,
        ended_at: preview.ended_at,
        counts,
        fields: totals.fields,
        causes: causes.into_iter().map(PreviewCause::from).collect(),
        other_causes: totals.other_causes,
        cost: cost.into_iter().map(PreviewCost::from).collect(),
        live: preview.live.map(|live| PreviewLive {
            asked: live.asked,
            found: live.found,
            counts: PreviewCounts::from(&live.totals),
            error: live.error,
        }),
        reads_again: mappings::needs_reading(mapping.published_text.as_deref(), &text),
    })
}

fn systems(caller: &SignedIn) -> Vec<&SystemEntry> {
    caller.portal().peers.systems().collect()
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewOrder {
    version: i32,
    /// Records to read again from the system beside the snapshots, at most 100.
    #[serde(default)]
    live: u8,
}

/// Starts a preview of a version
///
/// It looks at the stored snapshots with the code that would apply them, and writes nothing. Records that wait
/// for a person to say whose they are count; one that is linked stays so, whatever `[link]` says now.
#[utoipa::path(
    post, path = "/mappings/{id}/previews", operation_id = "start_preview", tag = "mappings",
    params(("id" = String, Path)), request_body = PreviewOrder,
    responses((status = 202, description = "Started", body = Preview)),
)]
pub(super) async fn start(
    caller: Operator,
    Path(id): Path<MappingId>,
    extract::Json(body): extract::Json<PreviewOrder>,
) -> Result<(StatusCode, Json<Preview>), ApiError> {
    let sample = i32::from(body.live);
    if sample > previews::MOST_LIVE {
        let message = format!("at most {} records are read again", previews::MOST_LIVE);
        return Err(ApiError::invalid("/live", message));
    }
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let by = caller.session.user.id;
    let preview = previews::start(&mut tx, tables, &row, body.version, sample, by).await?;
    let shown = show(&mut tx, &systems(&caller), &row, preview).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(shown)))
}

/// Previews of a mapping, newest first
#[utoipa::path(
    get, path = "/mappings/{id}/previews", operation_id = "list_previews", tag = "mappings",
    params(("id" = String, Path), page::Params),
    responses((status = 200, description = "A page", body = Page<Preview>)),
)]
pub(super) async fn list(
    caller: Caller,
    Path(id): Path<MappingId>,
    Query(params): Query<page::Params>,
) -> Result<Json<Page<Preview>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let slice = stored::list(&mut tx, id, limit, after.as_ref()).await?;
    let (mut items, next) = (Vec::new(), slice.next);
    for preview in slice.items {
        items.push(show(&mut tx, &systems(&caller), &row, preview).await?);
    }
    let slice = engine::store::keyset::Slice {
        items,
        next,
        total: None,
    };
    Ok(Json(Page::new(slice, "-id", |preview| preview)))
}

/// A preview, as far as it has come
#[utoipa::path(
    get, path = "/mappings/{id}/previews/{preview}", operation_id = "get_preview",
    tag = "mappings", params(("id" = String, Path), ("preview" = String, Path)),
    responses((status = 200, description = "The preview", body = Preview)),
)]
pub(super) async fn get(
    caller: Caller,
    Path((id, preview)): Path<(MappingId, PreviewId)>,
) -> Result<Json<Preview>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let preview = stored::get(&mut tx, id, preview).await?;
    let shown = show(&mut tx, &systems(&caller), &row, preview).await?;
    Ok(Json(shown))
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActFilter {
    Create,
    Update,
    Unchanged,
    Delete,
    Exclude,
    Hold,
}

impl From<ActFilter> for Act {
    fn from(filter: ActFilter) -> Self {
        match filter {
            ActFilter::Create => Self::Create,
            ActFilter::Update => Self::Update,
            ActFilter::Unchanged => Self::Unchanged,
            ActFilter::Delete => Self::Delete,
            ActFilter::Exclude => Self::Exclude,
            ActFilter::Hold => Self::Hold,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowParams {
    #[param(inline)]
    act: Option<ActFilter>,
    /// Only those that were read again from the system, or only those of the snapshots.
    live: Option<bool>,
    conflict: Option<bool>,
    failed: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A record to which something would happen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewRow {
    /// The record's key in its system.
    key: String,
    /// The hub's record; null for one that would be made.
    id: Option<String>,
    /// create, update, unchanged, delete, exclude, hold
    act: &'static str,
    /// What links it to `id`, with which it was not linked: hub_id, strong_key, person, merge, conversion.
    link: Option<&'static str>,
    /// Read again from the system.
    live: bool,
    fields: Vec<PreviewField>,
    conflicts: Vec<PreviewConflict>,
    failed: Vec<PreviewFailure>,
    /// Core fields that the record's system would be given.
    written: Vec<String>,
    /// Core fields whose value changes on the way out and back in.
    not_kept: Vec<String>,
    /// Core fields that wait for another record.
    waiting: Vec<String>,
    /// A removal that a person has to decide, or whose the record is.
    asks: bool,
}

/// A value that would change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewField {
    field: String,
    label: String,
    #[schema(value_type = Value)]
    before: serde_json::Value,
    #[schema(value_type = Value)]
    after: serde_json::Value,
    /// Why, in a sentence.
    reason: Option<String>,
    /// A value that would lose.
    #[schema(value_type = Option<Value>)]
    lost: Option<serde_json::Value>,
}

/// A group of fields that a person would have to decide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewConflict {
    group: String,
    reason: Option<String>,
    fields: Vec<PreviewSides>,
}

/// The sides of a field under conflict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewSides {
    field: String,
    label: String,
    #[schema(value_type = Option<Value>)]
    base: Option<serde_json::Value>,
    #[schema(value_type = Value)]
    core: serde_json::Value,
    #[schema(value_type = Value)]
    remote: serde_json::Value,
}

/// A field that cannot be taken over.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewFailure {
    field: String,
    remote: String,
    #[schema(value_type = String)]
    cause: engine::mapping::FailReason,
    reason: String,
}

impl From<Shown> for PreviewRow {
    fn from(row: Shown) -> Self {
        let fields = row.fields.into_iter().map(|field| PreviewField {
            field: field.field,
            label: field.label,
            before: field.before,
            after: field.after,
            reason: field.reason,
            lost: field.lost,
        });
        let conflicts = row.conflicts.into_iter().map(|conflict| PreviewConflict {
            group: conflict.group,
            reason: conflict.reason,
            fields: conflict
                .fields
                .into_iter()
                .map(|field| PreviewSides {
                    field: field.field,
                    label: field.label,
                    base: field.base,
                    core: field.core,
                    remote: field.remote,
                })
                .collect(),
        });
        let failed = row.failed.into_iter().map(|failure| PreviewFailure {
            field: failure.core,
            remote: failure.remote,
            cause: failure.cause,
            reason: failure.reason,
        });
        Self {
            key: row.key,
            id: row.id,
            act: row.act.as_str(),
            link: row.link.map(Method::as_str),
            live: row.live,
            fields: fields.collect(),
            conflicts: conflicts.collect(),
            failed: failed.collect(),
            written: row.written,
            not_kept: row.not_kept,
            waiting: row.waiting,
            asks: row.asks,
        }
    }
}

/// Records to which something would happen, as far as they were looked at
#[utoipa::path(
    get, path = "/mappings/{id}/previews/{preview}/rows", operation_id = "list_preview_rows",
    tag = "mappings", params(("id" = String, Path), ("preview" = String, Path), RowParams),
    responses((status = 200, description = "A page", body = Page<PreviewRow>)),
)]
pub(super) async fn rows(
    caller: Caller,
    Path((id, preview)): Path<(MappingId, PreviewId)>,
    Query(params): Query<RowParams>,
) -> Result<Json<Page<PreviewRow>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "number")?;
    let after = after.as_ref().map_or(Ok(0), number)?;
    let query = RowQuery {
        act: params.act.map(Act::from),
        live: params.live,
        has_conflict: params.conflict,
        has_failure: params.failed,
    };
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    stored::get(&mut tx, id, preview).await?;
    let tables = &caller.portal().tables;
    let slice = previews::rows(&mut tx, tables, &row, preview, query, after, limit).await?;
    Ok(Json(Page::new(slice, "number", PreviewRow::from)))
}

fn number(after: &After) -> Result<i64, ApiError> {
    let bad = |_digits| ApiError::invalid("/cursor", "this is no cursor of this list");
    after.value.parse().map_err(bad)
}
