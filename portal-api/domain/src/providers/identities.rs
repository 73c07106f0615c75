//! Who somebody is at providers.

use chrono::{DateTime, Utc};
use engine::ids::{IdentityId, ProviderId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use super::Arrival;

/// Somebody's name at a provider.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: IdentityId,
    pub provider: ProviderId,
    pub provider_name: String,
    /// As the provider said it when they were linked.
    pub email: Option<String>,
    pub linked_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The identities of a user.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<Identity>, StoreError> {
    Ok(sqlx::query_as!(
        Identity,
        r#"select i.id as "id: IdentityId", i.provider_id as "provider: ProviderId",
                  p.name as provider_name, i.email, i.linked_at, i.last_used_at
           from user_identities i
           join identity_providers p on p.tenant_id = i.tenant_id and p.id = i.provider_id
           where i.user_id = $1 order by i.linked_at, i.id"#,
        user.0,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Somebody who came before.
pub(super) struct Known {
    pub(super) id: IdentityId,
    pub(super) user: UserId,
    pub(super) provisioned: bool,
}

pub(super) async fn find(
    tx: &mut Tx,
    provider: ProviderId,
    arrival: &Arrival,
) -> Result<Option<Known>, StoreError> {
    Ok(sqlx::query_as!(
        Known,
        r#"select id as "id: IdentityId", user_id as "user: UserId", provisioned
           from user_identities where provider_id = $1 and issuer = $2 and subject = $3"#,
        provider.0,
        arrival.issuer,
        arrival.subject,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Whether a user is somebody at this provider already.
pub(super) async fn is_linked(
    tx: &mut Tx,
    provider: ProviderId,
    user: UserId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from user_identities
                          where provider_id = $1 and user_id = $2) as "there!""#,
        provider.0,
        user.0,
    )
    .fetch_one(tx.conn())
    .await?)
}

pub(super) async fn used(tx: &mut Tx, id: IdentityId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update user_identities set last_used_at = $2 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn link(
    tx: &mut Tx,
    provider: ProviderId,
    user: UserId,
    arrival: &Arrival,
    provisioned: bool,
) -> Result<IdentityId, StoreError> {
    let (id, now) = (IdentityId::fresh(), tx.now());
    sqlx::query!(
        "insert into user_identities
             (id, provider_id, issuer, subject, user_id, email, provisioned, linked_at, last_used_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        id.0,
        provider.0,
        arrival.issuer,
        arrival.subject,
        user.0,
        arrival.email,
        provisioned,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("link_identity", "user", user)
            .after(json!({"identity": id, "provider": provider, "email": arrival.email})),
    );
    Ok(id)
}

/// Forgets who somebody is at a provider.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] where the user could not sign in any more.
pub async fn unlink(tx: &mut Tx, user: UserId, id: IdentityId) -> Result<(), StoreError> {
    // Two at once would each leave the other's.
    let has_password = sqlx::query_scalar!(
        r#"select password_hash is not null as "has!" from users where id = $1 for update"#,
        user.0
    )
    .fetch_optional(tx.conn())
    .await?;
    let all = list(tx, user).await?;
    let identity = all.iter().find(|identity| identity.id == id);
    let identity = identity.ok_or_else(|| StoreError::NotFound(format!("identity {id}")))?;
    if has_password != Some(true) && all.len() == 1 {
        return Err(StoreError::Conflict(
            "this is the only way in: set a password first".to_owned(),
        ));
    }
    sqlx::query!("delete from user_identities where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    tx.audit(
        Entry::new("unlink_identity", "user", user).before(
            json!({"identity": id, "provider": identity.provider, "email": identity.email}),
        ),
    );
    Ok(())
}
