//! One run a key at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::store::runs::{RunState, StartOptions};
use engine::{Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{Trace, World, eventually};

/// Who is inside of which key.
#[derive(Default)]
struct Inside(Mutex<HashMap<String, u32>>);

struct Touch(String);

impl Step for Touch {
    const NAME: &'static str = "touch";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let inside = cx.service::<Inside>()?;
        {
            let mut inside = inside.0.lock().unwrap();
            let count = inside.entry(self.0.clone()).or_default();
            *count += 1;
            if *count > 1 {
                return Err(StepError::bug("two at once"));
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        *inside.0.lock().unwrap().get_mut(&self.0).unwrap() -= 1;
        Ok(())
    }
}

/// Holds its key over two steps and a sleep.
struct Keyed;

impl Workflow for Keyed {
    const NAME: &'static str = "keyed";
    type Input = (String, u64);
    type Output = ();

    fn key(input: &Self::Input) -> Option<String> {
        Some(input.0.clone())
    }

    async fn run(cx: &mut Run, (key, millis): Self::Input) -> Result<(), RunError> {
        let trace = cx.service::<Trace>()?;
        trace.add(format!("begin {}", cx.run_id()));
        cx.step(Touch(key.clone())).await?;
        if millis > 0 {
            cx.sleep("hold", Duration::from_millis(millis)).await?;
        }
        cx.step(Touch(key)).await
    }
}

#[tokio::test]
async fn runs_of_a_key_run_one_at_a_time_over_two_processes() {
    let world = World::new().await;
    let inside = Arc::new(Inside::default());
    let mut engines = Vec::new();
    for _ in 0..2 {
        let builder = world
            .engine()
            .await
            .service(inside.clone())
            .service(Trace::new());
        engines.push(builder.register::<Keyed>().start());
    }
    let inputs: Vec<_> = (0..300)
        .map(|number| (format!("key {}", number % 7), 0))
        .collect();
    engines[0]
        .start_many::<Keyed>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    eventually("all are done", || async {
        world
            .count("select count(*) from runs where state = 'queued' or state = 'running'")
            .await
            == 0
    })
    .await;
    assert_eq!(
        world
            .count("select count(*) from all_runs where state = 'succeeded'")
            .await,
        300
    );
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_sleeping_run_keeps_its_key_and_its_followers_their_order() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(Arc::new(Inside::default()))
        .service(trace.clone())
        .register::<Keyed>()
        .start();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.start::<Keyed>(&("one".into(), 300)).await);
    }
    let free = world.start::<Keyed>(&("two".into(), 0)).await;
    world.until(free, RunState::Succeeded).await;
    assert_eq!(
        world
            .count("select count(*) from runs where holds_key")
            .await,
        1
    );
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(
            world
                .until(*id, RunState::Succeeded)
                .await
                .finished_at
                .unwrap(),
        );
    }
    assert!(ended.is_sorted());
    assert!((ended[2] - ended[0]).num_milliseconds() >= 600);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_holder_lets_the_next_one_go() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Arc::new(Inside::default()))
        .service(Trace::new())
        .register::<Keyed>()
        .start();
    let holder = world.start::<Keyed>(&("one".into(), 3_600_000)).await;
    eventually("it sleeps", || async {
        world.run(holder).await.activations == 1
            && world.run(holder).await.state == RunState::Queued
    })
    .await;
    let next = world.start::<Keyed>(&("one".into(), 0)).await;
    eventually("it waits for its key", || async {
        world.count("select count(*) from runs where behind").await == 1
    })
    .await;
    engine.cancel(world.tenant, holder).await.unwrap();
    world.until(next, RunState::Succeeded).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_long_row_behind_one_key_does_not_stop_the_others() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Arc::new(Inside::default()))
        .service(Trace::new())
        .register::<Keyed>()
        .concurrency(4)
        .start();
    let row: Vec<_> = (0..2000).map(|_| ("one".to_owned(), 600_000)).collect();
    engine
        .start_many::<Keyed>(world.tenant, &row, &StartOptions::default())
        .await
        .unwrap();
    let other = world.start::<Keyed>(&("two".into(), 0)).await;
    world.until(other, RunState::Succeeded).await;
    engine.shutdown().await;
}
