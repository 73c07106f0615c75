//! What keeps a forgotten person out: hashes of record keys, addresses and numbers over a salt of the
//! tenant's own. They say of a value that comes whether it is to be let in, and of none who it was.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, ErasureId};

/// Something a person is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// A record's key in a stream.
    Key(ConnectionId, &'a str, &'a str),
    /// An e-mail address, however it is written.
    Email(&'a str),
    /// A telephone number, by its digits.
    Phone(&'a str),
}

/// Fewer digits than this are no number of somebody.
const FEWEST_DIGITS: usize = 7;

/// The tenant's salt.
pub struct Salt(Vec<u8>);

impl Salt {
    /// The hash of a mark; `None` of one that names nobody.
    pub fn token(&self, mark: &Mark<'_>) -> Option<Vec<u8>> {
        let (kind, text) = match mark {
            Mark::Key(connection, stream, key) => {
                ("key", format!("{}\0{stream}\0{key}", connection.0.simple()))
            }
            Mark::Email(text) => ("email", text.trim().to_lowercase()),
            Mark::Phone(text) => {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                if digits.len() < FEWEST_DIGITS {
                    return None;
                }
                // With and without the prefix for calls abroad it is one number.
                ("phone", digits.trim_start_matches('0').to_owned())
            }
        };
        if text.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        for part in [self.0.as_slice(), kind.as_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Some(hash.finalize().to_vec())
    }
}

/// The tenant's salt, if it ever forgot anybody. Until this transaction ends nobody is forgotten: what
/// it stores is either seen by an erasure or kept out by one.
///
/// # Errors
/// [`StoreError`].
pub async fn salt(tx: &mut Tx) -> Result<Option<Salt>, StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock_shared(hashtextextended('forget ' || current_tenant(), 0))"
    )
    .execute(tx.conn())
    .await?;
    // A statement of its own: it sees what was committed while the lock was waited for.
    let salt = sqlx::query_scalar!("select salt from suppression_salts")
        .fetch_optional(tx.conn())
        .await?;
    Ok(salt.map(Salt))
}

/// The tenant's salt for who forgets somebody; made from `fresh` where there is none. Waits for all
/// that asked for [`salt`] and are not over.
///
/// # Errors
/// [`StoreError`].
pub async fn salt_to_forget(tx: &mut Tx, fresh: &[u8; 32]) -> Result<Salt, StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('forget ' || current_tenant(), 0))"
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into suppression_salts (salt) values ($1) on conflict do nothing",
        fresh.as_slice()
    )
    .execute(tx.conn())
    .await?;
    let salt = sqlx::query_scalar!("select salt from suppression_salts")
        .fetch_one(tx.conn())
        .await?;
    Ok(Salt(salt))
}

/// Keeps out whoever has one of these tokens.
///
/// # Errors
/// [`StoreError`].
pub async fn add(tx: &mut Tx, erasure: ErasureId, tokens: &[Vec<u8>]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into suppressions (token, erasure_id)
         select token, $2 from unnest($1::bytea[]) as token on conflict do nothing",
        tokens,
        erasure.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those of these tokens that are kept out.
///
/// # Errors
/// [`StoreError`].
pub async fn known(tx: &mut Tx, tokens: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>, StoreError> {
    if tokens.is_empty() {
        return Ok(HashSet::new());
    }
    let known = sqlx::query_scalar!(
        r#"
        select s.token
        from unnest($1::bytea[]) as wanted (token)
        cross join lateral (
            select token from suppressions where token = wanted.token offset 0
        ) s
        "#,
        tokens,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(known.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_token_however_written_and_another_one_in_another_tenant() {
        let (salt, other) = (Salt(vec![1; 32]), Salt(vec![2; 32]));
        let email = |text| Mark::Email(text);
        assert_eq!(
            salt.token(&email(" Ada@Example.com")),
            salt.token(&email("ada@example.com"))
        );
        assert_ne!(
            salt.token(&email("ada@example.com")),
            other.token(&email("ada@example.com"))
        );
        let phone = |text| Mark::Phone(text);
        assert_eq!(
            salt.token(&phone("+49 (30) 123-456")),
            salt.token(&phone("0049 30 123456"))
        );
        for nobody in [phone("110"), phone("none"), email(" ")] {
            assert_eq!(salt.token(&nobody), None);
        }
        let connection = ConnectionId::fresh();
        let key = |stream, key| salt.token(&Mark::Key(connection, stream, key));
        assert_ne!(key("Contact", "1"), key("Contact1", ""));
        assert_ne!(key("Contact", "1"), salt.token(&email("1")));
    }
}
