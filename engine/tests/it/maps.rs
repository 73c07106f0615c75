//! Maps: over steps of one run, and over runs of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::runtime::{Class, Retry};
use engine::store::StoreError;
use engine::store::runs::{self, RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::support::{Trace, World, eventually};

/// How many items there are, and what some of them do.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Plan {
    items: u64,
    width: usize,
    /// Waits for the gate.
    held: Option<u64>,
    /// Fails so often before it succeeds.
    shaky: Option<(u64, u32)>,
    /// Asks for a rest, the first time.
    tired: Option<u64>,
    /// Fails for good, until the service says otherwise.
    bad: Option<u64>,
}

#[derive(Default)]
struct Gate(Notify);

/// Whether bad items have been mended, and how many items more there are than planned.
#[derive(Default)]
struct Switches {
    mended: AtomicUsize,
    more: AtomicUsize,
}

struct Square(u64, Plan);

impl Step for Square {
    const NAME: &'static str = "square";
    const RETRY: Retry = Retry {
        attempts: 4,
        first: Duration::from_millis(300),
        longest: Duration::from_millis(300),
    };
    type Output = u64;

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<u64, StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add(format!("square {}", self.0));
        trace.enter();
        tokio::time::sleep(Duration::from_millis(self.0 * 7 % 11)).await;
        if self.1.held == Some(self.0) {
            cx.service::<Gate>()?.0.notified().await;
        }
        trace.leave();
        if let Some((item, times)) = self.1.shaky
            && item == self.0
            && cx.attempt() <= times
        {
            return Err(StepError::transient("connection reset"));
        }
        if self.1.tired == Some(self.0) && cx.attempt() == 1 {
            let rest = Duration::from_millis(1500);
            return Err(StepError::retry_after(rest, "limit reached"));
        }
        let mended = cx.service::<Switches>()?.mended.load(Ordering::SeqCst) > 0;
        if self.1.bad == Some(self.0) && !mended {
            return Err(StepError::permanent(Class::Rejected, "odd one"));
        }
        Ok(self.0 * self.0)
    }
}

/// Squares them all and sums; strict: fails when one fails.
struct Squares;

impl Workflow for Squares {
    const NAME: &'static str = "squares";
    type Input = (Plan, bool);
    type Output = (Vec<Option<u64>>, u64);

    async fn run(cx: &mut Run, (plan, strict): Self::Input) -> Result<Self::Output, RunError> {
        let more = cx.service::<Switches>()?.more.load(Ordering::SeqCst) as u64;
        let steps = (0..plan.items + more).map(|item| Square(item, plan));
        let squares = cx.map_steps(steps.collect(), plan.width).await?;
        let mut outputs = Vec::new();
        for square in squares {
            outputs.push(if strict { Some(square?) } else { square.ok() });
        }
        let last = cx.step(Square(3, Plan::default())).await?;
        Ok((outputs, last))
    }
}

async fn engine(world: &World, trace: &Arc<Trace>, services: &Arc<Switches>) -> Engine {
    world
        .engine()
        .await
        .service(trace.clone())
        .service(services.clone())
        .service(Arc::new(Gate::default()))
        .register::<Squares>()
        .register::<Fan>()
        .register::<Leaf>()
        .concurrency(10)
        .start()
}

fn squares(items: u64) -> String {
    let squares: Vec<_> = (0..items).map(|item| (item * item).to_string()).collect();
    format!("[[{}],9]", squares.join(","))
}

#[tokio::test]
async fn a_map_runs_so_many_at_once_and_keeps_its_order() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace, &Arc::default()).await;
    let plan = Plan {
        items: 40,
        width: 5,
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, true)).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(String::from_utf8(run.output.unwrap()).unwrap(), squares(40));
    assert_eq!(trace.most.load(Ordering::SeqCst), 5);
    let steps = world.steps(id).await;
    let places: Vec<_> = steps.iter().map(|step| step.seq).collect();
    assert_eq!(places, (0..42).collect::<Vec<_>>());
    assert_eq!(
        (&*steps[0].kind, &*steps[1].key, &*steps[40].key),
        ("map", "0", "39")
    );
    // Nothing to do is done at once.
    let none = Plan {
        items: 0,
        width: 0,
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(none, true)).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(String::from_utf8(run.output.unwrap()).unwrap(), squares(0));
    engine.shutdown().await;
}

