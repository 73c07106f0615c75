//! Tenants: the companies that run the hub.

use engine::ids::TenantId;
use engine::{StoreError, SystemTx};

/// A tenant to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenant {
    pub name: String,
    /// Named on every page of the console: `production`, `demo`.
    pub environment: String,
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
