//! Passwords: argon2id with 19 MiB, two passes, one lane (OWASP password storage, second choice of
//! equal strength), off the threads that serve requests.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::security::Policy;

/// Hashing takes longer the longer the password; nobody types this much.
const LONGEST: usize = 1024;
/// Each takes 19 MiB while it runs.
const AT_ONCE: usize = 4;

/// Why a password cannot be used or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("password must have at least {0} characters")]
    TooShort(i32),
    #[error("password must have {0} of: lower case, upper case, digits, other characters")]
    TooPlain(i32),
    #[error("password must not have more than {LONGEST} bytes")]
    TooLong,
    #[error("password must not be the e-mail address")]
    TooEasy,
    #[error("password was used before")]
    UsedBefore,
    #[error("password cannot be hashed or checked just now")]
    Failed,
}

/// Hashes and checks passwords, a few at a time.
#[derive(Clone)]
pub struct Passwords {
    gate: Arc<Semaphore>,
    /// Checked when there is no user, so that an unknown address takes as long as a known one.
    decoy: Arc<str>,
}

impl Passwords {
    /// # Errors
    /// [`PasswordError::Failed`] when the system gives no random numbers.
    pub fn new() -> Result<Self, PasswordError> {
        let decoy = hash_now(&fresh_password()?)?;
        Ok(Self {
            gate: Arc::new(Semaphore::new(AT_ONCE)),
            decoy: decoy.into(),
        })
    }

    /// The hash to store of a password that a person chose; `had` are the hashes of the current one
    /// and of those before it that may not come back.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash_chosen(
        &self,
        password: SecretString,
        email: &str,
        policy: &Policy,
        had: Vec<String>,
    ) -> Result<String, PasswordError> {
        check(password.expose_secret(), email, policy)?;
        for earlier in had {
            if self.matches(password.clone(), Some(earlier)).await? {
                return Err(PasswordError::UsedBefore);
            }
        }
        self.hash(password).await
    }

    /// The hash to store of any password.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`], [`PasswordError::Failed`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        if password.expose_secret().len() > LONGEST {
            return Err(PasswordError::TooLong);
        }
        self.off_thread(move || hash_now(&password)).await
    }

    /// Whether the password is the one `stored` was made of; `None` takes as long and is never.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub async fn matches(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        if password.expose_secret().len() > LONGEST {
            return Ok(false);
        }
        let known = stored.is_some();
        let hash = stored.unwrap_or_else(|| self.decoy.as_ref().to_owned());
        let same = self
            .off_thread(move || {
                let hash = PasswordHash::new(&hash).map_err(|_malformed| PasswordError::Failed)?;
                let checked = hasher()?.verify_password(password.expose_secret().as_bytes(), &hash);
                Ok(checked.is_ok())
            })
            .await?;
        Ok(same && known)
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let gate = self.gate.clone();
        let permit = gate
            .acquire_owned()
            .await
            .map_err(|_closed| PasswordError::Failed)?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        });
        done.await.map_err(|_panicked| PasswordError::Failed)?
    }
}

/// Whether a password is what a tenant asks for.
fn check(password: &str, email: &str, policy: &Policy) -> Result<(), PasswordError> {
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    let characters = i32::try_from(password.chars().count()).unwrap_or(i32::MAX);
    if characters < policy.password_shortest {
        return Err(PasswordError::TooShort(policy.password_shortest));
    }
    let has = |is: fn(char) -> bool| i32::from(password.chars().any(is));
    let kinds = has(char::is_lowercase)
        + has(char::is_uppercase)
        + has(char::is_numeric)
        + has(|c| !c.is_lowercase() && !c.is_uppercase() && !c.is_numeric());
    if kinds < policy.password_kinds {
        return Err(PasswordError::TooPlain(policy.password_kinds));
    }
    if password.eq_ignore_ascii_case(email) {
        return Err(PasswordError::TooEasy);
    }
    Ok(())
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|_bounds| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &SecretString) -> Result<String, PasswordError> {
    let hash = hasher()?
        .hash_password(password.expose_secret().as_bytes())
        .map_err(|_error| PasswordError::Failed)?;
    Ok(hash.to_string())
}

/// A password to print once: 120 random bits in 20 characters.
///
/// # Errors
/// [`PasswordError::Failed`] when the system gives no random numbers.
pub fn fresh_password() -> Result<SecretString, PasswordError> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(|_error| PasswordError::Failed)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords
            .hash_chosen(
                "correct horse".into(),
                "a@b",
                &Policy::default(),
                Vec::new(),
            )
            .await
            .unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(
            passwords
                .matches("correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .matches("correct horsf".into(), Some(hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .matches("correct horse".into(), None)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn a_password_that_was_had_before_does_not_come_back() {
        let passwords = Passwords::new().unwrap();
        let had = vec![passwords.hash("correct horse".into()).await.unwrap()];
        let policy = Policy::default();
        let choose = |text: &str| passwords.hash_chosen(text.into(), "a@b", &policy, had.clone());
        assert!(matches!(
            choose("correct horse").await,
            Err(PasswordError::UsedBefore)
        ));
        assert!(choose("correct zebra").await.is_ok());
    }

    #[test]
    fn a_tenant_can_ask_for_kinds_of_characters() {
        let policy = Policy {
            password_kinds: 3,
            ..Policy::default()
        };
        assert!(check("abcdefghijkl", "a@b", &policy).is_err());
        assert!(check("Abcdefghijkl", "a@b", &policy).is_err());
        assert!(check("Abcdefghijk1", "a@b", &policy).is_ok());
        assert!(check("abcdefghij 1", "a@b", &policy).is_ok());
    }

    #[tokio::test]
    async fn weak_and_endless_passwords_are_refused() {
        let passwords = Passwords::new().unwrap();
        for (password, expected) in [
            ("short".to_owned(), "at least"),
            ("ada@example.com".to_owned(), "e-mail"),
            ("x".repeat(2000), "more than"),
        ] {
            let error = passwords
                .hash_chosen(
                    password.into(),
                    "Ada@example.com",
                    &Policy::default(),
                    Vec::new(),
                )
                .await;
            assert!(
                error.unwrap_err().to_string().contains(expected),
                "{expected}"
            );
        }
    }
}
