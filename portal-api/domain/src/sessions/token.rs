//! Random secrets of which the database holds a hash only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("system gives no random numbers")]
pub struct NoRandomness;

/// A secret that somebody holds, a browser or the reader of a mail: 256 random bits.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// # Errors
    /// [`NoRandomness`].
    pub fn fresh() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_error| NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// One that begins with `prefix`.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn fresh_with(prefix: &str) -> Result<Self, NoRandomness> {
        let plain = Self::fresh()?;
        Ok(Self(format!("{prefix}{}", plain.expose()).into()))
    }

    /// A token as it was sent.
    pub fn of(text: &str) -> Self {
        Self(text.into())
    }

    /// For the cookie or the link, and nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database holds of it.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.expose().as_bytes()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, two) = (Token::fresh().unwrap(), Token::fresh().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), two.expose());
        assert_eq!(Token::of(one.expose()).hash(), one.hash());
    }
}
