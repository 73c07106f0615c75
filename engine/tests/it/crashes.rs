//! Processes that die, leases that are lost, a server that restarts.

use std::time::{Duration, Instant};

use engine::store::runs::{RunState, StartOptions};
use engine::{Clock, Engine, Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};
use tokio::sync::Notify;

use crate::support::{TestDb, Trace, World, eventually, leave_mark};

/// Holds the third step until it is told to go on.
#[derive(Default)]
struct Gate(Notify);

struct Mark(u32);

impl Step for Mark {
    const NAME: &'static str = "mark";
    type Output = u32;

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<u32, StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add(format!("begin {}", self.0));
        if self.0 == 2 {
            cx.service::<Gate>()?.0.notified().await;
        }
        trace.add(format!("end {}", self.0));
        Ok(self.0)
    }
}

/// Adds one to a counter in the database.
struct Count(u32);

impl TxStep for Count {
    const NAME: &'static str = "count";
    type Output = ();

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        leave_mark(cx, tx, &self.0.to_string()).await?;
        if self.0 == 1 {
            let trace = cx.service::<Trace>()?;
            trace.add("in transaction");
            if let Ok(gate) = cx.service::<Gate>() {
                gate.0.notified().await;
            }
        }
        Ok(())
    }
}

struct Marks;

impl Workflow for Marks {
    const NAME: &'static str = "marks";
    type Input = ();
    type Output = u32;

    async fn run(cx: &mut Run, (): ()) -> Result<u32, RunError> {
        let mut sum = 0;
        for number in 0..5 {
            sum += cx.step(Mark(number)).await?;
        }
        Ok(sum)
    }
}

struct Counts;

impl Workflow for Counts {
    const NAME: &'static str = "counts";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        for number in 0..3 {
            cx.tx(Count(number)).await?;
        }
        Ok(())
    }
}

fn open_gate() -> std::sync::Arc<Gate> {
    let gate = std::sync::Arc::new(Gate::default());
    gate.0.notify_one();
    gate
}

#[tokio::test]
async fn another_process_goes_on_after_the_last_journaled_step() {
    let world = World::new().await;
    let (first, second) = (Trace::new(), Trace::new());
    let gate = std::sync::Arc::new(Gate::default());
    let doomed = world
        .engine()
        .await
        .service(first.clone())
        .service(gate)
        .register::<Marks>()
        .start();
    let id = world.start::<Marks>(&()).await;
    eventually("it is in its third step", || async {
        first.count("begin 2") == 1
    })
    .await;
    let heir = world
        .engine()
        .await
        .service(second.clone())
        .service(open_gate())
        .register::<Marks>()
        .start();
    eventually("both are registered", || async {
        world.count("select count(*) from processes").await == 2
    })
    .await;
    let died = Instant::now();
    drop(doomed);
    let run = world.until(id, RunState::Succeeded).await;
    assert!(
        died.elapsed() < Duration::from_secs(4),
        "{:?}",
        died.elapsed()
    );
    assert_eq!(run.output.as_deref(), Some(b"10".as_slice()));
    assert_eq!(run.activations, 2);
    assert!(!first.lines().contains(&"end 2".to_owned()));
    assert_eq!(second.lines()[0], "begin 2");
    assert_eq!(world.steps(id).await.len(), 5);
    heir.shutdown().await;
}

#[tokio::test]
async fn a_new_process_goes_on_with_what_a_dead_one_left_without_waiting_for_a_second() {
    let mut shortest = Duration::MAX;
    // One of three: the machine may be busy with other things.
    for _ in 0..3 {
        let world = World::new().await;
        let trace = Trace::new();
        let doomed = world
            .engine()
            .await
            .service(trace.clone())
            .service(std::sync::Arc::new(Gate::default()))
            .register::<Marks>()
            .start();
        let id = world.start::<Marks>(&()).await;
        eventually("it is in its third step", || async {
            trace.count("begin 2") == 1
        })
        .await;
        drop(doomed);
        let heir = world
            .engine()
            .await
            .service(Trace::new())
            .service(open_gate())
            .register::<Marks>()
            .start();
        eventually("it is registered", || async { heir.is_running() }).await;
        let registered = Instant::now();
        world.until(id, RunState::Succeeded).await;
        shortest = shortest.min(registered.elapsed());
        heir.shutdown().await;
    }
    assert!(shortest < Duration::from_millis(500), "{shortest:?}");
}

