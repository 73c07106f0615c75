//! Codes that somebody types: taken once, counted when wrong. Five wrong ones in a row, whatever their
//! kind and wherever they came from, close the account for a while.

use chrono::{DateTime, Utc};
use engine::Tx;
use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::vault::Vault;
use serde_json::json;

use super::{Factor, FactorError, backup, sms, totp};
use crate::security::Policy;

/// Wrong codes in a row that close the account. Six digits of three steps give a guesser 1 in 66,000.
const WRONG: i32 = 5;

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    Right,
    /// Also while the account is closed, whatever the code.
    Wrong {
        /// This one closed the account until then.
        closed: Option<DateTime<Utc>>,
    },
}

/// Checks a code and takes it. The rest of the user's codes wait meanwhile, so that guesses are counted
/// one by one.
///
/// # Errors
/// [`FactorError`].
pub async fn check(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    policy: &Policy,
    kind: Factor,
    code: &str,
) -> Result<Checked, FactorError> {
    let now = tx.now();
    let row = sqlx::query!(
        "select failed_codes, locked_until from users where id = $1 and state = 'active' for update",
        user.0
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok(Checked::Wrong { closed: None });
    };
    let refused = Entry::refused("second_factor", "user", user);
    if row.locked_until.is_some_and(|until| until > now) {
        tx.audit(refused.after(json!({"factor": kind.as_str(), "why": "locked"})));
        return Ok(Checked::Wrong { closed: None });
    }
    let right = match kind {
        Factor::Totp => totp::take(tx, vault, user, code).await?,
        Factor::BackupCode => backup::take(tx, user, code).await?,
        Factor::Sms => sms::take(tx, vault, user, code).await?,
        Factor::Passkey | Factor::Device | Factor::Provider => false,
    };
    if right {
        sqlx::query!("update users set failed_codes = 0 where id = $1", user.0)
            .execute(tx.conn())
            .await?;
        return Ok(Checked::Right);
    }
    tx.audit(refused.after(json!({"factor": kind.as_str(), "why": "wrong"})));
    let failures = row.failed_codes + 1;
    if failures < WRONG {
        sqlx::query!(
            "update users set failed_codes = $2 where id = $1",
            user.0,
            failures
        )
        .execute(tx.conn())
        .await?;
        return Ok(Checked::Wrong { closed: None });
    }
    let until = policy.locked_until(now);
    sqlx::query!(
        "update users set failed_codes = 0, locked_until = $2 where id = $1",
        user.0,
        until,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!("delete from sign_in_tickets where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    tx.audit(Entry::new("lock_user", "user", user).after(json!({"until": until, "why": "codes"})));
    tx.changed("user", user);
    Ok(Checked::Wrong {
        closed: Some(until),
    })
}
