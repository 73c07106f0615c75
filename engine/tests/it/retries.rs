//! Failure: back-off, dead letters, panics, poison.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::runtime::{Class, Retry};
use engine::store::runs;
use engine::store::runs::{NewRun, RunState, StartOptions};
use engine::{Run, RunError, Step, StepCx, StepError, Workflow};
use serde::{Deserialize, Serialize};

use crate::support::{Trace, World, eventually};

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Fault {
    Transient,
    After(u64),
    Permanent,
    Panic,
}

/// Fails so often, then succeeds.
#[derive(Default)]
struct Faults(AtomicU32);

struct Call(Fault);

impl Step for Call {
    const NAME: &'static str = "call";
    const RETRY: Retry = Retry {
        attempts: 4,
        first: Duration::from_millis(200),
        longest: Duration::from_secs(1),
    };
    type Output = u32;

    async fn run(&self, cx: &StepCx) -> Result<u32, StepError> {
        cx.service::<Trace>()?.add("call");
        let left = cx.service::<Faults>()?;
        if left
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_err()
        {
            return Ok(cx.attempt());
        }
        match self.0 {
            Fault::Transient => Err(StepError::transient("connection reset")),
            Fault::After(millis) => Err(StepError::retry_after(
                Duration::from_millis(millis),
                "limit reached",
            )),
            Fault::Permanent => Err(StepError::permanent(Class::Auth, "token was revoked")),
            Fault::Panic => panic!("wanted by the test"),
        }
    }
}

struct Before;

impl Step for Before {
    const NAME: &'static str = "before";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        cx.service::<Trace>()?.add("before");
        Ok(())
    }
}

struct Fragile;

impl Workflow for Fragile {
    const NAME: &'static str = "fragile";
    type Input = Fault;
    type Output = u32;

    async fn run(cx: &mut Run, fault: Fault) -> Result<u32, RunError> {
        cx.step(Before).await?;
        cx.step(Call(fault)).await
    }
}

async fn world(faults: u32) -> (World, engine::Engine, std::sync::Arc<Trace>) {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .service(std::sync::Arc::new(Faults(AtomicU32::new(faults))))
        .register::<Fragile>()
        .register::<Jumpy>()
        .register::<Odd>()
        .park_unknown_after(Duration::from_secs(1))
        .concurrency(1)
        .start();
    (world, engine, trace)
}

