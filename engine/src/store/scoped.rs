//! Transactions of people who do not see all accounts of their tenant.

use super::{Store, StoreError, Tx};
use crate::ids::{TenantId, UserId};

impl Store {
    /// [`Store::begin`] for somebody who does not see all accounts: rows of others are not there,
    /// neither to read nor to write. `scope` is what the migrations know: team, assigned or own.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin_scoped(
        &self,
        tenant: TenantId,
        user: UserId,
        scope: &str,
    ) -> Result<Tx, StoreError> {
        let mut tx = self.begin(tenant).await?;
        sqlx::query(
            "select set_config('role', 'syncline_scoped', true), \
             set_config('hub.user', $1, true), set_config('hub.scope', $2, true)",
        )
        .bind(user.0.to_string())
        .bind(scope)
        .execute(tx.conn())
        .await?;
        tx.scoped_to = Some(user);
        Ok(tx)
    }
}

impl Tx {
    /// Who does not see all accounts in this transaction ([`Store::begin_scoped`]).
    pub fn scoped_to(&self) -> Option<UserId> {
        self.scoped_to
    }
}
