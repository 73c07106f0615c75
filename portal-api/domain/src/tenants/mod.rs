//! Tenants: the companies that run the hub, what they may use and what they set for themselves.

pub mod brands;
mod colour;
pub mod deletion;
pub mod settings;

use chrono::{DateTime, Utc};
use engine::ids::TenantId;
use engine::store::audit::Entry;
use engine::store::lanes::{self, Action, Lane};
use engine::{StoreError, SystemTx, Tx};
use serde_json::json;

pub use colour::{BadColour, Colour};

/// A tenant to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenant {
    pub name: String,
    /// Named on every page of the console: `production`, `demo`.
    pub environment: String,
}

/// A tenant as whoever runs the hub sees it.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub environment: String,
    pub is_suspended: bool,
    /// It was asked for its deletion, which nobody has taken back.
    pub is_being_deleted: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub users: i64,
}

/// A tenant's or an environment's name as it is stored: one line of at most 80 characters.
///
/// # Errors
/// Why it cannot be one.
pub fn name(text: &str) -> Result<String, String> {
    let name = crate::groups::name(text)?;
    if name.chars().any(char::is_control) {
        return Err("name must not have control characters".to_owned());
    }
    Ok(name)
}

/// Makes a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut SystemTx, new: &NewTenant) -> Result<TenantId, StoreError> {
    let id = TenantId::fresh();
    let now = tx.now();
    sqlx::query!(
        "insert into tenants (tenant_id, name, environment, created_at) values ($1, $2, $3, $4)",
        id.0,
        new.name,
        new.environment,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// Makes the tenant of this transaction, which no other has begun in yet.
///
/// # Errors
/// [`StoreError`].
pub async fn create(tx: &mut Tx, new: &NewTenant) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into tenants (name, environment, created_at, tenant_id) values ($1, $2, $3, $4)",
        new.name,
        new.environment,
        now,
        tx.tenant().0,
    )
    .execute(tx.conn())
    .await?;
    let after = json!({"name": new.name, "environment": new.environment});
    tx.audit(Entry::new("create_tenant", "tenant", tx.tenant()).after(after));
    Ok(())
}

/// All tenants, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut SystemTx) -> Result<Vec<TenantId>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"select tenant_id as "id: TenantId" from tenants order by created_at, tenant_id"#
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// All tenants with what is known of them, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn all(tx: &mut SystemTx) -> Result<Vec<Tenant>, StoreError> {
    Ok(sqlx::query_as!(
        Tenant,
        r#"
        select t.tenant_id as "id: TenantId", t.name, t.environment,
               t.state <> 'active' as "is_suspended!",
               t.state = 'deleting' as "is_being_deleted!", t.version, t.created_at,
               (select count(*) from users u
                where u.tenant_id = t.tenant_id and u.erased_at is null) as "users!"
        from tenants t order by t.created_at, t.tenant_id
        "#
    )
    .fetch_all(tx.conn())
    .await?)
}

/// A tenant.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut SystemTx, id: TenantId) -> Result<Tenant, StoreError> {
    let tenants = all(tx).await?;
    let found = tenants.into_iter().find(|tenant| tenant.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("tenant {id}")))
}

/// Whether whoever runs the hub lets nobody of the transaction's tenant in.
///
/// # Errors
/// [`StoreError`].
pub async fn is_suspended(tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar!(r#"select state <> 'active' as "is!" from tenants"#)
            .fetch_one(tx.conn())
            .await?,
    )
}

/// Whether the transaction's tenant is to be deleted.
///
/// # Errors
/// [`StoreError`].
pub async fn is_being_deleted(tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar!(r#"select state = 'deleting' as "is!" from tenants"#)
            .fetch_one(tx.conn())
            .await?,
    )
}

/// Changes name and environment of the transaction's tenant.
///
/// # Errors
/// [`StoreError::Stale`].
pub async fn change(
    tx: &mut Tx,
    before: &Tenant,
    version: i64,
    wish: &NewTenant,
) -> Result<(), StoreError> {
    let changed = sqlx::query!(
        "update tenants set name = $2, environment = $3, version = version + 1 where version = $1",
        version,
        wish.name,
        wish.environment,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale("tenant".to_owned()));
    }
    tx.audit(
        Entry::new("update_tenant", "tenant", tx.tenant())
            .before(json!({"name": before.name, "environment": before.environment}))
            .after(json!({"name": wish.name, "environment": wish.environment})),
    );
    Ok(())
}

/// Suspends the transaction's tenant: sessions and keys stop with the next request, and no run of it
/// begins. Once suspended it stays so.
///
/// # Errors
/// [`StoreError`].
pub async fn suspend(tx: &mut Tx, reason: &str) -> Result<(), StoreError> {
    let found = sqlx::query!(
        "update tenants set state = 'suspended', version = version + 1
         where state = 'active' returning tenant_id"
    )
    .fetch_optional(tx.conn())
    .await?;
    if found.is_none() {
        return Ok(());
    }
    pause(tx, &format!("suspended: {reason}")).await?;
    tx.audit(
        Entry::new("suspend_tenant", "tenant", tx.tenant())
            .before(json!({"state": "active"}))
            .after(json!({"state": "suspended", "reason": reason})),
    );
    tx.changed("tenant", tx.tenant());
    Ok(())
}

/// Lets no run of the transaction's tenant begin, and remembers whether it was this that paused it.
async fn pause(tx: &mut Tx, reason: &str) -> Result<(), StoreError> {
    let paused = sqlx::query_scalar!(
        r#"select exists (select from lanes where kind = 'tenant' and paused_at is not null)
           as "is!""#
    )
    .fetch_one(tx.conn())
    .await?;
    if !paused {
        let pause = Action::Pause {
            by: "whoever runs the hub".to_owned(),
            reason: reason.to_owned(),
        };
        lanes::act(tx, &Lane::Tenant, &pause).await?;
        sqlx::query!("update tenants set lane_paused = true")
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// Lets a suspended tenant go on, with the sessions that still hold.
///
/// # Errors
/// [`StoreError`].
pub async fn resume(tx: &mut Tx) -> Result<(), StoreError> {
    let found = sqlx::query!(
        "update tenants set state = 'active', version = version + 1
         from (select tenant_id, lane_paused from tenants) as before
         where tenants.tenant_id = before.tenant_id and tenants.state = 'suspended'
         returning before.lane_paused"
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(found) = found else { return Ok(()) };
    unpause(tx, found.lane_paused).await?;
    tx.audit(
        Entry::new("resume_tenant", "tenant", tx.tenant())
            .before(json!({"state": "suspended"}))
            .after(json!({"state": "active"})),
    );
    tx.changed("tenant", tx.tenant());
    Ok(())
}

/// Takes back what [`pause`] did.
async fn unpause(tx: &mut Tx, was_ours: bool) -> Result<(), StoreError> {
    if was_ours {
        lanes::act(tx, &Lane::Tenant, &Action::Resume).await?;
        sqlx::query!("update tenants set lane_paused = false")
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// Lets a user look after all tenants, or no more. Only the command line does this.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn set_operator(
    tx: &mut Tx,
    user: engine::ids::UserId,
    is_operator: bool,
) -> Result<(), StoreError> {
    let changed = sqlx::query!(
        "update users set is_operator = $2, version = version + 1 where id = $1",
        user.0,
        is_operator,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("user {user}")));
    }
    let entry = Entry::new("set_operator", "user", user);
    tx.audit(entry.after(json!({"is_operator": is_operator})));
    tx.changed("user", user);
    Ok(())
}