#[tokio::test]
async fn a_transactional_step_takes_effect_once_whatever_dies() {
    let world = World::new().await;
    let (first, second) = (Trace::new(), Trace::new());
    let gate = std::sync::Arc::new(Gate::default());
    let doomed = world
        .engine()
        .await
        .service(first.clone())
        .service(gate)
        .register::<Counts>()
        .start();
    let id = world.start::<Counts>(&()).await;
    eventually("it is in a transaction", || async {
        first.count("in transaction") == 1
    })
    .await;
    drop(doomed);
    let heir = world
        .engine()
        .await
        .service(second.clone())
        .register::<Counts>()
        .start();
    world.until(id, RunState::Succeeded).await;
    assert_eq!(world.count("select count(*) from run_dedupe").await, 3);
    assert_eq!(second.count("in transaction"), 1);
    heir.shutdown().await;
}

#[tokio::test]
async fn who_has_lost_the_lease_writes_nothing_more() {
    let world = World::new().await;
    let trace = Trace::new();
    let gate = std::sync::Arc::new(Gate::default());
    let stale = world
        .engine()
        .await
        .service(trace.clone())
        .service(gate.clone())
        .register::<Marks>()
        .register::<Counts>()
        .start();
    let marks = world.start::<Marks>(&()).await;
    eventually("it is in its third step", || async {
        trace.count("begin 2") == 1
    })
    .await;
    let counts = world.start::<Counts>(&()).await;
    eventually("it is in a transaction", || async {
        trace.count("in transaction") == 1
    })
    .await;
    // Somebody else has taken both runs, as after a lease that ran out.
    sqlx::query("update runs set epoch = epoch + 1, owner = gen_random_uuid()")
        .execute(&world.sql)
        .await
        .unwrap();
    gate.0.notify_waiters();
    eventually("the stale steps are over", || async { stale.active() == 0 }).await;
    assert_eq!(trace.count("end 2"), 1);
    assert_eq!(world.steps(marks).await.len(), 2);
    assert_eq!(world.steps(counts).await.len(), 1);
    assert_eq!(world.run(marks).await.state, RunState::Running);
    assert_eq!(world.count("select count(*) from run_dedupe").await, 1);
    stale.shutdown().await;
}

#[tokio::test]
async fn a_process_that_was_buried_registers_again_and_drops_its_runs() {
    let world = World::new().await;
    let trace = Trace::new();
    let gate = std::sync::Arc::new(Gate::default());
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .service(gate.clone())
        .register::<Marks>()
        .start();
    let id = world.start::<Marks>(&()).await;
    eventually("it is in its third step", || async {
        trace.count("begin 2") == 1
    })
    .await;
    sqlx::query("delete from processes")
        .execute(&world.sql)
        .await
        .unwrap();
    eventually("it begins again", || async { trace.count("begin 2") == 2 }).await;
    gate.0.notify_one();
    world.until(id, RunState::Succeeded).await;
    assert_eq!(trace.count("end 2"), 1);
    assert_eq!(trace.count("begin 1"), 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn runs_of_an_owner_that_is_no_process_are_gone_on_with() {
    let world = World::new().await;
    let id = world.start::<Marks>(&()).await;
    // A server that came to a claim's commit after the claimer had been buried leaves this.
    sqlx::query("update runs set state = 'running', epoch = 1, owner = gen_random_uuid()")
        .execute(&world.sql)
        .await
        .unwrap();
    let heir = world
        .engine()
        .await
        .service(Trace::new())
        .service(open_gate())
        .register::<Marks>()
        .start();
    world.until(id, RunState::Succeeded).await;
    heir.shutdown().await;
}

#[tokio::test]
async fn a_buried_process_claims_nothing() {
    let world = World::new().await;
    let trace = Trace::new();
    let doomed = world
        .engine()
        .await
        .service(trace.clone())
        .service(open_gate())
        .register::<Marks>()
        .start();
    eventually("it is registered", || async { doomed.is_running() }).await;
    // The claims' lock: it cannot have claimed before it is buried.
    let mut sql = world.sql.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7311002024)")
        .execute(&mut *sql)
        .await
        .unwrap();
    let id = world.start::<Marks>(&()).await;
    sqlx::query("delete from processes")
        .execute(&mut *sql)
        .await
        .unwrap();
    sql.commit().await.unwrap();
    // It finds out, registers anew and goes on as another process.
    world.until(id, RunState::Succeeded).await;
    let claims = "select count(*) from all_runs where epoch = 1";
    assert_eq!(world.count(claims).await, 1, "only its successor claimed");
    doomed.shutdown().await;
}

#[tokio::test]
async fn a_cut_lease_session_is_found_by_both_sides() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .service(open_gate())
        .register::<Marks>()
        .start();
    eventually("it is registered", || async { engine.is_running() }).await;
    let before: uuid::Uuid = sqlx::query_scalar("select id from processes")
        .fetch_one(&world.sql)
        .await
        .unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())")
        .execute(&world.sql)
        .await
        .unwrap();
    eventually("it has a new incarnation", || async {
        let now: Vec<uuid::Uuid> = sqlx::query_scalar("select id from processes")
            .fetch_all(&world.sql)
            .await
            .unwrap();
        now.len() == 1 && now[0] != before
    })
    .await;
    let id = world.start::<Marks>(&()).await;
    world.until(id, RunState::Succeeded).await;
    engine.shutdown().await;
}

