//! Times that pass: of runs, of steps, of patience.

use std::time::{Duration, Instant};

use engine::runtime::{Class, Progress, Retry};
use engine::store::StoreError;
use engine::store::runs::{RunState, StartOptions};
use engine::{
    Deadline, Engine, Limits, Run, RunError, Step, StepCx, StepError, Store, StoreOptions,
};
use engine::{Tx, TxStep, Workflow};
use serde::{Deserialize, Serialize};

use crate::support::{Trace, World, eventually};

#[derive(Clone, Copy, Serialize, Deserialize)]
enum How {
    Sleeps,
    Waits,
    Listens,
    /// Goes on with its step whatever is asked of it.
    Deaf,
    /// The same in a transaction.
    DeafTx,
}

struct Linger(bool);

impl Step for Linger {
    const NAME: &'static str = "linger";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add("begun");
        let work = tokio::time::sleep(Duration::from_secs(60));
        if self.0 {
            cx.cancelled().run_until_cancelled(work).await;
            trace.add("stopped");
            return Err(StepError::Cancelled);
        }
        work.await;
        trace.add("ended");
        Ok(())
    }
}

struct LingerTx;

impl TxStep for LingerTx {
    const NAME: &'static str = "linger_tx";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        sqlx::query("insert into run_dedupe (key, run_id, expires_at) values ('x', $1, now() + interval '1 day')")
            .bind(cx.run_id().0)
            .execute(tx.conn())
            .await
            .map_err(StoreError::from)?;
        cx.service::<Trace>()?.add("begun");
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    }
}

struct Lingers;

impl Workflow for Lingers {
    const NAME: &'static str = "lingers";
    type Input = How;
    type Output = ();

    async fn run(cx: &mut Run, how: How) -> Result<(), RunError> {
        match how {
            How::Sleeps => cx.sleep("long", Duration::from_secs(3600)).await,
            How::Waits => {
                cx.signal::<()>("never", None).await?;
                Ok(())
            }
            How::Listens => cx.step(Linger(true)).await,
            How::Deaf => cx.step(Linger(false)).await,
            How::DeafTx => cx.tx(LingerTx).await,
        }
    }
}

struct Asks;

impl Workflow for Asks {
    const NAME: &'static str = "asks";
    type Input = u64;
    type Output = String;

    async fn run(cx: &mut Run, millis: u64) -> Result<String, RunError> {
        let error = cx
            .call::<Lingers>(How::Waits, within(millis))
            .await
            .unwrap_err();
        Ok(format!("{} {error}", error.class()))
    }
}

fn within(millis: u64) -> StartOptions {
    StartOptions {
        deadline: Some(Deadline::After(Duration::from_millis(millis))),
        ..StartOptions::default()
    }
}

async fn engine(world: &World, trace: &std::sync::Arc<Trace>) -> Engine {
    world
        .engine()
        .await
        .cancel_grace(Duration::from_millis(400))
        .service(trace.clone())
        .register::<Lingers>()
        .register::<Asks>()
        .register::<Timed>()
        .register::<Wordy>()
        .start()
}

