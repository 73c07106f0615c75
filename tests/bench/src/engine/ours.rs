//! The engine at the same work as the ceiling, through its public API.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use engine::ids::TenantId;
use engine::store::runs::{self, NewRun, StartOptions};
use engine::trace::TraceContext;
use engine::{
    Clock, Engine, Run, RunError, Step, StepCx, StepError, Store, StoreOptions, Workflow,
};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::figures::Latency;
use crate::processes::{cpu, cpu_of_tree};

struct Noop;

impl Workflow for Noop {
    const NAME: &'static str = "noop";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, _number: u32) -> Result<(), RunError> {
        cx.service::<Seen>()?.note(cx.tenant());
        Ok(())
    }
}

/// [`Noop`] of which nothing stays.
struct Fleeting;

impl Workflow for Fleeting {
    const NAME: &'static str = "fleeting";
    const HISTORY: bool = false;
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, number: u32) -> Result<(), RunError> {
        Noop::run(cx, number).await
    }
}

struct FiveSteps;

impl Workflow for FiveSteps {
    const NAME: &'static str = "five_steps";
    type Input = u32;
    type Output = u64;

    async fn run(cx: &mut Run, number: u32) -> Result<u64, RunError> {
        let mut value = u64::from(number);
        for _ in 0..5 {
            value = cx.step(Next(value)).await?;
        }
        cx.service::<Seen>()?.note(cx.tenant());
        Ok(value)
    }
}

struct Next(u64);

impl Step for Next {
    const NAME: &'static str = "next";
    type Output = u64;

    async fn run(&self, _cx: &StepCx) -> Result<u64, StepError> {
        Ok(self.0 + 1)
    }
}

/// Tells the moment at which it began.
struct Tell;

impl Workflow for Tell {
    const NAME: &'static str = "tell";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, _number: u32) -> Result<(), RunError> {
        let to = cx.service::<mpsc::UnboundedSender<Instant>>()?;
        to.send(Instant::now()).ok();
        Ok(())
    }
}

/// What has run, and for whom, in order.
#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    order: Mutex<Vec<TenantId>>,
}

impl Seen {
    fn note(&self, tenant: TenantId) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push(tenant);
    }
}

/// How the backlog of a drain is made up.
#[derive(Clone, Copy)]
pub(super) enum Backlog {
    OneTenant,
    /// 200 tenants of which one owns half of it.
    Uneven,
    /// One body in a hundred cannot be decoded.
    Poisoned,
    /// Each of them was started by something that is traced.
    Traced,
}

/// What a caller and two systems before it said.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 \
                     rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

pub(super) struct Ours {
    store: Store,
    /// For what only the benchmark asks.
    watch: PgPool,
    tenants: Vec<TenantId>,
    postmaster: u32,
}

/// How fast runs were worked off, and at what cost.
pub(super) struct Worked {
    /// Runs a second.
    pub(super) rate: f64,
    /// The big tenant's part of the first tenth.
    pub(super) share: f64,
    /// Microseconds of processor time of this process for one run.
    pub(super) engine: f64,
    /// The same of Postgres.
    pub(super) postgres: f64,
}

impl Ours {
    /// On an empty database of the server with this process.
    pub(super) async fn new(url: &str, postmaster: u32) -> Result<Self> {
        let store = Store::connect(url, &StoreOptions::default(), Clock::system()).await?;
        store.migrate().await?;
        let tenants: Vec<TenantId> = (0..200).map(|_| TenantId::fresh()).collect();
        let mut tx = store.begin_system().await?;
        sqlx::query(
            "insert into tenants (tenant_id, name, created_at)
             select id, 'bench', now() from unnest($1::uuid[]) as id",
        )
        .bind(tenants.iter().map(|tenant| tenant.0).collect::<Vec<_>>())
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        let watch = PgPool::connect(url).await?;
        Ok(Self {
            store,
            watch,
            tenants,
            postmaster,
        })
    }

    fn big(&self) -> TenantId {
        self.tenants[0]
    }

    async fn fill<W: Workflow<Input = u32>>(&self, runs: usize, backlog: Backlog) -> Result<()> {
        let shares: Vec<(TenantId, usize)> = match backlog {
            Backlog::OneTenant | Backlog::Poisoned | Backlog::Traced => vec![(self.big(), runs)],
            Backlog::Uneven => {
                let small = runs / 2 / (self.tenants.len() - 1);
                let others = self.tenants.iter().skip(1).map(|tenant| (*tenant, small));
                std::iter::once((self.big(), runs - small * (self.tenants.len() - 1)))
                    .chain(others)
                    .collect()
            }
        };
        for (tenant, count) in shares {
            let numbers: Vec<u32> = (0..u32::try_from(count)?).collect();
            for part in numbers.chunks(5_000) {
                let mut new = part
                    .iter()
                    .map(|number| NewRun::of::<W>(number, StartOptions::default()))
                    .collect::<Result<Vec<_>, _>>()?;
                if matches!(backlog, Backlog::Poisoned) {
                    for run in new.iter_mut().step_by(100) {
                        run.input = b"not json".to_vec();
                    }
                }
                if matches!(backlog, Backlog::Traced) {
                    for run in &mut new {
                        run.trace = TraceContext::parse(TRACE);
                    }
                }
                let mut tx = self.store.begin(tenant).await?;
                runs::start_many(&mut tx, &new).await?;
                tx.commit().await?;
            }
        }
        for sql in ["vacuum analyze runs", "checkpoint"] {
            sqlx::raw_sql(sql).execute(&self.watch).await?;
        }
        Ok(())
    }

