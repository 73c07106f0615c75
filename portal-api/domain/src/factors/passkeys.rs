//! Passkeys (WebAuthn): a key pair that a device keeps and uses only for its owner, so that it is both
//! something one has and something one knows or is. Alone it signs in; beside a password it is the
//! second stage.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::ids::{PasskeyId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{Store, StoreError, Tx};
use serde::Deserialize as _;
use serde_json::{Value as Json, json};
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use super::challenges::{self, Asked, Purpose};
use super::{FactorError, backup, changed};
use crate::sessions::Token;
use crate::users::User;

/// Most passkeys of a user.
const MOST: usize = 20;

/// The hub as browsers know it: passkeys are made for its name, and used on its pages only.
#[derive(Clone)]
pub struct RelyingParty(Arc<Webauthn>);

/// The address browsers reach the hub at is none that passkeys can be made for.
#[derive(Debug, thiserror::Error)]
#[error("passkeys need the hub's name in its public address, and {0} has none that fits")]
pub struct NoName(String);

impl RelyingParty {
    /// `name` is the domain that passkeys belong to, the host of `origin` or one above it; the host
    /// unless given.
    ///
    /// # Errors
    /// [`NoName`], also for an address of numbers.
    pub fn new(origin: &str, name: Option<&str>) -> Result<Self, NoName> {
        let refuse = || NoName(origin.to_owned());
        let url = url::Url::parse(origin).map_err(|_bad| refuse())?;
        let name = name.or_else(|| url.domain()).ok_or_else(refuse)?;
        WebauthnBuilder::new(name, &url)
            .and_then(|builder| builder.rp_name("Syncline").build())
            .map(|webauthn| Self(Arc::new(webauthn)))
            .map_err(|_configuration| refuse())
    }
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyRow {
    pub id: PasskeyId,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The passkeys of a user, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<PasskeyRow>, StoreError> {
    Ok(sqlx::query_as!(
        PasskeyRow,
        r#"select id as "id: PasskeyId", name, created_at, last_used_at
           from passkeys where user_id = $1 order by id"#,
        user.0,
    )
    .fetch_all(tx.conn())
    .await?)
}

async fn credentials(tx: &mut Tx, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    let rows = sqlx::query_scalar!("select credential from passkeys where user_id = $1", user.0)
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(credential: serde_json::Value) -> Result<Passkey, StoreError> {
    serde_json::from_value(credential).map_err(|error| StoreError::corrupt("a passkey", error))
}

/// What a browser is to sign, as `navigator.credentials` takes it, and the token its answer comes with.
pub type Question = (Json, Token);

/// Begins to make a passkey.
///
/// # Errors
/// [`FactorError`]; [`StoreError::Conflict`] where the user has as many as anybody may.
pub async fn start_registration(
    party: &RelyingParty,
    store: &Store,
    owner: &User,
) -> Result<Question, FactorError> {
    let mut tx = store.begin(owner.tenant).await?;
    let known = credentials(&mut tx, owner.id).await?;
    drop(tx);
    if known.len() >= MOST {
        let why = format!("nobody has more than {MOST} passkeys: remove one first");
        return Err(StoreError::Conflict(why).into());
    }
    let known = known.iter().map(|key| key.cred_id().clone()).collect();
    let (asked, state) = party
        .0
        .start_passkey_registration(owner.id.0, &owner.email, &owner.name, Some(known))
        .map_err(internal)?;
    let mut asked = serde_json::to_value(asked).map_err(FactorError::State)?;
    // Kept on the device where it can: such a passkey signs in without an address.
    asked["publicKey"]["authenticatorSelection"]["residentKey"] = "preferred".into();
    let token = challenges::keep(store, Purpose::Register, Some(owner.id), &state).await?;
    Ok((asked, token))
}

/// Takes the browser's answer. Backup codes come with the first factor; `None` where the answer is none
/// to what was asked.
///
/// # Errors
/// [`FactorError`]; [`StoreError::Conflict`] where this passkey is known already.
pub async fn finish_registration(
    party: &RelyingParty,
    tx: &mut Tx,
    user: UserId,
    name: &str,
    asked: Asked,
    answer: &Json,
) -> Result<Option<(PasskeyId, Vec<Token>)>, FactorError> {
    let state: Option<PasskeyRegistration> = asked.read()?;
    let answer = RegisterPublicKeyCredential::deserialize(answer).ok();
    let made = state
        .zip(answer)
        .and_then(|(state, answer)| party.0.finish_passkey_registration(&answer, &state).ok());
    let Some(passkey) = made else {
        tx.audit(Entry::refused("add_passkey", "user", user));
        return Ok(None);
    };
    let (id, now) = (PasskeyId::fresh(), tx.now());
    let credential = serde_json::to_value(&passkey).map_err(FactorError::State)?;
    let credential_id: &[u8] = passkey.cred_id().as_ref();
    sqlx::query!(
        "insert into passkeys (id, user_id, name, credential_id, credential, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        id.0,
        user.0,
        name,
        credential_id,
        credential,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("this passkey is known already".to_owned())
        }
        error => error,
    })?;
    tx.audit(Entry::new("add_passkey", "passkey", id).after(json!({"name": name})));
    let codes = backup::first(tx, user).await?;
    changed(tx, user).await?;
    Ok(Some((id, codes)))
}

/// Begins a sign-in by whomever: no address is asked for, so none is given away.
///
/// # Errors
/// [`FactorError`].
pub async fn start_sign_in(party: &RelyingParty, store: &Store) -> Result<Question, FactorError> {
    let (mut asked, state) = party
        .0
        .start_discoverable_authentication()
        .map_err(internal)?;
    // A button asks for it, not a field that fills itself.
    asked.mediation = None;
    let token = challenges::keep(store, Purpose::SignIn, None, &state).await?;
    Ok((
        serde_json::to_value(asked).map_err(FactorError::State)?,
        token,
    ))
}

/// Whose passkey answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    pub tenant: TenantId,
    pub user: UserId,
    pub passkey: PasskeyId,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Right(Signer),
    /// A known passkey, and an answer that is not right: of another page, unverified, with a counter
    /// that went back.
    Wrong(Signer),
    Unknown,
}

