//! Code that changes under runs that are open.

use std::sync::Arc;
use std::time::Duration;

use engine::runtime::Retry;
use engine::store::runs::{RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{Trace, World, eventually};

struct Do(&'static str);

impl Step for Do {
    const NAME: &'static str = "do";
    const RETRY: Retry = Retry {
        attempts: 9,
        first: Duration::from_millis(1500),
        longest: Duration::from_millis(1500),
    };
    type Output = ();

    fn key(&self) -> String {
        self.0.to_owned()
    }

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        cx.service::<Trace>()?.add(self.0);
        if self.0 == "shaky" && cx.attempt() == 1 {
            return Err(StepError::transient("connection reset"));
        }
        Ok(())
    }
}

/// What comes between the first and the last step.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Middle {
    Signal,
    Call,
    Shaky,
}

async fn middle(cx: &mut Run, middle: Middle) -> Result<(), RunError> {
    match middle {
        Middle::Signal => drop(cx.signal::<()>("go", None).await?),
        Middle::Call => cx.call::<Waits>((), StartOptions::default()).await?,
        Middle::Shaky => cx.step(Do("shaky")).await?,
    }
    Ok(())
}

/// The code as it was.
struct Old;

impl Workflow for Old {
    const NAME: &'static str = "changing";
    type Input = Middle;
    type Output = String;

    async fn run(cx: &mut Run, input: Middle) -> Result<String, RunError> {
        cx.step(Do("first")).await?;
        middle(cx, input).await?;
        cx.step(Do("last")).await?;
        Ok("old".into())
    }
}

/// The code as it is now: something new before each step.
struct New;

impl Workflow for New {
    const NAME: &'static str = "changing";
    type Input = Middle;
    type Output = String;

    async fn run(cx: &mut Run, input: Middle) -> Result<String, RunError> {
        let mut answers = String::new();
        for (change, place) in [("one", 0), ("two", 1), ("three", 2), ("one", 3)] {
            let answer = cx.patched(change).await;
            answers.push(if answer { 'y' } else { 'n' });
            if answer && place < 3 {
                cx.step(Do("new")).await?;
            }
            match place {
                0 => cx.step(Do("first")).await?,
                1 => middle(cx, input).await?,
                2 => cx.step(Do("last")).await?,
                _ => {}
            }
        }
        Ok(answers)
    }
}

/// The code when no run without the change is open any more.
struct Newest;

impl Workflow for Newest {
    const NAME: &'static str = "changing";
    type Input = Middle;
    type Output = String;

    async fn run(cx: &mut Run, input: Middle) -> Result<String, RunError> {
        for place in 0..3 {
            cx.step(Do("new")).await?;
            match place {
                0 => cx.step(Do("first")).await?,
                1 => middle(cx, input).await?,
                _ => cx.step(Do("last")).await?,
            }
        }
        Ok("newest".into())
    }
}

struct Waits;

impl Workflow for Waits {
    const NAME: &'static str = "waits";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        cx.signal::<()>("go", None).await?;
        Ok(())
    }
}

async fn engine<W: Workflow>(world: &World, trace: &Arc<Trace>) -> Engine {
    world
        .engine()
        .await
        .service(trace.clone())
        .register::<W>()
        .register::<Waits>()
        .start()
}

async fn kinds(world: &World, id: engine::ids::RunId) -> Vec<String> {
    let steps = world.steps(id).await;
    let told = steps.iter().map(|step| match &*step.kind {
        "step" => step.key.clone(),
        "patch" => format!("patch {}", step.name),
        kind => kind.to_owned(),
    });
    told.collect()
}

