//! Systems behind connections: opens a tenant's connection with its credentials, checks it, asks
//! it what it has. No transaction is open while a system is being asked.

mod secrets;
mod tokens;

use std::sync::Arc;

use connector_sdk::{
    ConnectorError, ErrorKind, Http, MemoryTokens, Opened, Registry, Stream, SystemEntry, Usage,
};
use secrecy::ExposeSecret;

use crate::budget;
use crate::ids::{ConnectionId, TenantId};
use crate::store::connections::{self, ConnectionFailure, ConnectionState, NewConnection};
use crate::store::{Store, StoreError, Tx, quotas};
use crate::vault::{Vault, VaultError};

pub use tokens::SealedTokens;

/// Why a system could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("system {0:?} is not known")]
    UnknownSystem(String),
    /// The configuration does not fit the system; nothing was asked.
    #[error("{0}")]
    BadConfig(#[source] ConnectorError),
    #[error("credentials cannot be sealed or opened")]
    Vault(#[from] VaultError),
    /// The system refused or did not answer.
    #[error("{0}")]
    Peer(#[source] ConnectorError),
}

/// The kind of an error as it is stored and shown: `rate_limited`.
pub fn kind_name(kind: ErrorKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{kind:?}").to_lowercase(),
    }
}

/// All systems of this build, and what is needed to reach them.
#[derive(Clone)]
pub struct Peers {
    registry: Registry,
    http: Http,
    store: Store,
    vault: Vault,
}

/// The answer of a check.
#[derive(Debug)]
pub struct Checked {
    pub took: std::time::Duration,
    /// Why it failed, or nothing.
    pub error: Option<ConnectorError>,
}

impl Peers {
    pub fn new(registry: Registry, http: Http, store: Store, vault: Vault) -> Self {
        Self {
            registry,
            http,
            store,
            vault,
        }
    }

    pub fn systems(&self) -> impl Iterator<Item = &SystemEntry> {
        self.registry.systems()
    }

    /// Stores a new connection: its configuration is tried on the connector, its secrets are
    /// sealed. The system is not asked.
    ///
    /// # Errors
    /// [`PeersError::UnknownSystem`], [`PeersError::BadConfig`], a taken name as
    /// [`StoreError::Conflict`].
    pub async fn create(
        &self,
        tx: &mut Tx,
        system: &str,
        name: &str,
        config: serde_json::Value,
    ) -> Result<ConnectionId, PeersError> {
        let entry = self.entry(system)?;
        self.try_config(system, &config)?;
        let id = ConnectionId::fresh();
        let (config, secrets) = secrets::split(&entry.config_schema, config);
        let secrets = self.seal(id, &secrets)?;
        let new = NewConnection {
            id,
            system,
            name,
            config: &config,
            secrets: secrets.as_deref(),
        };
        quotas::take_connection(tx).await?;
        connections::insert(tx, &new).await?;
        Ok(id)
    }

    /// Changes name or configuration of a connection; a secret that is left out stays.
    ///
    /// # Errors
    /// As [`Peers::create`], and [`StoreError::NotFound`], [`StoreError::Stale`].
    pub async fn change(
        &self,
        tx: &mut Tx,
        id: ConnectionId,
        version: i64,
        name: Option<&str>,
        config: Option<serde_json::Value>,
    ) -> Result<(), PeersError> {
        let current = connections::get(tx, id).await?;
        let opening = connections::opening(tx, id).await?;
        let entry = self.entry(&opening.system)?;
        let (config, secrets) = match config {
            None => (opening.config, opening.secrets),
            Some(config) => {
                let kept = self.unseal(id, opening.secrets.as_deref())?;
                let full = secrets::join(config, &kept);
                self.try_config(&opening.system, &full)?;
                let (config, secrets) = secrets::split(&entry.config_schema, full);
                (config, self.seal(id, &secrets)?)
            }
        };
        let changed = NewConnection {
            id,
            system: &opening.system,
            name: name.unwrap_or(&current.name),
            config: &config,
            secrets: secrets.as_deref(),
        };
        Ok(connections::update(tx, &changed, version).await?)
    }

    /// Opens a tenant's connection; no request is made.
    ///
    /// # Errors
    /// [`PeersError`] but `Peer`.
    pub async fn open(
        &self,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<Arc<dyn Opened>, PeersError> {
        let mut tx = self.store.begin(tenant).await?;
        let opening = connections::opening(&mut tx, id).await?;
        tx.commit().await?;
        self.entry(&opening.system)?;
        let secrets = self.unseal(id, opening.secrets.as_deref())?;
        let config = secrets::join(opening.config, &secrets);
        let tokens = SealedTokens::new(self.store.clone(), self.vault.clone(), tenant, id)
            .seen(opening.tokens, opening.tokens_revision);
        self.registry
            .open(&opening.system, config, self.http.clone(), Arc::new(tokens))
            .map_err(PeersError::BadConfig)
    }

    /// Tries the credentials and notes the outcome on the connection.
    ///
    /// # Errors
    /// [`PeersError`] but `Peer`: a refusal is an answer here.
    pub async fn check(&self, tenant: TenantId, id: ConnectionId) -> Result<Checked, PeersError> {
        let started = std::time::Instant::now();
        let (outcome, usage) = match self.open(tenant, id).await {
            Ok(opened) => (opened.check().await, opened.usage()),
            Err(PeersError::BadConfig(error)) => (Err(error), None),
            Err(error) => return Err(error),
        };
        let took = started.elapsed();
        let error = outcome.err();
        self.note(tenant, id, error.as_ref(), usage).await?;
        Ok(Checked { took, error })
    }

    /// The system's streams with their fields; the outcome is noted on the connection.
    ///
    /// # Errors
    /// [`PeersError`].
    pub async fn discover(
        &self,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<Vec<Stream>, PeersError> {
        let opened = self.open(tenant, id).await?;
        let outcome = opened.discover().await;
        self.note(tenant, id, outcome.as_ref().err(), opened.usage())
            .await?;
        outcome.map_err(PeersError::Peer)
    }

    /// Notes on the connection how a call to its system went, and what is left of its budget.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        error: Option<&ConnectorError>,
        usage: Option<Usage>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant).await?;
        Self::note_in(&mut tx, id, error, usage).await?;
        tx.commit().await
    }

    /// [`Peers::note`] in a transaction that there is already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_in(
        tx: &mut Tx,
        id: ConnectionId,
        error: Option<&ConnectorError>,
        usage: Option<Usage>,
    ) -> Result<(), StoreError> {
        let failure = error.map(|error| ConnectionFailure {
            kind: kind_name(error.kind),
            code: error.code.clone(),
            message: error.to_string(),
            at: tx.now(),
        });
        let state = state_after(error.map(|error| error.kind));
        connections::record_outcome(tx, id, state, failure.as_ref(), usage).await?;
        if let Some(usage) = usage {
            report(tx, id, usage).await?;
        }
        Ok(())
    }

    /// Hands on what the system says is left of its daily limit to the connection's budget, whose name
    /// is the connection's id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        usage: Usage,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant).await?;
        report(&mut tx, id, usage).await?;
        tx.commit().await
    }

    /// Whether this vault's key is the one that stored credentials were sealed with.
    ///
    /// # Errors
    /// [`PeersError::Vault`] when it is not.
    pub async fn check_key(&self) -> Result<(), PeersError> {
        let mut tx = self.store.begin_system().await?;
        let sealed = connections::any_sealed(&mut tx).await?;
        if let Some((id, secrets)) = sealed {
            self.vault.open(&secrets_owner(id), &secrets)?;
        }
        Ok(())
    }

    fn entry(&self, system: &str) -> Result<&SystemEntry, PeersError> {
        self.registry
            .get(system)
            .ok_or_else(|| PeersError::UnknownSystem(system.to_owned()))
    }

    fn try_config(&self, system: &str, config: &serde_json::Value) -> Result<(), PeersError> {
        let tokens = Arc::new(MemoryTokens::default());
        self.registry
            .open(system, config.clone(), self.http.clone(), tokens)
            .map(drop)
            .map_err(PeersError::BadConfig)
    }

    fn seal(
        &self,
        id: ConnectionId,
        secrets: &secrets::Secrets,
    ) -> Result<Option<Vec<u8>>, PeersError> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let plain = serde_json::to_vec(secrets).map_err(StoreError::Encode)?;
        Ok(Some(self.vault.seal(&secrets_owner(id), &plain)?))
    }

    fn unseal(
        &self,
        id: ConnectionId,
        sealed: Option<&[u8]>,
    ) -> Result<secrets::Secrets, PeersError> {
        let Some(sealed) = sealed else {
            return Ok(secrets::Secrets::default());
        };
        let plain = self.vault.open(&secrets_owner(id), sealed)?;
        let secrets = serde_json::from_slice(plain.expose_secret())
            .map_err(|error| StoreError::corrupt("secrets of a connection", error))?;
        Ok(secrets)
    }
}

async fn report(tx: &mut Tx, id: ConnectionId, usage: Usage) -> Result<(), StoreError> {
    let left = usage.limit.saturating_sub(usage.used);
    // Whole numbers up to 2^53 stay what they are; no system sells more calls.
    budget::report(tx, &id.to_string(), usage.limit as f64, left as f64).await
}

fn secrets_owner(id: ConnectionId) -> String {
    format!("connection/{}/secrets", id.0)
}

fn state_after(error: Option<ErrorKind>) -> ConnectionState {
    match error {
        None => ConnectionState::Ok,
        Some(ErrorKind::Auth | ErrorKind::Config | ErrorKind::Unsupported) => {
            ConnectionState::Stopped
        }
        Some(_) => ConnectionState::Attention,
    }
}
