//! Rate budgets: exact over processes, with a reserve for who is in a hurry.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::budget::{self, BudgetSpec, Lane};
use engine::store::runs::{RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Workflow};
use serde::{Deserialize, Serialize};

use crate::support::{World, eventually};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Who {
    Person,
    Backfill,
}

impl Who {
    fn lane(self) -> Lane {
        match self {
            Self::Person => Lane::Interactive,
            Self::Backfill => Lane::Backfill,
        }
    }
}

/// When calls were made, by whom.
#[derive(Default)]
struct Calls(Mutex<Vec<(Instant, Who)>>);

impl Calls {
    fn count(&self, who: Who) -> usize {
        let calls = self.0.lock().unwrap();
        calls.iter().filter(|call| call.1 == who).count()
    }
}

struct Call(Who, f64, u32);

impl Step for Call {
    const NAME: &'static str = "call";
    type Output = ();

    fn key(&self) -> String {
        self.2.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        cx.budget("account", self.0.lane(), self.1).await?;
        let calls = cx.service::<Calls>()?;
        calls.0.lock().unwrap().push((Instant::now(), self.0));
        Ok(())
    }
}

struct Caller;

impl Workflow for Caller {
    const NAME: &'static str = "caller";
    /// Who, at what cost, how often.
    type Input = (Who, f64, u32);
    type Output = ();

    async fn run(cx: &mut Run, (who, cost, times): Self::Input) -> Result<(), RunError> {
        for number in 0..times {
            cx.step(Call(who, cost, number)).await?;
        }
        Ok(())
    }
}

async fn engine(world: &World, calls: &Arc<Calls>) -> Engine {
    world
        .engine()
        .await
        .service(calls.clone())
        .register::<Caller>()
        .concurrency(10)
        .start()
}

