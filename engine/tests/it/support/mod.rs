//! A world for each test: a database, a tenant, engines.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::ids::{RunId, TenantId};
use engine::runtime::EngineBuilder;
use engine::store::runs::{self, RunRow, RunState, StartOptions};
use engine::store::{Store, StoreError, attempts, steps};
use engine::{Clock, Engine, StepCx, StepError, Tx, Workflow};
use sqlx::PgPool;
pub(crate) use testdb::TestDb;

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    /// As the superuser, for what no module offers.
    pub(crate) sql: PgPool,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_clock(Clock::system()).await
    }

    pub(crate) async fn with_clock(clock: Clock) -> Self {
        let db = TestDb::new().await.unwrap();
        let store = db.store(clock).await.unwrap();
        let sql = PgPool::connect(&db.url()).await.unwrap();
        let tenant = TenantId::fresh();
        sqlx::query("insert into tenants (tenant_id, name, created_at) values ($1, 'test', now())")
            .bind(tenant.0)
            .execute(&sql)
            .await
            .unwrap();
        Self {
            db,
            store,
            tenant,
            sql,
        }
    }

    /// An engine with a pool of its own, like another process.
    pub(crate) async fn engine(&self) -> EngineBuilder {
        let store = self.db.store(self.store.clock().clone()).await.unwrap();
        Engine::builder(store).grace(Duration::from_secs(2))
    }

    pub(crate) async fn start<W: Workflow>(&self, input: &W::Input) -> RunId {
        self.start_with::<W>(input, StartOptions::default()).await
    }

    pub(crate) async fn start_with<W: Workflow>(
        &self,
        input: &W::Input,
        options: StartOptions,
    ) -> RunId {
        let mut tx = self.store.begin(self.tenant).await.unwrap();
        let new = runs::NewRun::of::<W>(input, options).unwrap();
        let started = runs::start(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        started.id()
    }

    pub(crate) async fn run(&self, id: RunId) -> RunRow {
        let mut tx = self.store.begin(self.tenant).await.unwrap();
        let run = runs::get(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        run
    }

    pub(crate) async fn steps(&self, id: RunId) -> Vec<steps::StepRow> {
        let mut tx = self.store.begin(self.tenant).await.unwrap();
        steps::of_run(&mut tx, id).await.unwrap()
    }

    pub(crate) async fn attempts(&self, id: RunId) -> Vec<attempts::AttemptRow> {
        let mut tx = self.store.begin(self.tenant).await.unwrap();
        attempts::of_run(&mut tx, id).await.unwrap()
    }

    pub(crate) async fn until(&self, id: RunId, state: RunState) -> RunRow {
        let mut last = None;
        for _ in 0..6000 {
            let run = self.run(id).await;
            if run.state == state {
                return run;
            }
            last = Some(run);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("run never became {state:?}: {last:?}");
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.sql).await.unwrap()
    }
}

/// Waits for a condition, for at most a minute.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A service that steps leave traces in, and that holds them at gates.
#[derive(Default)]
pub(crate) struct Trace {
    lines: Mutex<Vec<String>>,
    pub(crate) now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

impl Trace {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn add(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|other| *other == line).count()
    }

    /// Counts those inside at once.
    pub(crate) fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The effect of a `TxStep`, in a table that tests have to themselves: a row for every time that it was
/// made, which no clock makes expire.
pub(crate) async fn leave_mark(cx: &StepCx, tx: &mut Tx, name: &str) -> Result<(), StepError> {
    let sql = "insert into run_dedupe (key, run_id, expires_at) \
               values ($1, $2, now() + interval '1 year')";
    sqlx::query(sql)
        .bind(format!("{}/{name}/{}", cx.run_id(), uuid::Uuid::now_v7()))
        .bind(cx.run_id().0)
        .execute(tx.conn())
        .await
        .map_err(StoreError::from)?;
    Ok(())
}
