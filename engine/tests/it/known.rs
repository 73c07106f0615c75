//! Processes that know different workflows.

use std::time::Duration;

use engine::store::lanes::{self, Action, Lane};
use engine::store::runs::RunState;
use engine::{Run, RunError, Workflow};

use crate::support::{World, eventually};

struct First;

impl Workflow for First {
    const NAME: &'static str = "changed";
    type Input = ();
    type Output = u32;

    async fn run(_cx: &mut Run, (): ()) -> Result<u32, RunError> {
        Ok(1)
    }
}

/// The same workflow, one release later.
struct Second;

impl Workflow for Second {
    const NAME: &'static str = "changed";
    const VERSION: u16 = 2;
    type Input = ();
    type Output = u32;

    async fn run(_cx: &mut Run, (): ()) -> Result<u32, RunError> {
        Ok(2)
    }
}

#[tokio::test]
async fn a_run_waits_for_a_process_that_knows_its_version() {
    let world = World::new().await;
    let old = world.engine().await.register::<First>().start();
    let newer = world.start::<Second>(&()).await;
    let older = world.start::<First>(&()).await;
    world.until(older, RunState::Succeeded).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let waiting = world.run(newer).await;
    assert_eq!(
        (waiting.state, waiting.activations),
        (RunState::Queued, 0),
        "{waiting:?}"
    );
    let new = world
        .engine()
        .await
        .register::<First>()
        .register::<Second>()
        .start();
    let run = world.until(newer, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"2".as_slice()));
    for engine in [old, new] {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_run_is_parked_once_no_living_process_knows_it() {
    let world = World::new().await;
    let impatient = world
        .engine()
        .await
        .register::<First>()
        .park_unknown_after(Duration::ZERO)
        .start();
    let knowing = world.engine().await.register::<Second>().start();
    eventually("both are up", || async {
        impatient.is_running() && knowing.is_running()
    })
    .await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let lane = Lane::Workflow("changed".into());
    let pause = Action::Pause {
        by: "test".into(),
        reason: "to keep it waiting".into(),
    };
    lanes::act(&mut tx, &lane, &pause).await.unwrap();
    tx.commit().await.unwrap();
    let id = world.start::<Second>(&()).await;
    // Longer than from one sweep to the next.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(world.run(id).await.state, RunState::Queued);
    knowing.shutdown().await;
    let run = world.until(id, RunState::Parked).await;
    assert_eq!(
        run.error.unwrap()["message"],
        "workflow changed version 2 is not known to any process"
    );
    impatient.shutdown().await;
}
