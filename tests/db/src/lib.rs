//! A database of its own for every test: a clone of a template that is migrated once per state of
//! the migrations, on a throw-away cluster that all test processes of the machine share.

use std::time::Duration;

use anyhow::{Context, Result};
use engine::{Clock, Store, StoreOptions};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

/// A database that is dropped with this value.
pub struct TestDb {
    name: String,
    url: String,
    admin_url: String,
}

/// Held in the shared cluster while the template is made.
const TEMPLATE_LOCK: i64 = 0x7379_6e63;

impl TestDb {
    /// A migrated database.
    ///
    /// # Errors
    /// No Postgres on this machine, or one that does not start.
    pub async fn create() -> Result<Self> {
        let cluster = tokio::task::spawn_blocking(localpg::test_cluster).await??;
        let admin_url = cluster.url("postgres");
        let template = template(&admin_url, |name| cluster.url(name)).await?;
        let name = format!("t_{}", engine::ids::fresh().simple());
        let mut admin = PgConnection::connect(&admin_url).await?;
        run(
            &mut admin,
            format!("create database {name} template {template} strategy file_copy"),
        )
        .await?;
        admin.close().await?;
        Ok(Self {
            url: cluster.url(&name),
            name,
            admin_url,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The store over this database.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn store(&self, clock: Clock) -> Result<Store> {
        let options = StoreOptions {
            max_connections: 8,
            ..StoreOptions::default()
        };
        Ok(Store::connect(&self.url, &options, clock).await?)
    }

    /// A pool without row security, to look at everything and to prepare it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pool(&self) -> Result<PgPool> {
        Ok(PgPoolOptions::new()
            .max_connections(2)
            .connect(&self.url)
            .await?)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (url, name) = (self.admin_url.clone(), self.name.clone());
        // The test's runtime may be gone or busy: a thread of its own with a small one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(mut admin) = PgConnection::connect(&url).await else {
                    return;
                };
                // What is left behind goes with the cluster.
                drop(run(&mut admin, format!("drop database {name} with (force)")).await);
            });
        })
        .join();
        drop(dropped);
    }
}

/// The migrated template, made by whoever comes first.
async fn template(admin_url: &str, url: impl Fn(&str) -> String) -> Result<String> {
    let mut hash = Sha256::new();
    for migration in engine::store::MIGRATIONS.iter() {
        hash.update(&migration.checksum);
    }
    let digest: String = hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("template_{digest}");
    let mut admin = PgConnection::connect(admin_url).await?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut admin)
        .await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select 1 from pg_database where datname = $1)")
            .bind(&name)
            .fetch_one(&mut admin)
            .await?;
    if !exists {
        let work = format!("{name}_wip");
        run(
            &mut admin,
            format!("drop database if exists {work} with (force)"),
        )
        .await?;
        run(&mut admin, format!("create database {work}")).await?;
        let store = Store::connect(
            &url(&work),
            &StoreOptions {
                max_connections: 1,
                acquire_timeout: Duration::from_secs(30),
            },
            Clock::system(),
        )
        .await?;
        store.migrate().await.context("migrations")?;
        store.close().await;
        run(
            &mut admin,
            format!("alter database {work} rename to {name}"),
        )
        .await?;
    }
    // Closing the connection gives the lock back.
    admin.close().await?;
    Ok(name)
}

#[expect(
    clippy::disallowed_types,
    reason = "names of databases cannot be parameters"
)]
async fn run(connection: &mut PgConnection, sql: String) -> Result<()> {
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}
