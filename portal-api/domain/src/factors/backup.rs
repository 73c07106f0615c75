//! Backup codes: ten of 80 random bits, each good once.

use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::FactorError;
use crate::sessions::{NoRandomness, Token};

const CODES: usize = 10;
/// Without what looks alike: 0 and O, 1 and I.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Codes for a user who has none; nothing where there are some.
pub(super) async fn first(tx: &mut Tx, user: UserId) -> Result<Vec<Token>, FactorError> {
    let has = sqlx::query_scalar!(
        r#"select exists (select from backup_codes where user_id = $1) as "yes!""#,
        user.0
    )
    .fetch_one(tx.conn())
    .await?;
    if has {
        Ok(Vec::new())
    } else {
        renew(tx, user).await
    }
}

/// Other codes in place of those the user has. They are answered this once.
///
/// # Errors
/// [`FactorError`].
pub async fn renew(tx: &mut Tx, user: UserId) -> Result<Vec<Token>, FactorError> {
    let codes: Vec<Token> = (0..CODES).map(|_| fresh()).collect::<Result<_, _>>()?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(code.expose())).collect();
    forget(tx, user).await?;
    sqlx::query!(
        "insert into backup_codes (user_id, code_hash) select $1, unnest($2::bytea[])",
        user.0,
        &hashes,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("renew_backup_codes", "user", user).after(json!({"made": CODES})));
    Ok(codes)
}

pub(super) async fn forget(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    sqlx::query!("delete from backup_codes where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Whether a code is one of the user's and was not used; it is used by this.
pub(super) async fn take(tx: &mut Tx, user: UserId, code: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    let taken = sqlx::query!(
        "update backup_codes set used_at = $3
         where user_id = $1 and code_hash = $2 and used_at is null",
        user.0,
        hash(code),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Four groups of four characters of five bits.
fn fresh() -> Result<Token, NoRandomness> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_error| NoRandomness)?;
    let mut text = String::with_capacity(19);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(Token::of(&text))
}

/// However it was typed.
fn hash(code: &str) -> Vec<u8> {
    let plain = code.chars().filter(char::is_ascii_alphanumeric).take(64);
    let plain: String = plain.map(|c| c.to_ascii_uppercase()).collect();
    Sha256::digest(plain.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = fresh().unwrap();
        let text = code.expose();
        assert_eq!(text.len(), 19);
        assert_eq!(hash(text), hash(&text.to_lowercase().replace('-', " ")));
        assert_ne!(hash(text), hash(fresh().unwrap().expose()));
    }
}
