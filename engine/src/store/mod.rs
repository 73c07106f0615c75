//! The only doors to the database. A transaction belongs to a tenant ([`Tx`]) or to the hub itself
//! ([`SystemTx`]); there is no connection outside one, and row security does the rest.
//!
//! Nouns are modules of functions over `&mut Tx`, which never begin or commit.

/// In the simulation a function's statements are made by the model of the database; in a build of the
/// hub this is nothing.
macro_rules! modelled {
    ($tx:expr, $($call:tt)+) => {
        #[cfg(test)]
        if let Some(model) = $tx.model() {
            return model.$($call)+.await;
        }
    };
}

pub(crate) mod activations;
pub mod approvals;
pub mod attempts;
pub mod audit;
pub(crate) mod budgets;
pub mod canaries;
pub mod caps;
pub mod changes;
pub mod conflicts;
pub mod connections;
pub mod coverage;
pub mod custom_fields;
pub(crate) mod days;
mod dedicated;
pub mod doubts;
pub mod drifts;
pub mod echoes;
pub mod erasing;
mod error;
pub mod failures;
pub mod fixtures;
pub mod history;
pub(crate) mod inner;
pub(crate) mod journal;
pub mod keyset;
pub mod lanes;
mod limits;
pub mod link_events;
pub mod links;
pub mod mapping_approvals;
pub mod mapping_rules;
pub mod mappings;
pub mod matches;
pub mod plans;
pub mod previews;
pub mod processes;
pub mod publications;
pub mod quotas;
pub mod records;
pub mod removals;
pub mod rewrites;
pub mod runs;
pub mod schedules;
mod scoped;
pub mod signals;
pub mod snapshots;
pub mod steps;
pub mod streams;
pub mod suppressions;
pub mod sweeps;
pub mod tenants;
pub(crate) mod time_used;
mod under_way;
pub mod undo;
pub mod withheld;
pub mod writes;

use dedicated::Dedicated;
pub use error::StoreError;
use inner::Inner;
pub use limits::Limits;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::clock::Clock;
use crate::feed::{Changed, Feed};
use crate::ids::{TenantId, UserId};

/// A statement with its values, as they go over the wire. Making one of a page takes about as long
/// as running it, so it is made on another thread while an earlier one runs.
pub struct Statement(Query<'static, Postgres, PgArguments>);

impl Statement {
    /// What `sqlx::query!` gives for a statement that returns no rows.
    pub fn new(query: Query<'static, Postgres, PgArguments>) -> Self {
        Self(query)
    }

    /// # Errors
    /// [`StoreError::Database`].
    pub async fn execute(self, tx: &mut Tx) -> Result<(), StoreError> {
        self.0.execute(tx.conn()).await?;
        Ok(())
    }
}

/// Settings of the pool, and what is stored.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub max_connections: u32,
    pub acquire_timeout: Duration,
    pub limits: Limits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_connections: 20,
            acquire_timeout: Duration::from_secs(30),
            limits: Limits::DEFAULT,
        }
    }
}

/// A connection that was idle for longer may have been closed by the server.
const RESTED: Duration = Duration::from_secs(1);

/// The database of the hub; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    claims: Dedicated,
    journal: Dedicated,
    starts: Dedicated,
    clock: Clock,
    feed: Feed,
    limits: Limits,
    #[cfg(test)]
    simulated: Option<crate::simulation::Client>,
}

/// The migrations of this build.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

impl Store {
    /// Connects; the schema may still be old ([`Store::migrate`]).
    ///
    /// # Errors
    /// [`StoreError::Database`] when the address is wrong or nobody answers in time.
    pub async fn connect(
        url: &str,
        options: &StoreOptions,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let connect: PgConnectOptions = url.parse()?;
        // The pool tries until its time is over and then knows only that; one try says why not.
        let probe = PgConnection::connect_with(&connect);
        tokio::time::timeout(options.acquire_timeout, probe)
            .await
            .map_err(|_elapsed| sqlx::Error::PoolTimedOut)??
            .close()
            .await?;
        let connect = connect.application_name("syncline");
        let patience = options.acquire_timeout;
        let claims = Dedicated::new(connect.clone(), patience, &dedicated::CLAIMS);
        let journal = Dedicated::new(connect.clone(), patience, &dedicated::JOURNAL);
        let starts = Dedicated::new(connect.clone(), patience, &dedicated::STARTS);
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(patience)
            // Asked whether it is there only after a rest: otherwise each transaction pays for that.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect)
            .await?;
        let feed = Feed::new(pool.clone());
        Ok(Self {
            pool,
            claims,
            journal,
            starts,
            clock,
            feed,
            limits: options.limits,
            #[cfg(test)]
            simulated: None,
        })
    }

