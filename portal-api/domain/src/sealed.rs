//! All that is sealed in the database, for a new master key: where it lies, and sealing it anew. What
//! is inside is not opened.

use engine::ids::TenantId;
use engine::store::audit::Entry;
use engine::vault::{KeyId, Vault, VaultError};
use engine::{Store, StoreError, Tx};
use serde_json::json;

/// Values in one transaction.
const BATCH: i64 = 200;

/// Why values could not be sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{place}: a value cannot be sealed anew")]
    Value {
        place: &'static str,
        #[source]
        source: VaultError,
    },
    #[error("the vault's keys cannot be read")]
    Vault(#[from] VaultError),
    #[error("this key of the vault, {0}, was retired: the one that followed it is needed")]
    Retired(KeyId),
}

impl From<sqlx::Error> for SealedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Where sealed values lie: a column with what tells its rows apart.
macro_rules! places {
    ($($name:ident = $column:literal: $select:literal, $update:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Place {
            $($name,)*
        }

        impl Place {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            fn column(self) -> &'static str {
                match self {
                    $(Self::$name => $column,)*
                }
            }

            /// Some values of the tenant that are under another key.
            async fn due(self, tx: &mut Tx, key: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
                Ok(match self {
                    $(Self::$name => sqlx::query_scalar!($select, key, BATCH)
                        .fetch_all(tx.conn())
                        .await?
                        .into_iter()
                        .map(Into::<Option<Vec<u8>>>::into)
                        .flatten()
                        .collect(),)*
                })
            }

            /// Puts `anew` where `was` still is.
            async fn put(self, tx: &mut Tx, was: &[u8], anew: &[u8]) -> Result<u64, StoreError> {
                Ok(match self {
                    $(Self::$name => sqlx::query!($update, was, anew)
                        .execute(tx.conn())
                        .await?
                        .rows_affected(),)*
                })
            }
        }
    };
}

// A sealed value begins with its format and the name of its key. Each is unlike all others, so it is
// its own address: no two nonces are the same.
places! {
    ConnectionSecrets = "connections.secrets":
        "select secrets from connections where substr(secrets, 2, 8) <> $1 limit $2",
        "update connections set secrets = $2 where secrets = $1";
    ConnectionTokens = "connections.tokens":
        "select tokens from connections where substr(tokens, 2, 8) <> $1 limit $2",
        "update connections set tokens = $2 where tokens = $1";
    Mails = "outgoing_mails.body":
        "select body from outgoing_mails where substr(body, 2, 8) <> $1 limit $2",
        "update outgoing_mails set body = $2 where body = $1";
    SubjectExports = "subject_exports.body":
        "select body from subject_exports where substr(body, 2, 8) <> $1 limit $2",
        "update subject_exports set body = $2 where body = $1";
    Totp = "totp_factors.secret":
        "select secret from totp_factors where substr(secret, 2, 8) <> $1 limit $2",
        "update totp_factors set secret = $2 where secret = $1";
    SmsNumbers = "sms_factors.number":
        "select number from sms_factors where substr(number, 2, 8) <> $1 limit $2",
        "update sms_factors set number = $2 where number = $1";
    SmsCodes = "sms_codes.code":
        "select code from sms_codes where substr(code, 2, 8) <> $1 limit $2",
        "update sms_codes set code = $2 where code = $1";
    TokenKeys = "token_keys.secret":
        "select secret from token_keys where substr(secret, 2, 8) <> $1 limit $2",
        "update token_keys set secret = $2 where secret = $1";
    IdentityProviders = "identity_providers.secret":
        "select secret from identity_providers where substr(secret, 2, 8) <> $1 limit $2",
        "update identity_providers set secret = $2 where secret = $1";
    ProviderSessions = "provider_sessions.tokens":
        "select tokens from provider_sessions where substr(tokens, 2, 8) <> $1 limit $2",
        "update provider_sessions set tokens = $2 where tokens = $1";
    SignInSecrets = "sign_in_attempts.secrets":
        "select secrets from sign_in_attempts where substr(secrets, 2, 8) <> $1 limit $2",
        "update sign_in_attempts set secrets = $2 where secrets = $1";
    SignInOutcomes = "sign_in_attempts.outcome":
        "select outcome from sign_in_attempts where substr(outcome, 2, 8) <> $1 limit $2",
        "update sign_in_attempts set outcome = $2 where outcome = $1";
}

/// The columns that hold sealed values, as `table.column`.
pub fn columns() -> impl Iterator<Item = &'static str> {
    Place::ALL.iter().map(|place| place.column())
}

/// Seals some of a tenant's values anew, in the transaction; `None` where none is left.
///
/// # Errors
/// [`SealedError`].
pub async fn reseal_some(tx: &mut Tx, vault: &Vault) -> Result<Option<u64>, SealedError> {
    let key = vault.key_id()?;
    for place in Place::ALL {
        let due = place.due(tx, key.as_bytes()).await?;
        if due.is_empty() {
            continue;
        }
        let mut done = 0;
        for was in due {
            let anew = vault.rewrap(&was).map_err(|source| SealedError::Value {
                place: place.column(),
                source,
            })?;
            if let Some(anew) = anew {
                done += place.put(tx, &was, &anew).await?;
            }
        }
        return Ok(Some(done));
    }
    Ok(None)
}

/// Seals all of a tenant's values anew, some at a time, each part with its entry in the audit trail.
/// Stopped anywhere it goes on where it was. Answers how many there were.
///
/// # Errors
/// [`SealedError`].
pub async fn reseal(
    store: &Store,
    vault: &Vault,
    tenant: TenantId,
    acting: &engine::store::audit::Acting,
) -> Result<u64, SealedError> {
    let key = vault.key_id()?.to_string();
    let mut all = 0;
    loop {
        let mut tx = store.begin(tenant).await?;
        tx.act_as(acting.clone());
        let Some(done) = reseal_some(&mut tx, vault).await? else {
            return Ok(all);
        };
        let entry = Entry::new("reseal", "vault", &key);
        tx.audit(entry.after(json!({"values": done})));
        tx.commit().await?;
        all += done;
    }
}

/// Notes that this key seals now. A key that was retired is refused.
///
/// # Errors
/// [`SealedError::Retired`].
pub async fn check_key(store: &Store, vault: &Vault) -> Result<(), SealedError> {
    let key = vault.key_id()?;
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    let retired = sqlx::query_scalar!(
        "insert into vault_keys (key_id, since) values ($1, $2)
         on conflict (key_id) do update set key_id = excluded.key_id
         returning retired_at",
        key.as_bytes(),
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    if retired.is_some() {
        return Err(SealedError::Retired(key));
    }
    tx.commit().await?;
    Ok(())
}

/// Retires every key but the one that seals; says how many.
///
/// # Errors
/// [`SealedError`].
pub async fn retire_others(store: &Store, vault: &Vault) -> Result<u64, SealedError> {
    let key = vault.key_id()?;
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    let retired = sqlx::query!(
        "update vault_keys set retired_at = $2 where key_id <> $1 and retired_at is null",
        key.as_bytes(),
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(retired.rows_affected())
}