/// Takes the answer to [`start_sign_in`].
///
/// # Errors
/// [`FactorError`].
pub async fn finish_sign_in(
    party: &RelyingParty,
    store: &Store,
    token: &Token,
    answer: &Json,
) -> Result<Answered, FactorError> {
    let asked = challenges::take(store, Purpose::SignIn, None, token).await?;
    let state: Option<DiscoverableAuthentication> = asked.read()?;
    let answer = PublicKeyCredential::deserialize(answer).ok();
    let Some((state, answer)) = state.zip(answer) else {
        return Ok(Answered::Unknown);
    };
    let Ok((person, credential_id)) = party.0.identify_discoverable_authentication(&answer) else {
        return Ok(Answered::Unknown);
    };
    let mut tx = store.begin_system().await?;
    let row = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", id as "id: PasskeyId", user_id as "user: UserId",
                  credential
           from passkeys where credential_id = $1 for update"#,
        credential_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row.filter(|row| row.user.0 == person) else {
        return Ok(Answered::Unknown);
    };
    let signer = Signer {
        tenant: row.tenant,
        user: row.user,
        passkey: row.id,
    };
    let mut passkey = read(row.credential)?;
    let key = DiscoverableKey::from(&passkey);
    let shown = party
        .0
        .finish_discoverable_authentication_v2(&answer, state, &key);
    let Ok(shown) = shown else {
        return Ok(Answered::Wrong(signer));
    };
    let now = tx.now();
    passkey.update_credential(&shown);
    let credential = serde_json::to_value(&passkey).map_err(FactorError::State)?;
    sqlx::query!(
        "update passkeys set credential = $3, last_used_at = $4 where tenant_id = $1 and id = $2",
        row.tenant.0,
        row.id.0,
        credential,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Answered::Right(signer))
}