    /// Brings the schema to this build's state; safe to run from several processes at once.
    ///
    /// # Errors
    /// [`StoreError::Migration`], also when the database is ahead of this build.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(MIGRATIONS.run(&self.pool).await?)
    }

    /// Whether every migration of this build has been applied.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let applied: Option<i64> =
            sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_optional(&self.pool)
                .await
                .or_else(|error| match &error {
                    // The table is made by the first migration run.
                    sqlx::Error::Database(cause) if cause.code().as_deref() == Some("42P01") => {
                        Ok(None)
                    }
                    _ => Err(error),
                })?
                .flatten();
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        Ok(applied >= newest)
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What changes, as it happens.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Closes all connections; what is under way fails.
    pub async fn close(&self) {
        self.pool.close().await;
        self.claims.close();
        self.journal.close();
        self.starts.close();
    }

    /// The pool, for what needs a connection outside a transaction: the doorbell's listener and the
    /// death watch's session lock.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction that sees and writes the rows of `tenant` only.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self, tenant: TenantId) -> Result<Tx, StoreError> {
        self.tenant(tenant, "60s").await
    }

    /// [`Store::begin`] for a transaction that holds the lock of a run and only asks the database
    /// in between: others do not wait long for a process that stands still in it.
    pub(crate) async fn begin_brief(&self, tenant: TenantId) -> Result<Tx, StoreError> {
        self.tenant(tenant, "5s").await
    }

    /// The server ends a connection that leaves its transaction idle for longer than `idle`: behind
    /// a cut network the locks of a process that is gone would stay for hours.
    async fn tenant(&self, tenant: TenantId, idle: &'static str) -> Result<Tx, StoreError> {
        #[cfg(test)]
        if let Some(client) = &self.simulated {
            let now = self.clock.now();
            let begin = format!("idle_in_transaction_session_timeout = '{idle}'");
            let model = client.begin(&begin, Some(tenant), now).await?;
            return Ok(self.tenant_tx(Inner::Model(model), tenant, now));
        }
        // An id and words of ours: nothing in it needs escaping.
        let begin = format!(
            "begin; set local role syncline_app; set local hub.tenant = '{}'; \
             set local idle_in_transaction_session_timeout = '{idle}'",
            tenant.0
        );
        let inner = inner::begin(&self.pool, sqlx::AssertSqlSafe(begin)).await?;
        Ok(self.tenant_tx(Inner::Postgres(inner), tenant, self.clock.now()))
    }

    fn tenant_tx(&self, inner: Inner, tenant: TenantId, now: DateTime<Utc>) -> Tx {
        Tx {
            inner,
            tenant,
            now,
            feed: self.feed.clone(),
            limits: self.limits,
            scoped_to: None,
            trail: None,
            after_commit: AfterCommit::default(),
        }
    }

    /// Begins a transaction over all tenants: claims, look-ups by token, schedules.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin_system(&self) -> Result<SystemTx, StoreError> {
        self.system(
            "begin; set local role syncline_system; \
             set local idle_in_transaction_session_timeout = '10s'",
        )
        .await
    }

    /// [`Store::begin_system`] for what may be lost in a crash of the server, such as claims and
    /// signs of life: its commit does not wait for the disk.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin_system_relaxed(&self) -> Result<SystemTx, StoreError> {
        self.system(
            "begin; set local role syncline_system; set local synchronous_commit = off; \
             set local idle_in_transaction_session_timeout = '5s'",
        )
        .await
    }

    /// A system transaction that begins with these statements, sent in one go.
    pub(crate) async fn system(&self, begin: &'static str) -> Result<SystemTx, StoreError> {
        #[cfg(test)]
        if let Some(client) = &self.simulated {
            let now = self.clock.now();
            let model = client.begin(begin, None, now).await?;
            return Ok(self.system_tx(Inner::Model(model), now));
        }
        let inner = inner::begin(&self.pool, begin).await?;
        Ok(self.system_tx(Inner::Postgres(inner), self.clock.now()))
    }

    fn system_tx(&self, inner: Inner, now: DateTime<Utc>) -> SystemTx {
        SystemTx {
            inner,
            now,
            feed: self.feed.clone(),
            ring: false,
        }
    }
}

