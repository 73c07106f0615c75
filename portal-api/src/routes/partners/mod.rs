//! Partner organisations, whose people see the accounts that are assigned to them.

mod create;
mod get;
mod list;
mod update;

use chrono::{DateTime, Utc};
use domain::teams;
use engine::ids::PartnerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update))
}

/// An organisation that looks after accounts for the tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Partner {
    #[schema(value_type = String)]
    id: PartnerId,
    name: String,
    /// People who sign in for it.
    users: i64,
    /// Accounts that are assigned to it.
    accounts: i64,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<teams::Partner> for Partner {
    fn from(partner: teams::Partner) -> Self {
        Self {
            id: partner.id,
            name: partner.name,
            users: partner.users,
            accounts: partner.accounts,
            version: partner.version,
            created_at: partner.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartnerBody {
    /// Unique among the tenant's partners.
    name: String,
}

impl PartnerBody {
    fn read(self) -> Result<String, ApiError> {
        domain::groups::name(&self.name).map_err(|why| ApiError::invalid("/name", why))
    }
}