    /// Fills and drains no-op runs.
    pub(super) async fn drain(
        &self,
        runs: usize,
        at_once: usize,
        backlog: Backlog,
    ) -> Result<Worked> {
        self.work_off::<Noop>(runs, at_once, backlog).await
    }

    /// [`Ours::drain`] of runs of which nothing stays.
    pub(super) async fn drain_fleeting(&self, runs: usize, at_once: usize) -> Result<Worked> {
        self.work_off::<Fleeting>(runs, at_once, Backlog::OneTenant)
            .await
    }

    /// Runs of five durable steps.
    pub(super) async fn steps(&self, runs: usize, at_once: usize) -> Result<Worked> {
        self.work_off::<FiveSteps>(runs, at_once, Backlog::OneTenant)
            .await
    }

    async fn work_off<W: Workflow<Input = u32>>(
        &self,
        runs: usize,
        at_once: usize,
        backlog: Backlog,
    ) -> Result<Worked> {
        let seen = Arc::new(Seen::default());
        self.fill::<W>(runs, backlog).await?;
        let used = (cpu(std::process::id())?, cpu_of_tree(self.postmaster)?);
        let begun = Instant::now();
        let engine = Engine::builder(self.store.clone())
            .concurrency(at_once)
            .service(Arc::clone(&seen))
            .register::<W>()
            .start();
        let good = match backlog {
            Backlog::Poisoned => runs - runs.div_ceil(100),
            Backlog::OneTenant | Backlog::Uneven | Backlog::Traced => runs,
        };
        // The end of each run is what counts, not that its code was called; to ask for it all the time
        // would be work of its own.
        while seen.count.load(Ordering::Relaxed) < good || self.is_open().await? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = begun.elapsed().as_secs_f64();
        let used = (
            cpu(std::process::id())? - used.0,
            cpu_of_tree(self.postmaster)? - used.1,
        );
        engine.shutdown().await;
        let done = seen.count.load(Ordering::Relaxed);
        anyhow::ensure!(done == good, "{done} of {good} runs were run");
        let order = seen.order.lock().unwrap_or_else(PoisonError::into_inner);
        let first = order.get(..order.len() / 10).unwrap_or_default();
        let big = first.iter().filter(|tenant| **tenant == self.big()).count();
        let each = |seconds: f64| seconds * 1e6 / runs as f64;
        Ok(Worked {
            rate: runs as f64 / took,
            share: big as f64 / first.len().max(1) as f64,
            engine: each(used.0),
            postgres: each(used.1),
        })
    }

    async fn is_open(&self) -> Result<bool> {
        let open = sqlx::query_scalar(
            "select exists (select from runs where state = 'queued' and not behind)
                    or exists (select from runs where state = 'running')",
        );
        Ok(open.fetch_one(&self.watch).await?)
    }

