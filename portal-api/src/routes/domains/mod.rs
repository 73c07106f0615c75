//! Names under which the tenant is reached.

mod create;
mod delete;
mod list;
mod verify;

use chrono::{DateTime, Utc};
use domain::tenant_domains;
use engine::ids::DomainId;
use identity::host::HostName;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(delete::delete))
        .routes(routes!(verify::verify))
}

/// A name under which the tenant is reached once it is shown to be theirs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Domain {
    #[schema(value_type = String)]
    id: DomainId,
    /// As it travels: `xn--…` for what is not ASCII.
    host: String,
    /// As people read it.
    shown: String,
    /// Make a TXT record of this name in the domain name system …
    record_name: String,
    /// … that says this.
    record_text: String,
    /// Null until it was shown to be the tenant's: it leads nowhere.
    verified_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<tenant_domains::Domain> for Domain {
    fn from(domain: tenant_domains::Domain) -> Self {
        let read = HostName::parse(&domain.host);
        Self {
            id: domain.id,
            shown: read.map_or_else(|_| domain.host.clone(), |host| host.unicode().to_owned()),
            record_name: domain.record_name(),
            record_text: domain.record_text(),
            host: domain.host,
            verified_at: domain.verified_at,
            created_at: domain.created_at,
        }
    }
}
