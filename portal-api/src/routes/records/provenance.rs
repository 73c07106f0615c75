//! Where each value of an entity came from, and what every side holds.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::provenance::{self, OriginKind, OriginView, ProvenanceField, SideView, WriteState};
use engine::catalogue::FieldKind;
use engine::ids::{ConflictId, ConnectionId, EntityId, RunId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::routes::fields::FieldTypeName;

/// Where an entity's values come from, field by field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Provenance {
    /// The systems that have a record of it; each field has a side for each.
    connections: Vec<LinkedConnection>,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkedConnection {
    #[schema(value_type = String)]
    id: ConnectionId,
    name: String,
    system: String,
    stream: String,
    key: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvenanceField)]
pub(crate) struct Field {
    name: String,
    label: String,
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeName)]
    kind: FieldKind,
    group: Option<String>,
    #[schema(value_type = Value)]
    value: serde_json::Value,
    origin: Option<Origin>,
    sides: Vec<Side>,
    #[schema(value_type = Option<String>)]
    conflict_id: Option<ConflictId>,
    /// Whether all sides that have the field hold the same.
    agrees: bool,
}

/// Who set a value, when, and by which rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Origin {
    #[schema(value_type = OriginKindName)]
    kind: OriginKind,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    /// Name of the person.
    user: Option<String>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    mapping_version: Option<i32>,
    at: DateTime<Utc>,
    rule: Option<String>,
    sentence: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum OriginKindName {
    Connection,
    User,
    Rule,
}

/// What one system holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvenanceSide)]
pub(crate) struct Side {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    #[schema(value_type = Value)]
    value: Option<serde_json::Value>,
    /// Whether the mapping brings this field from there.
    present: bool,
    /// What both sides last agreed on.
    #[schema(value_type = Value)]
    base: Option<serde_json::Value>,
    base_present: bool,
    /// When the system says the record changed.
    at: Option<DateTime<Utc>>,
    /// Whether the hub's value is still owed to it.
    pending: bool,
    #[schema(value_type = Option<WriteStateName>)]
    write_state: Option<WriteState>,
    /// Why the last write failed.
    error: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum WriteStateName {
    Pending,
    Sending,
    Failed,
    Unknown,
}

pub(crate) async fn answer(
    caller: &SignedIn,
    kind: &str,
    id: EntityId,
) -> Result<Json<Provenance>, ApiError> {
    let mut tx = caller.begin().await?;
    let seen = provenance::read(&mut tx, &caller.portal().tables, kind, id).await?;
    let connections = seen.links.into_iter().map(|link| LinkedConnection {
        id: link.connection_id,
        name: link.connection_name,
        system: link.system,
        stream: link.stream,
        key: link.key,
    });
    Ok(Json(Provenance {
        connections: connections.collect(),
        fields: seen.fields.into_iter().map(Field::from).collect(),
    }))
}

impl From<ProvenanceField> for Field {
    fn from(field: ProvenanceField) -> Self {
        Self {
            name: field.name,
            label: field.label,
            kind: field.kind,
            group: field.group,
            value: field.value,
            origin: field.origin.map(Origin::from),
            sides: field.sides.into_iter().map(Side::from).collect(),
            conflict_id: field.conflict_id,
            agrees: field.agrees,
        }
    }
}

impl From<OriginView> for Origin {
    fn from(origin: OriginView) -> Self {
        Self {
            kind: origin.kind,
            connection_id: origin.connection_id,
            user: origin.user,
            run_id: origin.run_id,
            mapping_version: origin.mapping_version,
            at: origin.at,
            rule: origin.rule,
            sentence: origin.sentence,
        }
    }
}

impl From<SideView> for Side {
    fn from(side: SideView) -> Self {
        Self {
            connection_id: side.connection_id,
            present: side.value.is_some(),
            value: side.value,
            base_present: side.base.is_some(),
            base: side.base,
            at: side.at,
            pending: side
                .write_state
                .is_some_and(|state| state != WriteState::Failed),
            write_state: side.write_state,
            error: side.error,
        }
    }
}