#[tokio::test]
async fn a_transient_failure_is_stored_and_tried_again_later() {
    let (world, engine, trace) = world(2).await;
    let id = world.start::<Fragile>(&Fault::Transient).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"3".as_slice()));
    let attempts = world.attempts(id).await;
    assert_eq!(attempts.len(), 2);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.next_at.is_some() && attempt.counts)
    );
    assert_eq!(attempts[0].error["class"], "transient");
    assert_eq!((trace.count("before"), trace.count("call")), (1, 3));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_that_backs_off_holds_no_slot() {
    let (world, engine, _trace) = world(1).await;
    let waiting = world.start::<Fragile>(&Fault::After(2500)).await;
    eventually("it backs off", || async {
        !world.attempts(waiting).await.is_empty()
    })
    .await;
    let other = world.start::<Fragile>(&Fault::Transient).await;
    world.until(other, RunState::Succeeded).await;
    assert_eq!(world.run(waiting).await.state, RunState::Queued);
    let run = world.until(waiting, RunState::Succeeded).await;
    let took = run.finished_at.unwrap() - run.started_at.unwrap();
    assert!(took.num_milliseconds() >= 2500, "{took}");
    assert!(!world.attempts(waiting).await[0].counts);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_fails_with_its_last_attempt_and_a_retry_goes_on_from_there() {
    let (world, engine, trace) = world(4).await;
    let id = world.start::<Fragile>(&Fault::Transient).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!(run.error.unwrap()["class"], "transient");
    assert!(run.input.is_some());
    assert_eq!(world.attempts(id).await.len(), 4);
    assert_eq!(world.attempts(id).await[3].next_at, None);
    engine.retry(world.tenant, id).await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"5".as_slice()));
    assert!(run.error.is_none());
    assert_eq!((trace.count("before"), trace.count("call")), (1, 5));
    let refused = engine.retry(world.tenant, id).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("is succeeded and cannot be retried"),
        "{refused}"
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn a_permanent_failure_is_not_tried_again() {
    let (world, engine, trace) = world(1).await;
    let id = world.start::<Fragile>(&Fault::Permanent).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!(run.error.unwrap()["class"], "auth");
    assert_eq!(trace.count("call"), 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_panic_in_a_step_ends_the_run_and_not_the_worker() {
    let (world, engine, _trace) = world(4).await;
    let id = world.start::<Fragile>(&Fault::Panic).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!(run.error.unwrap()["message"], "step call panicked");
    let other = world.start::<Fragile>(&Fault::Transient).await;
    world.until(other, RunState::Succeeded).await;
    engine.shutdown().await;
}

/// Panics outside its steps, once.
struct Jumpy;

impl Workflow for Jumpy {
    const NAME: &'static str = "jumpy";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        cx.step(Before).await?;
        let trace = cx.service::<Trace>()?;
        trace.add("jump");
        assert!(trace.count("jump") > 1, "wanted by the test");
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_in_a_workflow_is_tried_again() {
    let (world, engine, trace) = world(0).await;
    let id = world.start::<Jumpy>(&()).await;
    world.until(id, RunState::Succeeded).await;
    assert_eq!((trace.count("before"), trace.count("jump")), (1, 2));
    assert_eq!(world.attempts(id).await[0].name, "jumpy");
    engine.shutdown().await;
}

#[tokio::test]
async fn poison_is_parked_with_a_message_and_stops_nobody() {
    let (world, engine, _trace) = world(0).await;
    let raw = |workflow: &str, version, input: &[u8]| NewRun {
        workflow: workflow.into(),
        version,
        input: input.into(),
        parent_id: None,
        trace: None,
        options: StartOptions::default(),
    };
    let poison = [
        raw("fragile", 1, b"{not json"),
        raw("fragile", 1, b"\"Secret\""),
        raw("fragile", 1, b""),
        raw("fragile", 2, b"\"Transient\""),
        raw("nobody", 1, b"null"),
    ];
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let ids = runs::start_many(&mut tx, &poison).await.unwrap();
    tx.commit().await.unwrap();
    let good = world.start::<Fragile>(&Fault::Transient).await;
    world.until(good, RunState::Succeeded).await;
    for id in ids {
        let run = world.until(id.id(), RunState::Parked).await;
        let message = run.error.unwrap()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("input") || message.contains("not known"),
            "{message}"
        );
        assert!(!message.contains("Secret"), "{message}");
    }
    engine.shutdown().await;
}

/// Has other steps each time it is replayed, or returns what no database takes.
struct Odd;

struct Named(&'static str);

impl Step for Named {
    const NAME: &'static str = "named";
    type Output = ();

    fn key(&self) -> String {
        self.0.into()
    }

    async fn run(&self, _cx: &StepCx) -> Result<(), StepError> {
        Ok(())
    }
}

impl Workflow for Odd {
    const NAME: &'static str = "odd";
    type Input = bool;
    type Output = ();

    async fn run(cx: &mut Run, nul: bool) -> Result<(), RunError> {
        let trace = cx.service::<Trace>()?;
        trace.add("odd");
        if nul {
            cx.step(Named("a\0b")).await?;
        } else if trace.count("odd") == 1 {
            cx.step(Named("first")).await?;
        } else {
            cx.step(Named("second")).await?;
        }
        cx.sleep("short", Duration::from_millis(1)).await
    }
}

#[tokio::test]
async fn a_workflow_that_replays_differently_is_parked() {
    let (world, engine, _trace) = world(0).await;
    let id = world.start::<Odd>(&false).await;
    let run = world.until(id, RunState::Parked).await;
    let message = run.error.unwrap()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "step 0 is journaled as \"step named first\", but the workflow now has \"step named second\" there"
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn what_the_database_refuses_parks_its_run_only() {
    let (world, engine, _trace) = world(0).await;
    let id = world.start::<Odd>(&true).await;
    let good = world.start::<Fragile>(&Fault::Transient).await;
    world.until(good, RunState::Succeeded).await;
    world.until(id, RunState::Parked).await;
    engine.shutdown().await;
}
