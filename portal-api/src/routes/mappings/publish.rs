use std::collections::BTreeMap;

use axum::Json;
use chrono::{DateTime, Utc};
use domain::mappings::{self, Order};
use domain::users;
use engine::StoreError;
use engine::ids::{MappingApprovalId, MappingId, PreviewId, PublicationId, RunId, UserId};
use engine::store::publications;
use engine::store::{mappings as store, publications::Publication as Row};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Mapping;
use super::previews::PreviewCounts;
use crate::caller::{Admin, Caller, SignedIn};
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{self, Path, Query};
use crate::page::{self, Page};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishOrder {
    /// A draft.
    version: i32,
    /// What was shown of it; refused when that holds no more.
    #[schema(value_type = Option<String>)]
    preview_id: Option<PreviewId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollBackOrder {
    /// One that was in force before.
    version: i32,
}

/// Puts a draft in force
///
/// It must fit both sides and leave all fixtures green, and have what the tenant's rules ask for. A
/// run then applies it to the stored snapshots.
#[utoipa::path(
    post, path = "/mappings/{id}/publish", operation_id = "publish_mapping", tag = "mappings",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = PublishOrder,
    responses((status = 200, description = "As it is now", body = Mapping)),
)]
pub(super) async fn publish(
    caller: Admin,
    Path(id): Path<MappingId>,
    IfMatch(read): IfMatch,
    extract::Json(body): extract::Json<PublishOrder>,
) -> Result<Tagged<Mapping>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    match store::touch(&mut tx, id, read).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(stale(&caller, id).await?),
        Err(error) => return Err(error.into()),
    }
    let order = Order {
        mapping: &row,
        version: body.version,
        preview: body.preview_id,
        by: caller.session.user.id,
    };
    mappings::publish(&mut tx, tables, order).await?;
    tx.commit().await?;
    now(&caller, id).await
}

/// Brings an earlier version's text back
///
/// As a new version that is in force at once; the one before it is `rolled_back` from now on.
#[utoipa::path(
    post, path = "/mappings/{id}/roll-back", operation_id = "roll_back_mapping", tag = "mappings",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = RollBackOrder,
    responses((status = 200, description = "As it is now", body = Mapping)),
)]
pub(super) async fn roll_back(
    caller: Admin,
    Path(id): Path<MappingId>,
    IfMatch(read): IfMatch,
    extract::Json(body): extract::Json<RollBackOrder>,
) -> Result<Tagged<Mapping>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    if row.version != read {
        return Err(stale(&caller, id).await?);
    }
    let user = &caller.session.user;
    let by = (user.id, user.name.as_str());
    mappings::roll_back(&mut tx, tables, &row, body.version, by).await?;
    tx.commit().await?;
    now(&caller, id).await
}

async fn shown(caller: &SignedIn, id: MappingId) -> Result<(i64, Mapping), ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let (connection, stream) = (row.connection_id, row.stream.clone());
    let review = mappings::review(&mut tx, tables, connection, &stream, &row.text).await?;
    Ok((row.version, Mapping::new(row, review)))
}

pub(super) async fn now(caller: &SignedIn, id: MappingId) -> Result<Tagged<Mapping>, ApiError> {
    let (version, mapping) = shown(caller, id).await?;
    Ok(Tagged(version, mapping))
}

pub(super) async fn stale(caller: &SignedIn, id: MappingId) -> Result<ApiError, ApiError> {
    Ok(ApiError::stale(&shown(caller, id).await?.1))
}

/// A version that was put in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Publication {
    #[schema(value_type = String)]
    id: PublicationId,
    version: i32,
    /// The version that was in force before.
    replaced: Option<i32>,
    /// For one that rolled back: the version whose text came back.
    restored: Option<i32>,
    #[schema(value_type = Option<String>)]
    preview_id: Option<PreviewId>,
    #[schema(value_type = Option<String>)]
    approval_id: Option<MappingApprovalId>,
    /// Applies it to the stored snapshots; null where there were none.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    at: DateTime<Utc>,
    /// Name of who did it.
    by: Option<String>,
    /// When it had been applied to all stored snapshots.
    applied_at: Option<DateTime<Utc>>,
    /// What applying it did.
    counts: Option<PreviewCounts>,
    /// Values that changed, by core field.
    fields: BTreeMap<String, u64>,
    /// Whether every record came out to the byte as its preview showed it; null without a preview
    /// or before it was applied.
    as_previewed: Option<bool>,
}

/// When which version was put in force, newest first
#[utoipa::path(
    get, path = "/mappings/{id}/publications", operation_id = "list_publications",
    tag = "mappings", params(("id" = String, Path), page::Params),
    responses((status = 200, description = "A page", body = Page<Publication>)),
)]
pub(super) async fn list(
    caller: Caller,
    Path(id): Path<MappingId>,
    Query(params): Query<page::Params>,
) -> Result<Json<Page<Publication>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    store::get(&mut tx, id).await?;
    let slice = publications::list(&mut tx, id, limit, after.as_ref()).await?;
    let people: Vec<UserId> = slice.items.iter().map(|one| one.by).collect();
    let names = users::names(&mut tx, &people).await?;
    let show = |row: Row| Publication {
        id: row.id,
        version: row.version,
        replaced: row.replaced,
        restored: row.restored,
        preview_id: row.preview,
        approval_id: row.approval,
        run_id: row.run,
        at: row.at,
        by: names.get(&row.by).cloned(),
        applied_at: row.applied_at,
        as_previewed: row.digest.zip(row.previewed).map(|(did, said)| did == said),
        fields: row
            .totals
            .as_ref()
            .map(|totals| totals.fields.clone())
            .unwrap_or_default(),
        counts: row.totals.as_ref().map(PreviewCounts::from),
    };
    Ok(Json(Page::new(slice, "-id", show)))
}