async fn set(world: &World, spec: &BudgetSpec) {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    budget::set(&mut tx, "account", spec).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn two_processes_together_never_use_more_than_the_capacity_and_what_comes_back() {
    let world = World::new().await;
    let calls = Arc::new(Calls::default());
    let (capacity, refill) = (60.0, 40.0);
    set(
        &world,
        &BudgetSpec {
            reserve: [0.0; 5],
            ..BudgetSpec::new(capacity, refill)
        },
    )
    .await;
    let engines = [engine(&world, &calls).await, engine(&world, &calls).await];
    let inputs: Vec<_> = (0..40).map(|_| (Who::Backfill, 1.0, 6)).collect();
    engines[0]
        .start_many::<Caller>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    let begun = Instant::now();
    eventually("all calls are made", || async {
        calls.count(Who::Backfill) == 240
    })
    .await;
    let took = begun.elapsed();
    // 240 calls, 60 at once: the others need 4.5 s. A budget that is wasted needs much longer.
    assert!(took > Duration::from_millis(4300), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let times: Vec<_> = {
        let mut calls = calls.0.lock().unwrap();
        calls.sort_by_key(|call| call.0);
        calls.iter().map(|call| call.0).collect()
    };
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            // A call is noted some time after its tokens were taken.
            let window = (*to - *from).as_secs_f64() + 0.1;
            let made = (last - first + 1) as f64;
            assert!(
                made <= capacity + refill * window,
                "{made} calls in {window} s"
            );
        }
    }
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_backfill_leaves_its_reserve_to_persons_and_comes_back_later() {
    let world = World::new().await;
    let calls = Arc::new(Calls::default());
    // Nothing to speak of comes back.
    set(&world, &BudgetSpec::new(100.0, 0.001)).await;
    let engine = engine(&world, &calls).await;
    let backfill = world.start::<Caller>(&(Who::Backfill, 1.0, 100)).await;
    eventually("the backfill may no more", || async {
        !world.attempts(backfill).await.is_empty()
    })
    .await;
    let used = calls.count(Who::Backfill);
    // The last of what was taken in advance may have lost its time.
    assert!((50..=70).contains(&used), "{used}");
    let attempt = world.attempts(backfill).await.remove(0);
    assert_eq!(attempt.error["code"], "budget");
    assert!(!attempt.counts && attempt.next_at.is_some());
    assert_eq!(world.run(backfill).await.state, RunState::Queued);
    assert_eq!(
        world.count("select count(*) from lanes").await,
        0,
        "nobody's lane is closed"
    );
    let person = world.start::<Caller>(&(Who::Person, 1.0, 10)).await;
    world.until(person, RunState::Succeeded).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_call_that_costs_more_than_the_lane_may_ever_use_fails() {
    let world = World::new().await;
    let calls = Arc::new(Calls::default());
    set(&world, &BudgetSpec::new(100.0, 10.0)).await;
    let engine = engine(&world, &calls).await;
    let dear = world.start::<Caller>(&(Who::Backfill, 90.0, 1)).await;
    let run = world.until(dear, RunState::Failed).await;
    assert_eq!(
        run.error.unwrap()["message"],
        "budget account never allows backfill calls of this cost"
    );
    let allowed = world.start::<Caller>(&(Who::Person, 90.0, 1)).await;
    world.until(allowed, RunState::Succeeded).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_budget_is_set_noted_listed_and_removed() {
    let world = World::new().await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let good = BudgetSpec::new(100.0, 0.0);
    for bad in [
        BudgetSpec::new(0.0, 1.0),
        BudgetSpec::new(f64::NAN, 1.0),
        BudgetSpec::new(1.0, -1.0),
        BudgetSpec::new(1.0, f64::INFINITY),
        BudgetSpec {
            reserve: [0.0, 0.5, 0.4, 0.6, 0.7],
            ..good.clone()
        },
        BudgetSpec {
            reserve: [0.0, 0.1, 0.2, 0.3, 1.0],
            ..good.clone()
        },
    ] {
        assert!(budget::set(&mut tx, "account", &bad).await.is_err());
    }
    budget::set(&mut tx, "account", &good).await.unwrap();
    budget::note_left(&mut tx, "account", 30.0).await.unwrap();
    budget::note_left(&mut tx, "account", 80.0).await.unwrap();
    let listed = budget::list(&mut tx, None, 100).await.unwrap();
    assert_eq!((listed[0].tokens, &listed[0].spec), (30.0, &good));
    let smaller = BudgetSpec::new(20.0, 0.0);
    budget::set(&mut tx, "account", &smaller).await.unwrap();
    assert_eq!(
        budget::list(&mut tx, None, 100).await.unwrap()[0].tokens,
        20.0
    );
    tx.commit().await.unwrap();
    let mut stranger = world
        .store
        .begin(engine::ids::TenantId::fresh())
        .await
        .unwrap();
    assert!(
        budget::list(&mut stranger, None, 100)
            .await
            .unwrap()
            .is_empty()
    );
    let removed = budget::remove(&mut stranger, "account").await.unwrap();
    assert!(!removed.changes);
    drop(stranger);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let removed = budget::remove(&mut tx, "account").await.unwrap();
    assert!(removed.changes);
    assert!(budget::list(&mut tx, None, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn many_calls_ask_the_database_seldom() {
    let world = World::new().await;
    let calls = Arc::new(Calls::default());
    set(&world, &BudgetSpec::new(100_000.0, 1000.0)).await;
    let engine = engine(&world, &calls).await;
    let inputs: Vec<_> = (0..10).map(|_| (Who::Person, 1.0, 100)).collect();
    engine
        .start_many::<Caller>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    eventually("all calls are made", || async {
        calls.count(Who::Person) == 1000
    })
    .await;
    engine.shutdown().await;
    // Every take has left one dead row version behind; the server counts up to a second late.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let takes = world
        .count("select n_tup_upd from pg_stat_user_tables where relname = 'budgets'")
        .await;
    assert!((1..200).contains(&takes), "{takes} for 1000 calls");
}

// Scenario 17: others burn most of the day's calls while a backfill runs and forty people edit.
#[tokio::test]
async fn with_strangers_in_the_budget_people_are_served_and_a_backfill_slows_and_says_when() {
    let world = World::new().await;
    let calls = Arc::new(Calls::default());
    let (capacity, refill) = (1_000.0, 4.0);
    set(&world, &BudgetSpec::new(capacity, refill)).await;
    let engine = engine(&world, &calls).await;
    let backfill = world.start::<Caller>(&(Who::Backfill, 1.0, 900)).await;
    eventually("the backfill is under way", || async {
        calls.count(Who::Backfill) >= 50
    })
    .await;
    // At noon the system says that seventy percent are gone: most of it was not us.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    budget::note_left(&mut tx, "account", 300.0).await.unwrap();
    tx.commit().await.unwrap();
    let (noon, before) = (Instant::now(), calls.count(Who::Backfill));
    let people: Vec<_> = (0..40).map(|_| (Who::Person, 1.0, 1)).collect();
    engine
        .start_many::<Caller>(world.tenant, &people, &StartOptions::default())
        .await
        .unwrap();
    eventually("everybody's edit is through", || async {
        calls.count(Who::Person) == 40
    })
    .await;
    eventually("the backfill waits", || async {
        world.run(backfill).await.state == RunState::Queued
    })
    .await;
    // It had what it had taken in advance, and what came back; nothing of the reserve of those before.
    let window = noon.elapsed().as_secs_f64() + 0.5;
    let made = (calls.count(Who::Backfill) - before) as f64;
    assert!(
        made <= capacity / 20.0 + refill * window,
        "{made} in {window} s"
    );
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let left = budget::get(&mut tx, "account").await.unwrap();
    tx.commit().await.unwrap();
    assert!(
        left.tokens >= 150.0,
        "the reserve of people and reads stands: {}",
        left.tokens
    );
    // Everybody got in by asking here: the system had to refuse nobody, and the run says when it goes on.
    let attempts = world.attempts(backfill).await;
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.error["code"] == "budget")
    );
    let next = attempts.last().expect("it was told to wait").next_at;
    assert!(next.is_some());
    engine.shutdown().await;
}
