//! The keys that sign access tokens: of each tenant its own, sealed. A key signs for a month, or until
//! somebody asks for another; what it signed holds until it expires.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::TenantId;
use engine::store::audit::Entry;
use engine::vault::Vault;
use engine::{StoreError, SystemTx, Tx};
use secrecy::SecretSlice;
use sqlx::types::Uuid;

use super::{ACCESS, TokensError};

/// A key signs no longer than this.
const LIFE: TimeDelta = TimeDelta::days(30);

/// A key that signs.
pub(super) struct SigningKey {
    pub(super) id: Uuid,
    pub(super) secret: SecretSlice<u8>,
}

/// The key that signs now; a new one where there is none or it is old.
pub(super) async fn current(tx: &mut Tx, vault: &Vault) -> Result<SigningKey, TokensError> {
    let since = tx.now() - LIFE;
    let row = sqlx::query!(
        "select id, secret from token_keys where retired_at is null and created_at > $1
         order by created_at desc, id desc limit 1",
        since,
    )
    .fetch_optional(tx.conn())
    .await?;
    match row {
        Some(row) => Ok(SigningKey {
            secret: vault.open(&owner(row.id), &row.secret)?,
            id: row.id,
        }),
        None => rotate(tx, vault).await,
    }
}

async fn rotate(tx: &mut Tx, vault: &Vault) -> Result<SigningKey, TokensError> {
    let (id, now) = (engine::ids::fresh(), tx.now());
    let secret = Vault::fresh_key()?;
    let sealed = vault.seal(&owner(id), secrecy::ExposeSecret::expose_secret(&secret))?;
    sqlx::query!(
        "update token_keys set retired_at = $1 where retired_at is null",
        now
    )
    .execute(tx.conn())
    .await?;
    // What they signed has expired.
    sqlx::query!(
        "delete from token_keys where retired_at <= $1",
        now - ACCESS - ACCESS
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into token_keys (id, secret, created_at) values ($1, $2, $3)",
        id,
        sealed,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("rotate_token_key", "token_key", id.simple()));
    Ok(SigningKey { id, secret })
}

/// Signs with a new key from now on.
///
/// # Errors
/// [`TokensError`].
pub async fn renew(tx: &mut Tx, vault: &Vault) -> Result<Uuid, TokensError> {
    Ok(rotate(tx, vault).await?.id)
}

/// A key as people see it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// The tenant's keys whose tokens may still hold, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Listed>, StoreError> {
    let since = tx.now() - ACCESS;
    Ok(sqlx::query_as!(
        Listed,
        "select id, created_at, retired_at from token_keys
         where retired_at is null or retired_at > $1 order by created_at desc, id desc",
        since,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// The tenant and secret of a key whose tokens may hold.
pub(super) async fn find(
    tx: &mut SystemTx,
    vault: &Vault,
    id: Uuid,
) -> Result<Option<(TenantId, SecretSlice<u8>)>, StoreError> {
    let since = tx.now() - ACCESS;
    let row = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", secret from token_keys
           where id = $1 and (retired_at is null or retired_at > $2)"#,
        id,
        since,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    match vault.open(&owner(id), &row.secret) {
        Ok(secret) => Ok(Some((row.tenant, secret))),
        Err(error) => Err(StoreError::corrupt("a signing key", error)),
    }
}

fn owner(id: Uuid) -> String {
    format!("token-key/{id}")
}
