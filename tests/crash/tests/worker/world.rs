//! A database with work in it, and the folder that worker processes leave their traces in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use engine::ids::TenantId;
use engine::store::runs::{self, NewRun, StartOptions};
use engine::{Clock, Store, Workflow};
use localpg::Cluster;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use testdb::TestDb;
use testkit::until_done;

use super::process::{Orders, Worker};
use super::verify::{self, Found};
use super::workflows::{Child, Five, FiveTx, Keyed, One, Parent, Retrying, Sleeper};

/// How many runs of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) five: u32,
    pub(crate) five_tx: u32,
    pub(crate) sleeper: u32,
    /// Each brings three children.
    pub(crate) parent: u32,
    pub(crate) retrying: u32,
    /// Of three keys.
    pub(crate) keyed: u32,
    pub(crate) one: u32,
}

impl Load {
    pub(crate) fn of_each(count: u32) -> Self {
        Self {
            five: count,
            five_tx: count,
            sleeper: count,
            parent: count,
            retrying: count,
            keyed: count,
            one: count,
        }
    }
}

pub(crate) struct World {
    pub(crate) db: TestDb,
    /// As the superuser.
    pub(crate) sql: PgPool,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) orders: Orders,
    /// Runs there must be in the end, by workflow.
    pub(crate) expected: BTreeMap<&'static str, i64>,
    dir: tempfile::TempDir,
    workers: AtomicUsize,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(TestDb::new().await?).await
    }

    pub(crate) async fn on(cluster: Cluster) -> Result<Self> {
        Self::with(TestDb::on(cluster).await?).await
    }

    async fn with(db: TestDb) -> Result<Self> {
        let sql = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(10))
            .connect(&db.url())
            .await?;
        sqlx::raw_sql(include_str!("evidence.sql"))
            .execute(&sql)
            .await?;
        let tenant = TenantId::fresh();
        sqlx::query("insert into tenants (tenant_id, name, created_at) values ($1, 'test', now())")
            .bind(tenant.0)
            .execute(&sql)
            .await?;
        let dir = tempfile::tempdir()?;
        let effects = dir.path().join("effects");
        std::fs::write(&effects, "")?;
        Ok(Self {
            store: db.store(Clock::system()).await?,
            orders: Orders {
                url: db.url(),
                effects,
                log: PathBuf::new(),
                concurrency: 4,
                pause_ms: 1,
                die_at: None,
                hang_at: None,
            },
            db,
            sql,
            tenant,
            expected: BTreeMap::new(),
            dir,
            workers: AtomicUsize::new(0),
        })
    }

    /// A worker process with orders of its own.
    pub(crate) async fn worker(&self, change: impl FnOnce(&mut Orders)) -> Result<Worker> {
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let mut orders = Orders {
            log: self.dir.path().join(format!("worker-{number}.log")),
            ..self.orders.clone()
        };
        change(&mut orders);
        Worker::start(&orders).await
    }

    /// Starts runs, and from then on expects them.
    pub(crate) async fn start(&mut self, load: Load) -> Result<()> {
        self.start_many::<Five>(0..load.five).await?;
        self.start_many::<FiveTx>(0..load.five_tx).await?;
        self.start_many::<Sleeper>(0..load.sleeper).await?;
        self.start_many::<Parent>(0..load.parent).await?;
        self.start_many::<Retrying>(0..load.retrying).await?;
        self.start_many::<One>(0..load.one).await?;
        let keys = (0..load.keyed).map(|number| number % 3);
        self.start_many::<Keyed>(keys).await?;
        *self.expected.entry(Child::NAME).or_default() += i64::from(load.parent) * 3;
        Ok(())
    }

    async fn start_many<W: Workflow<Input = u32>>(
        &mut self,
        inputs: impl Iterator<Item = u32>,
    ) -> Result<()> {
        let new = inputs
            .map(|input| NewRun::of::<W>(&input, StartOptions::default()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut tx = self.store.begin(self.tenant).await?;
        runs::start_many(&mut tx, &new).await?;
        tx.commit().await?;
        *self.expected.entry(W::NAME).or_default() += i64::try_from(new.len())?;
        Ok(())
    }

    /// A schedule that is due now and then not for months.
    pub(crate) async fn schedule(&mut self) -> Result<()> {
        sqlx::query(
            "insert into schedules (tenant_id, id, name, workflow, input, cron, time_zone, \
             next_at, next_nominal, created_at, updated_at) \
             values ($1, $2, 'once', 'five_tx', '7', '0 3 1 1 *', 'UTC', \
             now() - interval '1 second', now() - interval '1 second', now(), now())",
        )
        .bind(self.tenant.0)
        .bind(uuid::Uuid::now_v7())
        .execute(&self.sql)
        .await?;
        *self.expected.entry(FiveTx::NAME).or_default() += 1;
        Ok(())
    }

    pub(crate) async fn count(&self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.sql).await?)
    }

    /// Runs that are not over.
    pub(crate) async fn open(&self) -> Result<i64> {
        self.count(
            "select count(*) from evidence.runs \
             where state not in ('succeeded', 'failed', 'cancelled', 'parked')",
        )
        .await
    }

    /// Waits until all runs that are expected are there and over. Fails once none came to an end for
    /// `stall`.
    pub(crate) async fn drain(&self, stall: Duration) -> Result<()> {
        let expected: i64 = self.expected.values().sum();
        let over = until_done("the end of all runs", stall, || async {
            let all = self.count("select count(*) from evidence.runs").await;
            // The server may be away.
            let (Ok(all), Ok(open)) = (all, self.open().await) else {
                return Ok((i64::MIN, None));
            };
            Ok((all - open, (all >= expected && open == 0).then_some(())))
        })
        .await;
        match over {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.state().await?)),
        }
    }

    /// What is under way and what the workers said, for the message of a failure.
    pub(crate) async fn state(&self) -> Result<String> {
        let runs = "select string_agg(format('%s %s %s due in %s owner %s epoch %s %s', id, \
                    workflow, state, due_at - now(), owner, epoch, error), E'\n') \
                    from (select * from evidence.runs \
                          where state <> 'succeeded' \
                          order by state in ('failed', 'parked', 'cancelled'), workflow, id limit 20) as r";
        let processes = "select string_agg(format('%s seen %s ago', id, clock_timestamp() - seen_at), E'\n') from processes";
        let counts = "select string_agg(format('%s %s: %s', workflow, state, n), E'\n') \
                      from (select workflow, state, count(*) as n from evidence.runs group by 1, 2 order by 1, 2) as c";
        let server = "select string_agg(format('%s %s %s for %s: %s', state, wait_event_type, wait_event, \
                      clock_timestamp() - state_change, left(btrim(query, E' \n'), 90)), E'\n') \
                      from pg_stat_activity where datname = current_database() and state <> 'idle'";
        let runs: Option<String> = sqlx::query_scalar(runs).fetch_one(&self.sql).await?;
        let counts: Option<String> = sqlx::query_scalar(counts).fetch_one(&self.sql).await?;
        let server: Option<String> = sqlx::query_scalar(server).fetch_one(&self.sql).await?;
        let processes: Option<String> = sqlx::query_scalar(processes).fetch_one(&self.sql).await?;
        Ok(format!(
            "{}\nruns:\n{}\nprocesses:\n{}\nserver:\n{}\n{}",
            counts.unwrap_or_default(),
            runs.unwrap_or_default(),
            processes.unwrap_or_default(),
            server.unwrap_or_default(),
            self.logs(15)?
        ))
    }

    /// The ends of the last workers' logs, at most this many lines of each.
    pub(crate) fn logs(&self, most: usize) -> Result<String> {
        let count = self.workers.load(Ordering::Relaxed);
        let mut text = String::new();
        for number in count.saturating_sub(3)..count {
            let log = self.dir.path().join(format!("worker-{number}.log"));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(most)..].join("\n");
            text.push_str(&format!("worker {number}:\n{last}\n"));
        }
        Ok(text)
    }

    /// Whether the evidence and the journal agree that nothing was lost and nothing doubled.
    pub(crate) async fn verify(&self) -> Result<Found> {
        let found = verify::verify(self).await;
        match found {
            Ok(found) => Ok(found),
            Err(error) => Err(error.context(self.state().await?)),
        }
    }

    pub(crate) fn effects(&self) -> Result<String> {
        std::fs::read_to_string(&self.orders.effects).context("no effects")
    }
}
