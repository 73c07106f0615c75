//! Browsers that showed a second factor and are not asked again for a while.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{DeviceId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};

use crate::security::Policy;
use crate::sessions::{From, Token};

/// A remembered browser as its owner sees it.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: DeviceId,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Remembers a browser for as long as the policy says; `None` where it remembers none.
///
/// # Errors
/// [`StoreError`].
pub async fn remember(
    tx: &mut Tx,
    user: UserId,
    policy: &Policy,
    token: &Token,
    from: &From,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    if policy.device_days == 0 {
        return Ok(None);
    }
    let (id, now) = (DeviceId::fresh(), tx.now());
    let until = now + TimeDelta::days(policy.device_days.into());
    sqlx::query!(
        "delete from devices where user_id = $1 and expires_at <= $2",
        user.0,
        now
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into devices (id, user_id, token_hash, address, agent, created_at, last_used_at,
                              expires_at)
         values ($1, $2, $3, $4, $5, $6, $6, $7)",
        id.0,
        user.0,
        token.hash(),
        from.address,
        from.agent_kept(),
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("remember_device", "device", id));
    Ok(Some(until))
}

/// Whether this is a browser that the user had remembered and the policy of now still lets in.
pub(crate) async fn is_known(
    tx: &mut Tx,
    user: UserId,
    policy: &Policy,
    token: &Token,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let used = sqlx::query!(
        "update devices set last_used_at = $3
         where user_id = $1 and token_hash = $2 and expires_at > $3
           and created_at > $3 - make_interval(days => $4)",
        user.0,
        token.hash(),
        now,
        policy.device_days,
    )
    .execute(tx.conn())
    .await?;
    Ok(used.rows_affected() == 1)
}

/// The remembered browsers of a user, last used first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<Device>, StoreError> {
    let now = tx.now();
    Ok(sqlx::query_as!(
        Device,
        r#"
        select id as "id: DeviceId", address, agent, created_at, last_used_at, expires_at
        from devices where user_id = $1 and expires_at > $2 order by last_used_at desc, id
        "#,
        user.0,
        now,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Forgets one of the user's browsers.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn forget(tx: &mut Tx, user: UserId, id: DeviceId) -> Result<(), StoreError> {
    let gone = sqlx::query!(
        "delete from devices where user_id = $1 and id = $2",
        user.0,
        id.0
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("device {id}")));
    }
    tx.audit(Entry::new("forget_device", "device", id));
    Ok(())
}

pub(crate) async fn forget_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    sqlx::query!("delete from devices where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}