    /// `callers` who each start runs, every one durable before the next; runs a second.
    pub(super) async fn enqueue(&self, runs: usize, callers: usize) -> Result<f64> {
        // An engine that works on something else: starting is the caller's process's business.
        let engine = Arc::new(
            Engine::builder(self.store.clone())
                .register::<Tell>()
                .register::<Noop>()
                .start(),
        );
        while !engine.is_running() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let begun = Instant::now();
        let mut under_way = JoinSet::new();
        for _ in 0..callers {
            let (engine, tenant) = (Arc::clone(&engine), self.big());
            let due_at = Some(Clock::system().now() + Duration::from_secs(86_400));
            under_way.spawn(async move {
                for number in 0..u32::try_from(runs / callers)? {
                    let options = StartOptions {
                        due_at,
                        ..StartOptions::default()
                    };
                    engine.start::<Noop>(tenant, &number, options).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        let took = begun.elapsed().as_secs_f64();
        Arc::into_inner(engine)
            .context("somebody still holds the engine")?
            .shutdown()
            .await;
        Ok(runs as f64 / took)
    }

    /// From the call that starts a run until its code runs, one at a time on an idle engine.
    pub(super) async fn latency(&self, runs: usize) -> Result<Latency> {
        let (to, mut starts) = mpsc::unbounded_channel::<Instant>();
        let engine = Engine::builder(self.store.clone())
            .service(Arc::new(to))
            .register::<Tell>()
            .start();
        while !engine.is_running() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut taken = Vec::with_capacity(runs);
        for _ in 0..runs {
            let begun = Instant::now();
            engine
                .start::<Tell>(self.big(), &0, StartOptions::default())
                .await?;
            let at = starts.recv().await.context("no worker")?;
            taken.push(at - begun);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.shutdown().await;
        Ok(Latency::of(taken))
    }
}

/// Runs of five steps that are started as fast as they are worked off.
pub(super) struct Flow {
    engine: Engine,
    seen: Arc<Seen>,
    feeder: JoinHandle<Result<()>>,
    enough: CancellationToken,
}

/// Runs that wait at most, of a flow.
const WAITING: usize = 10_000;

impl Ours {
    pub(super) async fn flow(&self, at_once: usize) -> Result<Flow> {
        let seen = Arc::new(Seen::default());
        let engine = Engine::builder(self.store.clone())
            .concurrency(at_once)
            .service(Arc::clone(&seen))
            .register::<FiveSteps>()
            .start();
        let enough = CancellationToken::new();
        let feed = feed(
            self.store.clone(),
            self.big(),
            Arc::clone(&seen),
            enough.clone(),
        );
        Ok(Flow {
            engine,
            seen,
            feeder: tokio::spawn(feed),
            enough,
        })
    }

    /// Makes finished runs of the last week, each with a step; returns the seconds it took.
    pub(super) async fn add_history(&self, runs: usize) -> Result<f64> {
        let begun = Instant::now();
        sqlx::raw_sql("select add_run_day(current_date - day) from generate_series(0, 7) as day")
            .execute(&self.watch)
            .await?;
        let part = 500_000;
        for first in (0..runs).step_by(part) {
            sqlx::query(HISTORY)
                .bind(self.big().0)
                .bind(i64::try_from(first)?)
                .bind(i64::try_from(runs.min(first + part))? - 1)
                .execute(&self.watch)
                .await?;
        }
        for sql in [
            "vacuum analyze finished_runs",
            "vacuum analyze steps",
            "checkpoint",
        ] {
            sqlx::raw_sql(sql).execute(&self.watch).await?;
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

const HISTORY: &str = "
    with made as (
        select n, at,
               (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0')
                || substr(md5(n::text), 1, 20))::uuid as id
        from generate_series($2, $3) as n
        cross join lateral (select now() - n % 600000 * interval '1 second' as at) a
    ), step as (
        insert into steps (tenant_id, run_id, seq, name, kind, attempt, output, started_at,
                           finished_at)
        select $1, id, 0, 'next', 'step', 1, '1', at, at from made
    )
    insert into finished_runs
        (tenant_id, id, workflow, version, state, priority, epoch, attempt, cancel_requested,
         wakes_parent, trigger, input, output, created_at, started_at, finished_at)
    select $1, id, 'five_steps', 1, 'succeeded', 0, 1, 0, false, false, 'bench', '1', '6', at, at, at
    from made";

/// Keeps runs waiting until there were enough.
async fn feed(
    store: Store,
    tenant: TenantId,
    seen: Arc<Seen>,
    enough: CancellationToken,
) -> Result<()> {
    let part: Vec<NewRun> = (0..1_000_u32)
        .map(|number| NewRun::of::<FiveSteps>(&number, StartOptions::default()))
        .collect::<Result<_, _>>()?;
    let mut started = 0;
    while !enough.is_cancelled() {
        if started - seen.count.load(Ordering::Relaxed).min(started) >= WAITING {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let mut tx = store.begin(tenant).await?;
        runs::start_many(&mut tx, &part).await?;
        tx.commit().await?;
        started += part.len();
    }
    Ok(())
}

impl Flow {
    /// Runs that came to their end in so long, a second.
    pub(super) async fn rate(&self, window: Duration) -> Result<f64> {
        anyhow::ensure!(!self.feeder.is_finished(), "nobody starts runs any more");
        let (begun, before) = (Instant::now(), self.seen.count.load(Ordering::Relaxed));
        tokio::time::sleep(window).await;
        let done = self.seen.count.load(Ordering::Relaxed) - before;
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.enough.cancel();
        self.feeder.await??;
        self.engine.shutdown().await;
        Ok(())
    }
}

/// A transaction that reads as of now until it is released, like a backup.
pub(super) struct Held(sqlx::PgConnection);

impl Ours {
    pub(super) async fn held_snapshot(&self) -> Result<Held> {
        let mut connection = self.watch.acquire().await?.detach();
        sqlx::raw_sql("begin isolation level repeatable read; select count(*) from tenants")
            .execute(&mut connection)
            .await?;
        Ok(Held(connection))
    }
}

impl Held {
    pub(super) async fn release(&mut self) -> Result<()> {
        sqlx::raw_sql("commit").execute(&mut self.0).await?;
        Ok(())
    }
}
