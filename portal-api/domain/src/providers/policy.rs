//! Whether only providers let people in, and who gets in when the provider does not work.

use engine::ids::{ProviderId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde_json::json;
use sqlx::types::Uuid;

/// How people of a tenant sign in, with the version of the row; 0 while there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInPolicy {
    /// Passwords, and passkeys in their place, are for the fallback admins only.
    pub sso_only: bool,
    /// Who signs in with a password when the provider does not work.
    pub fallback_admins: Vec<UserId>,
    pub version: i64,
}

/// The policy that holds.
///
/// # Errors
/// [`StoreError`].
pub async fn current(tx: &mut Tx) -> Result<SignInPolicy, StoreError> {
    let row = sqlx::query!("select sso_only, version from sign_in_policies")
        .fetch_optional(tx.conn())
        .await?;
    let fallback_admins = sqlx::query_scalar!(
        r#"select user_id as "id: UserId" from fallback_admins order by user_id"#
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(SignInPolicy {
        sso_only: row.as_ref().is_some_and(|row| row.sso_only),
        version: row.map_or(0, |row| row.version),
        fallback_admins,
    })
}

/// Sets the policy; `wish.version` is the one that was read.
///
/// # Errors
/// [`StoreError::Stale`]; [`StoreError::Conflict`] where somebody named is no active admin with a
/// password, and where only providers shall let people in but none is enabled or nobody is named.
pub async fn set(tx: &mut Tx, wish: &SignInPolicy) -> Result<(), StoreError> {
    let before = current(tx).await?;
    let changed = sqlx::query!(
        "insert into sign_in_policies (sso_only)
         select $2 where $1::bigint = 0 or exists (select from sign_in_policies where version = $1)
         on conflict (tenant_id) do update
         set sso_only = excluded.sso_only, version = sign_in_policies.version + 1
         where sign_in_policies.version = $1",
        wish.version,
        wish.sso_only,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale("sign-in policy".to_owned()));
    }
    let ids: Vec<Uuid> = wish.fallback_admins.iter().map(|id| id.0).collect();
    let fit = sqlx::query_scalar!(
        "select id from users
         where id = any($1) and role = 'admin' and state = 'active' and password_hash is not null
         for update",
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    if let Some(unfit) = wish.fallback_admins.iter().find(|id| !fit.contains(&id.0)) {
        return Err(StoreError::Conflict(format!(
            "{unfit} is no active admin with a password"
        )));
    }
    if wish.sso_only {
        if fit.is_empty() {
            return Err(StoreError::Conflict(
                "name a fallback admin: somebody must get in when the provider does not work"
                    .to_owned(),
            ));
        }
        if !has_provider(tx, None).await? {
            return Err(StoreError::Conflict(
                "no identity provider is enabled: nobody could sign in".to_owned(),
            ));
        }
    }
    sqlx::query!("delete from fallback_admins where user_id <> all($1)", &ids)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into fallback_admins (user_id) select * from unnest($1::uuid[])
         on conflict do nothing",
        &ids
    )
    .execute(tx.conn())
    .await?;
    let shown = |policy: &SignInPolicy| json!({"sso_only": policy.sso_only, "fallback_admins": policy.fallback_admins});
    tx.audit(
        Entry::new("set_sign_in_policy", "security", "sign_in_policy")
            .before(shown(&before))
            .after(shown(wish)),
    );
    Ok(())
}

async fn has_provider(tx: &mut Tx, but: Option<ProviderId>) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from identity_providers
               where enabled and id is distinct from $1) as "there!""#,
        but.map(|id| id.0),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Refuses to take the last enabled provider away where only providers let people in.
pub(super) async fn keep_a_provider(tx: &mut Tx, but: ProviderId) -> Result<(), StoreError> {
    if !current(tx).await?.sso_only || has_provider(tx, Some(but)).await? {
        return Ok(());
    }
    Err(StoreError::Conflict(
        "only this provider lets people in: allow passwords first".to_owned(),
    ))
}

/// Refuses to take the last fallback admin away where only providers let people in.
pub(crate) async fn keep_a_fallback(tx: &mut Tx, but: UserId) -> Result<(), StoreError> {
    let policy = current(tx).await?;
    let is_last = policy.sso_only
        && policy.fallback_admins.contains(&but)
        && policy.fallback_admins.len() == 1;
    if !is_last {
        return Ok(());
    }
    Err(StoreError::Conflict(
        "this is the last fallback admin: name another one first".to_owned(),
    ))
}

/// Whether a password or a passkey lets this user in, without a provider.
///
/// # Errors
/// [`StoreError`].
pub async fn counts_without_provider(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select not exists (
               select from sign_in_policies p
               where p.tenant_id = $1 and p.sso_only
                 and not exists (select from fallback_admins f
                                 where f.tenant_id = $1 and f.user_id = $2)) as "counts!""#,
        tenant.0,
        user.0,
    )
    .fetch_one(tx.conn())
    .await?)
}
