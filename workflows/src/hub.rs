//! What every workflow of the hub needs from its process.

use std::sync::Arc;

use connector_sdk::{ConnectorError, Opened, Usage};
use engine::budget::Lane;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, TenantId};
use engine::peers::{Peers, PeersError};
use engine::runtime::{Class, StepCx, StepError};
use engine::sync::SyncError;
use engine::vault::Vault;

use crate::mailer::Mailer;

/// Given to the engine as a service.
pub struct Hub {
    pub peers: Peers,
    pub tables: CoreTables,
    /// Seals what is gathered of people.
    pub vault: Vault,
    /// `None` where this process sends no mail.
    pub mailer: Option<Mailer>,
}

impl Hub {
    /// The service of a step.
    pub(crate) fn of(cx: &StepCx) -> Result<Arc<Self>, StepError> {
        Ok(cx.service::<Self>()?)
    }

    /// Opens a connection; no request is made.
    pub(crate) async fn open(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
    ) -> Result<Arc<dyn Opened>, StepError> {
        self.peers
            .open(tenant, connection)
            .await
            .map_err(peers_error)
    }

    /// Waits for the connection's budget before so many calls are made; longer than a moment without a
    /// worker.
    pub(crate) async fn spend(
        &self,
        cx: &StepCx,
        connection: ConnectionId,
        lane: Lane,
        calls: u32,
    ) -> Result<(), StepError> {
        cx.budget(&connection.to_string(), lane, f64::from(calls))
            .await
    }

    /// Notes on the connection how a call went, and makes the call's failure the step's.
    pub(crate) async fn noted<T>(
        &self,
        cx: &StepCx,
        connection: ConnectionId,
        usage: Option<Usage>,
        outcome: Result<T, ConnectorError>,
    ) -> Result<T, StepError> {
        self.peers
            .note(cx.tenant(), connection, outcome.as_ref().err(), usage)
            .await?;
        Ok(outcome?)
    }
}

fn peers_error(error: PeersError) -> StepError {
    match error {
        PeersError::Store(error) => error.into(),
        PeersError::Peer(error) | PeersError::BadConfig(error) => error.into(),
        PeersError::UnknownSystem(_) => StepError::permanent(Class::Config, error.to_string()),
        PeersError::Vault(_) => StepError::permanent(Class::Config, error.to_string()),
    }
}

/// A failure of the sync core as a step's.
pub(crate) fn sync_error(error: SyncError) -> StepError {
    match error {
        SyncError::Store(error) => error.into(),
        SyncError::NotEnabled { .. } | SyncError::Mapping { .. } | SyncError::Map { .. } => {
            StepError::permanent(Class::Config, error.to_string())
        }
        SyncError::Stale { .. } => StepError::transient(error.to_string()),
        SyncError::Invalid(_) => StepError::permanent(Class::Rejected, error.to_string()),
    }
}
