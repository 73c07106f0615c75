//! Conflicts: where two sides disagree and a person decides.

mod get;
mod list;
mod resolve;

use chrono::{DateTime, Utc};
use domain::conflicts::{ConflictView, SidesView};
use engine::ids::{ConflictId, ConnectionId, RunId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(resolve::resolve))
}

/// A group of fields on which two sides disagree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conflict {
    #[schema(value_type = String)]
    id: ConflictId,
    version: i64,
    /// `account` or `contact`
    entity: String,
    /// With the prefix of its kind.
    entity_id: String,
    entity_name: String,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    group: String,
    fields: Vec<ConflictField>,
    /// edit; delete where the record is gone over there; overwritten where a write of ours went over a
    /// value that nobody had seen: `remote` is that value
    kind: String,
    opened_at: DateTime<Utc>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    #[schema(value_type = ConflictState)]
    state: String,
    resolution: Option<Resolution>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum ConflictState {
    Open,
    Resolved,
}

/// The three sides of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConflictField {
    name: String,
    label: String,
    /// What was last agreed; null also where nothing was.
    #[schema(value_type = Value)]
    base: Option<serde_json::Value>,
    /// What the hub holds.
    #[schema(value_type = Value)]
    core: serde_json::Value,
    /// What the system holds.
    #[schema(value_type = Value)]
    remote: serde_json::Value,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resolution {
    /// core, remote, base, value; or how it ended without an answer: agreed where both sides came to the
    /// same by themselves, joined where the record went into another one, overwritten where a write went
    /// over it and a question about that was open already
    choice: String,
    /// Name of the person; null where nobody had to.
    by: Option<String>,
    at: DateTime<Utc>,
    note: Option<String>,
}

impl From<ConflictView> for Conflict {
    fn from(view: ConflictView) -> Self {
        Self {
            id: view.id,
            version: view.version,
            entity_id: domain::entities::show_id(&view.entity, view.entity_id),
            entity: view.entity,
            entity_name: view.entity_name,
            connection_id: view.connection_id,
            connection_name: view.connection_name,
            stream: view.stream,
            group: view.group,
            fields: view.fields.into_iter().map(ConflictField::from).collect(),
            kind: view.kind,
            opened_at: view.opened_at,
            run_id: view.run_id,
            state: view.state,
            resolution: view.resolution.map(|resolution| Resolution {
                choice: resolution.choice,
                by: resolution.by,
                at: resolution.at,
                note: resolution.note,
            }),
        }
    }
}

impl From<SidesView> for ConflictField {
    fn from(field: SidesView) -> Self {
        Self {
            name: field.name,
            label: field.label,
            base: field.base,
            core: field.core,
            remote: field.remote,
        }
    }
}
