//! What the hub keeps beside the database: its folder and the vault's key.

use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::vault::{KeySource, KeySourceError, Vault};
use secrecy::{ExposeSecret, SecretSlice};

use crate::cli::Common;

/// The data folder.
#[derive(Debug, Clone)]
pub struct Data(PathBuf);

impl Data {
    /// The folder that the settings name, or the default one. Made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or the home folder is unknown.
    pub(crate) fn of(common: &Common) -> Result<Self> {
        let dir = match &common.data {
            Some(dir) => dir.clone(),
            None => default_dir()?,
        };
        Self::at(dir)
    }

    /// As [`Data::of`], for the demo: by default a folder of its own.
    pub(crate) fn of_demo(common: &Common) -> Result<Self> {
        match &common.data {
            Some(dir) => Self::at(dir.clone()),
            None => Self::at(default_dir()?.join("demo")),
        }
    }

    /// # Errors
    /// The folder cannot be made.
    pub fn at(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make the data folder {}", dir.display()))?;
        Ok(Self(dir))
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.0.join("pg")
    }

    /// What the demo's simulated Salesforce holds.
    pub(crate) fn simulated_salesforce(&self) -> PathBuf {
        self.0.join("simulated-salesforce.json")
    }

    pub(crate) fn key_file(&self, common: &Common) -> PathBuf {
        common
            .key_file
            .clone()
            .unwrap_or_else(|| self.0.join("vault.key"))
    }
}

fn default_dir() -> Result<PathBuf> {
    let postgres = localpg::default_dir()?;
    Ok(postgres.parent().unwrap_or(&postgres).to_owned())
}

/// Bytes of a key.
const KEY: usize = 32;

/// A vault with the keys in a file; a new one where there is no file. Only its owner may read it. The
/// first key seals; those behind it open what is to be sealed anew. The file is read again when it has
/// changed.
///
/// # Errors
/// The file cannot be read or made, others can read it, or it does not hold keys of 32 bytes.
pub fn vault(path: &Path) -> Result<Vault> {
    if let Err(error) = fs::metadata(path) {
        if error.kind() != std::io::ErrorKind::NotFound {
            return Err(error)
                .with_context(|| format!("cannot read the vault's key {}", path.display()));
        }
        make(path)?;
    }
    // Said here in its own words; the vault would wrap them.
    keys(path)?;
    Vault::watching(KeyFile(path.to_owned()))
        .with_context(|| format!("{} holds no key", path.display()))
}

struct KeyFile(PathBuf);

impl KeySource for KeyFile {
    fn state(&self) -> Result<u64, KeySourceError> {
        let file = fs::metadata(&self.0).map_err(|error| KeySourceError(error.into()))?;
        // A file is replaced, never written over: another one has another number or time.
        let mut hasher = std::hash::DefaultHasher::new();
        (file.ino(), file.size(), file.mtime(), file.mtime_nsec()).hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn load(&self) -> Result<Vec<SecretSlice<u8>>, KeySourceError> {
        keys(&self.0).map_err(|error| KeySourceError(error.into()))
    }
}

/// Puts a new key in front of the one in the file, unless one is in front already: an exchange of keys
/// that was cut short goes on with the key it had.
pub(crate) fn begin_rotation(path: &Path) -> Result<()> {
    let had = keys(path)?;
    if had.len() > 1 {
        return Ok(());
    }
    let fresh = Vault::fresh_key().context("cannot make a key for the vault")?;
    let all: Vec<&SecretSlice<u8>> = std::iter::once(&fresh).chain(&had).collect();
    replace(path, &all)
}

/// Leaves only the first key in the file.
pub(crate) fn finish_rotation(path: &Path) -> Result<()> {
    let had = keys(path)?;
    let first = had.first().context("the file holds no key")?;
    replace(path, &[first])
}

/// Replaces the file in one go: whoever reads it finds all of the old or all of the new.
fn replace(path: &Path, keys: &[&SecretSlice<u8>]) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        for key in keys {
            file.write_all(key.expose_secret())?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("cannot replace the vault's key {}", path.display()))
}

/// The keys in a file.
fn keys(path: &Path) -> Result<Vec<SecretSlice<u8>>> {
    let bytes = SecretSlice::from(
        fs::read(path)
            .with_context(|| format!("cannot read the vault's key {}", path.display()))?,
    );
    if bytes.expose_secret().len() % KEY != 0 {
        // Says how many bytes there are.
        return Ok(vec![checked(path, bytes.expose_secret().to_vec())?]);
    }
    let parts = bytes.expose_secret().chunks(KEY);
    let keys: Result<Vec<_>> = parts.map(|part| checked(path, part.to_vec())).collect();
    let keys = keys?;
    if keys.is_empty() {
        bail!("{} holds no key of 32 bytes", path.display());
    }
    Ok(keys)
}

fn checked(path: &Path, key: Vec<u8>) -> Result<SecretSlice<u8>> {
    let key = SecretSlice::from(key);
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "the vault's key {} can be read by others: chmod 600 it",
            path.display()
        );
    }
    Vault::new(&key).with_context(|| format!("{} holds no key", path.display()))?;
    Ok(key)
}

fn make(path: &Path) -> Result<()> {
    let key = Vault::fresh_key().context("cannot make a key for the vault")?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Ok(mut file) => file
            .write_all(key.expose_secret())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display())),
        // Another process of this hub was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("cannot make the vault's key {}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.key");
        let made = vault(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            vault(&path).unwrap().key_id().unwrap(),
            made.key_id().unwrap()
        );
    }

    #[test]
    fn an_exchange_of_keys_puts_one_in_front_and_is_seen_by_who_has_the_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.key");
        let running = vault(&path).unwrap();
        let old = running.key_id().unwrap();
        let sealed = running.seal("a", b"x").unwrap();
        begin_rotation(&path).unwrap();
        let new = running.key_id().unwrap();
        assert_ne!(old, new);
        assert!(running.open("a", &sealed).is_ok());
        begin_rotation(&path).unwrap();
        assert_eq!(running.key_id().unwrap(), new, "what was begun goes on");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        finish_rotation(&path).unwrap();
        assert_eq!(running.key_id().unwrap(), new);
        assert!(running.open("a", &sealed).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_is_short_or_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.key");
        fs::write(&path, [0; 16]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(format!("{:#}", vault(&path).unwrap_err()).contains("32 bytes"));
        fs::write(&path, [0; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", vault(&path).unwrap_err()).contains("chmod 600"));
    }
}
