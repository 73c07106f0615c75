//! Sealed credentials: envelope encryption with XChaCha20-Poly1305 (RFC 8439 with the extended nonce
//! of draft-irtf-cfrg-xchacha-03). Each value has a data key of its own, and is bound to what it
//! belongs to; the master key seals data keys only. A new master key therefore means 49 bytes sealed
//! anew per value ([`Vault::rewrap`]), and the values themselves stay as they are.

mod ring;

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretSlice};

pub use ring::{KeyId, KeySource, KeySourceError};
use ring::{Master, Ring};

/// Layout of a sealed value: format byte, 8 bytes that name the master key, nonce and ciphertext of
/// the data key, nonce and ciphertext of the value.
const FORMAT: u8 = 2;
const NONCE: usize = 24;
const TAG: usize = 16;
const KEY: usize = 32;
/// Where the sealed data key begins and ends.
const WRAPPED: std::ops::Range<usize> = 1 + KeyId::LENGTH..1 + KeyId::LENGTH + NONCE + KEY + TAG;

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("vault key must have 32 bytes, this one has {0}")]
    KeyLength(usize),
    #[error("sealed value is damaged, of another owner, or sealed with another key")]
    Unsealable,
    #[error("system gives no random numbers")]
    NoRandomness,
    #[error("keys of the vault cannot be read again")]
    Source(#[from] KeySourceError),
}

/// Seals and opens with the process's master keys: the first seals, all open.
#[derive(Clone)]
pub struct Vault(Arc<Ring>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault with this one master key of 32 bytes, for as long as it lives.
    ///
    /// # Errors
    /// [`VaultError::KeyLength`].
    pub fn new(key: &SecretSlice<u8>) -> Result<Self, VaultError> {
        Ok(Self(Arc::new(Ring::fixed(vec![Master::new(key)?]))))
    }

    /// A vault whose master keys are read again when their source has changed, so that keys are
    /// exchanged under a process that runs.
    ///
    /// # Errors
    /// [`VaultError::Source`], [`VaultError::KeyLength`].
    pub fn watching(source: impl KeySource) -> Result<Self, VaultError> {
        Ok(Self(Arc::new(Ring::watching(Box::new(source))?)))
    }

    /// A new random key.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`].
    pub fn fresh_key() -> Result<SecretSlice<u8>, VaultError> {
        let mut key = vec![0; KEY];
        getrandom::fill(&mut key).map_err(|_error| VaultError::NoRandomness)?;
        Ok(key.into())
    }

    /// What names the key that seals now.
    ///
    /// # Errors
    /// [`VaultError::Source`], [`VaultError::KeyLength`].
    pub fn key_id(&self) -> Result<KeyId, VaultError> {
        Ok(self.0.current()?.id)
    }

    /// Seals `plain`, bound to `owner` (`connection/<uuid>/secrets`): it opens only for that owner.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`]; [`VaultError::Source`].
    pub fn seal(&self, owner: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let data_key = Self::fresh_key()?;
        let mut out = self.wrap(&data_key)?;
        out.extend_from_slice(&encrypt(&cipher(&data_key)?, owner.as_bytes(), plain)?);
        Ok(out)
    }

    /// Opens what [`Vault::seal`] made for the same owner.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`]; [`VaultError::Source`].
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, VaultError> {
        let data_key = self.unwrap_key(sealed)?;
        let body = sealed.get(WRAPPED.end..).ok_or(VaultError::Unsealable)?;
        decrypt(&cipher(&data_key)?, owner.as_bytes(), body)
    }

    /// The same value under the key that seals now; `None` where it is under it already. What is
    /// inside is neither opened nor needed.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`] where none of the keys opens the data key; as [`Vault::seal`].
    pub fn rewrap(&self, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if key_of(sealed)? == self.key_id()? {
            return Ok(None);
        }
        let data_key = self.unwrap_key(sealed)?;
        let mut out = self.wrap(&data_key)?;
        out.extend_from_slice(&sealed[WRAPPED.end..]);
        Ok(Some(out))
    }

    fn wrap(&self, data_key: &SecretSlice<u8>) -> Result<Vec<u8>, VaultError> {
        let master = self.0.current()?;
        let mut out = vec![FORMAT];
        out.extend_from_slice(master.id.as_bytes());
        let wrapped = encrypt(
            &master.cipher,
            master.id.as_bytes(),
            data_key.expose_secret(),
        )?;
        out.extend_from_slice(&wrapped);
        Ok(out)
    }

    fn unwrap_key(&self, sealed: &[u8]) -> Result<SecretSlice<u8>, VaultError> {
        let id = key_of(sealed)?;
        let master = self.0.find(id)?.ok_or(VaultError::Unsealable)?;
        let wrapped = sealed.get(WRAPPED).ok_or(VaultError::Unsealable)?;
        decrypt(&master.cipher, id.as_bytes(), wrapped)
    }
}

