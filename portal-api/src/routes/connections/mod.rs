//! Connections: a tenant's links to systems, and the streams set up on them.

mod caps;
mod check;
mod coverage;
mod create;
mod delete;
mod discover;
mod drift;
mod get;
mod list;
mod list_streams;
mod match_report;
mod pull_stream;
mod put_stream;
mod sweep;
mod update;

use chrono::{DateTime, Utc};
use engine::ids::{ConnectionId, MappingId};
use engine::sdk;
use engine::store::connections::{self, ConnectionFailure};
use engine::store::streams::StreamRow;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(check::check))
        .routes(routes!(discover::discover))
        .routes(routes!(list_streams::list_streams))
        .routes(routes!(put_stream::put_stream))
        .routes(routes!(caps::get, caps::put))
        .routes(routes!(pull_stream::pull_stream))
        .routes(routes!(coverage::get))
        .routes(routes!(coverage::gaps))
        .routes(routes!(coverage::differences))
        .routes(routes!(match_report::get))
        .routes(routes!(sweep::get, sweep::put, sweep::start))
        .routes(routes!(drift::list))
        .routes(routes!(drift::proposal, drift::draft))
}

/// A tenant's link to a system. Its secrets are never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Connection {
    #[schema(value_type = String)]
    id: ConnectionId,
    system: String,
    name: String,
    #[schema(value_type = ConnectionStateName)]
    state: connections::ConnectionState,
    /// The state for a person, with what to do about it.
    state_sentence: String,
    #[schema(value_type = Object)]
    config: serde_json::Value,
    version: i64,
    created_at: DateTime<Utc>,
    checked_at: Option<DateTime<Utc>>,
    usage: Option<Usage>,
    /// How many streams are set up on it.
    streams: i64,
    #[schema(value_type = Option<ConnectionError>)]
    error: Option<ConnectionFailure>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum ConnectionStateName {
    New,
    Ok,
    Attention,
    Stopped,
}

/// How much of the system's budget is used, as it last told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    used: i64,
    limit: i64,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the engine's type")]
pub(crate) struct ConnectionError {
    /// transient, rate_limited, auth, config, rejected, conflict, gone or unsupported
    kind: String,
    code: Option<String>,
    message: String,
    at: DateTime<Utc>,
}

impl From<connections::Connection> for Connection {
    fn from(row: connections::Connection) -> Self {
        Self {
            state_sentence: domain::connections::sentence(&row),
            usage: row
                .usage_used
                .zip(row.usage_limit)
                .map(|(used, limit)| Usage { used, limit }),
            id: row.id,
            system: row.system,
            name: row.name,
            state: row.state,
            config: row.config,
            version: row.version,
            created_at: row.created_at,
            checked_at: row.checked_at,
            streams: row.streams,
            error: row.error,
        }
    }
}

/// A stream that is set up on a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionStream {
    stream: String,
    entity: String,
    enabled: bool,
    /// What becomes of a record over there whose entity is removed here.
    #[schema(value_type = OnRemoveName)]
    on_remove: engine::store::streams::OnRemove,
    #[schema(value_type = Option<String>)]
    mapping_id: Option<MappingId>,
    /// The published version.
    mapping_version: Option<i32>,
    #[schema(value_type = StreamPhaseName)]
    phase: engine::store::streams::StreamPhase,
    last_read_at: Option<DateTime<Utc>>,
    /// Linked records that are still there.
    records: i64,
    /// Records that the mapping's filter left out of the last run.
    excluded: i64,
    sentence: String,
    version: i64,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of policies")]
pub(crate) enum OnRemoveName {
    Keep,
    Delete,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of phases")]
pub(crate) enum StreamPhaseName {
    Never,
    Full,
    Incremental,
}

impl From<StreamRow> for ConnectionStream {
    fn from(row: StreamRow) -> Self {
        Self {
            sentence: domain::connections::stream_sentence(&row),
            stream: row.stream,
            entity: row.entity,
            enabled: row.enabled,
            on_remove: row.on_remove,
            mapping_id: row.mapping_id,
            mapping_version: row.mapping_version,
            phase: row.phase,
            last_read_at: row.last_read_at,
            records: row.records,
            excluded: row.excluded,
            version: row.version,
        }
    }
}

/// A stream as the system describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscoveredStream {
    name: String,
    label: String,
    /// The field that names a record for ever.
    key_field: String,
    can_create: bool,
    can_update: bool,
    can_delete: bool,
    #[schema(value_type = Vec<DiscoveredField>)]
    fields: Vec<sdk::StreamField>,
}

/// A field of a stream as the system describes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the SDK's type")]
pub(crate) struct DiscoveredField {
    name: String,
    label: String,
    #[schema(rename = "type")]
    kind: String,
    nullable: bool,
    can_create: bool,
    can_update: bool,
    required: bool,
    max_length: Option<u32>,
    scale: Option<u32>,
    choices: Vec<String>,
    references: Vec<String>,
    custom: bool,
}

impl From<sdk::Stream> for DiscoveredStream {
    fn from(stream: sdk::Stream) -> Self {
        Self {
            name: stream.name.0,
            label: stream.label,
            key_field: stream.key_field,
            can_create: stream.can_create,
            can_update: stream.can_update,
            can_delete: stream.can_delete,
            fields: stream.fields,
        }
    }
}