struct Many;

impl Workflow for Many {
    const NAME: &'static str = "many";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, _number: u32) -> Result<(), RunError> {
        for number in [0, 2, 3] {
            cx.tx(Count(number)).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn processes_that_die_under_load_lose_nothing_and_double_nothing() {
    let world = World::new().await;
    let inputs: Vec<u32> = (0..400).collect();
    let mut engines = Vec::new();
    for _ in 0..2 {
        engines.push(
            world
                .engine()
                .await
                .service(Trace::new())
                .register::<Many>()
                .concurrency(10)
                .start(),
        );
    }
    engines[0]
        .start_many::<Many>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let engine = world
            .engine()
            .await
            .service(Trace::new())
            .register::<Many>()
            .concurrency(10)
            .start();
        // The old one dies here.
        engines[round % 2] = engine;
    }
    eventually("all are done", || async {
        world
            .count("select count(*) from all_runs where state = 'succeeded'")
            .await
            == 400
    })
    .await;
    assert_eq!(world.count("select count(*) from run_dedupe").await, 1200);
    assert_eq!(world.count("select count(*) from steps").await, 1200);
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_restart_of_postgres_ends_no_worker_and_leaves_no_run_stuck() {
    let server = tokio::task::spawn_blocking(localpg::Throwaway::start)
        .await
        .unwrap()
        .unwrap();
    let cluster = server.cluster().clone();
    let db = TestDb::on(cluster.clone()).await.unwrap();
    let store = db.store(Clock::system()).await.unwrap();
    let tenant = engine::ids::TenantId::fresh();
    let insert = format!(
        "insert into tenants (tenant_id, name, created_at) values ('{}', 'test', now())",
        tenant.0
    );
    cluster.execute(db.name(), &insert).unwrap();
    let engine = Engine::builder(store)
        .service(Trace::new())
        .register::<Many>()
        .concurrency(10)
        .start();
    let inputs: Vec<u32> = (0..600).collect();
    engine
        .start_many::<Many>(tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    let done = |least: usize| {
        let (cluster, name) = (cluster.clone(), db.name().to_owned());
        move || {
            let (cluster, name) = (cluster.clone(), name.clone());
            async move {
                let sql = "select count(*) from all_runs where state = 'succeeded'";
                let count = cluster.execute(&name, sql).unwrap_or_default();
                count
                    .first()
                    .and_then(|count| count.parse().ok())
                    .unwrap_or(0)
                    >= least
            }
        }
    };
    eventually("some are done", done(50)).await;
    let restarted = cluster.clone();
    tokio::task::spawn_blocking(move || {
        restarted.stop().unwrap();
        restarted.start().unwrap();
    })
    .await
    .unwrap();
    eventually("all are done", done(600)).await;
    let counted = cluster
        .execute(db.name(), "select count(*) from run_dedupe")
        .unwrap();
    assert_eq!(counted, ["1800"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_transaction_whose_begin_nobody_waits_for_any_more_does_not_stay_open() {
    let world = World::new().await;
    let left = "select count(*) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()
                  and state like 'idle in transaction%'";
    for polls in 1..=4 {
        let begin = world.store.begin(world.tenant);
        begin.await.unwrap().commit().await.unwrap();
        // Its connection goes back to the pool.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut begin = Box::pin(world.store.begin(world.tenant));
        for _ in 0..polls {
            if futures::poll!(begin.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let left: i64 = sqlx::query_scalar(left)
            .fetch_one(&world.sql)
            .await
            .unwrap();
        assert_eq!(left, 0, "{polls} polls");
    }
}