#[tokio::test]
async fn a_run_that_has_not_ended_by_its_deadline_fails() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    for (how, stops) in [
        (How::Sleeps, Duration::ZERO),
        (How::Waits, Duration::ZERO),
        (How::Listens, Duration::ZERO),
        (How::Deaf, Duration::from_millis(400)),
        (How::DeafTx, Duration::from_millis(400)),
    ] {
        let begun = Instant::now();
        let id = world.start_with::<Lingers>(&how, within(1500)).await;
        let run = world.until(id, RunState::Failed).await;
        let took = begun.elapsed();
        assert_eq!(run.error.unwrap()["class"], "deadline");
        assert!(took >= Duration::from_millis(1500) + stops, "{took:?}");
        assert!(took < Duration::from_millis(2900) + stops, "{took:?}");
        assert!(run.finished_at.is_some());
    }
    assert_eq!(trace.lines(), ["begun", "stopped", "begun", "begun"]);
    assert_eq!(world.count("select count(*) from run_dedupe").await, 0);
    eventually("nothing goes on", || async { engine.active() == 0 }).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_that_had_to_have_ended_before_it_began_never_runs() {
    let world = World::new().await;
    let past = StartOptions {
        deadline: Some(Deadline::At(
            chrono::Utc::now() - chrono::TimeDelta::hours(1),
        )),
        due_at: Some(chrono::Utc::now() + chrono::TimeDelta::hours(1)),
        key: Some("one".into()),
        ..StartOptions::default()
    };
    let id = world.start_with::<Lingers>(&How::Deaf, past).await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!((run.activations, run.due_at), (0, None));
    // A person who wants it to run after all is not stopped by the old deadline.
    engine.retry(world.tenant, id).await.unwrap();
    eventually("it runs", || async { trace.count("begun") == 1 }).await;
    engine.cancel(world.tenant, id).await.unwrap();
    world.until(id, RunState::Cancelled).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_parent_hears_of_its_childs_deadline_and_the_next_of_a_key_goes_on() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let parent = world.start::<Asks>(&300).await;
    let run = world.until(parent, RunState::Succeeded).await;
    assert_eq!(
        run.output.as_deref(),
        Some(b"\"deadline run did not end before its deadline\"".as_slice())
    );
    let of_key = |millis| StartOptions {
        key: Some("one".into()),
        ..within(millis)
    };
    let first = world.start_with::<Lingers>(&How::Sleeps, of_key(700)).await;
    eventually("it sleeps", || async {
        world.run(first).await.activations == 1
    })
    .await;
    let second = world
        .start_with::<Lingers>(&How::Listens, of_key(60_000))
        .await;
    world.until(first, RunState::Failed).await;
    eventually("the next runs", || async { trace.count("begun") == 1 }).await;
    engine.cancel(world.tenant, second).await.unwrap();
    world.until(second, RunState::Cancelled).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_run_that_does_not_listen_is_dropped_after_the_time_of_grace() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    for how in [How::Deaf, How::DeafTx] {
        let before = trace.lines().len();
        let id = world.start::<Lingers>(&how).await;
        eventually("it runs", || async { trace.lines().len() > before }).await;
        let asked = Instant::now();
        assert_eq!(
            engine.cancel(world.tenant, id).await.unwrap(),
            RunState::Running
        );
        let run = world.until(id, RunState::Cancelled).await;
        assert!(asked.elapsed() >= Duration::from_millis(400));
        assert!(asked.elapsed() < Duration::from_secs(3));
        assert_eq!(run.error.unwrap()["class"], "cancelled");
        assert_eq!(trace.lines()[before..], ["begun"]);
    }
    eventually("nothing goes on", || async { engine.active() == 0 }).await;
    engine.shutdown().await;
}

/// Takes 600 ms in steps of 100, and beats with each if it is wanted; hangs in its first attempts.
struct Work {
    beats: bool,
    hangs: u32,
}

impl Step for Work {
    const NAME: &'static str = "work";
    const RETRY: Retry = Retry {
        attempts: 3,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
    };
    const TIMEOUT: Option<Duration> = Some(Duration::from_millis(1500));
    const HEARTBEAT: Option<Duration> = Some(Duration::from_millis(300));
    type Output = u32;

    async fn run(&self, cx: &StepCx) -> Result<u32, StepError> {
        let forever = cx.attempt() <= self.hangs;
        let mut part = 0;
        while part < 6 || forever {
            tokio::time::sleep(Duration::from_millis(100)).await;
            part += 1;
            if self.beats && part % 2 == 0 {
                cx.progress(Progress {
                    done: part,
                    total: Some(6),
                    unit: "parts".into(),
                });
            } else if self.beats {
                cx.heartbeat();
            }
        }
        Ok(cx.attempt())
    }
}

struct SlowTx;

impl TxStep for SlowTx {
    const NAME: &'static str = "slow_tx";
    const RETRY: Retry = Retry {
        attempts: 2,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
    };
    const TIMEOUT: Option<Duration> = Some(Duration::from_millis(200));
    type Output = u32;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<u32, StepError> {
        sqlx::query("insert into run_dedupe (key, run_id, expires_at) values ($2, $1, now() + interval '1 day')")
            .bind(cx.run_id().0)
            .bind(cx.attempt().to_string())
            .execute(tx.conn())
            .await
            .map_err(StoreError::from)?;
        if cx.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(cx.attempt())
    }
}

struct Timed;

impl Workflow for Timed {
    const NAME: &'static str = "timed";
    type Input = (bool, u32);
    type Output = (u32, u32);

    async fn run(cx: &mut Run, (beats, hangs): (bool, u32)) -> Result<(u32, u32), RunError> {
        let work = cx.step(Work { beats, hangs }).await?;
        Ok((work, cx.tx(SlowTx).await?))
    }
}

