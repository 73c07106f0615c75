//! Sealed credentials: XChaCha20-Poly1305 (RFC 8439 with the extended nonce of
//! draft-irtf-cfrg-xchacha-03), bound to what they belong to.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretSlice};

/// Layout of a sealed value: format byte, 24 bytes of nonce, ciphertext with its tag.
const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VaultError {
    #[error("vault key must have 32 bytes, this one has {0}")]
    KeyLength(usize),
    #[error("sealed value is damaged, of another owner, or sealed with another key")]
    Unsealable,
    #[error("system gives no random numbers")]
    NoRandomness,
}

/// Seals and opens with the process's key.
#[derive(Clone)]
pub struct Vault(Arc<XChaCha20Poly1305>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault with this key of 32 bytes.
    ///
    /// # Errors
    /// [`VaultError::KeyLength`].
    pub fn new(key: &SecretSlice<u8>) -> Result<Self, VaultError> {
        let bytes = key.expose_secret();
        XChaCha20Poly1305::new_from_slice(bytes)
            .map(|cipher| Self(Arc::new(cipher)))
            .map_err(|_length| VaultError::KeyLength(bytes.len()))
    }

    /// A new random key.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`].
    pub fn fresh_key() -> Result<SecretSlice<u8>, VaultError> {
        let mut key = vec![0; 32];
        getrandom::fill(&mut key).map_err(|_error| VaultError::NoRandomness)?;
        Ok(key.into())
    }

    /// Seals `plain`, bound to `owner` (`connection/<uuid>/secrets`): it opens only for that owner.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`].
    pub fn seal(&self, owner: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_error| VaultError::NoRandomness)?;
        let payload = Payload {
            msg: plain,
            aad: owner.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_too_long| VaultError::Unsealable)?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(FORMAT);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Vault::seal`] made for the same owner.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`].
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, VaultError> {
        let (Some(&FORMAT), Some(nonce), Some(body)) = (
            sealed.first(),
            sealed.get(1..=NONCE),
            sealed.get(1 + NONCE..),
        ) else {
            return Err(VaultError::Unsealable);
        };
        let nonce = XNonce::try_from(nonce).map_err(|_length| VaultError::Unsealable)?;
        self.0
            .decrypt(
                &nonce,
                Payload {
                    msg: body,
                    aad: owner.as_bytes(),
                },
            )
            .map(Into::into)
            .map_err(|_tag| VaultError::Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_for_its_owner_only_and_only_undamaged() {
        let vault = Vault::new(&Vault::fresh_key().unwrap()).unwrap();
        let sealed = vault.seal("connection/1", b"secret").unwrap();
        assert_eq!(
            vault.open("connection/1", &sealed).unwrap().expose_secret(),
            b"secret"
        );
        assert_eq!(
            vault.open("connection/2", &sealed).unwrap_err(),
            VaultError::Unsealable
        );
        let other = Vault::new(&Vault::fresh_key().unwrap()).unwrap();
        assert_eq!(
            other.open("connection/1", &sealed).unwrap_err(),
            VaultError::Unsealable
        );
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(vault.open("connection/1", &damaged).is_err(), "byte {at}");
        }
        assert!(vault.open("connection/1", &[]).is_err());
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(
            Vault::new(&vec![0; 16].into()).unwrap_err(),
            VaultError::KeyLength(16)
        );
    }
}
