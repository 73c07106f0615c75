//! Codes by SMS: six digits that hold for five minutes. Whoever may have a better factor should: a
//! number is moved to another card by talking to a shop.

use std::future::Future;
use std::pin::Pin;

use chrono::TimeDelta;
use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::vault::Vault;
use engine::{StoreError, Tx};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::types::Uuid;

use super::{FactorError, added, not_added, removed};
use crate::sessions::{NoRandomness, Token};

const HOLDS: TimeDelta = TimeDelta::minutes(5);
/// One message in this time, and so many in an hour: each costs, and annoys.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
const PER_HOUR: i64 = 6;

/// A message to send.
pub struct Message {
    /// The same when it is sent again.
    pub id: Uuid,
    /// With country code: `+49…`.
    pub number: SecretString,
    pub text: SecretString,
}

/// Why a message was not taken. What the provider says is not repeated: it may quote the number.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    #[error("the provider of messages refused the message")]
    Refused,
    #[error("the provider of messages does not answer")]
    Unreachable,
}

/// What sending gives, once it is done.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SmsError>> + Send + 'a>>;

/// Somebody who sends messages.
pub trait SmsSender: Send + Sync {
    /// Hands a message over; whether it arrives is not known.
    fn send(&self, message: Message) -> Sending<'_>;
}

/// A number as it is stored: `+` and 8 to 15 digits (E.164).
///
/// # Errors
/// Why it is none.
pub fn number(text: &str) -> Result<String, &'static str> {
    let kept: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/'))
        .collect();
    let digits = kept.strip_prefix('+').unwrap_or_default();
    let is_one = (8..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_one {
        Ok(kept)
    } else {
        Err("a number begins with + and the country's code, and has 8 to 15 digits")
    }
}

/// Notes a number; it counts from its first right code on.
///
/// # Errors
/// [`FactorError`]; [`StoreError::Conflict`] where the user has one that counts.
pub async fn start(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    number: &str,
) -> Result<(), FactorError> {
    let sealed = vault.seal(&owner(user), number.as_bytes())?;
    let shown = ending(number);
    let now = tx.now();
    let stored = sqlx::query!(
        "insert into sms_factors (user_id, number, shown, created_at) values ($1, $2, $3, $4)
         on conflict (tenant_id, user_id) do update
         set number = excluded.number, shown = excluded.shown, created_at = excluded.created_at
         where sms_factors.confirmed_at is null",
        user.0,
        sealed,
        shown,
        now,
    )
    .execute(tx.conn())
    .await?;
    if stored.rows_affected() == 0 {
        let why = "a number is set up already: remove it first";
        return Err(StoreError::Conflict(why.to_owned()).into());
    }
    tx.audit(Entry::new("start_sms", "user", user).after(json!({"ends_with": shown})));
    Ok(())
}

/// The last two digits, by which its owner knows a number.
fn ending(number: &str) -> String {
    let before = number.chars().count().saturating_sub(2);
    number.chars().skip(before).collect()
}

/// What to do about a wish for a code.
pub enum Issued {
    /// Send this once the transaction has committed.
    Send(Message),
    /// There was one a moment ago, or too many this hour: seconds to wait.
    Wait(i64),
    /// There is no number.
    Nothing,
}

