//! Connections of the engine's own, with the settings of their sessions made once: what a claim or a
//! write to the journal sends besides its statement is what others wait for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::inner::Inner;
use super::{Store, StoreError, SystemTx};
use crate::locked::locked;

/// What the sessions of a kind are set to, and how a transaction of them begins.
pub(super) struct Kind {
    pub(super) settings: &'static str,
    pub(super) begin: &'static str,
    pub(super) connections: usize,
}

/// Claims of all processes are serial under this lock: that makes limits exact. The plan must not
/// depend on statistics (a queue is empty at one moment and full at the next), hence no sequential
/// scans, no joins but by index, and one plan for all parameters. A lost claim is only a run that is
/// queued again, hence no wait for the disk.
pub(super) const CLAIMS: Kind = Kind {
    settings: "set role syncline_system; set synchronous_commit = off; \
        set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; \
        set enable_mergejoin = off; set jit = off; set plan_cache_mode = force_generic_plan; \
        set idle_in_transaction_session_timeout = '5s'",
    begin: "begin; select pg_advisory_xact_lock(7311002024)",
    connections: 2,
};

/// A day of the journal is empty at midnight and full at noon: as with the claim, no statistics.
pub(super) const JOURNAL: Kind = Kind {
    settings: "set role syncline_system; set enable_seqscan = off; set jit = off; \
        set plan_cache_mode = force_generic_plan; set idle_in_transaction_session_timeout = '5s'",
    begin: "begin",
    connections: 4,
};

/// Single starts, grouped: one statement each time.
pub(super) const STARTS: Kind = Kind {
    settings: "set role syncline_system; set jit = off; set plan_cache_mode = force_generic_plan",
    begin: "begin",
    connections: 2,
};

/// The connections of one kind, made when they are first needed and kept. No pool: that asks the
/// server whether it is there whenever a connection comes or goes.
#[derive(Clone)]
pub(super) struct Dedicated {
    connect: PgConnectOptions,
    patience: Duration,
    kind: &'static Kind,
    idle: Idle,
    places: Arc<Semaphore>,
}

type Idle = Arc<Mutex<Vec<PgConnection>>>;

/// A connection that is in use. It is closed, and all that are idle with it, unless it is given back:
/// its transaction is rolled back by that.
pub(super) struct Lent {
    connection: Option<PgConnection>,
    idle: Idle,
    _place: OwnedSemaphorePermit,
}

impl Store {
    /// The transaction in which the statements of claims must run.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn begin_claim(&self) -> Result<SystemTx, StoreError> {
        #[cfg(test)]
        if let Some(tx) = self.modelled(self.claims.kind).await? {
            return Ok(tx);
        }
        let inner = Inner::Dedicated(self.claims.begin().await?);
        Ok(self.system_tx(inner, self.clock.now()))
    }

    /// The transaction in which the journal is written.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn begin_journal(&self) -> Result<SystemTx, StoreError> {
        #[cfg(test)]
        if let Some(tx) = self.modelled(self.journal.kind).await? {
            return Ok(tx);
        }
        let inner = Inner::Dedicated(self.journal.begin().await?);
        Ok(self.system_tx(inner, self.clock.now()))
    }

    /// [`Store::begin_journal`] for what is one statement, and thereby its own transaction: when that
    /// has been answered it is committed, and when its answer is lost the outcome is unknown.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn journal_alone(&self) -> Result<SystemTx, StoreError> {
        self.alone(&self.journal).await
    }

    /// For the one statement that starts runs of whomever, as [`Store::journal_alone`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn start_alone(&self) -> Result<SystemTx, StoreError> {
        self.alone(&self.starts).await
    }

    async fn alone(&self, of: &Dedicated) -> Result<SystemTx, StoreError> {
        #[cfg(test)]
        if let Some(tx) = self.modelled(of.kind).await? {
            return Ok(tx);
        }
        let inner = Inner::Alone(of.lend().await?);
        Ok(self.system_tx(inner, self.clock.now()))
    }

    #[cfg(test)]
    async fn modelled(&self, kind: &Kind) -> Result<Option<SystemTx>, StoreError> {
        let Some(client) = &self.simulated else {
            return Ok(None);
        };
        let now = self.clock.now();
        let begin = format!("{}; {}", kind.settings, kind.begin);
        let model = client.begin(&begin, None, now).await?;
        Ok(Some(self.system_tx(Inner::Model(model), now)))
    }
}

impl Dedicated {
    pub(super) fn new(connect: PgConnectOptions, patience: Duration, kind: &'static Kind) -> Self {
        Self {
            connect,
            patience,
            kind,
            idle: Idle::default(),
            places: Arc::new(Semaphore::new(kind.connections)),
        }
    }

    /// A connection with an open transaction.
    pub(super) async fn begin(&self) -> Result<Lent, sqlx::Error> {
        let mut lent = self.lend().await?;
        lent.connection().execute(self.kind.begin).await?;
        Ok(lent)
    }

    /// A connection for one statement that is its own transaction.
    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        tokio::time::timeout(self.patience, async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.map_err(|_closed| sqlx::Error::PoolClosed)?;
            let idle = locked(&self.idle).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => {
                    let mut connection = PgConnection::connect_with(&self.connect).await?;
                    connection.execute(self.kind.settings).await?;
                    connection
                }
            };
            Ok(Lent {
                connection: Some(connection),
                idle: Arc::clone(&self.idle),
                _place: place,
            })
        })
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    pub(super) fn close(&self) {
        self.places.close();
        locked(&self.idle).clear();
    }
}

impl Lent {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("only given back by value"),
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection().execute("commit").await?;
        self.give_back();
        Ok(())
    }

    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            locked(&self.idle).push(connection);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            // What broke it has most likely broken them too.
            locked(&self.idle).clear();
        }
    }
}
