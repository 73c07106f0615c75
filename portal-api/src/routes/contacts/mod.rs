//! Contacts.

mod as_of;
mod create;
mod diff;
mod get;
mod list;
mod provenance;
mod remove;
mod restore;
mod timeline;
mod update;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::entities::Detail;
use engine::ids::ContactId;
use engine::sdk::Value;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;
use crate::routes::records::Link;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, remove::remove))
        .routes(routes!(provenance::provenance))
        .routes(routes!(timeline::timeline))
        .routes(routes!(as_of::as_of))
        .routes(routes!(diff::diff))
        .routes(routes!(remove::plan))
        .routes(routes!(restore::restore))
}

/// One contact with all its fields.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Contact {
    #[schema(value_type = String)]
    id: ContactId,
    version: i64,
    /// By name, custom ones as `custom.<key>`; numbers are texts.
    #[schema(value_type = BTreeMap<String, Value>)]
    fields: BTreeMap<String, serde_json::Value>,
    links: Vec<Link>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Detail> for Contact {
    fn from(detail: Detail) -> Self {
        Self {
            id: ContactId(detail.id.0),
            version: detail.version,
            fields: detail.fields,
            links: detail.links.into_iter().map(Link::from).collect(),
            created_at: detail.created_at,
            updated_at: detail.updated_at,
        }
    }
}

/// Values to set, by field; null clears. Fields left out stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ContactChange)]
pub(crate) struct Change {
    #[schema(value_type = BTreeMap<String, Value>)]
    fields: BTreeMap<String, Value>,
}
