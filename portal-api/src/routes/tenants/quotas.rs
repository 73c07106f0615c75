use axum::Json;
use domain::retention::{self, Refusal};
use engine::StoreError;
use engine::ids::TenantId;
use engine::store::audit::Entry;
use engine::store::quotas::{self, Quotas};

use serde_json::json;

use super::{TenantQuotas, shown};
use crate::caller::{FreshPlatform, Platform};
use crate::error::ApiError;
use crate::etag::{self, IfMatch, Tagged};
use crate::extract::{self, Path};
use crate::routes::usage::{self, TenantUsage};

/// What a tenant may use
#[utoipa::path(
    get, path = "/tenants/{id}/quotas", operation_id = "get_tenant_quotas", tag = "platform",
    params(("id" = String, Path)),
    responses((status = 200, description = "As they are", body = TenantQuotas)),
)]
pub(super) async fn get(
    caller: Platform,
    Path(id): Path<TenantId>,
) -> Result<Tagged<TenantQuotas>, ApiError> {
    shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    let current = quotas::get(&mut tx).await?;
    Ok(Tagged(current.version, current.into()))
}

/// Counts anew what a tenant uses
///
/// A schedule of the tenant does so daily; this mends a drift at once. Who makes records of the tenant
/// meanwhile waits.
#[utoipa::path(
    post, path = "/tenants/{id}/recount", operation_id = "recount_tenant", tag = "platform",
    params(("id" = String, Path)),
    responses((status = 200, description = "As counted", body = TenantUsage)),
)]
pub(super) async fn recount(
    caller: Platform,
    Path(id): Path<TenantId>,
) -> Result<Json<TenantUsage>, ApiError> {
    let (_version, before) = shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    let records = retention::recount(&mut tx).await?;
    tx.audit(
        Entry::new("recount", "tenant", id)
            .before(json!({"records": before.usage.records()}))
            .after(json!({"records": records})),
    );
    tx.commit().await?;
    let mut tx = caller.begin_in(id).await?;
    let (usage, _quotas) = usage::read(&caller.portal().store, &mut tx).await?;
    Ok(Json(usage))
}

/// Sets what a tenant may use
///
/// What it uses already stays, also beyond a quota; nothing more is taken then. From then on a schedule
/// of the tenant counts daily what it uses.
#[utoipa::path(
    put, path = "/tenants/{id}/quotas", operation_id = "put_tenant_quotas", tag = "platform",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = TenantQuotas,
    responses((status = 200, description = "As they are now", body = TenantQuotas)),
)]
pub(super) async fn put(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
    IfMatch(version): IfMatch,
    extract::Json(body): extract::Json<TenantQuotas>,
) -> Result<Tagged<TenantQuotas>, ApiError> {
    for (place, value) in [
        ("/records", body.records),
        ("/connections", body.connections),
        ("/storage", body.storage),
        ("/calls_per_day", body.calls_per_day),
    ] {
        if value.is_some_and(|value| value < 0) {
            return Err(ApiError::invalid(place, "a quota is not below 0"));
        }
    }
    shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    let before = quotas::get(&mut tx).await?;
    let wish = Quotas {
        records: body.records,
        connections: body.connections,
        storage: body.storage,
        calls_per_day: body.calls_per_day,
        version,
    };
    let mut system = caller.portal().store.begin_system().await?;
    match quotas::set(&mut system, id, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&TenantQuotas::from(before))),
        Err(error) => return Err(error.into()),
    }
    retention::ensure_schedule(&mut tx)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Schedule(error) => {
                ApiError::internal("the schedule of the retention cannot be made", error)
            }
        })?;
    // The entry first: there may be one without the change, and no change without its entry.
    tx.audit(
        Entry::new("set_quotas", "tenant", id)
            .before(etag::shown(&TenantQuotas::from(before)))
            .after(etag::shown(&body)),
    );
    tx.commit().await?;
    system.commit().await?;
    let mut tx = caller.begin_in(id).await?;
    let current = quotas::get(&mut tx).await?;
    Ok(Tagged(current.version, current.into()))
}
