//! An entity at an earlier moment, and between two of them.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::past::{self, Cause, FieldAsOf, FieldDiff};
use engine::catalogue::FieldKind;
use engine::ids::{ChangeId, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::provenance::Origin;
use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::routes::fields::FieldTypeName;

/// Which moment.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Moment {
    /// Not later than now.
    at: DateTime<Utc>,
}

/// Which two moments.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Moments {
    from: DateTime<Utc>,
    /// Not before `from` and not later than now; now if it is left out.
    to: Option<DateTime<Utc>>,
}

/// A record as it was at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordAsOf {
    id: String,
    /// Of the record as it is now: what restoring it needs.
    version: i64,
    at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    /// Whether it had been removed by then; its values are those it had last.
    removed: bool,
    removed_at: Option<DateTime<Utc>>,
    fields: Vec<RecordFieldAsOf>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordFieldAsOf {
    name: String,
    label: String,
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeName)]
    kind: FieldKind,
    #[schema(value_type = Value)]
    value: serde_json::Value,
    /// Where the value had come from; null for one that nobody had set.
    origin: Option<Origin>,
}

/// What became of a record between two moments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordDiff {
    id: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// When it had been removed as of `from`, if it had.
    removed_from: Option<DateTime<Utc>>,
    removed_to: Option<DateTime<Utc>>,
    /// The fields that differ.
    fields: Vec<RecordFieldDiff>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordFieldDiff {
    name: String,
    label: String,
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeName)]
    kind: FieldKind,
    #[schema(value_type = Value)]
    from: serde_json::Value,
    #[schema(value_type = Value)]
    to: serde_json::Value,
    /// How often it was set in between.
    changes: u64,
    /// The newest of those, newest first.
    causes: Vec<RecordCause>,
}

/// One change of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordCause {
    #[schema(value_type = String)]
    id: ChangeId,
    at: DateTime<Utc>,
    /// merged, edited, resolved, normalised, undone
    kind: String,
    #[schema(value_type = Value)]
    old: serde_json::Value,
    #[schema(value_type = Value)]
    new: serde_json::Value,
    /// Where the new value came from.
    origin: Option<Origin>,
}

pub(crate) async fn as_of(
    caller: &SignedIn,
    kind: &str,
    id: EntityId,
    moment: &Moment,
) -> Result<Json<RecordAsOf>, ApiError> {
    let mut tx = caller.begin().await?;
    refuse_future("/at", moment.at, tx.now())?;
    let seen = past::as_of(&mut tx, &caller.portal().tables, kind, id, moment.at).await?;
    Ok(Json(RecordAsOf {
        id: domain::entities::show_id(kind, id),
        version: seen.version,
        at: seen.at,
        created_at: seen.created_at,
        removed: seen.removed_at.is_some(),
        removed_at: seen.removed_at,
        fields: seen.fields.into_iter().map(RecordFieldAsOf::from).collect(),
    }))
}

pub(crate) async fn diff(
    caller: &SignedIn,
    kind: &str,
    id: EntityId,
    moments: &Moments,
) -> Result<Json<RecordDiff>, ApiError> {
    let mut tx = caller.begin().await?;
    let (from, to) = (moments.from, moments.to.unwrap_or(tx.now()));
    refuse_future("/to", to, tx.now())?;
    if from > to {
        return Err(ApiError::invalid("/from", "from must not be later than to"));
    }
    let seen = past::diff(&mut tx, &caller.portal().tables, kind, id, (from, to)).await?;
    Ok(Json(RecordDiff {
        id: domain::entities::show_id(kind, id),
        from: seen.from,
        to: seen.to,
        removed_from: seen.removed_from,
        removed_to: seen.removed_to,
        fields: seen.fields.into_iter().map(RecordFieldDiff::from).collect(),
    }))
}

/// What will be is not known.
fn refuse_future(pointer: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), ApiError> {
    if at <= now {
        return Ok(());
    }
    let name = pointer.trim_start_matches('/');
    Err(ApiError::invalid(
        pointer,
        format!("{name} is in the future"),
    ))
}

impl From<FieldAsOf> for RecordFieldAsOf {
    fn from(field: FieldAsOf) -> Self {
        Self {
            name: field.name,
            label: field.label,
            kind: field.kind,
            value: field.value,
            origin: field.origin.map(Origin::from),
        }
    }
}

impl From<FieldDiff> for RecordFieldDiff {
    fn from(field: FieldDiff) -> Self {
        Self {
            name: field.name,
            label: field.label,
            kind: field.kind,
            from: field.from,
            to: field.to,
            changes: field.changes,
            causes: field.causes.into_iter().map(RecordCause::from).collect(),
        }
    }
}

impl From<Cause> for RecordCause {
    fn from(cause: Cause) -> Self {
        Self {
            id: cause.id,
            at: cause.at,
            kind: cause.kind,
            old: cause.old,
            new: cause.new,
            origin: cause.origin.map(Origin::from),
        }
    }
}
