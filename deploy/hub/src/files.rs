//! What the hub keeps beside the database: its folder and the vault's key.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::vault::Vault;
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

/// The vault's key in a file; a new one where there is no file. Only its owner may read it.
///
/// # Errors
/// The file cannot be read or made, others can read it, or it does not hold 32 bytes.
pub fn vault_key(path: &Path) -> Result<SecretSlice<u8>> {
    match fs::read(path) {
        Ok(key) => checked(path, key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the vault's key {}", path.display()))
        }
    }
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

fn make(path: &Path) -> Result<SecretSlice<u8>> {
    let key = Vault::fresh_key().context("cannot make a key for the vault")?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(key.expose_secret())
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(key)
        }
        // Another process of this hub was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            checked(path, fs::read(path)?)
        }
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
        let made = vault_key(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            vault_key(&path).unwrap().expose_secret(),
            made.expose_secret()
        );
    }

    #[test]
    fn a_key_that_is_short_or_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.key");
        fs::write(&path, [0; 16]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(format!("{:#}", vault_key(&path).unwrap_err()).contains("32 bytes"));
        fs::write(&path, [0; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", vault_key(&path).unwrap_err()).contains("chmod 600"));
    }
}
