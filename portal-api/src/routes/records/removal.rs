//! Removing an entity and bringing it back.

use axum::Json;
use axum::http::StatusCode;
use domain::entities::Refusal;
use domain::removals;
use engine::ids::{ConnectionId, EntityId};
use engine::sync::remove::Removing;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::{Operator, SignedIn};
use crate::error::{ApiError, Slug};

/// How something is removed.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RemovalKind {
    /// It stays here and is synchronised no more.
    Unlink,
    /// It goes here, and over there where the stream says so.
    #[default]
    Archive,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// `archive` if it is left out.
    #[serde(default)]
    #[param(inline)]
    kind: RemovalKind,
}

impl Removal {
    fn how(&self) -> Removing {
        match self.kind {
            RemovalKind::Unlink => Removing::Unlink,
            RemovalKind::Archive => Removing::Archive,
        }
    }
}

/// What a removal would do now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovalPlan {
    id: String,
    version: i64,
    records: Vec<RemovalRecord>,
}

/// What a removal would do to one record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovalRecord {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    key: String,
    /// Whether it is deleted over there; else it stays and its link ends.
    deleted: bool,
}

pub(crate) async fn plan(
    caller: &SignedIn,
    kind: &str,
    id: EntityId,
    removal: &Removal,
) -> Result<Json<RemovalPlan>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let places = removals::plan(&mut tx, tables, kind, id, removal.how()).await?;
    let version = removals::version(&mut tx, tables, kind, id).await?;
    let records = places.into_iter().map(|place| RemovalRecord {
        connection_id: place.connection_id,
        connection_name: place.connection_name,
        stream: place.stream,
        key: place.key,
        deleted: place.is_deleted,
    });
    Ok(Json(RemovalPlan {
        id: domain::entities::show_id(kind, id),
        version,
        records: records.collect(),
    }))
}

pub(crate) async fn remove(
    caller: &Operator,
    (kind, id): (&str, EntityId),
    version: i64,
    removal: &Removal,
) -> Result<StatusCode, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let how = removal.how();
    removals::remove(&mut tx, tables, (kind, id), version, how, user)
        .await
        .map_err(refused)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn restore(
    caller: &Operator,
    (kind, id): (&str, EntityId),
    version: i64,
) -> Result<(), ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    removals::restore(&mut tx, tables, (kind, id), version, user)
        .await
        .map_err(refused)?;
    tx.commit().await?;
    Ok(())
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Stale => ApiError::new(Slug::Stale, "it was changed since you read it"),
        refusal => refusal.into(),
    }
}
