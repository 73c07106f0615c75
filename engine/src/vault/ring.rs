//! The master keys of a process, read again when their source says that it has changed.

use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::XChaCha20Poly1305;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest as _, Sha256};

use super::{VaultError, cipher};

/// What names a master key: the first bytes of a hash of it, which give nothing of it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; Self::LENGTH]);

impl KeyId {
    pub(super) const LENGTH: usize = 8;

    fn of(key: &SecretSlice<u8>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"syncline master key\0");
        hash.update(key.expose_secret());
        let digest = hash.finalize();
        let mut id = [0; Self::LENGTH];
        id.copy_from_slice(&digest[..Self::LENGTH]);
        Self(id)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The keys' source cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeySourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where master keys come from: the first seals, all open.
pub trait KeySource: Send + Sync + 'static {
    /// Another number after each change; asked before each use, so it is cheap.
    ///
    /// # Errors
    /// [`KeySourceError`].
    fn state(&self) -> Result<u64, KeySourceError>;

    /// All keys, of 32 bytes each, at least one.
    ///
    /// # Errors
    /// [`KeySourceError`].
    fn load(&self) -> Result<Vec<SecretSlice<u8>>, KeySourceError>;
}

/// A master key.
pub(super) struct Master {
    pub(super) id: KeyId,
    pub(super) cipher: XChaCha20Poly1305,
}

impl Master {
    pub(super) fn new(key: &SecretSlice<u8>) -> Result<Self, VaultError> {
        let cipher = cipher(key)?;
        let id = KeyId::of(key);
        Ok(Self { id, cipher })
    }
}

struct Loaded {
    state: u64,
    keys: Vec<Arc<Master>>,
}

pub(super) struct Ring {
    loaded: RwLock<Loaded>,
    source: Option<Box<dyn KeySource>>,
}

impl Ring {
    pub(super) fn fixed(keys: Vec<Master>) -> Self {
        let keys = keys.into_iter().map(Arc::new).collect();
        Self {
            loaded: RwLock::new(Loaded { state: 0, keys }),
            source: None,
        }
    }

    pub(super) fn watching(source: Box<dyn KeySource>) -> Result<Self, VaultError> {
        let loaded = load(source.as_ref())?;
        Ok(Self {
            loaded: RwLock::new(loaded),
            source: Some(source),
        })
    }

    /// The key that seals.
    pub(super) fn current(&self) -> Result<Arc<Master>, VaultError> {
        self.refresh()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.keys.first().cloned().ok_or(VaultError::KeyLength(0))
    }

    pub(super) fn find(&self, id: KeyId) -> Result<Option<Arc<Master>>, VaultError> {
        self.refresh()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Ok(loaded.keys.iter().find(|key| key.id == id).cloned())
    }

    fn refresh(&self) -> Result<(), VaultError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let known = self
            .loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .state;
        if source.state()? == known {
            return Ok(());
        }
        let anew = load(source.as_ref())?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = anew;
        Ok(())
    }
}

fn load(source: &dyn KeySource) -> Result<Loaded, VaultError> {
    // The state first: a change in between shows at the next use.
    let state = source.state()?;
    let keys = source.load()?;
    let keys: Result<Vec<_>, _> = keys
        .iter()
        .map(|key| Master::new(key).map(Arc::new))
        .collect();
    let keys = keys?;
    if keys.is_empty() {
        return Err(VaultError::KeyLength(0));
    }
    Ok(Loaded { state, keys })
}