#[tokio::test]
async fn a_run_that_has_passed_a_change_goes_the_old_way_and_takes_later_changes() {
    let world = World::new().await;
    let trace = Trace::new();
    let old = engine::<Old>(&world, &trace).await;
    let before = world.start::<Old>(&Middle::Signal).await;
    world.until(before, RunState::Waiting).await;
    old.shutdown().await;
    let new = engine::<New>(&world, &trace).await;
    let after = world.start::<New>(&Middle::Signal).await;
    for id in [before, after] {
        new.signal(world.tenant, id, "go", &(), None).await.unwrap();
    }
    // It waited for the signal, which leaves nothing in the journal: it had not passed "two".
    let run = world.until(before, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"\"nyyn\"".as_slice()));
    assert_eq!(
        kinds(&world, before).await,
        [
            "first",
            "patch two",
            "new",
            "signal",
            "patch three",
            "new",
            "last"
        ]
    );
    let run = world.until(after, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"\"yyyy\"".as_slice()));
    assert_eq!(
        kinds(&world, after).await,
        [
            "patch one",
            "new",
            "first",
            "patch two",
            "new",
            "signal",
            "patch three",
            "new",
            "last"
        ]
    );
    new.shutdown().await;
}

#[tokio::test]
async fn the_answer_stays_when_the_run_is_replayed() {
    let world = World::new().await;
    let trace = Trace::new();
    let new = engine::<New>(&world, &trace).await;
    let id = world.start::<New>(&Middle::Signal).await;
    world.until(id, RunState::Waiting).await;
    drop(new);
    let new = engine::<New>(&world, &trace).await;
    new.signal(world.tenant, id, "unknown", &(), None)
        .await
        .unwrap();
    eventually("it was replayed", || async {
        let run = world.run(id).await;
        run.activations == 2 && run.state == RunState::Waiting
    })
    .await;
    new.signal(world.tenant, id, "go", &(), None).await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"\"yyyy\"".as_slice()));
    assert_eq!((trace.count("new"), trace.count("first")), (3, 1));
    new.shutdown().await;
}

#[tokio::test]
async fn a_run_that_has_called_or_tried_there_has_passed_the_change() {
    let world = World::new().await;
    for (middle, children) in [(Middle::Call, 1), (Middle::Shaky, 1)] {
        let trace = Trace::new();
        let old = engine::<Old>(&world, &trace).await;
        let id = world.start::<Old>(&middle).await;
        eventually("it is in the middle", || async {
            match middle {
                Middle::Call => world.run(id).await.state == RunState::Waiting,
                _ => !world.attempts(id).await.is_empty(),
            }
        })
        .await;
        old.shutdown().await;
        let new = engine::<New>(&world, &trace).await;
        let waiting: Vec<uuid::Uuid> = sqlx::query_scalar(
            "select id from all_runs where workflow = 'waits' and state <> 'succeeded'",
        )
        .fetch_all(&world.sql)
        .await
        .unwrap();
        for child in waiting {
            let child = engine::ids::RunId(child);
            new.signal(world.tenant, child, "go", &(), None)
                .await
                .unwrap();
        }
        let run = world.until(id, RunState::Succeeded).await;
        assert_eq!(run.output.as_deref(), Some(b"\"nnyn\"".as_slice()));
        let calls = "select count(*) from all_runs where workflow = 'waits'";
        assert_eq!(world.count(calls).await, children);
        assert_eq!((trace.count("new"), trace.count("first")), (1, 1));
        new.shutdown().await;
    }
}

#[tokio::test]
async fn markers_that_nobody_asks_about_are_passed_over() {
    let world = World::new().await;
    let trace = Trace::new();
    let new = engine::<New>(&world, &trace).await;
    let id = world.start::<New>(&Middle::Signal).await;
    world.until(id, RunState::Waiting).await;
    new.shutdown().await;
    let newest = engine::<Newest>(&world, &trace).await;
    newest
        .signal(world.tenant, id, "go", &(), None)
        .await
        .unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"\"newest\"".as_slice()));
    assert_eq!((trace.count("new"), trace.count("first")), (3, 1));
    assert!(run.error.is_none());
    newest.shutdown().await;
}
