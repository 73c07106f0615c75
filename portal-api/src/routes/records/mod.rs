//! What accounts and contacts have in common: links, where values come from, what happened.

pub(crate) mod past;
pub(crate) mod provenance;
pub(crate) mod removal;
pub(crate) mod timeline;

use chrono::{DateTime, Utc};
use engine::ids::ConnectionId;
use engine::store::audit::MASK;
use engine::store::links::{LinkRow, RowLink};
use serde::Serialize;
use utoipa::ToSchema;

/// The record in a system that is this entity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    key: String,
    /// The record's page in its system, where that is known.
    url: Option<String>,
    linked_at: DateTime<Utc>,
    /// How they were found to be the same.
    method: String,
    seen_at: DateTime<Utc>,
    removed_at: Option<DateTime<Utc>>,
}

impl From<LinkRow> for Link {
    fn from(row: LinkRow) -> Self {
        Self {
            connection_id: row.connection_id,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            key: row.key,
            url: None,
            linked_at: row.linked_at,
            method: row.method,
            seen_at: row.seen_at,
            removed_at: row.removed_at,
        }
    }
}

/// A link in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShortLink {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    system: String,
    key: String,
}

impl From<RowLink> for ShortLink {
    fn from(link: RowLink) -> Self {
        Self {
            connection_id: link.connection_id,
            system: link.system,
            key: link.key,
        }
    }
}

/// Some fields of an entity, for the audit trail: that of a person was changed is noted, not to what,
/// for entries stay when the person is forgotten.
pub(super) fn some_fields(
    detail: &domain::entities::Detail,
    names: &[String],
) -> serde_json::Value {
    names
        .iter()
        .filter_map(|name| {
            let value = detail.fields.get(name)?;
            let is_masked = detail.personal.contains(name) && !value.is_null();
            let value = if is_masked {
                MASK.into()
            } else {
                value.clone()
            };
            Some((name.clone(), value))
        })
        .collect()
}