#[tokio::test]
async fn a_step_that_takes_too_long_or_says_nothing_is_tried_again() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let beating = world.start::<Timed>(&(true, 1)).await;
    let silent = world.start::<Timed>(&(false, 0)).await;
    let run = world.until(beating, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"[2,2]".as_slice()));
    assert_eq!(run.progress.unwrap().done, 6);
    let attempts = world.attempts(beating).await;
    let messages: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            (
                attempt.error["message"].as_str().unwrap(),
                &attempt.error["code"],
            )
        })
        .collect();
    let code = serde_json::json!("timeout");
    assert_eq!(
        messages,
        [
            ("step work took longer than 1.5s", &code),
            ("step slow_tx took longer than 200ms", &code)
        ]
    );
    // What the first attempt had written is rolled back.
    assert_eq!(world.count("select count(*) from run_dedupe").await, 1);
    let run = world.until(silent, RunState::Failed).await;
    let error = run.error.unwrap();
    assert_eq!(error["message"], "step work gave no sign of life for 300ms");
    assert_eq!(error["class"], "transient");
    assert_eq!(world.attempts(silent).await.len(), 3);
    engine.shutdown().await;
}

/// Returns so many bytes, from a step or as its own output.
struct Wordy;

struct Words(usize);

impl Step for Words {
    const NAME: &'static str = "words";
    type Output = String;

    async fn run(&self, _cx: &StepCx) -> Result<String, StepError> {
        Ok("w".repeat(self.0))
    }
}

impl TxStep for Words {
    const NAME: &'static str = "words_tx";
    type Output = String;

    async fn run(&self, _cx: &StepCx, _tx: &mut Tx) -> Result<String, StepError> {
        Ok("w".repeat(self.0))
    }
}

impl Workflow for Wordy {
    const NAME: &'static str = "wordy";
    type Input = (usize, String);
    type Output = Option<String>;

    async fn run(cx: &mut Run, (size, place): (usize, String)) -> Result<Self::Output, RunError> {
        match place.as_str() {
            "step" => cx.step(Words(size)).await?,
            "tx" => cx.tx(Words(size)).await?,
            "map" => cx.map_steps(vec![Words(size)], 1).await?.remove(0)?,
            _ => return Ok(Some("w".repeat(size))),
        };
        Ok(None)
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_at_the_start_and_parks_a_run_that_returns_it() {
    let world = World::new().await;
    let options = StoreOptions {
        limits: Limits {
            input: 100,
            output: 1000,
        },
        ..StoreOptions::default()
    };
    let store = Store::connect(&world.db.url(), &options, engine::Clock::system())
        .await
        .unwrap();
    let engine = Engine::builder(store).register::<Wordy>().start();
    for place in ["step", "tx", "map", "run"] {
        // Two quotes belong to the string.
        let fits = world.start::<Wordy>(&(998, place.into())).await;
        world.until(fits, RunState::Succeeded).await;
        let id = world.start::<Wordy>(&(999, place.into())).await;
        let run = world.until(id, RunState::Parked).await;
        let error = run.error.unwrap()["message"].to_string();
        assert!(
            error.contains("has 1001 bytes, more than the 1000 allowed"),
            "{error}"
        );
        let unjournaled = world.steps(id).await.iter().all(|step| step.kind == "map");
        assert!(unjournaled, "{place}");
    }
    let long = (1, "x".repeat(100));
    let refused = engine
        .start::<Wordy>(world.tenant, &long, StartOptions::default())
        .await;
    let Err(StoreError::TooLarge {
        what, limit: 100, ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(what, "input of a run of wordy");
    let refused = engine
        .start_many::<Wordy>(world.tenant, &[long], &StartOptions::default())
        .await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_workflow_that_this_process_does_not_know_is_refused_at_the_start() {
    let world = World::new().await;
    let engine = world.engine().await.register::<Wordy>().start();
    let refused = engine
        .start::<Timed>(world.tenant, &(true, 0), StartOptions::default())
        .await;
    assert!(matches!(
        refused,
        Err(StoreError::UnknownWorkflow { workflow, version: 1 }) if workflow == "timed"
    ));
    let many = engine
        .start_many::<Timed>(world.tenant, &[(true, 0)], &StartOptions::default())
        .await;
    assert!(matches!(many, Err(StoreError::UnknownWorkflow { .. })));
    assert_eq!(Class::Deadline.to_string(), "deadline");
    engine.shutdown().await;
}