#[tokio::test]
async fn after_a_crash_only_items_that_were_not_journaled_run_again() {
    let world = World::new().await;
    let (first, second) = (Trace::new(), Trace::new());
    let doomed = engine(&world, &first, &Arc::default()).await;
    let plan = Plan {
        items: 30,
        width: 4,
        held: Some(7),
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, true)).await;
    eventually("all but one are journaled", || async {
        world.steps(id).await.len() == 30
    })
    .await;
    drop(doomed);
    let heir = world
        .engine()
        .await
        .service(second.clone())
        .service(Arc::new(Switches::default()))
        .service(Arc::new(Gate::default()))
        .register::<Squares>()
        .start();
    eventually("the held one runs again", || async {
        second.count("square 7") == 1
    })
    .await;
    assert_eq!(second.lines(), ["square 7"]);
    drop(heir);
    let gate = Arc::new(Gate::default());
    gate.0.notify_one();
    let last = world
        .engine()
        .await
        .service(second.clone())
        .service(Arc::new(Switches::default()))
        .service(gate)
        .register::<Squares>()
        .start();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(String::from_utf8(run.output.unwrap()).unwrap(), squares(30));
    assert_eq!(second.lines(), ["square 7", "square 7", "square 3"]);
    last.shutdown().await;
}

#[tokio::test]
async fn an_item_that_backs_off_holds_up_nobody_and_one_that_fails_is_a_result() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace, &Arc::default()).await;
    let plan = Plan {
        items: 6,
        width: 2,
        shaky: Some((1, 2)),
        bad: Some(4),
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, false)).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(
        String::from_utf8(run.output.unwrap()).unwrap(),
        "[[0,1,4,9,null,25],9]"
    );
    assert_eq!(trace.count("square 1"), 3);
    for item in [0, 2, 4, 5] {
        assert_eq!(trace.count(&format!("square {item}")), 1);
    }
    let attempts: Vec<_> = world
        .attempts(id)
        .await
        .into_iter()
        .map(|attempt| (attempt.seq, attempt.attempt, attempt.next_at.is_some()))
        .collect();
    assert_eq!(attempts, [(2, 1, true), (2, 2, true), (5, 1, false)]);
    engine.shutdown().await;
}

#[tokio::test]
async fn when_one_item_is_asked_to_wait_no_other_begins_meanwhile() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace, &Arc::default()).await;
    let plan = Plan {
        items: 4,
        width: 1,
        tired: Some(1),
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, true)).await;
    eventually("it rests", || async {
        let run = world.run(id).await;
        run.state == RunState::Queued && run.due_at > Some(chrono::Utc::now())
    })
    .await;
    assert_eq!(trace.lines(), ["square 0", "square 1"]);
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(String::from_utf8(run.output.unwrap()).unwrap(), squares(4));
    assert_eq!(trace.count("square 1"), 2);
    assert_eq!(trace.lines().len(), 6);
    engine.shutdown().await;
}

#[tokio::test]
async fn retrying_a_run_whose_map_failed_runs_only_the_failed_items() {
    let world = World::new().await;
    let trace = Trace::new();
    let services = Arc::new(Switches::default());
    let engine = engine(&world, &trace, &services).await;
    let plan = Plan {
        items: 8,
        width: 3,
        bad: Some(2),
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, true)).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!(run.error.unwrap()["seq"], 3);
    services.mended.store(1, Ordering::SeqCst);
    engine.retry(world.tenant, id).await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(String::from_utf8(run.output.unwrap()).unwrap(), squares(8));
    assert_eq!(trace.count("square 2"), 2);
    for item in [0, 1, 4, 5, 6, 7] {
        assert_eq!(trace.count(&format!("square {item}")), 1);
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_map_that_has_other_items_on_replay_parks_its_run() {
    let world = World::new().await;
    let services = Arc::new(Switches::default());
    let engine = engine(&world, &Trace::new(), &services).await;
    let plan = Plan {
        items: 3,
        width: 3,
        held: Some(1),
        ..Plan::default()
    };
    let id = world.start::<Squares>(&(plan, true)).await;
    eventually("two are journaled", || async {
        world.steps(id).await.len() == 3
    })
    .await;
    drop(engine);
    services.more.store(1, Ordering::SeqCst);
    let engine = self::engine(&world, &Trace::new(), &services).await;
    let run = world.until(id, RunState::Parked).await;
    let error = run.error.unwrap().to_string();
    assert!(
        error.contains("journaled with 3 items, but the workflow now has 4"),
        "{error}"
    );
    engine.shutdown().await;
}

/// A child with an effect in the database.
struct Leaf;

struct Effect(u32);

impl TxStep for Effect {
    const NAME: &'static str = "effect";
    type Output = u32;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<u32, StepError> {
        let mended = cx.service::<Switches>()?.mended.load(Ordering::SeqCst) > 0;
        if self.0 % 500 == 7 && !mended {
            return Err(StepError::permanent(Class::Rejected, "unlucky"));
        }
        sqlx::query("insert into run_dedupe (key, run_id, expires_at) values ($1, $2, now() + interval '1 day')")
            .bind(uuid::Uuid::now_v7().to_string())
            .bind(cx.run_id().0)
            .execute(tx.conn())
            .await
            .map_err(StoreError::from)?;
        Ok(self.0 + 1)
    }
}

impl Workflow for Leaf {
    const NAME: &'static str = "leaf";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        cx.tx(Effect(number)).await
    }
}