/// Asks a known user for one of their passkeys; `None` where they have none.
///
/// # Errors
/// [`FactorError`].
pub async fn start_proof(
    party: &RelyingParty,
    store: &Store,
    owner: (TenantId, UserId),
    purpose: Purpose,
) -> Result<Option<Question>, FactorError> {
    let (tenant, user) = owner;
    let mut tx = store.begin(tenant).await?;
    let known = credentials(&mut tx, user).await?;
    drop(tx);
    if known.is_empty() {
        return Ok(None);
    }
    let (asked, state) = party
        .0
        .start_passkey_authentication(&known)
        .map_err(internal)?;
    let token = challenges::keep(store, purpose, Some(user), &state).await?;
    Ok(Some((
        serde_json::to_value(asked).map_err(FactorError::State)?,
        token,
    )))
}

/// Whether the answer to [`start_proof`] is right. A closed account has no right answers.
///
/// # Errors
/// [`FactorError`].
pub async fn finish_proof(
    party: &RelyingParty,
    tx: &mut Tx,
    user: UserId,
    asked: Asked,
    answer: &Json,
) -> Result<bool, FactorError> {
    let state: Option<PasskeyAuthentication> = asked.read()?;
    let answer = PublicKeyCredential::deserialize(answer).ok();
    let shown = state
        .zip(answer)
        .and_then(|(state, answer)| party.0.finish_passkey_authentication(&answer, &state).ok());
    let refused = Entry::refused("second_factor", "user", user);
    let refused = refused.after(json!({"factor": "passkey", "why": "wrong"}));
    let Some(shown) = shown else {
        tx.audit(refused);
        return Ok(false);
    };
    let (now, credential_id): (_, &[u8]) = (tx.now(), shown.cred_id().as_ref());
    let row = sqlx::query!(
        "select p.id, p.credential from passkeys p
         join users u on u.tenant_id = p.tenant_id and u.id = p.user_id
         where p.user_id = $1 and p.credential_id = $2 and u.state = 'active'
           and (u.locked_until is null or u.locked_until <= $3)
         for update of p",
        user.0,
        credential_id,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        tx.audit(refused);
        return Ok(false);
    };
    let mut passkey = read(row.credential)?;
    passkey.update_credential(&shown);
    let credential = serde_json::to_value(&passkey).map_err(FactorError::State)?;
    sqlx::query!(
        "update passkeys set credential = $2, last_used_at = $3 where id = $1",
        row.id,
        credential,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!("update users set failed_codes = 0 where id = $1", user.0)
        .execute(tx.conn())
        .await?;
    Ok(true)
}

/// Gives a passkey another name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn rename(
    tx: &mut Tx,
    user: UserId,
    id: PasskeyId,
    name: &str,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update passkeys set name = $3 where user_id = $1 and id = $2",
        user.0,
        id.0,
        name
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("passkey {id}")));
    }
    tx.audit(Entry::new("rename_passkey", "passkey", id).after(json!({"name": name})));
    Ok(())
}

/// Takes a passkey away.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(tx: &mut Tx, user: UserId, id: PasskeyId) -> Result<(), StoreError> {
    let name = sqlx::query_scalar!(
        "delete from passkeys where user_id = $1 and id = $2 returning name",
        user.0,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    let name = name.ok_or_else(|| StoreError::NotFound(format!("passkey {id}")))?;
    tx.audit(Entry::new("remove_passkey", "passkey", id).before(json!({"name": name})));
    changed(tx, user).await
}

/// Only a mistake of ours makes a question that cannot be asked.
fn internal(error: WebauthnError) -> FactorError {
    FactorError::Store(StoreError::corrupt("a passkey challenge", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_that_fits_the_address() {
        assert!(RelyingParty::new("https://hub.example.com", None).is_ok());
        assert!(RelyingParty::new("https://hub.example.com", Some("example.com")).is_ok());
        assert!(RelyingParty::new("http://localhost:8080", None).is_ok());
        assert!(RelyingParty::new("https://hub.example.com", Some("other.com")).is_err());
        assert!(RelyingParty::new("https://hub.example.com", Some("ample.com")).is_err());
        assert!(RelyingParty::new("http://127.0.0.1:8080", None).is_err());
        assert!(RelyingParty::new("hub.example.com", None).is_err());
    }
}
