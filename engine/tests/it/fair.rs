//! Shares of tenants, and what waits long enough.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::ids::TenantId;
use engine::store::lanes::{self, Action, Lane};
use engine::store::runs::{RunState, StartOptions};
use engine::{Engine, Run, RunError, Workflow};

use crate::support::{Trace, World, eventually};

/// Who began, in order.
#[derive(Default)]
struct Begun(Mutex<Vec<TenantId>>);

struct Busy;

impl Workflow for Busy {
    const NAME: &'static str = "busy";
    /// Milliseconds.
    type Input = u64;
    type Output = ();

    async fn run(cx: &mut Run, millis: u64) -> Result<(), RunError> {
        cx.service::<Begun>()?.0.lock().unwrap().push(cx.tenant());
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        Ok(())
    }
}

async fn tenant(world: &World) -> TenantId {
    let tenant = TenantId::fresh();
    sqlx::query("insert into tenants (tenant_id, name, created_at) values ($1, 'other', now())")
        .bind(tenant.0)
        .execute(&world.sql)
        .await
        .unwrap();
    tenant
}

async fn fill(world: &World, tenant: TenantId, runs: i32, millis: u64) {
    sqlx::query(
        "insert into runs (tenant_id, id, workflow, version, state, due_at, trigger, input,
                           created_at)
         select $1, gen_random_uuid(), 'busy', 1, 'queued', now(), 'test',
                convert_to($3::text, 'UTF8'), now()
         from generate_series(1, $2)",
    )
    .bind(tenant.0)
    .bind(runs)
    .bind(i64::try_from(millis).unwrap())
    .execute(&world.sql)
    .await
    .unwrap();
}

async fn engine(world: &World, begun: &Arc<Begun>, concurrency: usize) -> Engine {
    world
        .engine()
        .await
        .service(begun.clone())
        .register::<Busy>()
        .concurrency(concurrency)
        .start()
}

#[tokio::test]
async fn a_tenant_with_half_the_backlog_gets_at_most_twice_its_fair_share() {
    let world = World::new().await;
    let begun = Arc::new(Begun::default());
    fill(&world, world.tenant, 15_000, 0).await;
    for _ in 1..200 {
        let small = tenant(&world).await;
        fill(&world, small, 75, 0).await;
    }
    let engine = engine(&world, &begun, 20).await;
    eventually("a tenth has begun", || async {
        begun.0.lock().unwrap().len() >= 3000
    })
    .await;
    engine.shutdown().await;
    let first: Vec<_> = begun.0.lock().unwrap()[..3000].to_vec();
    let big = first.iter().filter(|one| **one == world.tenant).count();
    // A fair share is 15. It may be less: time is what is shared, and one run of its that the machine
    // held up counts as many.
    assert!(big <= 30, "{big} of 3000");
    let mut shares: HashMap<TenantId, u32> = HashMap::new();
    for one in first {
        *shares.entry(one).or_default() += 1;
    }
    assert_eq!(shares.len(), 200, "each has had its turn");
}

async fn counts(begun: &Begun, of: TenantId) -> (usize, usize) {
    let begun = begun.0.lock().unwrap();
    let its = begun.iter().filter(|one| **one == of).count();
    (its, begun.len() - its)
}

#[tokio::test]
async fn a_tenant_with_long_runs_begins_fewer_of_them() {
    let world = World::new().await;
    let begun = Arc::new(Begun::default());
    let quick = tenant(&world).await;
    fill(&world, world.tenant, 500, 200).await;
    fill(&world, quick, 2000, 20).await;
    let engine = engine(&world, &begun, 4).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    engine.shutdown().await;
    let (long, short) = counts(&begun, world.tenant).await;
    // Ten times as many would be the same time; by count it would be as many.
    assert!(short >= long * 4 && long > 3, "{long} long, {short} short");
}

#[tokio::test]
async fn a_heavier_tenant_gets_more() {
    let world = World::new().await;
    let begun = Arc::new(Begun::default());
    let light = tenant(&world).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    lanes::act(&mut tx, &Lane::Tenant, &Action::Weight(Some(3.0)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    fill(&world, world.tenant, 2000, 20).await;
    fill(&world, light, 2000, 20).await;
    let engine = engine(&world, &begun, 4).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    engine.shutdown().await;
    let (heavy, light) = counts(&begun, world.tenant).await;
    let ratio = heavy as f64 / light as f64;
    assert!((2.0..4.5).contains(&ratio), "{heavy} to {light}");
}

struct Noted;

impl Workflow for Noted {
    const NAME: &'static str = "noted";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, number: u32) -> Result<(), RunError> {
        cx.service::<Trace>()?.add(number.to_string());
        Ok(())
    }
}

#[tokio::test]
async fn a_run_of_low_priority_waits_so_long_and_no_longer() {
    let world = World::new().await;
    let trace = Trace::new();
    let now = chrono::Utc::now();
    // (number, priority, seconds it has been due)
    for (number, priority, waited) in [(1, 2, 0), (2, 1, 5), (3, 1, 16), (4, 0, 14), (5, 0, 25)] {
        let options = StartOptions {
            priority,
            due_at: Some(now - Duration::from_secs(waited)),
            ..StartOptions::default()
        };
        world.start_with::<Noted>(&number, options).await;
    }
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Noted>()
        .ageing(Duration::from_secs(10))
        .concurrency(1)
        .start();
    eventually("all have run", || async { trace.lines().len() == 5 }).await;
    assert_eq!(trace.lines(), ["3", "5", "1", "2", "4"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn tenants_that_only_sleep_or_pause_are_in_nobodys_way() {
    let world = World::new().await;
    let begun = Arc::new(Begun::default());
    let engine = engine(&world, &begun, 4).await;
    let pause = Action::Pause {
        by: "test".into(),
        reason: "quiet".into(),
    };
    for _ in 0..150 {
        let paused = tenant(&world).await;
        let mut tx = world.store.begin(paused).await.unwrap();
        lanes::act(&mut tx, &Lane::Tenant, &pause).await.unwrap();
        tx.commit().await.unwrap();
        fill(&world, paused, 2, 0).await;
    }
    let id = world.start::<Busy>(&0).await;
    let run = world.until(id, RunState::Succeeded).await;
    let took = run.finished_at.unwrap() - run.created_at;
    assert!(took.num_milliseconds() < 1000, "{took}");
    assert_eq!(begun.0.lock().unwrap().len(), 1);
    engine.shutdown().await;
}
