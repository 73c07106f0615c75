//! Where runs stand in a trace, when nobody records spans: what came from outside is handed on.

use engine::store::runs::{RunState, StartOptions};
use engine::trace::{TraceContext, current, within};
use engine::{Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};

use crate::support::World;

/// Says where it stands.
struct Look;

impl Step for Look {
    const NAME: &'static str = "look";
    type Output = Option<String>;

    async fn run(&self, _cx: &StepCx) -> Result<Option<String>, StepError> {
        Ok(current().map(|here| here.to_string()))
    }
}

/// Starts a run in its transaction.
struct StartOne;

impl TxStep for StartOne {
    const NAME: &'static str = "start_one";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        cx.start_in::<Child>(tx, &(), StartOptions::default())
            .await?;
        Ok(())
    }
}

struct Child;

impl Workflow for Child {
    const NAME: &'static str = "child";
    type Input = ();
    type Output = Option<String>;

    async fn run(cx: &mut Run, (): ()) -> Result<Option<String>, RunError> {
        cx.step(Look).await
    }
}

struct Parent;

impl Workflow for Parent {
    const NAME: &'static str = "parent";
    type Input = ();
    type Output = [Option<String>; 2];

    async fn run(cx: &mut Run, (): ()) -> Result<Self::Output, RunError> {
        let own = cx.step(Look).await?;
        cx.tx(StartOne).await?;
        cx.start::<Child>((), StartOptions::default()).await?;
        let called = cx.call::<Child>((), StartOptions::default()).await?;
        Ok([own, called])
    }
}

#[tokio::test]
async fn a_run_its_steps_and_the_runs_they_start_are_in_the_trace_of_who_started_it() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .register::<Parent>()
        .register::<Child>()
        .start();
    let came = TraceContext::read(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
    );
    let text = came.as_ref().map(ToString::to_string);
    assert!(
        text.as_ref()
            .is_some_and(|text| text.ends_with(" rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"))
    );
    let id = within(came.clone(), world.start::<Parent>(&())).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.trace, came);
    let output: [Option<String>; 2] = serde_json::from_slice(&run.output.unwrap()).unwrap();
    assert_eq!(output, [text.clone(), text.clone()]);
    let children: Vec<Option<String>> =
        sqlx::query_scalar("select trace from all_runs where workflow = 'child'")
            .fetch_all(&world.sql)
            .await
            .unwrap();
    assert_eq!(children, [text.clone(), text.clone(), text]);
    // One that nobody's trace started has none.
    let id = world.start::<Parent>(&()).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.trace, None);
    assert_eq!(run.output.as_deref(), Some(b"[null,null]".as_slice()));
    engine.shutdown().await;
}
