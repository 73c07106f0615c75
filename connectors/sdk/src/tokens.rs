//! Where OAuth tokens live between calls and processes.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::Result;

/// Tokens as last persisted, with the revision that [`TokenStore::save`] must name.
#[derive(Clone, Debug, Default)]
pub struct StoredTokens {
    /// The connector's own JSON. Sealed at rest by whoever implements the store.
    pub body: Option<SecretString>,
    pub revision: i64,
}

/// Persists rotating tokens and lets one refresher at a time work, over all processes.
///
/// A refresh is: [`TokenStore::acquire`], load again (another may have refreshed meanwhile), ask
/// the system, [`TokenStore::save`] *before* the new access token is used, [`TokenStore::release`].
pub trait TokenStore: Send + Sync {
    fn load(&self) -> BoxFuture<'_, Result<StoredTokens>>;

    /// Waits until this process may refresh; gives up with a transient error after a while.
    /// The right lapses by itself, so a killed process blocks nobody for long.
    fn acquire(&self) -> BoxFuture<'_, Result<()>>;

    /// Stores new tokens over revision `over`; the answer is the new revision.
    /// A revision that has moved on is an [`crate::ErrorKind::Conflict`]: load again.
    fn save(&self, body: SecretString, over: i64) -> BoxFuture<'_, Result<i64>>;

    fn release(&self) -> BoxFuture<'_, Result<()>>;
}

/// Tokens in memory, for one process: checks before a connection is stored, tests.
#[derive(Clone)]
pub struct MemoryTokens {
    state: Arc<Mutex<StoredTokens>>,
    gate: Arc<tokio::sync::Semaphore>,
}

impl Default for MemoryTokens {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            gate: Arc::new(tokio::sync::Semaphore::new(1)),
        }
    }
}

impl MemoryTokens {
    fn lock(&self) -> std::sync::MutexGuard<'_, StoredTokens> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl TokenStore for MemoryTokens {
    fn load(&self) -> BoxFuture<'_, Result<StoredTokens>> {
        Box::pin(async { Ok(self.lock().clone()) })
    }

    fn acquire(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let permit = self.gate.acquire().await;
            permit.expect("the gate is never closed").forget();
            Ok(())
        })
    }

    fn save(&self, body: SecretString, over: i64) -> BoxFuture<'_, Result<i64>> {
        Box::pin(async move {
            let mut state = self.lock();
            if state.revision != over {
                return Err(crate::ConnectorError::new(
                    crate::ErrorKind::Conflict,
                    "tokens were refreshed by somebody else",
                ));
            }
            *state = StoredTokens {
                body: Some(body),
                revision: over + 1,
            };
            Ok(over + 1)
        })
    }

    fn release(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.gate.add_permits(1);
            Ok(())
        })
    }
}
