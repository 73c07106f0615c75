//! Codes of an authenticator app (RFC 6238): SHA-1, six digits, steps of 30 seconds, one step early or
//! late; what every app understands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::StoreError;
use engine::Tx;
use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::vault::Vault;
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use totp_rs::{Builder, Totp};

use super::{FactorError, added, not_added, removed};
use crate::sessions::{NoRandomness, Token};

/// Bytes of a secret: as many as SHA-1 gives (RFC 4226, section 4).
const SECRET: usize = 20;

/// A secret that waits for its first code.
pub struct Enrolment {
    /// In base 32, to type.
    pub secret: SecretString,
    /// `otpauth://…`, as the picture holds it.
    pub uri: SecretString,
    /// An SVG as a `data:` URL.
    pub picture: SecretString,
}

/// Makes a secret for a user. It counts from its first right code on; one that waited is replaced.
///
/// # Errors
/// [`FactorError`]; [`StoreError::Conflict`] where the user has one that counts.
pub async fn start(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    issuer: &str,
    account: &str,
) -> Result<Enrolment, FactorError> {
    let mut bytes = vec![0; SECRET];
    getrandom::fill(&mut bytes).map_err(|_error| NoRandomness)?;
    let sealed = vault.seal(&owner(user), &bytes)?;
    let now = tx.now();
    let stored = sqlx::query!(
        "insert into totp_factors (user_id, secret, created_at) values ($1, $2, $3)
         on conflict (tenant_id, user_id) do update
         set secret = excluded.secret, created_at = excluded.created_at, last_step = null
         where totp_factors.confirmed_at is null",
        user.0,
        sealed,
        now,
    )
    .execute(tx.conn())
    .await?;
    if stored.rows_affected() == 0 {
        let why = "an authenticator app is set up already: remove it first";
        return Err(StoreError::Conflict(why.to_owned()).into());
    }
    tx.audit(Entry::new("start_totp", "user", user));
    enrolment(bytes.into(), issuer, account)
}

fn enrolment(
    secret: SecretSlice<u8>,
    issuer: &str,
    account: &str,
) -> Result<Enrolment, FactorError> {
    // A colon divides issuer and account in the label.
    let named = |text: &str, or: &str| {
        let text = text.replace(':', " ");
        let text = text.trim();
        if text.is_empty() {
            or.to_owned()
        } else {
            text.to_owned()
        }
    };
    let totp = Builder::new()
        .with_secret(secret.expose_secret().to_vec())
        .with_account_name(named(account, "user"))
        .with_issuer(Some(named(issuer, "Syncline")))
        .build()
        .map_err(|_bounds| FactorError::Picture)?;
    let uri = totp.to_url().map_err(|_label| FactorError::Picture)?;
    let code = QrCode::new(uri.as_bytes()).map_err(|_too_long| FactorError::Picture)?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    Ok(Enrolment {
        secret: totp.secret().to_base32().into(),
        picture: format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture)).into(),
        uri: uri.into(),
    })
}

/// Lets a secret count, by its first code. Answers backup codes where the user has none; `None` where
/// the code is wrong or nothing waits, which is noted.
///
/// # Errors
/// [`FactorError`].
pub async fn confirm(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    code: &str,
) -> Result<Option<Vec<Token>>, FactorError> {
    let Some(step) = step_of(tx, vault, user, code, false).await? else {
        not_added(tx, user, "add_totp");
        return Ok(None);
    };
    let now = tx.now();
    sqlx::query!(
        "update totp_factors set confirmed_at = $2, last_step = $3
         where user_id = $1 and confirmed_at is null",
        user.0,
        now,
        step,
    )
    .execute(tx.conn())
    .await?;
    added(tx, user, "add_totp").await.map(Some)
}

/// Whether a code is right and was not taken before; it is taken by this.
pub(super) async fn take(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    code: &str,
) -> Result<bool, FactorError> {
    let Some(step) = step_of(tx, vault, user, code, true).await? else {
        return Ok(false);
    };
    let taken = sqlx::query!(
        "update totp_factors set last_step = $2
         where user_id = $1 and (last_step is null or last_step < $2)",
        user.0,
        step,
    )
    .execute(tx.conn())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// The step that a code is of, now or one before or after.
async fn step_of(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    code: &str,
    confirmed: bool,
) -> Result<Option<i64>, FactorError> {
    let now = tx.now();
    let sealed = sqlx::query_scalar!(
        "select secret from totp_factors
         where user_id = $1 and (confirmed_at is not null) = $2 for update",
        user.0,
        confirmed,
    )
    .fetch_optional(tx.conn())
    .await?;
    let (Some(sealed), Ok(now)) = (sealed, u64::try_from(now.timestamp())) else {
        return Ok(None);
    };
    let secret = vault.open(&owner(user), &sealed)?;
    Ok(step(&secret, code, now))
}

fn step(secret: &SecretSlice<u8>, code: &str, now: u64) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let totp: Totp = Builder::new()
        .with_secret(secret.expose_secret().to_vec())
        .with_account_name("user")
        .build()
        .ok()?;
    totp.check(&code, now)
        .and_then(|step| i64::try_from(step).ok())
}

/// Takes the app away.
///
/// # Errors
/// [`StoreError::NotFound`] where there is none.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let gone = sqlx::query!("delete from totp_factors where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    removed(tx, user, &gone, ("authenticator app", "remove_totp")).await
}

fn owner(user: UserId) -> String {
    format!("totp/{}", user.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six of its eight digits, for SHA-1.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret: SecretSlice<u8> = b"12345678901234567890".to_vec().into();
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let of_now = i64::try_from(at / 30).unwrap();
            assert_eq!(step(&secret, code, at), Some(of_now), "{at}");
            assert_eq!(step(&secret, code, at + 30), Some(of_now), "a step late");
            assert_eq!(step(&secret, code, at - 30), Some(of_now), "a step early");
            assert_eq!(step(&secret, code, at + 90), None);
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let secret: SecretSlice<u8> = b"12345678901234567890".to_vec().into();
        assert!(step(&secret, "287 082", 59).is_some());
        for bad in [
            "",
            "28708",
            "2870822",
            "28708a",
            "٢٨٧٠٨٢",
            "-28708",
            "+87082",
        ] {
            assert_eq!(step(&secret, bad, 59), None, "{bad}");
        }
    }

    #[test]
    fn the_picture_is_of_the_address_and_colons_do_not_break_it() {
        let made = enrolment(vec![7; 20].into(), "Acme: North", "a:b@example.com").unwrap();
        let uri = made.uri.expose_secret();
        assert!(uri.starts_with("otpauth://totp/"), "{uri}");
        assert!(uri.contains(made.secret.expose_secret()));
        let picture = made.picture.expose_secret();
        let svg = STANDARD.decode(picture.split_once(',').unwrap().1).unwrap();
        assert!(String::from_utf8(svg).unwrap().contains("<svg"));
        assert!(enrolment(vec![7; 20].into(), "", ":").is_ok());
    }
}
