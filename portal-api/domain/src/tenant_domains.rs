//! Names under which a tenant is reached: asked for, shown to be theirs, taken back.

use chrono::{DateTime, Utc};
use engine::ids::{DomainId, TenantId};
use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde_json::json;

/// What a text record that shows a name to be somebody's begins with.
pub const RECORD: &str = "syncline-domain=";
/// Most names of a tenant.
const MOST: i64 = 50;

/// A name of a tenant.
#[derive(Clone, Debug)]
pub struct Domain {
    pub id: DomainId,
    /// As it travels: `xn--…` for what is not ASCII.
    pub host: String,
    /// What a text record at `_syncline.{host}` has to say.
    pub challenge: String,
    pub verified_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl Domain {
    /// Where the record is looked for.
    pub fn record_name(&self) -> String {
        format!("_syncline.{}", self.host)
    }

    /// What the record has to say.
    pub fn record_text(&self) -> String {
        format!("{RECORD}{}", self.challenge)
    }
}

/// The names of the tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Domain>, StoreError> {
    Ok(sqlx::query_as!(
        Domain,
        r#"select id as "id: DomainId", host, challenge, verified_at, created_at
           from tenant_domains order by host"#
    )
    .fetch_all(tx.conn())
    .await?)
}

/// A name of the tenant.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: DomainId) -> Result<Domain, StoreError> {
    let all = list(tx).await?;
    let found = all.into_iter().find(|domain| domain.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("domain {id}")))
}

/// Asks for a name; it counts once it is shown to be the tenant's.
///
/// # Errors
/// [`StoreError::Conflict`] where the tenant has it already or has too many.
pub async fn claim(
    tx: &mut Tx,
    host: &str,
    looks_like: &str,
    challenge: &str,
) -> Result<Domain, StoreError> {
    let (id, now) = (DomainId::fresh(), tx.now());
    let made = sqlx::query!(
        "insert into tenant_domains (id, host, looks_like, challenge, created_at)
         select $1, $2, $3, $4, $5 where (select count(*) from tenant_domains) < $6",
        id.0,
        host,
        looks_like,
        challenge,
        now,
        MOST,
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    if made.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!(
            "a tenant has at most {MOST} domains"
        )));
    }
    tx.audit(Entry::new("add_domain", "domain", id).after(json!({"host": host})));
    get(tx, id).await
}

/// Notes that a name was shown to be the tenant's; from now on it leads here.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] where another tenant has shown it before.
pub async fn verified(tx: &mut Tx, id: DomainId) -> Result<Domain, StoreError> {
    let before = get(tx, id).await?;
    let now = tx.now();
    sqlx::query!(
        "update tenant_domains set verified_at = $2 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    tx.audit(
        Entry::new("verify_domain", "domain", id)
            .before(json!({"host": before.host, "verified_at": before.verified_at}))
            .after(json!({"host": before.host, "verified_at": now})),
    );
    get(tx, id).await
}

/// Takes a name back; it leads nowhere from the next request on.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(tx: &mut Tx, id: DomainId) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    sqlx::query!("delete from tenant_domains where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    let entry = Entry::new("remove_domain", "domain", id);
    tx.audit(entry.before(json!({"host": before.host, "verified_at": before.verified_at})));
    Ok(())
}

/// Whose a name is.
///
/// # Errors
/// [`StoreError`].
pub async fn tenant_of(tx: &mut SystemTx, host: &str) -> Result<Option<TenantId>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select d.tenant_id as "id: TenantId" from tenant_domains d
           join tenants t on t.tenant_id = d.tenant_id and t.state <> 'deleting'
           where d.host = $1 and d.verified_at is not null"#,
        host
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Whether another tenant has shown a name to be theirs that is this one or looks like it.
///
/// # Errors
/// [`StoreError`].
pub async fn is_taken(
    tx: &mut SystemTx,
    by_others_than: TenantId,
    host: &str,
    looks_like: &str,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from tenant_domains
               where verified_at is not null and tenant_id <> $1
                 and (host = $2 or looks_like = $3)) as "taken!""#,
        by_others_than.0,
        host,
        looks_like,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// The tenant of a hub that has just one.
///
/// # Errors
/// [`StoreError`].
pub async fn only_tenant(tx: &mut SystemTx) -> Result<Option<TenantId>, StoreError> {
    let ids = sqlx::query_scalar!(r#"select tenant_id as "id: TenantId" from tenants limit 2"#)
        .fetch_all(tx.conn())
        .await?;
    Ok(match ids.as_slice() {
        [one] => Some(*one),
        _ => None,
    })
}

/// Whether there is such a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn exists(tx: &mut SystemTx, id: TenantId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tenants where tenant_id = $1 and state <> 'deleting')
           as "there!""#,
        id.0
    )
    .fetch_one(tx.conn())
    .await?)
}

fn taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("this name is taken, or looks like one that is".to_owned())
        }
        error => error,
    }
}
