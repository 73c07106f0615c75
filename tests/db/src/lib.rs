//! A database for each test: a clone of a template that is migrated once per state of the
//! migrations, on the machine's shared test cluster.

use anyhow::{Context, Result};
use engine::store::MIGRATIONS;
use engine::{Clock, Store, StoreOptions};
use localpg::Cluster;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

/// Held while the template is made; any number that nothing else uses.
const TEMPLATE_LOCK: i64 = 7_311_002_025;

/// A migrated, empty database; dropped with the value.
pub struct TestDb {
    cluster: Cluster,
    name: String,
}

impl TestDb {
    /// A database on the shared cluster, which is started if it is not running.
    ///
    /// # Errors
    /// When no Postgres is installed or it does not start.
    pub async fn new() -> Result<Self> {
        let cluster = tokio::task::spawn_blocking(localpg::test_cluster).await??;
        Self::on(cluster).await
    }

    /// A database on this cluster.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn on(cluster: Cluster) -> Result<Self> {
        let template = template(&cluster).await?;
        let name = format!("t_{}", engine::ids::fresh().simple());
        // A copy of files takes 50 ms, the default (through the log) up to a second.
        let create = format!("create database {name} template {template} strategy file_copy");
        run(&cluster, create).await?;
        Ok(Self { cluster, name })
    }

    /// The database's name on its cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection URL.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// A store of its own pool, as another process would have.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn store(&self, clock: Clock) -> Result<Store> {
        let options = StoreOptions {
            max_connections: 8,
            ..StoreOptions::default()
        };
        Ok(Store::connect(&self.url(), &options, clock).await?)
    }

    /// A pool without row security, to look at everything and to prepare it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn pool(&self) -> Result<PgPool> {
        Ok(PgPoolOptions::new()
            .max_connections(2)
            .connect(&self.url())
            .await?)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let drop = format!("drop database if exists {} with (force)", self.name);
        if let Err(error) = self.cluster.execute("postgres", &drop) {
            eprintln!("test database {} is left: {error:#}", self.name);
        }
    }
}

/// The name of the migrated template; made by the first who asks.
async fn template(cluster: &Cluster) -> Result<String> {
    // FNV-1a over the migrations' own checksums.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in MIGRATIONS
        .iter()
        .flat_map(|migration| migration.checksum.iter())
    {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let name = format!("template_{hash:016x}");
    let mut connection = PgConnection::connect(&cluster.url("postgres"))
        .await
        .context("cannot reach the test cluster")?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut connection)
        .await?;
    let made: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
        .bind(&name)
        .fetch_optional(&mut connection)
        .await?;
    if made.is_none() {
        let unfinished = format!("{name}_wip");
        run(
            cluster,
            format!("drop database if exists {unfinished} with (force)"),
        )
        .await?;
        run(cluster, format!("create database {unfinished}")).await?;
        let options = StoreOptions {
            max_connections: 1,
            ..StoreOptions::default()
        };
        let store = Store::connect(&cluster.url(&unfinished), &options, Clock::system()).await?;
        store.migrate().await?;
        store.close().await;
        run(
            cluster,
            format!("alter database {unfinished} rename to {name}"),
        )
        .await?;
    }
    connection.close().await?;
    Ok(name)
}

async fn run(cluster: &Cluster, statement: String) -> Result<()> {
    let cluster = cluster.clone();
    tokio::task::spawn_blocking(move || cluster.execute("postgres", &statement)).await??;
    Ok(())
}
