//! Operations on all runs that match a filter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::runtime::{BulkInput, BulkOutcome, BulkRuns, Class};
use engine::store::runs::{self, BulkFilter, BulkOperation, BulkPlan, RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{World, eventually};

/// Whether the other side works.
#[derive(Default)]
struct Up(AtomicBool);

struct Knock;

impl Step for Knock {
    const NAME: &'static str = "knock";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        if cx.service::<Up>()?.0.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(StepError::permanent(Class::Rejected, "nobody is at home"))
    }
}

struct Visit;

impl Workflow for Visit {
    const NAME: &'static str = "visit";
    type Input = bool;
    type Output = ();

    async fn run(cx: &mut Run, knocks: bool) -> Result<(), RunError> {
        if knocks {
            cx.step(Knock).await?;
        }
        Ok(())
    }
}

async fn engine(world: &World, up: &Arc<Up>) -> Engine {
    world
        .engine()
        .await
        .service(up.clone())
        .register::<Visit>()
        .register::<BulkRuns>()
        .start()
}

async fn visits(world: &World, count: usize, knocks: bool, options: &StartOptions) {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let new: Vec<_> = (0..count)
        .map(|_| runs::NewRun::of::<Visit>(&knocks, options.clone()).unwrap())
        .collect();
    runs::start_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

fn input(operation: BulkOperation, filter: BulkFilter) -> BulkInput {
    BulkInput {
        name: "after the outage".into(),
        operation,
        filter,
    }
}

fn outcome(run: runs::RunRow) -> BulkOutcome {
    serde_json::from_slice(&run.output.unwrap()).unwrap()
}

#[tokio::test]
async fn all_that_matches_is_retried_once_in_parts_though_the_process_dies() {
    let world = World::new().await;
    let up = Arc::new(Up::default());
    let doomed = engine(&world, &up).await;
    visits(&world, 1203, true, &StartOptions::default()).await;
    visits(&world, 40, false, &StartOptions::default()).await;
    eventually("all have ended", || async {
        world
            .count("select count(*) from all_runs where state in ('failed', 'succeeded')")
            .await
            == 1243
    })
    .await;
    up.0.store(true, Ordering::SeqCst);
    let filter = BulkFilter {
        workflow: Some("visit".into()),
        ..BulkFilter::default()
    };
    let plan = BulkPlan {
        eligible: 1203,
        skipped: 40,
    };
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    assert_eq!(
        runs::plan_bulk(&mut tx, BulkOperation::Retry, &filter, None)
            .await
            .unwrap(),
        plan
    );
    drop(tx);
    let id = world
        .start::<BulkRuns>(&input(BulkOperation::Retry, filter))
        .await;
    eventually("a part is done", || async {
        world.steps(id).await.len() >= 2
    })
    .await;
    drop(doomed);
    let heir = engine(&world, &up).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.progress.as_ref().unwrap().done, 1243);
    assert_eq!(run.progress.as_ref().unwrap().total, Some(1243));
    assert_eq!(
        outcome(run),
        BulkOutcome {
            plan,
            acted: 1203,
            skipped: 40
        }
    );
    let names: Vec<_> = world
        .steps(id)
        .await
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(names, ["plan", "act", "act", "act"]);
    eventually("all have succeeded", || async {
        world
            .count("select count(*) from all_runs where workflow = 'visit' and state = 'succeeded'")
            .await
            == 1243
    })
    .await;
    heir.shutdown().await;
}

#[tokio::test]
async fn a_filter_names_what_is_meant_and_the_operation_what_it_is_for() {
    let world = World::new().await;
    let up = Arc::new(Up::default());
    let engine = engine(&world, &up).await;
    let of_key = |key: &str| StartOptions {
        key: Some(key.into()),
        due_at: Some(chrono::Utc::now() + chrono::TimeDelta::hours(1)),
        ..StartOptions::default()
    };
    visits(&world, 3, false, &of_key("a/1")).await;
    visits(&world, 2, false, &of_key("a%")).await;
    visits(&world, 4, true, &StartOptions::default()).await;
    eventually("four have failed", || async {
        world
            .count("select count(*) from all_runs where state = 'failed'")
            .await
            == 4
    })
    .await;
    let bulk = async |operation, filter| {
        let id = world.start::<BulkRuns>(&input(operation, filter)).await;
        outcome(world.until(id, RunState::Succeeded).await)
    };
    let counts = |outcome: BulkOutcome| {
        assert_eq!(
            (outcome.plan.eligible, outcome.plan.skipped),
            (outcome.acted, outcome.skipped)
        );
        (outcome.acted, outcome.skipped)
    };
    let prefix = BulkFilter {
        key_prefix: Some("a/".into()),
        ..BulkFilter::default()
    };
    assert_eq!(
        counts(bulk(BulkOperation::Cancel, prefix.clone()).await),
        (3, 0)
    );
    assert_eq!(counts(bulk(BulkOperation::Cancel, prefix).await), (0, 3));
    let by_class = |class: &str| BulkFilter {
        error_class: Some(class.into()),
        ..BulkFilter::default()
    };
    assert_eq!(
        counts(bulk(BulkOperation::Retry, by_class("transient")).await),
        (0, 0)
    );
    up.0.store(true, Ordering::SeqCst);
    assert_eq!(
        counts(bulk(BulkOperation::Restart, by_class("rejected")).await),
        (4, 0)
    );
    let future = BulkFilter {
        created_from: Some(chrono::Utc::now() + chrono::TimeDelta::hours(1)),
        ..BulkFilter::default()
    };
    assert_eq!(counts(bulk(BulkOperation::Cancel, future).await), (0, 0));
    let states = BulkFilter {
        states: vec![RunState::Queued],
        workflow: Some("visit".into()),
        created_before: Some(chrono::Utc::now() + chrono::TimeDelta::hours(1)),
        ..BulkFilter::default()
    };
    eventually("the restarted ones have ended", || async {
        world
            .count("select count(*) from all_runs where state = 'succeeded' and workflow = 'visit'")
            .await
            == 4
    })
    .await;
    assert_eq!(counts(bulk(BulkOperation::Cancel, states).await), (2, 0));
    // Without a filter everything is meant, but not the run that does it.
    let (acted, skipped) = counts(bulk(BulkOperation::Cancel, BulkFilter::default()).await);
    assert_eq!((acted, skipped), (0, 9 + 6));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_filter_with_unknown_fields_is_no_filter_for_everything() {
    let world = World::new().await;
    let engine = engine(&world, &Arc::default()).await;
    let json = br#"{"name": "x", "operation": "cancel", "filter": {"workflw": "visit"}}"#;
    let mut new = runs::NewRun::of::<BulkRuns>(
        &input(BulkOperation::Cancel, BulkFilter::default()),
        StartOptions::default(),
    )
    .unwrap();
    new.input = json.to_vec();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let id = runs::start(&mut tx, new).await.unwrap().id();
    tx.commit().await.unwrap();
    let run = world.until(id, RunState::Parked).await;
    let error = run.error.unwrap().to_string();
    assert!(error.contains("input does not have the fields"), "{error}");
    engine.shutdown().await;
}