/// Makes a code for the user's number; `confirmed` is whether the number counts yet.
///
/// # Errors
/// [`FactorError`].
pub async fn issue(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    confirmed: bool,
) -> Result<Issued, FactorError> {
    let now = tx.now();
    let sealed = sqlx::query_scalar!(
        "select number from sms_factors
         where user_id = $1 and (confirmed_at is not null) = $2 for update",
        user.0,
        confirmed,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(sealed) = sealed else {
        return Ok(Issued::Nothing);
    };
    sqlx::query!(
        "delete from sms_codes where user_id = $1 and sent_at <= $2",
        user.0,
        now - TimeDelta::hours(1),
    )
    .execute(tx.conn())
    .await?;
    let sent = sqlx::query!(
        r#"select count(*) as "count!", max(sent_at) as last, min(sent_at) as first
           from sms_codes where user_id = $1"#,
        user.0,
    )
    .fetch_one(tx.conn())
    .await?;
    if let Some(first) = sent.first.filter(|_| sent.count >= PER_HOUR) {
        let wait = first + TimeDelta::hours(1) - now;
        return Ok(Issued::Wait(wait.num_seconds().max(1)));
    }
    if let Some(last) = sent.last.filter(|last| now - *last < PAUSE) {
        let wait = last + PAUSE - now;
        return Ok(Issued::Wait(wait.num_seconds().max(1)));
    }
    let (id, code) = (engine::ids::fresh(), digits()?);
    let kept = vault.seal(&code_owner(id), code.as_bytes())?;
    sqlx::query!(
        "insert into sms_codes (user_id, id, code, sent_at, expires_at)
         values ($1, $2, $3, $4, $5)",
        user.0,
        id,
        kept,
        now,
        now + HOLDS,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("send_sms_code", "user", user));
    let number = vault.open(&owner(user), &sealed)?;
    let number = String::from_utf8_lossy(number.expose_secret()).into_owned();
    let text = format!("{code} is your code to sign in to Syncline. Tell it nobody.");
    Ok(Issued::Send(Message {
        id,
        number: number.into(),
        text: text.into(),
    }))
}

/// Six digits, each as likely as the others.
fn digits() -> Result<String, NoRandomness> {
    let mut code = String::with_capacity(6);
    while code.len() < 6 {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(|_error| NoRandomness)?;
        // 250 is the largest multiple of ten that a byte holds.
        if byte[0] < 250 {
            code.push(char::from(b'0' + byte[0] % 10));
        }
    }
    Ok(code)
}

/// Whether a code is the last one sent and holds; it is used by this.
pub(super) async fn take(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    code: &str,
) -> Result<bool, FactorError> {
    let now = tx.now();
    let last = sqlx::query!(
        "select id, code, expires_at, used_at from sms_codes
         where user_id = $1 order by id desc limit 1 for update",
        user.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(last) = last.filter(|last| last.used_at.is_none() && last.expires_at > now) else {
        return Ok(false);
    };
    let kept = vault.open(&code_owner(last.id), &last.code)?;
    // As hashes, so that the comparison's time says nothing.
    let typed = code.chars().filter(|c| !c.is_whitespace()).take(64);
    let typed = Token::of(&typed.collect::<String>());
    let kept = Token::of(&String::from_utf8_lossy(kept.expose_secret()));
    if typed.hash() != kept.hash() {
        return Ok(false);
    }
    sqlx::query!(
        "update sms_codes set used_at = $3 where user_id = $1 and id = $2",
        user.0,
        last.id,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(true)
}

/// Lets the number count, by a code that arrived. Answers backup codes where the user has none; `None`
/// where the code is wrong, which is noted.
///
/// # Errors
/// [`FactorError`].
pub async fn confirm(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    code: &str,
) -> Result<Option<Vec<Token>>, FactorError> {
    if !take(tx, vault, user, code).await? {
        not_added(tx, user, "add_sms");
        return Ok(None);
    }
    let now = tx.now();
    let confirmed = sqlx::query!(
        "update sms_factors set confirmed_at = $2 where user_id = $1 and confirmed_at is null",
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if confirmed.rows_affected() == 0 {
        not_added(tx, user, "add_sms");
        return Ok(None);
    }
    added(tx, user, "add_sms").await.map(Some)
}

/// Takes the number away.
///
/// # Errors
/// [`StoreError::NotFound`] where there is none.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let gone = sqlx::query!("delete from sms_factors where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    removed(tx, user, &gone, ("number", "remove_sms")).await
}

fn owner(user: UserId) -> String {
    format!("sms/{}", user.0)
}

fn code_owner(id: Uuid) -> String {
    format!("sms-code/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_country() {
        assert_eq!(number("+49 (170) 123-4567"), Ok("+491701234567".to_owned()));
        for bad in [
            "",
            "+",
            "0170 1234567",
            "+0491701234",
            "+49",
            "+4917o1234567",
            "+491701234567890123",
        ] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_known_by_its_end_however_short_it_is() {
        for (number, shown) in [("+491701234567", "67"), ("+4", "+4"), ("+", "+"), ("", "")] {
            assert_eq!(ending(number), shown);
        }
        let shortest = number("+49170123").unwrap();
        assert_eq!(ending(&shortest), "23");
    }

    #[test]
    fn a_code_has_six_digits() {
        for _ in 0..50 {
            let code = digits().unwrap();
            assert!(
                code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
                "{code}"
            );
        }
    }
}
