//! Deleting a tenant.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::tenants::deletion::{self, By, Refusal, Wish};
use engine::ids::{TenantDeletionId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shown;
use super::state::read_reason;
use crate::caller::{FreshPlatform, Platform};
use crate::error::{ApiError, Slug};
use crate::extract::{self, Path};
use crate::page::Page;

/// The deletion of a tenant. It stays when the tenant is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantDeletion {
    #[schema(value_type = String)]
    id: TenantDeletionId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// The tenant's, as it was then.
    name: String,
    reason: String,
    /// asked, approved, withdrawn, destroying or done
    state: String,
    hold_days: i32,
    asked_by: String,
    /// Null where it was asked for on the command line.
    #[schema(value_type = Option<String>)]
    asked_by_id: Option<UserId>,
    asked_at: DateTime<Utc>,
    approved_by: Option<String>,
    approved_at: Option<DateTime<Utc>>,
    /// Until then it can be withdrawn.
    hold_until: Option<DateTime<Utc>>,
    withdrawn_by: Option<String>,
    withdrawn_at: Option<DateTime<Utc>>,
    begun_at: Option<DateTime<Utc>>,
    done_at: Option<DateTime<Utc>>,
    /// How many rows of what were destroyed.
    destroyed: BTreeMap<String, u64>,
    /// Number of the last entry of the tenant's audit trail.
    last_audit_seq: Option<i64>,
    /// Its hash, in hexadecimal digits.
    last_audit_hash: Option<String>,
}

impl From<deletion::Deletion> for TenantDeletion {
    fn from(deletion: deletion::Deletion) -> Self {
        let (seq, hash) = deletion.last_audit.unzip();
        let hex = |hash: Vec<u8>| hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id: deletion.id,
            tenant_id: deletion.tenant,
            name: deletion.name,
            reason: deletion.reason,
            state: deletion.state,
            hold_days: deletion.hold_days,
            asked_by: deletion.asked_by,
            asked_by_id: deletion.asked_by_id,
            asked_at: deletion.asked_at,
            approved_by: deletion.approved_by,
            approved_at: deletion.approved_at,
            hold_until: deletion.hold_until,
            withdrawn_by: deletion.withdrawn_by,
            withdrawn_at: deletion.withdrawn_at,
            begun_at: deletion.begun_at,
            done_at: deletion.done_at,
            destroyed: deletion.counts,
            last_audit_seq: seq,
            last_audit_hash: hash.map(hex),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenantDeletion {
    /// The tenant's name, typed.
    confirm: String,
    reason: String,
    /// For how many days it can be withdrawn, from 0 to 365; 30 unless said.
    hold_days: Option<i32>,
}

/// Lists the deletions of tenants there were
#[utoipa::path(
    get, path = "/tenant-deletions", operation_id = "list_tenant_deletions", tag = "platform",
    responses((status = 200, description = "All, newest first", body = Page<TenantDeletion>)),
)]
pub(super) async fn list(caller: Platform) -> Result<Json<Page<TenantDeletion>>, ApiError> {
    let mut tx = caller.portal().store.begin_system().await?;
    let all = deletion::list(&mut tx).await?;
    Ok(Json(Page::whole(
        all.into_iter().map(TenantDeletion::from).collect(),
    )))
}

/// The newest deletion of a tenant
#[utoipa::path(
    get, path = "/tenants/{id}/deletion", operation_id = "get_tenant_deletion", tag = "platform",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it stands", body = TenantDeletion)),
)]
pub(super) async fn get(
    caller: Platform,
    Path(id): Path<TenantId>,
) -> Result<Json<TenantDeletion>, ApiError> {
    answer(&caller, id).await
}

async fn answer(caller: &Platform, id: TenantId) -> Result<Json<TenantDeletion>, ApiError> {
    let mut tx = caller.portal().store.begin_system().await?;
    Ok(Json(deletion::newest(&mut tx, id).await?.into()))
}

fn by(caller: &Platform) -> By {
    By {
        name: caller.session.user.name.clone(),
        id: Some(caller.session.user.id),
    }
}

/// Asks for a tenant to be deleted
///
/// It is closed at once. When a second person has agreed, where the tenant's settings ask for one, and
/// the hold is over, everything of it is destroyed; until then it can be withdrawn.
#[utoipa::path(
    post, path = "/tenants/{id}/deletion", operation_id = "ask_tenant_deletion", tag = "platform",
    params(("id" = String, Path)), request_body = NewTenantDeletion,
    responses((status = 201, description = "Asked", body = TenantDeletion)),
)]
pub(super) async fn ask(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
    extract::Json(body): extract::Json<NewTenantDeletion>,
) -> Result<(StatusCode, Json<TenantDeletion>), ApiError> {
    if id == caller.session.user.tenant {
        let why = "this is your own tenant: you could not withdraw it again";
        return Err(ApiError::new(Slug::Conflict, why));
    }
    let wish = Wish {
        confirm: body.confirm,
        reason: read_reason(&body.reason)?.to_owned(),
        hold_days: body.hold_days.unwrap_or(deletion::HOLD_DAYS),
    };
    shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    deletion::ask(&mut tx, &wish, &by(&caller))
        .await
        .map_err(|refusal| match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::NotConfirmed => ApiError::invalid("/confirm", refusal.to_string()),
            Refusal::Hold => ApiError::invalid("/hold_days", refusal.to_string()),
        })?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, answer(&caller, id).await?))
}

/// Agrees to the deletion of a tenant
///
/// Nobody agrees to their own. With it the hold begins.
#[utoipa::path(
    post, path = "/tenants/{id}/deletion/approve", operation_id = "approve_tenant_deletion",
    tag = "platform", params(("id" = String, Path)),
    responses((status = 200, description = "As it stands", body = TenantDeletion)),
)]
pub(super) async fn approve(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
) -> Result<Json<TenantDeletion>, ApiError> {
    let mut tx = caller.begin_in(id).await?;
    deletion::approve(&mut tx, &by(&caller)).await?;
    tx.commit().await?;
    answer(&caller, id).await
}

/// Withdraws the deletion of a tenant
///
/// It is again as it was before. Possible until it is being destroyed.
#[utoipa::path(
    post, path = "/tenants/{id}/deletion/withdraw", operation_id = "withdraw_tenant_deletion",
    tag = "platform", params(("id" = String, Path)),
    responses((status = 200, description = "As it stands", body = TenantDeletion)),
)]
pub(super) async fn withdraw(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
) -> Result<Json<TenantDeletion>, ApiError> {
    let mut tx = caller.begin_in(id).await?;
    deletion::withdraw(&mut tx, &by(&caller)).await?;
    tx.commit().await?;
    answer(&caller, id).await
}
