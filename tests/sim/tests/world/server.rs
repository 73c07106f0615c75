//! A database that many worlds use one after the other, each with a tenant of its own.

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::entity::CoreTables;
use engine::ids::TenantId;
use engine::{Clock, Store};
use sqlx::PgPool;
use sqlx::types::Uuid;
use testdb::TestDb;

/// When every world begins.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) tables: CoreTables,
    /// Past row security.
    pub(crate) pool: PgPool,
    _db: TestDb,
}

impl Server {
    pub(crate) async fn new() -> Result<Self> {
        let db = TestDb::new().await?;
        let clock = Clock::manual(start());
        Ok(Self {
            store: db.store(clock.clone()).await?,
            clock,
            tables: domain::core_tables(),
            pool: db.pool().await?,
            _db: db,
        })
    }

    /// Puts the clock back to where worlds begin.
    pub(crate) fn reset(&self) {
        if let Ok(passed) = (self.clock.now() - start()).to_std() {
            self.clock.go_back(passed);
        }
    }

    /// Runs that wait to be begun, oldest first, with their workflows.
    pub(crate) async fn queued(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<(Uuid, Uuid, Option<DateTime<Utc>>, String)>> {
        let rows = sqlx::query_as(
            "select id, connection_id, due_at, workflow from runs
             where tenant_id = $1
               and workflow in ('push_writes', 'sweep_stream', 'follow_merge')
             order by due_at nulls first, id",
        );
        Ok(rows.bind(tenant.0).fetch_all(&self.pool).await?)
    }

    /// A run is begun: nothing is added to what it will see. Its memory is the world's.
    pub(crate) async fn begun(&self, run: Uuid) -> Result<()> {
        sqlx::query("delete from runs where id = $1")
            .bind(run)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// For faults on purpose: a statement with the tenant as its only parameter.
    pub(crate) async fn spoil(&self, tenant: TenantId, statement: &'static str) -> Result<()> {
        sqlx::query(statement)
            .bind(tenant.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