/// The master key that a sealed value is under.
fn key_of(sealed: &[u8]) -> Result<KeyId, VaultError> {
    let (Some(&FORMAT), Some(id)) = (sealed.first(), sealed.get(1..WRAPPED.start)) else {
        return Err(VaultError::Unsealable);
    };
    KeyId::read(id).ok_or(VaultError::Unsealable)
}

fn cipher(key: &SecretSlice<u8>) -> Result<XChaCha20Poly1305, VaultError> {
    let bytes = key.expose_secret();
    XChaCha20Poly1305::new_from_slice(bytes).map_err(|_length| VaultError::KeyLength(bytes.len()))
}

fn encrypt(cipher: &XChaCha20Poly1305, aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_error| VaultError::NoRandomness)?;
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg, aad })
        .map_err(|_too_long| VaultError::Unsealable)?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(
    cipher: &XChaCha20Poly1305,
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretSlice<u8>, VaultError> {
    let (nonce, msg) = sealed
        .split_at_checked(NONCE)
        .ok_or(VaultError::Unsealable)?;
    let nonce = XNonce::try_from(nonce).map_err(|_length| VaultError::Unsealable)?;
    cipher
        .decrypt(&nonce, Payload { msg, aad })
        .map(Into::into)
        .map_err(|_tag| VaultError::Unsealable)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn vault() -> Vault {
        Vault::new(&Vault::fresh_key().unwrap()).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_for_its_owner_only_and_only_undamaged() {
        let vault = vault();
        let sealed = vault.seal("connection/1", b"secret").unwrap();
        let opened = vault.open("connection/1", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), b"secret");
        assert!(vault.open("connection/2", &sealed).is_err());
        assert!(self::vault().open("connection/1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(vault.open("connection/1", &damaged).is_err(), "byte {at}");
            assert!(
                vault.open("connection/1", &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn two_values_share_neither_data_key_nor_nonce() {
        let vault = vault();
        let (one, two) = (
            vault.seal("a", b"x").unwrap(),
            vault.seal("a", b"x").unwrap(),
        );
        assert_ne!(one[WRAPPED], two[WRAPPED]);
        assert_ne!(one[WRAPPED.end..], two[WRAPPED.end..]);
        // The body of one value does not open with the data key of another.
        let mixed = [&one[..WRAPPED.end], &two[WRAPPED.end..]].concat();
        assert!(vault.open("a", &mixed).is_err());
    }

    #[test]
    fn a_short_key_is_refused() {
        let error = Vault::new(&vec![0; 16].into()).unwrap_err();
        assert!(matches!(error, VaultError::KeyLength(16)));
    }

    /// Keys in memory that others change.
    #[derive(Clone, Default)]
    struct Shelf(Arc<(Mutex<Vec<Vec<u8>>>, AtomicU64)>);

    impl Shelf {
        fn put(&self, keys: &[&SecretSlice<u8>]) {
            *self.0.0.lock().unwrap() = keys
                .iter()
                .map(|key| key.expose_secret().to_vec())
                .collect();
            self.0.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl KeySource for Shelf {
        fn state(&self) -> Result<u64, KeySourceError> {
            Ok(self.0.1.load(Ordering::SeqCst))
        }

        fn load(&self) -> Result<Vec<SecretSlice<u8>>, KeySourceError> {
            Ok(self
                .0
                .0
                .lock()
                .unwrap()
                .iter()
                .cloned()
                .map(Into::into)
                .collect())
        }
    }

    #[test]
    fn a_running_vault_takes_a_new_key_keeps_the_old_while_it_is_there_and_refuses_it_afterwards() {
        let (old, new) = (Vault::fresh_key().unwrap(), Vault::fresh_key().unwrap());
        let shelf = Shelf::default();
        shelf.put(&[&old]);
        let running = Vault::watching(shelf.clone()).unwrap();
        let sealed = running.seal("a", b"secret").unwrap();
        assert_eq!(running.rewrap(&sealed).unwrap(), None);

        shelf.put(&[&new, &old]);
        assert_eq!(
            running.open("a", &sealed).unwrap().expose_secret(),
            b"secret"
        );
        let anew = running.rewrap(&sealed).unwrap().unwrap();
        assert_eq!(running.rewrap(&anew).unwrap(), None);
        assert_eq!(
            anew[WRAPPED.end..],
            sealed[WRAPPED.end..],
            "the value itself stays"
        );

        shelf.put(&[&new]);
        assert!(running.open("a", &sealed).is_err());
        assert_eq!(running.open("a", &anew).unwrap().expose_secret(), b"secret");
        assert!(Vault::new(&old).unwrap().open("a", &anew).is_err());
        assert_eq!(
            Vault::new(&new)
                .unwrap()
                .open("a", &anew)
                .unwrap()
                .expose_secret(),
            b"secret"
        );
    }
}
