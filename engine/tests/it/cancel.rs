//! Cancelling, and going down in good order.

use std::time::Duration;

use engine::runtime::Class;
use engine::store::runs::{self, RunState, StartOptions};
use engine::{Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{Trace, World, eventually};

/// Takes its time; listens to a cancellation if it is told to.
struct Long {
    millis: u64,
    listens: bool,
}

impl Step for Long {
    const NAME: &'static str = "long";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add("begun");
        let work = tokio::time::sleep(Duration::from_millis(self.millis));
        if self.listens {
            if cx.cancelled().run_until_cancelled(work).await.is_none() {
                trace.add("stopped");
                return Err(StepError::Cancelled);
            }
        } else {
            work.await;
        }
        trace.add("ended");
        Ok(())
    }
}

struct Slow;

impl Workflow for Slow {
    const NAME: &'static str = "slow";
    type Input = (u64, bool);
    type Output = ();

    async fn run(cx: &mut Run, (millis, listens): (u64, bool)) -> Result<(), RunError> {
        cx.step(Long { millis, listens }).await?;
        cx.step(Long { millis: 1, listens }).await?;
        cx.sleep("for long", Duration::from_secs(3600)).await
    }
}

struct CallsSlow;

impl Workflow for CallsSlow {
    const NAME: &'static str = "calls_slow";
    type Input = ();
    type Output = String;

    async fn run(cx: &mut Run, (): ()) -> Result<String, RunError> {
        let error = cx
            .call::<Slow>((1, false), StartOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Cancelled);
        Ok(error.to_string())
    }
}

#[tokio::test]
async fn a_waiting_run_is_cancelled_at_once_and_its_parent_hears_of_it() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Slow>()
        .register::<CallsSlow>()
        .start();
    let parent = world.start::<CallsSlow>(&()).await;
    eventually("the child sleeps", || async {
        world.count("select count(*) from runs where workflow = 'slow' and state = 'queued' and epoch > 0").await == 1
    })
    .await;
    let child: uuid::Uuid = sqlx::query_scalar("select id from runs where workflow = 'slow'")
        .fetch_one(&world.sql)
        .await
        .unwrap();
    let child = engine::ids::RunId(child);
    let state = engine.cancel(world.tenant, child).await.unwrap();
    assert_eq!(state, RunState::Cancelled);
    let parent = world.until(parent, RunState::Succeeded).await;
    assert_eq!(
        parent.output.as_deref(),
        Some(b"\"run was cancelled\"".as_slice())
    );
    assert!(engine.cancel(world.tenant, child).await.is_err());
    engine.shutdown().await;
}

#[tokio::test]
async fn a_running_run_stops_at_its_next_step_or_sooner_if_it_listens() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Slow>()
        .start();
    for (listens, traces) in [(false, ["begun", "ended"]), (true, ["begun", "stopped"])] {
        let before = trace.lines().len();
        let millis = if listens { 60_000 } else { 800 };
        let id = world.start::<Slow>(&(millis, listens)).await;
        eventually("it runs", || async { trace.lines().len() > before }).await;
        // From another process: the portal has a store of its own.
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let state = engine::store::runs::cancel(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(state, RunState::Running);
        let run = world.until(id, RunState::Cancelled).await;
        assert_eq!(run.error.unwrap()["class"], "cancelled");
        assert_eq!(trace.lines()[before..], traces);
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_lets_steps_end_and_gives_the_runs_back() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Slow>()
        .start();
    let id = world.start::<Slow>(&(700, false)).await;
    eventually("it runs", || async { trace.count("begun") == 1 }).await;
    assert!(engine.is_running());
    engine.shutdown().await;
    let run = world.run(id).await;
    assert_eq!((run.state, run.owner), (RunState::Queued, None));
    assert_eq!(world.steps(id).await.len(), 1);
    assert_eq!(trace.lines(), ["begun", "ended"]);
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Slow>()
        .start();
    eventually("it goes on", || async { trace.count("begun") == 2 }).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_longer_than_its_grace() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .grace(Duration::from_millis(100))
        .service(trace.clone())
        .register::<Slow>()
        .start();
    let id = world.start::<Slow>(&(60_000, false)).await;
    eventually("it runs", || async { trace.count("begun") == 1 }).await;
    engine.shutdown().await;
    assert_eq!(world.run(id).await.state, RunState::Queued);
}

/// Has its own run cancelled, then returns what cannot be stored.
struct CancelAndOverflow;

impl Step for CancelAndOverflow {
    const NAME: &'static str = "overflow";
    type Output = String;

    async fn run(&self, cx: &StepCx) -> Result<String, StepError> {
        let mut tx = cx.begin().await?;
        runs::cancel(&mut tx, cx.run_id()).await?;
        tx.commit().await?;
        Ok("x".repeat(cx.store().limits().output))
    }
}

struct Overflow;

impl Workflow for Overflow {
    const NAME: &'static str = "overflow";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        cx.step(CancelAndOverflow).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_that_is_asked_to_stop_is_not_parked_instead() {
    let world = World::new().await;
    let engine = world.engine().await.register::<Overflow>().start();
    let id = world.start::<Overflow>(&()).await;
    world.until(id, RunState::Cancelled).await;
    engine.shutdown().await;
}
