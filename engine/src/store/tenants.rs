//! Tenants, as far as runs need them: a row to belong to. What else a tenant is, the hub knows.

use super::{Store, StoreError};
use crate::ids::TenantId;

/// Makes a tenant unless it is there; for programs that use the engine without the hub.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn ensure(store: &Store, id: TenantId, name: &str) -> Result<(), StoreError> {
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    sqlx::query!(
        "insert into tenants (tenant_id, name, created_at) values ($1, $2, $3)
         on conflict (tenant_id) do nothing",
        id.0,
        name,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}
