//! Steps, replay, waiting, children.

use std::time::Duration;

use engine::runtime::{Class, Counts, Progress};
use engine::store::StoreError;
use engine::store::runs::{RunState, StartOptions};
use engine::{Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};

use crate::support::{Trace, World, eventually};

struct Add(i64);

impl Step for Add {
    const NAME: &'static str = "add";
    type Output = i64;

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<i64, StepError> {
        let trace = cx.service::<Trace>()?;
        trace.add(format!("add {} {}", self.0, cx.idempotency_key()));
        Ok(self.0 + 1)
    }
}

/// An effect in the database: a row of a table that tests have to themselves.
struct Note(&'static str);

impl TxStep for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        // What has expired is dropped by whoever keeps house.
        let expires = tx.now() + Duration::from_secs(86_400);
        sqlx::query(
            "insert into run_dedupe (key, run_id, expires_at) values ($1, gen_random_uuid(), $2)",
        )
        .bind(self.0)
        .bind(expires)
        .execute(tx.conn())
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

struct Sum;

impl Workflow for Sum {
    const NAME: &'static str = "sum";
    type Input = i64;
    type Output = i64;

    async fn run(cx: &mut Run, input: i64) -> Result<i64, RunError> {
        let mut sum = input;
        for _ in 0..3 {
            sum = cx.step(Add(sum)).await?;
            cx.counts(Counts {
                read: 1,
                ..Counts::default()
            });
        }
        cx.tx(Note("once")).await?;
        cx.progress(Progress {
            done: 3,
            total: Some(3),
            unit: "steps".into(),
        });
        Ok(sum)
    }
}

struct Nap;

impl Workflow for Nap {
    const NAME: &'static str = "nap";
    type Input = u64;
    type Output = i64;

    async fn run(cx: &mut Run, millis: u64) -> Result<i64, RunError> {
        let first = cx.step(Add(1)).await?;
        cx.sleep("rest", Duration::from_millis(millis)).await?;
        cx.step(Add(first)).await
    }
}

#[tokio::test]
async fn a_run_goes_through_its_steps_and_journals_them() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Sum>()
        .start();
    let id = world.start::<Sum>(&4).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"7".as_slice()));
    assert_eq!(run.counts.unwrap().read, 3);
    assert_eq!(run.progress.unwrap().done, 3);
    let steps = world.steps(id).await;
    let names: Vec<_> = steps
        .iter()
        .map(|step| (step.seq, &*step.name, &*step.key))
        .collect();
    assert_eq!(
        names,
        [
            (0, "add", "4"),
            (1, "add", "5"),
            (2, "add", "6"),
            (3, "note", "")
        ]
    );
    assert_eq!(trace.lines()[1], format!("add 5 {id}.1"));
    assert_eq!(world.count("select count(*) from run_dedupe").await, 1);
    engine.shutdown().await;
    assert_eq!(world.count("select count(*) from processes").await, 0);
}

#[tokio::test]
async fn a_sleeping_run_holds_no_slot_and_goes_on_where_it_was() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Nap>()
        .register::<Sum>()
        .concurrency(1)
        .start();
    let mut sleepers = Vec::new();
    for _ in 0..5 {
        sleepers.push(world.start::<Nap>(&1500).await);
    }
    eventually("all sleep", || async {
        world
            .count("select count(*) from runs where state = 'queued' and due_at > now()")
            .await
            == 5
    })
    .await;
    let other = world.start::<Sum>(&1).await;
    world.until(other, RunState::Succeeded).await;
    for id in sleepers {
        let run = world.until(id, RunState::Succeeded).await;
        assert_eq!(run.output.as_deref(), Some(b"3".as_slice()));
        let slept = run.finished_at.unwrap() - run.started_at.unwrap();
        assert!(
            slept.num_milliseconds() >= 1500 && slept.num_milliseconds() < 4000,
            "{slept}"
        );
        assert_eq!(run.activations, 2);
    }
    assert_eq!(
        trace
            .lines()
            .iter()
            .filter(|line| line.starts_with("add 1 "))
            .count(),
        6
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn a_short_sleep_wakes_in_time() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Nap>()
        .start();
    let id = world.start::<Nap>(&60).await;
    let run = world.until(id, RunState::Succeeded).await;
    let slept = run.finished_at.unwrap() - run.started_at.unwrap();
    assert!(slept.num_milliseconds() < 500, "{slept}");
    engine.shutdown().await;
}

struct Parent;

impl Workflow for Parent {
    const NAME: &'static str = "parent";
    type Input = i64;
    type Output = (i64, String);

    async fn run(cx: &mut Run, input: i64) -> Result<(i64, String), RunError> {
        let alone = cx.start::<Nap>(1, StartOptions::default()).await?;
        let sum = cx.call::<Sum>(input, StartOptions::default()).await?;
        let failure = cx
            .call::<Fails>((), StartOptions::default())
            .await
            .unwrap_err();
        Ok((sum, format!("{alone} {} {}", failure.class(), failure)))
    }
}

struct Fails;

impl Workflow for Fails {
    const NAME: &'static str = "fails";
    type Input = ();
    type Output = ();

    async fn run(_cx: &mut Run, (): ()) -> Result<(), RunError> {
        Err(RunError::new(Class::Rejected, "name is missing"))
    }
}

#[tokio::test]
async fn a_parent_waits_for_its_children_without_a_slot() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Parent>()
        .register::<Nap>()
        .register::<Sum>()
        .register::<Fails>()
        .concurrency(1)
        .start();
    let id = world.start::<Parent>(&10).await;
    let run = world.until(id, RunState::Succeeded).await;
    let output = String::from_utf8(run.output.unwrap()).unwrap();
    assert!(output.starts_with("[13,\"run_"), "{output}");
    assert!(output.ends_with(" rejected name is missing\"]"), "{output}");
    assert_eq!(world.count("select count(*) from all_runs").await, 4);
    let kinds: Vec<_> = world
        .steps(id)
        .await
        .into_iter()
        .map(|step| step.kind)
        .collect();
    assert_eq!(kinds, ["start", "call", "call"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn many_parents_and_children_miss_no_wake_up() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Parent>()
        .register::<Nap>()
        .register::<Sum>()
        .register::<Fails>()
        .start();
    sqlx::query("drop index run_dedupe_expiry; ")
        .execute(&world.sql)
        .await
        .unwrap();
    // The note of `Sum` is unique: let it be taken many times.
    sqlx::query("alter table run_dedupe drop constraint run_dedupe_pkey")
        .execute(&world.sql)
        .await
        .unwrap();
    let inputs: Vec<i64> = (0..60).collect();
    let ids = engine
        .start_many::<Parent>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    for id in ids {
        world.until(id.id(), RunState::Succeeded).await;
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_started_in_a_transaction_exists_only_if_that_commits() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Nap>()
        .start();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    engine
        .start_in::<Nap>(&mut tx, &1, StartOptions::default())
        .await
        .unwrap();
    drop(tx);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let kept = engine
        .start_in::<Nap>(&mut tx, &1, StartOptions::default())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.until(kept.id(), RunState::Succeeded).await;
    assert_eq!(world.count("select count(*) from all_runs").await, 1);
    engine.shutdown().await;
}