/// Sums what its children return, or tells how many failed.
struct Fan;

impl Workflow for Fan {
    const NAME: &'static str = "fan";
    type Input = (u32, usize, bool);
    type Output = (u64, usize);

    async fn run(
        cx: &mut Run,
        (count, width, strict): Self::Input,
    ) -> Result<Self::Output, RunError> {
        let inputs: Vec<u32> = (0..count).collect();
        let results = cx
            .call_many::<Leaf>(&inputs, width, &StartOptions::default())
            .await?;
        assert_eq!(results.len(), inputs.len());
        let (mut sum, mut failed) = (0, 0);
        for (number, result) in inputs.iter().zip(results) {
            match result {
                Ok(output) => {
                    assert_eq!(output, number + 1);
                    sum += u64::from(output);
                }
                Err(error) if strict => return Err(error),
                Err(error) => {
                    assert_eq!(error.class(), Class::Rejected);
                    failed += 1;
                }
            }
        }
        Ok((sum, failed))
    }
}

/// Two thousand children of one parent, never more than the width at once, while workers die.
#[tokio::test]
async fn thousands_of_children_are_started_and_gathered_once_whatever_dies() {
    let world = World::new().await;
    let services = Arc::new(Switches::default());
    let trace = Trace::new();
    let mut workers = engine(&world, &trace, &services).await;
    let begun = Instant::now();
    let id = world.start::<Fan>(&(2_000, 100, false)).await;
    let mut most_open = 0;
    let mut kills = 0;
    loop {
        let open = world
            .count("select count(*) from all_runs where workflow = 'leaf' and state in ('queued', 'running')")
            .await;
        most_open = most_open.max(open);
        let ended = world
            .count("select count(*) from all_runs where workflow = 'leaf' and state in ('succeeded', 'failed')")
            .await;
        if kills < 3 && ended > 500 * (kills + 1) {
            kills += 1;
            drop(std::mem::replace(
                &mut workers,
                engine(&world, &trace, &services).await,
            ));
        }
        if world.run(id).await.state == RunState::Succeeded {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "{ended} have ended"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(kills, 3);
    assert!(most_open > 50 && most_open <= 100, "{most_open}");
    let run = world.run(id).await;
    // 7, 507, 1007 and 1507 fail.
    let sum: u64 = (1..=2000).sum::<u64>() - (8 + 508 + 1008 + 1508);
    assert_eq!(
        String::from_utf8(run.output.unwrap()).unwrap(),
        format!("[{sum},4]")
    );
    assert!(run.activations < 80, "{}", run.activations);
    assert_eq!(world.count("select count(*) from all_runs").await, 2_001);
    assert_eq!(world.count("select count(*) from run_dedupe").await, 1_996);
    assert_eq!(world.steps(id).await.len(), 2_001);
    workers.shutdown().await;
}

#[tokio::test]
async fn retrying_a_parent_starts_new_children_only_for_those_that_failed() {
    let world = World::new().await;
    let services = Arc::new(Switches::default());
    let engine = engine(&world, &Trace::new(), &services).await;
    let id = world.start::<Fan>(&(12, 1, true)).await;
    let run = world.until(id, RunState::Failed).await;
    assert_eq!(run.error.unwrap()["message"], "unlucky");
    assert_eq!(world.count("select count(*) from all_runs").await, 13);
    services.mended.store(1, Ordering::SeqCst);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    runs::retry(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"[78,0]".as_slice()));
    assert_eq!(world.count("select count(*) from all_runs").await, 14);
    assert_eq!(world.count("select count(*) from run_dedupe").await, 12);
    engine.shutdown().await;
}
