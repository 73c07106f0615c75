//! What a tenant uses of what it may.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::HubRead;
use domain::rates;
use engine::ids::TenantId;
use engine::store::quotas::{self, Quotas};
use engine::{Store, StoreError, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::May;
use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(get))
}

/// What a tenant uses, and how much it may.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantUsage {
    records: UsageOf,
    connections: UsageOf,
    /// Bytes of files.
    storage: UsageOf,
    /// Calls of the interface since midnight UTC.
    calls_today: UsageOf,
    /// When records were last counted one by one; null while they were not.
    counted_at: Option<DateTime<Utc>>,
}

/// How much of one thing is used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageOf {
    used: i64,
    /// Null without a quota.
    limit: Option<i64>,
}

impl TenantUsage {
    /// Accounts and contacts.
    pub(super) fn records(&self) -> i64 {
        self.records.used
    }
}

pub(super) async fn read(store: &Store, tx: &mut Tx) -> Result<(TenantUsage, Quotas), StoreError> {
    let tenant: TenantId = tx.tenant();
    let most = quotas::get(tx).await?;
    let used = quotas::usage(tx).await?;
    let mut system = store.begin_system().await?;
    let calls = rates::today(&mut system, tenant).await?;
    let of = |used: i64, limit: Option<i64>| UsageOf { used, limit };
    let usage = TenantUsage {
        records: of(used.records, most.records),
        connections: of(used.connections, most.connections),
        storage: of(used.storage, most.storage),
        calls_today: of(calls, most.calls_per_day),
        counted_at: used.counted_at,
    };
    Ok((usage, most))
}

/// What the tenant uses, and how much it may
#[utoipa::path(
    get, path = "/usage", operation_id = "get_usage", tag = "tenant",
    responses((status = 200, description = "As of now", body = TenantUsage)),
)]
pub(super) async fn get(caller: May<HubRead>) -> Result<Json<TenantUsage>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(read(&caller.portal().store, &mut tx).await?.0))
}
