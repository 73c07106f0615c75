//! Who is cancelled takes along what it called: children in every state, and theirs.

use std::time::Duration;

use engine::runtime::{BulkInput, BulkRuns};
use engine::store::runs::{BulkFilter, BulkOperation, RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Workflow};
use serde::{Deserialize, Serialize};

use crate::support::{Trace, World, eventually};

/// What a leaf of a family does for ever, unless it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Does {
    Sleeps,
    Waits,
    Works,
    /// Works and does not look whether it is to stop.
    Clings,
}

struct Work {
    listens: bool,
}

impl Step for Work {
    const NAME: &'static str = "work";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add("begun");
        let work = tokio::time::sleep(Duration::from_secs(3600));
        if self.listens {
            cx.cancelled().run_until_cancelled(work).await;
            trace.add("stopped");
            return Err(StepError::Cancelled);
        }
        work.await;
        Ok(())
    }
}

struct Leaf;

impl Workflow for Leaf {
    const NAME: &'static str = "leaf";
    type Input = Does;
    type Output = ();

    async fn run(cx: &mut Run, does: Does) -> Result<(), RunError> {
        match does {
            Does::Sleeps => cx.sleep("for long", Duration::from_secs(3600)).await,
            Does::Waits => cx.signal::<()>("go", None).await.map(drop),
            Does::Works => cx.step(Work { listens: true }).await,
            Does::Clings => cx.step(Work { listens: false }).await,
        }
    }
}

/// Calls a family of one generation less; the last one calls leaves.
struct Family;

impl Workflow for Family {
    const NAME: &'static str = "family";
    type Input = (u32, Vec<Does>);
    type Output = ();

    async fn run(cx: &mut Run, (below, leaves): Self::Input) -> Result<(), RunError> {
        let options = StartOptions::default();
        if below == 0 {
            cx.call_many::<Leaf>(&leaves, 10, &options).await?;
        } else {
            cx.call::<Self>((below - 1, leaves), options).await?;
        }
        Ok(())
    }
}

/// Starts a leaf on its own and calls another.
struct Loose;

impl Workflow for Loose {
    const NAME: &'static str = "loose";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        cx.start::<Leaf>(Does::Waits, StartOptions::default())
            .await?;
        cx.call::<Leaf>(Does::Sleeps, StartOptions::default()).await
    }
}

const ALL: [Does; 4] = [Does::Sleeps, Does::Waits, Does::Works, Does::Clings];

async fn engine(world: &World, trace: &std::sync::Arc<Trace>) -> Engine {
    world
        .engine()
        .await
        .service(trace.clone())
        .register::<Leaf>()
        .register::<Family>()
        .register::<Loose>()
        .register::<BulkRuns>()
        .cancel_grace(Duration::from_millis(300))
        .start()
}

/// Waits until the leaves are where they stay: one asleep, one waiting, two at work, of each family.
async fn settled(world: &World, families: i64) {
    eventually("the leaves are where they stay", || async {
        let idle = world
            .count(
                "select count(*) from runs where workflow = 'leaf' and epoch > 0 \
                 and (state = 'waiting' or state = 'queued' and asleep)",
            )
            .await;
        let busy = world
            .count("select count(*) from runs where workflow = 'leaf' and state = 'running'")
            .await;
        (idle, busy) == (2 * families, 2 * families)
    })
    .await;
}

async fn all_cancelled(world: &World, runs: i64) {
    eventually("all have ended", || async {
        world.count("select count(*) from runs").await == 0
    })
    .await;
    let cancelled = "select count(*) from finished_runs where state = 'cancelled' \
                     and cancel_requested and error ->> 'class' = 'cancelled'";
    assert_eq!(world.count(cancelled).await, runs);
    assert_eq!(
        world.count("select count(*) from cancelled_parents").await,
        0
    );
}

#[tokio::test]
async fn children_in_every_state_are_cancelled_with_their_parent() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let parent = world.start::<Family>(&(0, ALL.to_vec())).await;
    settled(&world, 1).await;
    let asked = std::time::Instant::now();
    let state = engine.cancel(world.tenant, parent).await.unwrap();
    assert_eq!(state, RunState::Cancelled);
    all_cancelled(&world, 5).await;
    // The one that does not listen has its time of grace.
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(trace.count("stopped"), 1);
    let told = "select count(*) from finished_runs \
                where error ->> 'message' = 'run was cancelled with its parent'";
    assert_eq!(world.count(told).await, 2);
    engine.shutdown().await;
}

#[tokio::test]
async fn children_of_children_are_cancelled_too_also_by_another_process() {
    let world = World::new().await;
    let trace = Trace::new();
    let engines = [engine(&world, &trace).await, engine(&world, &trace).await];
    let parent = world.start::<Family>(&(3, ALL.to_vec())).await;
    settled(&world, 1).await;
    // The portal's store has no engine.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    engine::store::runs::cancel(&mut tx, parent).await.unwrap();
    tx.commit().await.unwrap();
    all_cancelled(&world, 8).await;
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_parents_deadline_ends_its_children() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let options = StartOptions {
        deadline: Some(Duration::from_secs(4).into()),
        ..StartOptions::default()
    };
    let parent = world
        .start_with::<Family>(&(1, ALL.to_vec()), options)
        .await;
    settled(&world, 1).await;
    let parent = world.until(parent, RunState::Failed).await;
    assert_eq!(parent.error.unwrap()["class"], "deadline");
    all_cancelled(&world, 5).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_bulk_operation_cancels_families() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    for _ in 0..3 {
        world.start::<Family>(&(0, ALL.to_vec())).await;
    }
    settled(&world, 3).await;
    let input = BulkInput {
        name: "stop the families".into(),
        operation: BulkOperation::Cancel,
        filter: BulkFilter {
            workflow: Some("family".into()),
            ..BulkFilter::default()
        },
    };
    let bulk = world.start::<BulkRuns>(&input).await;
    world.until(bulk, RunState::Succeeded).await;
    all_cancelled(&world, 15).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_that_was_started_on_its_own_goes_on() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let parent = world.start::<Loose>(&()).await;
    eventually("both leaves are there", || async {
        world
            .count(
                "select count(*) from runs where workflow = 'leaf' and epoch > 0 and owner is null",
            )
            .await
            == 2
    })
    .await;
    engine.cancel(world.tenant, parent).await.unwrap();
    eventually("the called one is cancelled", || async {
        world
            .count("select count(*) from finished_runs where workflow = 'leaf'")
            .await
            == 1
    })
    .await;
    let left = "select count(*) from runs where workflow = 'leaf' and state = 'waiting' \
                and not cancel_requested";
    assert_eq!(world.count(left).await, 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_parent_that_is_retried_calls_again_what_was_cancelled_with_it() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let parent = world.start::<Family>(&(0, vec![Does::Waits])).await;
    eventually("the leaf waits", || async {
        world
            .count("select count(*) from runs where workflow = 'leaf' and state = 'waiting'")
            .await
            == 1
    })
    .await;
    engine.cancel(world.tenant, parent).await.unwrap();
    all_cancelled(&world, 2).await;
    engine.retry(world.tenant, parent).await.unwrap();
    eventually("a new leaf waits", || async {
        world
            .count("select count(*) from runs where workflow = 'leaf' and state = 'waiting'")
            .await
            == 1
    })
    .await;
    assert_eq!(world.run(parent).await.state, RunState::Waiting);
    engine.shutdown().await;
}
