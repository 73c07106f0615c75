//! Workflows that keep no history: what a run that succeeded leaves, and what it does not.

use std::time::Duration;

use engine::ids::RunId;
use engine::runtime::{Class, Failure};
use engine::store::StoreError;
use engine::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, RunState, StartOptions, Started};
use engine::{Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{Trace, World, eventually};

/// Fails once, and for good if it is to.
struct Try(bool);

impl Step for Try {
    const NAME: &'static str = "try";
    type Output = u64;

    async fn run(&self, cx: &StepCx) -> Result<u64, StepError> {
        cx.service::<Trace>()?.add(cx.run_id().to_string());
        if self.0 {
            return Err(StepError::permanent(Class::Rejected, "it is bad"));
        }
        if cx.attempt() == 1 {
            let failure = Failure::new(Class::Transient, "it is locked");
            return Err(StepError::Later(Duration::from_millis(20), failure));
        }
        Ok(7)
    }
}

/// Tries, sleeps, waits for a signal: something of each kind in the journal.
struct Quiet;

impl Workflow for Quiet {
    const NAME: &'static str = "quiet";
    const HISTORY: bool = false;
    type Input = bool;
    type Output = u64;

    async fn run(cx: &mut Run, bad: bool) -> Result<u64, RunError> {
        cx.sleep("a moment", Duration::from_millis(5)).await?;
        let tried = cx.step(Try(bad)).await?;
        cx.signal::<u32>("go", None).await?;
        Ok(tried)
    }
}

/// Has no steps, or one that nothing follows.
struct Short;

impl Workflow for Short {
    const NAME: &'static str = "short";
    const HISTORY: bool = false;
    type Input = bool;
    type Output = u64;

    async fn run(cx: &mut Run, steps: bool) -> Result<u64, RunError> {
        cx.service::<Trace>()?.add(cx.run_id().to_string());
        Ok(if steps { cx.step(One).await? } else { 1 })
    }
}

struct One;

impl Step for One {
    const NAME: &'static str = "one";
    type Output = u64;

    async fn run(&self, _cx: &StepCx) -> Result<u64, StepError> {
        Ok(1)
    }
}

/// Calls one of the short ones.
struct Calls;

impl Workflow for Calls {
    const NAME: &'static str = "calls";
    type Input = ();
    type Output = u64;

    async fn run(cx: &mut Run, (): ()) -> Result<u64, RunError> {
        cx.call::<Short>(true, StartOptions::default()).await
    }
}

const ROWS: &str = "select (select count(*) from all_runs) + (select count(*) from steps)
                         + (select count(*) from attempts) + (select count(*) from signals)";

async fn is_gone(world: &World, id: RunId) -> bool {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    matches!(runs::get(&mut tx, id).await, Err(StoreError::NotFound(_)))
}

#[tokio::test]
async fn a_run_without_history_leaves_nothing_when_it_succeeds() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Quiet>()
        .register::<Short>()
        .start();
    let quiet = world.start::<Quiet>(&false).await;
    world.until(quiet, RunState::Waiting).await;
    assert_eq!(world.attempts(quiet).await.len(), 1);
    assert!(world.steps(quiet).await.len() >= 2);
    for body in 0..2 {
        engine
            .signal(world.tenant, quiet, "go", &body, None)
            .await
            .unwrap();
    }
    eventually("it is gone", || is_gone(&world, quiet)).await;
    for steps in [false, true] {
        let short = world.start::<Short>(&steps).await;
        eventually("it is gone", || is_gone(&world, short)).await;
        assert_eq!(trace.count(&short.to_string()), 1);
        let outcome = engine.outcome::<Short>(world.tenant, short).await;
        assert!(outcome.is_err_and(|error| error.to_string().contains("not found")));
    }
    assert_eq!(world.count(ROWS).await, 0);
    engine.shutdown().await;
}

#[tokio::test]
async fn one_that_fails_or_is_cancelled_stays_and_can_be_tried_again() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Quiet>()
        .start();
    let bad = world.start::<Quiet>(&true).await;
    let run = world.until(bad, RunState::Failed).await;
    assert_eq!(run.input.as_deref(), Some(b"true".as_slice()));
    assert_eq!(world.steps(bad).await.len(), 2);
    assert_eq!(world.attempts(bad).await.len(), 1);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    runs::retry(&mut tx, bad).await.unwrap();
    tx.commit().await.unwrap();
    eventually("it has tried again", || async {
        world.attempts(bad).await.len() == 2
    })
    .await;
    world.until(bad, RunState::Failed).await;
    let asks = world.start::<Quiet>(&false).await;
    world.until(asks, RunState::Waiting).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    runs::cancel(&mut tx, asks).await.unwrap();
    tx.commit().await.unwrap();
    world.until(asks, RunState::Cancelled).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn one_that_another_run_called_stays_for_it() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Calls>()
        .register::<Short>()
        .start();
    let parent = world.start::<Calls>(&()).await;
    let run = world.until(parent, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"1".as_slice()));
    let child = "select count(*) from finished_runs f join steps s on s.run_id = f.id
                 where f.workflow = 'short' and f.state = 'succeeded'";
    assert_eq!(world.count(child).await, 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_dedupe_key_outlives_the_run_it_names() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Short>()
        .start();
    let once = |until| StartOptions {
        dedupe: Some(Dedupe {
            key: format!("{until:?}"),
            until,
            mode: DedupeMode::Existing,
        }),
        ..StartOptions::default()
    };
    let elapsed = DedupeUntil::Elapsed(Duration::from_secs(3600));
    for (until, again) in [(elapsed, false), (DedupeUntil::Ended, true)] {
        let first = world.start_with::<Short>(&false, once(until)).await;
        eventually("it is gone", || is_gone(&world, first)).await;
        let started = engine
            .start::<Short>(world.tenant, &false, once(until))
            .await;
        let started = started.unwrap();
        assert_eq!(matches!(started, Started::New(_)), again, "{until:?}");
        eventually("the second is gone", || is_gone(&world, started.id())).await;
        assert_eq!(trace.count(&first.to_string()), 1);
    }
    engine.shutdown().await;
}
