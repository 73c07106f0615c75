//! Wrong passwords are counted per account, from wherever they come; too many in a row close it for a
//! while.

use chrono::{DateTime, Utc};
use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};

use crate::security::Policy;

/// Notes a wrong password. Says until when the account is closed if this was the one too many.
///
/// # Errors
/// [`StoreError`].
pub async fn failed(
    tx: &mut Tx,
    user: UserId,
    policy: &Policy,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let now = tx.now();
    let failures = sqlx::query_scalar!(
        "update users set failed_sign_ins = failed_sign_ins + 1
         where id = $1 and (locked_until is null or locked_until <= $2)
         returning failed_sign_ins",
        user.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.audit(Entry::new("refused:sign_in", "user", user));
    if failures.is_none_or(|failures| failures < policy.lockout_failures) {
        return Ok(None);
    }
    let until = policy.locked_until(now);
    sqlx::query!(
        "update users set failed_sign_ins = 0, locked_until = $2 where id = $1",
        user.0,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("lock_user", "user", user).after(serde_json::json!({"until": until})));
    tx.changed("user", user);
    Ok(Some(until))
}
