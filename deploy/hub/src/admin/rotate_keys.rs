//! `admin rotate-keys`: another master key, under a hub that runs.
//!
//! The key file holds the new key in front of the old from the first moment to the last, and every
//! process reads it again when it changes. So whatever is sealed meanwhile is under the new key,
//! everything opens, and a call that was cut short anywhere is made again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::{sealed, tenants};
use engine::Store;
use engine::store::audit::Entry;

use super::{acting, begin};
use crate::files::{begin_rotation, finish_rotation, vault};
use crate::terminal::say;

/// How long transactions that began under the old key are waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);

/// How far a rotation got; tests stop behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The new key is in the file.
    Begun,
    /// A part is sealed anew.
    Some,
    /// All is sealed anew.
    All,
    /// The old key is noted as retired.
    Retired,
    /// The old key is out of the file.
    Finished,
}

pub(super) async fn run(store: &Store, key_file: &Path) -> Result<()> {
    let values = rotate(store, key_file, Phase::Finished).await?;
    say(&format!(
        "{values} values are sealed under a new key; the one before opens nothing any more. Keep a copy \
         of {} where backups of the database are not",
        key_file.display()
    ))
}

/// Exchanges the key, up to a phase. Answers how many values were sealed anew.
///
/// # Errors
/// The file cannot be replaced, the database does not answer, a value is under a key that is not there,
/// or a transaction from before does not end.
pub async fn rotate(store: &Store, key_file: &Path, until: Phase) -> Result<u64> {
    // A hub that starts makes one; an exchange of keys has one to exchange.
    if !key_file.is_file() {
        bail!("there is no key in {}", key_file.display());
    }
    let vault = vault(key_file)?;
    sealed::check_key(store, &vault)
        .await
        .context("this is not the vault's key")?;
    begin_rotation(key_file)?;
    sealed::check_key(store, &vault).await?;
    let key = vault.key_id()?.to_string();
    let mut tx = store.begin_system().await?;
    let all = tenants::list(&mut tx).await?;
    drop(tx);
    if until == Phase::Begun {
        return Ok(0);
    }
    if until == Phase::Some {
        let mut done = 0;
        for tenant in &all {
            let mut tx = begin(store, *tenant).await?;
            done += sealed::reseal_some(&mut tx, &vault).await?.unwrap_or(0);
            tx.commit().await?;
        }
        return Ok(done);
    }
    let mut values = reseal(store, &vault, &all).await?;
    // Whoever began before now may have sealed with the old key, or read what was under it and write it
    // back as it was.
    wait(store, store.database_time().await?).await?;
    values += reseal(store, &vault, &all).await?;
    if until == Phase::All {
        return Ok(values);
    }
    sealed::retire_others(store, &vault).await?;
    for tenant in all {
        let mut tx = begin(store, tenant).await?;
        tx.audit(Entry::new("rotate_keys", "vault", &key));
        tx.commit().await?;
    }
    if until == Phase::Retired {
        return Ok(values);
    }
    finish_rotation(key_file)?;
    Ok(values)
}

async fn reseal(
    store: &Store,
    vault: &engine::vault::Vault,
    tenants: &[engine::ids::TenantId],
) -> Result<u64> {
    let mut values = 0;
    for tenant in tenants {
        values += sealed::reseal(store, vault, *tenant, &acting()).await?;
    }
    Ok(values)
}

/// Waits for transactions that began before a moment.
async fn wait(store: &Store, moment: chrono::DateTime<chrono::Utc>) -> Result<()> {
    let begun = tokio::time::Instant::now();
    while store.is_under_way_since_before(moment).await? {
        if begun.elapsed() > PATIENCE {
            bail!("a transaction from before the new key does not end: call this again later");
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
