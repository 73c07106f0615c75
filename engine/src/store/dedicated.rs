//! Connections of the engine's own, with the settings of their sessions made once: what a claim or a
//! write to the journal sends besides its statement is what others wait for.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool, Postgres, Transaction};

/// What the sessions of a kind are set to, and how a transaction of them begins.
pub(super) struct Kind {
    pub(super) settings: &'static str,
    pub(super) begin: &'static str,
    pub(super) connections: u32,
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

/// The connections of one kind, made when they are first needed.
#[derive(Clone)]
pub(super) struct Dedicated {
    pool: PgPool,
    begin: &'static str,
}

impl Dedicated {
    pub(super) fn new(
        connect: PgConnectOptions,
        patience: std::time::Duration,
        kind: &Kind,
    ) -> Self {
        let settings = kind.settings;
        let pool = PgPoolOptions::new()
            .max_connections(kind.connections)
            .acquire_timeout(patience)
            // Its answer would come as late as that of the statement itself, which fails as well.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            })
            .connect_lazy_with(connect);
        Self {
            pool,
            begin: kind.begin,
        }
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(self.begin).await
    }

    /// For one statement that is its own transaction.
    pub(super) async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pool.acquire().await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
