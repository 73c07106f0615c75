//! Fields that are frozen, because their system kept changing what the hub wrote.

mod get;
mod list;
mod near_misses;
mod release;

use chrono::{DateTime, Utc};
use domain::breakers::Breaker as Shown;
use engine::ids::{BreakerId, ConnectionId, FailureClassId, RunId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(release::release))
        .routes(routes!(near_misses::near_misses))
}

/// A frozen field of a record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Breaker {
    #[schema(value_type = String)]
    id: BreakerId,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    /// `account` or `contact`
    entity: String,
    /// With the prefix of its kind.
    entity_id: String,
    /// The record's key in its system; null when it is gone.
    key: Option<String>,
    field: String,
    label: String,
    sentence: String,
    /// What the hub wrote.
    #[schema(value_type = Value)]
    ours: Value,
    /// What the system set in its place.
    #[schema(value_type = Value)]
    theirs: Value,
    /// When it did, oldest first.
    times: Vec<DateTime<Utc>>,
    frozen_at: DateTime<Utc>,
    /// The run that saw the last change.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    /// The class of failures it belongs to: retrying that lets all of its fields go.
    #[schema(value_type = String)]
    failure_class_id: FailureClassId,
}

impl From<Shown> for Breaker {
    fn from(shown: Shown) -> Self {
        let row = shown.row;
        Self {
            id: row.id,
            connection_id: row.connection,
            connection_name: row.connection_name,
            stream: row.stream,
            entity: row.entity,
            entity_id: shown.entity_id,
            key: row.key,
            field: row.field,
            label: shown.label,
            sentence: shown.sentence,
            ours: shown.ours,
            theirs: shown.theirs,
            times: row.times,
            frozen_at: row.frozen_at,
            run_id: row.run,
            failure_class_id: row.class,
        }
    }
}
