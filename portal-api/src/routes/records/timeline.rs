//! What happened to an entity.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::timeline::{self, FieldChange, Happened};
use engine::ids::{ConnectionId, EntityId, RunId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::page::{self, Page, Params};

/// One thing that happened to an entity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    id: String,
    at: DateTime<Utc>,
    #[schema(value_type = TimelineKind)]
    kind: timeline::Kind,
    title: String,
    /// Name of the person or the connection.
    who: String,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    changes: Vec<TimelineChange>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum TimelineKind {
    Created,
    Merged,
    Edited,
    Written,
    WriteFailed,
    ConflictOpened,
    ConflictResolved,
    Removed,
    Unlinked,
    Restored,
    Undone,
    UndoKept,
    Linked,
    Joined,
    Relinked,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineChange {
    field: String,
    label: String,
    #[schema(value_type = Value)]
    old: serde_json::Value,
    #[schema(value_type = Value)]
    new: serde_json::Value,
}

pub(crate) async fn answer(
    caller: &SignedIn,
    kind: &str,
    id: EntityId,
    params: &Params,
) -> Result<Json<Page<TimelineEntry>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-at")?;
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let slice = timeline::read(&mut tx, tables, kind, id, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-at", TimelineEntry::from)))
}

impl From<Happened> for TimelineEntry {
    fn from(happened: Happened) -> Self {
        let changes = happened.changes.into_iter().map(TimelineChange::from);
        Self {
            id: happened.id,
            at: happened.at,
            kind: happened.kind,
            title: happened.title,
            who: happened.who,
            connection_id: happened.connection_id,
            run_id: happened.run_id,
            changes: changes.collect(),
        }
    }
}

impl From<FieldChange> for TimelineChange {
    fn from(change: FieldChange) -> Self {
        Self {
            field: change.field,
            label: change.label,
            old: change.old,
            new: change.new,
        }
    }
}
