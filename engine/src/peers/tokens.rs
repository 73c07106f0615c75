//! OAuth tokens of a connection: sealed in its row, refreshed by one process at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use connector_sdk::{ConnectorError, ErrorKind, Result, StoredTokens, TokenStore};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::ids::{ConnectionId, TenantId, fresh};
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// How long the right to refresh lasts; it lapses when its holder was killed.
const LEASE: Duration = Duration::from_secs(30);
/// How long one waits for another's refresh.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(200);

/// Tokens of one connection, in its row.
pub struct SealedTokens {
    store: Store,
    vault: Vault,
    tenant: TenantId,
    connection: ConnectionId,
    /// Names this holder of the right to refresh.
    holder: Uuid,
    /// What was in the row when the connection was opened; good for the first look only.
    seen: Mutex<Option<(Option<Vec<u8>>, i64)>>,
}

impl SealedTokens {
    pub fn new(store: Store, vault: Vault, tenant: TenantId, connection: ConnectionId) -> Self {
        Self {
            store,
            vault,
            tenant,
            connection,
            holder: fresh(),
            seen: Mutex::new(None),
        }
    }

    /// Saves the first look into the row: whoever opens the connection has just read it.
    #[must_use]
    pub(super) fn seen(self, sealed: Option<Vec<u8>>, revision: i64) -> Self {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((sealed, revision));
        self
    }

    fn owner(&self) -> String {
        format!("connection/{}/tokens", self.connection.0)
    }

    async fn read(&self) -> Result<StoredTokens> {
        let seen = self.forget();
        let (sealed, revision) = match seen {
            Some(seen) => seen,
            None => self.look().await?,
        };
        let body = match sealed {
            None => None,
            Some(sealed) => {
                let plain = self.vault.open(&self.owner(), &sealed).map_err(|error| {
                    ConnectorError::config("tokens of the connection cannot be opened")
                        .with_source(error)
                })?;
                let text = String::from_utf8(plain.expose_secret().to_vec()).map_err(|error| {
                    ConnectorError::config("tokens of the connection are damaged")
                        .with_source(error.utf8_error())
                })?;
                Some(SecretString::from(text))
            }
        };
        Ok(StoredTokens { body, revision })
    }

    fn forget(&self) -> Option<(Option<Vec<u8>>, i64)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take()
    }

    async fn look(&self) -> Result<(Option<Vec<u8>>, i64)> {
        let mut tx = self.store.begin(self.tenant).await.map_err(failed)?;
        let row = sqlx::query!(
            "select tokens, tokens_revision from connections where id = $1",
            self.connection.0,
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(|error| failed(error.into()))?
        .ok_or_else(|| ConnectorError::gone("connection was removed"))?;
        Ok((row.tokens, row.tokens_revision))
    }

    /// Takes the right to refresh if nobody holds it.
    async fn try_acquire(&self) -> Result<bool> {
        // From here on only what is in the row counts.
        self.forget();
        let mut tx = self.store.begin(self.tenant).await.map_err(failed)?;
        let now = tx.now();
        let taken = sqlx::query!(
            "update connections
             set tokens_lease = $2, tokens_lease_until = $3
             where id = $1
               and (tokens_lease is null or tokens_lease = $2 or tokens_lease_until < $4)",
            self.connection.0,
            self.holder,
            now + LEASE,
            now,
        )
        .execute(tx.conn())
        .await
        .map_err(|error| failed(error.into()))?;
        tx.commit().await.map_err(failed)?;
        Ok(taken.rows_affected() == 1)
    }

    async fn write(&self, body: SecretString, over: i64) -> Result<i64> {
        // Sealed within the transaction: an exchange of the vault's key waits for those under way.
        let mut tx = self.store.begin(self.tenant).await.map_err(failed)?;
        let sealed = self
            .vault
            .seal(&self.owner(), body.expose_secret().as_bytes())
            .map_err(|error| {
                ConnectorError::transient("tokens cannot be sealed").with_source(error)
            })?;
        let saved = sqlx::query!(
            "update connections
             set tokens = $2, tokens_revision = tokens_revision + 1
             where id = $1 and tokens_revision = $3",
            self.connection.0,
            sealed,
            over,
        )
        .execute(tx.conn())
        .await
        .map_err(|error| failed(error.into()))?;
        tx.commit().await.map_err(failed)?;
        if saved.rows_affected() == 0 {
            return Err(ConnectorError::new(
                ErrorKind::Conflict,
                "tokens were refreshed by somebody else",
            ));
        }
        Ok(over + 1)
    }

    async fn give_back(&self) -> Result<()> {
        let mut tx = self.store.begin(self.tenant).await.map_err(failed)?;
        sqlx::query!(
            "update connections
             set tokens_lease = null, tokens_lease_until = null
             where id = $1 and tokens_lease = $2",
            self.connection.0,
            self.holder,
        )
        .execute(tx.conn())
        .await
        .map_err(|error| failed(error.into()))?;
        tx.commit().await.map_err(failed)
    }
}

fn failed(error: StoreError) -> ConnectorError {
    ConnectorError::transient("tokens cannot be read or stored just now").with_source(error)
}

impl TokenStore for SealedTokens {
    fn load(&self) -> BoxFuture<'_, Result<StoredTokens>> {
        Box::pin(self.read())
    }

    fn acquire(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let started = std::time::Instant::now();
            while !self.try_acquire().await? {
                if started.elapsed() > PATIENCE {
                    return Err(ConnectorError::transient(
                        "another process refreshes the tokens",
                    ));
                }
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        })
    }

    fn save(&self, body: SecretString, over: i64) -> BoxFuture<'_, Result<i64>> {
        Box::pin(self.write(body, over))
    }

    fn release(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.give_back())
    }
}