/// A transaction of one tenant. Dropped without [`Tx::commit`] it is rolled back.
pub struct Tx {
    inner: Inner,
    tenant: TenantId,
    now: DateTime<Utc>,
    feed: Feed,
    limits: Limits,
    scoped_to: Option<UserId>,
    /// Most transactions note nothing, and their futures are small for it.
    trail: Option<Box<audit::Trail>>,
    after_commit: AfterCommit,
}

/// What others are told once a transaction has committed.
#[derive(Default)]
struct AfterCommit {
    ring: bool,
    look: bool,
    changes: Vec<Changed>,
}

impl Tx {
    /// Has what is asked for in an order read in that order by an index, or sorted where that costs less,
    /// as usual. Costs are guessed from counts of rows that may be as old as the table: in a first read any
    /// index of a tenant looks as good as the one that is meant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_in_order(&mut self, only: bool) -> Result<(), StoreError> {
        let setting = match only {
            true => "set local enable_sort = off",
            false => "set local enable_sort = on",
        };
        sqlx::query(setting).execute(self.conn()).await?;
        Ok(())
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The time of this transaction: one instant for all it writes.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The connection, for the statements of the noun modules here and in `domain`.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.inner.conn()
    }

    #[cfg(test)]
    pub(crate) fn model(&mut self) -> Option<&mut crate::simulation::Transaction> {
        self.inner.model()
    }

    /// Tells whoever watches, once this transaction has committed, that a thing has changed.
    pub fn changed(&mut self, topic: &str, id: impl std::fmt::Display) {
        self.after_commit.changes.push(Changed {
            tenant: self.tenant,
            topic: topic.to_owned(),
            id: Some(id.to_string()),
        });
    }

    /// Wakes workers, once this transaction has committed: there are runs to claim.
    pub(crate) fn ring(&mut self) {
        self.after_commit.ring = true;
    }

    /// Makes workers look, once this transaction has committed, whether to cancel a run.
    pub(crate) fn look(&mut self) {
        self.after_commit.look = true;
    }

    /// Says who acts, and what is noted of this transaction if nothing else is.
    pub fn act_as(&mut self, acting: audit::Acting) {
        self.trail.get_or_insert_default().acting = Some(acting);
    }

    /// Notes what was done; it is written when, and only if, this transaction commits.
    pub fn audit(&mut self, entry: audit::Entry) {
        self.trail.get_or_insert_default().entries.push(entry);
    }

    /// Says how the thing was before, for the entry that is noted if nothing else is.
    pub fn was(&mut self, before: serde_json::Value) {
        let acting = self.trail.as_mut().and_then(|trail| trail.acting.as_mut());
        if let Some(otherwise) = acting.and_then(|acting| acting.otherwise.as_mut()) {
            otherwise.entry.before = Some(before);
        }
    }

    /// # Errors
    /// [`StoreError::Database`]; the outcome is then unknown unless the server said otherwise.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if let Some(trail) = self.trail.take() {
            audit::write(&mut self, *trail).await?;
        }
        self.inner.commit().await?;
        if self.after_commit.ring {
            self.feed.ring();
        }
        if self.after_commit.look {
            self.feed.look();
        }
        self.feed.publish(self.after_commit.changes);
        Ok(())
    }
}

/// A transaction over all tenants, for the hub's own work.
pub struct SystemTx {
    inner: Inner,
    now: DateTime<Utc>,
    feed: Feed,
    ring: bool,
}

impl SystemTx {
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The connection, for the statements of the noun modules.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.inner.conn()
    }

    #[cfg(test)]
    pub(crate) fn model(&mut self) -> Option<&mut crate::simulation::Transaction> {
        self.inner.model()
    }

    /// Wakes workers, once this transaction has committed: there are runs to claim.
    pub(crate) fn ring(&mut self) {
        self.ring = true;
    }

    /// # Errors
    /// [`StoreError::Database`]; the outcome is then unknown unless the server said otherwise.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        if self.ring {
            self.feed.ring();
        }
        Ok(())
    }
}
