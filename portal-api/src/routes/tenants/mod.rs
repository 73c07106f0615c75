//! Tenants, for whoever runs the hub: no role of a tenant opens any of this.

mod create;
mod deletion;
mod get;
mod list;
mod quotas;
mod state;
mod update;

use chrono::{DateTime, Utc};
use domain::tenants::{self, NewTenant};
use engine::ids::TenantId;
use engine::store::quotas::Quotas;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::usage::TenantUsage;
use crate::caller::Platform;
use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update))
        .routes(routes!(state::suspend))
        .routes(routes!(state::resume))
        .routes(routes!(deletion::list))
        .routes(routes!(deletion::get, deletion::ask))
        .routes(routes!(deletion::approve))
        .routes(routes!(deletion::withdraw))
        .routes(routes!(quotas::get, quotas::put))
        .routes(routes!(quotas::recount))
}

/// A tenant in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantRow {
    #[schema(value_type = String)]
    id: TenantId,
    name: String,
    /// Named on every page of the console: `production`, `demo`.
    environment: String,
    /// Nobody signs in, keys do not work, no run begins; also while it is being deleted.
    is_suspended: bool,
    /// Its deletion was asked for (`/tenants/{id}/deletion`), and not taken back.
    is_being_deleted: bool,
    users: i64,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<tenants::Tenant> for TenantRow {
    fn from(tenant: tenants::Tenant) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            environment: tenant.environment,
            is_suspended: tenant.is_suspended,
            is_being_deleted: tenant.is_being_deleted,
            users: tenant.users,
            version: tenant.version,
            created_at: tenant.created_at,
        }
    }
}

/// A tenant with what it uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tenant {
    #[serde(flatten)]
    tenant: TenantRow,
    usage: TenantUsage,
}

/// What a tenant may use at most; null is no limit.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantQuotas {
    records: Option<i64>,
    connections: Option<i64>,
    /// Bytes of files.
    storage: Option<i64>,
    /// Calls of the interface, from midnight to midnight UTC.
    calls_per_day: Option<i64>,
}

impl From<Quotas> for TenantQuotas {
    fn from(quotas: Quotas) -> Self {
        Self {
            records: quotas.records,
            connections: quotas.connections,
            storage: quotas.storage,
            calls_per_day: quotas.calls_per_day,
        }
    }
}

/// A tenant with its usage.
async fn shown(caller: &Platform, id: TenantId) -> Result<(i64, Tenant), ApiError> {
    let store = &caller.portal().store;
    let mut system = store.begin_system().await?;
    let tenant = tenants::get(&mut system, id).await?;
    drop(system);
    let mut tx = caller.begin_in(id).await?;
    let (usage, _quotas) = super::usage::read(store, &mut tx).await?;
    let version = tenant.version;
    let tenant = tenant.into();
    Ok((version, Tenant { tenant, usage }))
}

fn read(name: &str, environment: &str) -> Result<NewTenant, ApiError> {
    let text = |pointer: &str, text: &str| {
        tenants::name(text).map_err(|why| ApiError::invalid(pointer, why))
    };
    Ok(NewTenant {
        name: text("/name", name)?,
        environment: text("/environment", environment)?,
    })
}
