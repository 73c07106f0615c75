//! Forgetting somebody who signs in. The row stays, so that what they did has somebody who did it, and
//! says nothing of who that was; all that hangs on it is destroyed.

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::{ErasureId, UserId};
use engine::store::audit::{self, Redaction};
use engine::store::suppressions::{self, Mark, Salt};
use engine::{StoreError, Tx};
use sqlx::types::Uuid;

use super::access::keep_an_admin;
use super::{Role, people};
use crate::providers::policy;

/// What an erased user is called.
pub const ERASED: &str = "Erased user";

/// A name of at least so many letters, of two words, is looked for within other texts.
const TELLING: usize = 5;

/// The users of the tenant with one of these addresses.
///
/// # Errors
/// [`StoreError`].
pub async fn with_addresses(tx: &mut Tx, addresses: &[String]) -> Result<Vec<UserId>, StoreError> {
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| address.trim().to_lowercase())
        .collect();
    Ok(sqlx::query_scalar!(
        r#"select id as "id: UserId" from users
           where lower(email) = any($1) and erased_at is null order by id"#,
        &addresses,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Refuses to erase the last active admin.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`].
pub async fn permit(tx: &mut Tx, id: UserId) -> Result<(), StoreError> {
    let person = people::get(tx, id).await?;
    if person.user.role == Role::Admin {
        keep_an_admin(tx, id).await?;
        policy::keep_a_fallback(tx, id).await?;
    }
    Ok(())
}

/// Whether this is the address of somebody who was forgotten.
///
/// # Errors
/// [`StoreError`].
pub async fn is_forgotten(tx: &mut Tx, email: &str) -> Result<bool, StoreError> {
    let Some(salt) = suppressions::salt(tx).await? else {
        return Ok(false);
    };
    let tokens: Vec<Vec<u8>> = salt.token(&Mark::Email(email)).into_iter().collect();
    Ok(!suppressions::known(tx, &tokens).await?.is_empty())
}

/// Destroys what is known of a user, and keeps the address out; how many rows of what.
///
/// # Errors
/// [`StoreError::NotFound`] for one that is not there or was erased before; [`StoreError::Conflict`] for
/// the last admin.
pub async fn forget(
    tx: &mut Tx,
    id: UserId,
    erasure: ErasureId,
    salt: &Salt,
) -> Result<BTreeMap<String, u64>, StoreError> {
    permit(tx, id).await?;
    let person = people::get(tx, id).await?;
    let known = known(tx, id).await?;
    let mut addresses: BTreeSet<String> = known.addresses.into_iter().collect();
    addresses.insert(person.user.email.clone());
    let tokens: BTreeSet<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| salt.token(&Mark::Email(address)))
        .collect();
    let tokens: Vec<Vec<u8>> = tokens.into_iter().collect();
    suppressions::add(tx, erasure, &tokens).await?;
    let name = person.user.name.clone();
    let mut texts: Vec<String> = addresses.into_iter().collect();
    if name.contains(char::is_whitespace) && name.chars().count() >= TELLING {
        texts.push(name.clone());
    }
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));

    let mut counts = BTreeMap::new();
    let gone = sqlx::query!(
        r#"select place as "place!", gone as "gone!" from forget_user_rows($1)"#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?;
    for row in gone {
        if row.gone > 0 {
            counts.insert(row.place, row.gone.unsigned_abs());
        }
    }
    let mails = beside(tx, id, &name, &texts).await?;
    counts.insert("mails".to_owned(), mails);
    anonymise(tx, id).await?;
    counts.insert("users".to_owned(), 1);
    let mut actors = known.programs;
    actors.push(id.0);
    let redaction = Redaction {
        actors: &actors,
        subject: &id.to_string(),
        nobody: ERASED,
        name: &name,
        texts: &texts,
        erasure: &erasure.to_string(),
    };
    let masked = audit::redact(tx, &redaction).await?;
    counts.insert("audit_entries".to_owned(), masked);
    tx.changed("user", id);
    Ok(counts)
}

struct Known {
    /// By which providers know them.
    addresses: Vec<String>,
    /// Keys and grants that acted for them.
    programs: Vec<Uuid>,
}

async fn known(tx: &mut Tx, id: UserId) -> Result<Known, StoreError> {
    let addresses = sqlx::query_scalar!(
        r#"
        select email as "text!" from user_identities where user_id = $1 and email is not null
        union
        select subject from user_identities where user_id = $1 and strpos(subject, '@') > 1
        "#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?;
    let programs = sqlx::query_scalar!(
        r#"
        select id as "id!" from api_keys where user_id = $1
        union
        select id from token_families where user_id = $1
        "#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Known {
        addresses,
        programs,
    })
}

/// Takes them out of what does not hang on their row; how many mails are gone.
async fn beside(tx: &mut Tx, id: UserId, name: &str, texts: &[String]) -> Result<u64, StoreError> {
    let mails = sqlx::query!(
        "delete from outgoing_mails
         where user_id = $1
            or lower(recipient) in (select lower(value) from unnest($2::text[]) as value)",
        id.0,
        texts,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!("delete from sign_in_attempts where user_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    let now = tx.now();
    sqlx::query!(
        "update account_assignments set ended_at = $2, ended_by = $1
         where user_id = $1 and ended_at is null",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    // Places that name who did something.
    sqlx::query!(
        "update lanes set paused_by = $2 where paused_by = $1",
        name,
        ERASED
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update mapping_versions set created_by = $2 where created_by = $1",
        name,
        ERASED
    )
    .execute(tx.conn())
    .await?;
    // What people wrote when they asked for it and decided.
    sqlx::query!(
        "update erasures set reason = mask_text(mask_text(reason, $2), array[$3]),
                note = mask_text(mask_text(note, $2), array[$3])
         where entity_id = $1",
        id.0,
        texts,
        name,
    )
    .execute(tx.conn())
    .await?;
    Ok(mails.rows_affected())
}

async fn anonymise(tx: &mut Tx, id: UserId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update users
         set email = $2, name = $3, state = 'deactivated', password_hash = null,
             password_set_at = null, must_change_password = false, failed_sign_ins = 0,
             failed_codes = 0, locked_until = null, has_factor = false, last_sign_in_at = null,
             scope = null, account_id = null, partner_id = null, is_operator = false,
             erased_at = $4, version = version + 1
         where id = $1",
        id.0,
        // Unique among all tenants, and no address of anybody.
        format!("{}@erased.invalid", id.0.simple()),
        ERASED,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
