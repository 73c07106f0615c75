//! Limits, pauses and closed lanes.

use std::sync::Arc;
use std::time::Duration;

use engine::ids::ConnectionId;
use engine::store::lanes::{self, Action, Lane};
use engine::store::runs::{RunState, StartOptions};
use engine::{Engine, Run, RunError, Step, StepCx, StepError, Workflow};

use crate::support::{Trace, World, eventually};

/// Counts who is inside, also when the step is dropped on the way.
struct Inside(Arc<Trace>);

impl Inside {
    fn enter(trace: Arc<Trace>) -> Self {
        trace.enter();
        Self(trace)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.leave();
    }
}

struct Work(u64);

impl Step for Work {
    const NAME: &'static str = "work";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let _inside = Inside::enter(cx.service::<Trace>()?);
        tokio::time::sleep(Duration::from_millis(self.0)).await;
        Ok(())
    }
}

struct Keyed;

impl Workflow for Keyed {
    const NAME: &'static str = "keyed";
    /// The key, and milliseconds.
    type Input = (String, u64);
    type Output = ();

    fn key(input: &Self::Input) -> Option<String> {
        Some(input.0.clone())
    }

    async fn run(cx: &mut Run, (_, millis): Self::Input) -> Result<(), RunError> {
        cx.step(Work(millis)).await
    }
}

struct Free;

impl Workflow for Free {
    const NAME: &'static str = "free";
    type Input = u64;
    type Output = ();

    async fn run(cx: &mut Run, millis: u64) -> Result<(), RunError> {
        cx.step(Work(millis)).await
    }
}

/// Sleeps between two steps.
struct Sleeper;

impl Workflow for Sleeper {
    const NAME: &'static str = "sleeper";
    type Input = u64;
    type Output = ();

    fn key(_input: &u64) -> Option<String> {
        Some("sleeper".into())
    }

    async fn run(cx: &mut Run, millis: u64) -> Result<(), RunError> {
        cx.step(Work(1)).await?;
        cx.sleep("between", Duration::from_millis(millis)).await?;
        cx.step(Work(1)).await
    }
}

async fn engine(world: &World, trace: &Arc<Trace>) -> Engine {
    world
        .engine()
        .await
        .service(trace.clone())
        .register::<Keyed>()
        .register::<Free>()
        .register::<Sleeper>()
        .register::<Told>()
        .concurrency(10)
        .start()
}

async fn limit(world: &World, lane: Lane, most: u32) {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    lanes::act(&mut tx, &lane, &Action::Limit(Some(most)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn succeeded(world: &World) -> i64 {
    world
        .count("select count(*) from all_runs where state = 'succeeded'")
        .await
}

#[tokio::test]
async fn a_key_runs_as_many_at_once_as_its_lane_says_over_two_processes_and_a_death() {
    let world = World::new().await;
    let trace = Trace::new();
    limit(&world, Lane::Key("three".into()), 3).await;
    let mut engines = vec![engine(&world, &trace).await, engine(&world, &trace).await];
    let inputs: Vec<_> = (0..120).map(|_| ("three".to_owned(), 15)).collect();
    engines[0]
        .start_many::<Keyed>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    for place in [0, 1] {
        eventually("some are done", || async {
            succeeded(&world).await > 20 * (place + 1)
        })
        .await;
        // The one before dies here, with what it has in hand.
        engines[usize::try_from(place).unwrap()] = engine(&world, &trace).await;
    }
    eventually("all are done", || async { succeeded(&world).await == 120 }).await;
    assert_eq!(trace.most.load(std::sync::atomic::Ordering::SeqCst), 3);
    assert_eq!(
        world
            .count("select count(*) from runs where holds_key")
            .await,
        0
    );
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_workflow_runs_as_many_at_once_as_its_lane_says_over_two_processes_and_a_death() {
    let world = World::new().await;
    let trace = Trace::new();
    limit(&world, Lane::Workflow("free".into()), 4).await;
    let mut engines = vec![engine(&world, &trace).await, engine(&world, &trace).await];
    // Several priorities and versions share the room of one lane.
    for priority in [0, 1, 2] {
        let options = StartOptions {
            priority,
            ..StartOptions::default()
        };
        engines[0]
            .start_many::<Free>(world.tenant, &[15; 40], &options)
            .await
            .unwrap();
    }
    eventually("some are done", || async { succeeded(&world).await > 30 }).await;
    engines[0] = engine(&world, &trace).await;
    eventually("all are done", || async { succeeded(&world).await == 120 }).await;
    assert_eq!(trace.most.load(std::sync::atomic::Ordering::SeqCst), 4);
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn tenants_and_workflows_of_all_tenants_are_limited_too() {
    let world = World::new().await;
    let trace = Trace::new();
    limit(&world, Lane::Tenant, 5).await;
    let mut tx = world.store.begin_system().await.unwrap();
    let lane = Lane::Workflow("free".into());
    lanes::act(&mut tx, &lane, &Action::Limit(Some(2)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let engine = engine(&world, &trace).await;
    engine
        .start_many::<Free>(world.tenant, &[20; 20], &StartOptions::default())
        .await
        .unwrap();
    eventually("all are done", || async { succeeded(&world).await == 20 }).await;
    assert_eq!(trace.most.load(std::sync::atomic::Ordering::SeqCst), 2);
    let inputs: Vec<_> = (0..40).map(|number| (number.to_string(), 20)).collect();
    engine
        .start_many::<Keyed>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    eventually("all are done", || async { succeeded(&world).await == 60 }).await;
    assert_eq!(trace.most.load(std::sync::atomic::Ordering::SeqCst), 5);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_raised_limit_lets_waiting_runs_go_at_once() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let inputs: Vec<_> = (0..6).map(|_| ("one".to_owned(), 600)).collect();
    engine
        .start_many::<Keyed>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    eventually("one runs, the others wait for it", || async {
        world.count("select count(*) from runs where behind").await == 5
    })
    .await;
    limit(&world, Lane::Key("one".into()), 4).await;
    eventually("four run", || async { engine.active() == 4 }).await;
    eventually("all are done", || async { succeeded(&world).await == 6 }).await;
    assert_eq!(trace.most.load(std::sync::atomic::Ordering::SeqCst), 4);
    engine.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_limited_is_refused() {
    let world = World::new().await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let key = Lane::Key("k".into());
    for (lane, most) in [
        (key.clone(), 0),
        (key.clone(), u32::MAX),
        (Lane::Connection(ConnectionId::fresh()), 1),
    ] {
        let refused = lanes::act(&mut tx, &lane, &Action::Limit(Some(most))).await;
        assert!(refused.is_err(), "{lane:?} {most}");
    }
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            lanes::act(&mut tx, &Lane::Tenant, &Action::Weight(Some(weight)))
                .await
                .is_err()
        );
    }
    lanes::act(&mut tx, &key, &Action::Limit(Some(2)))
        .await
        .unwrap();
    assert_eq!(
        lanes::list(&mut tx, None, 100).await.unwrap()[0].max_running,
        Some(2)
    );
    lanes::act(&mut tx, &key, &Action::Limit(None))
        .await
        .unwrap();
    assert!(lanes::list(&mut tx, None, 100).await.unwrap().is_empty());
    drop(tx);
    let mut all = world.store.begin_system().await.unwrap();
    assert!(lanes::act(&mut all, &key, &quiet()).await.is_err());
}

fn quiet() -> Action {
    Action::Pause {
        by: "usr_1".into(),
        reason: "peer is being moved".into(),
    }
}

/// Pauses and resumes, for one tenant or for all.
async fn pause(world: &World, for_all: bool, lane: &Lane) {
    if for_all {
        let mut tx = world.store.begin_system().await.unwrap();
        lanes::act(&mut tx, lane, &quiet()).await.unwrap();
        tx.commit().await.unwrap();
    } else {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        lanes::act(&mut tx, lane, &quiet()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn resume(world: &World, for_all: bool, lane: &Lane) -> bool {
    if for_all {
        let mut tx = world.store.begin_system().await.unwrap();
        let resumed = lanes::act(&mut tx, lane, &Action::Resume).await.unwrap();
        tx.commit().await.unwrap();
        resumed.changes
    } else {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let resumed = lanes::act(&mut tx, lane, &Action::Resume).await.unwrap();
        tx.commit().await.unwrap();
        resumed.changes
    }
}

#[tokio::test]
async fn a_paused_lane_lets_nothing_begin_and_a_resumed_one_everything_at_once() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let connection = ConnectionId::fresh();
    let on_connection = || StartOptions {
        connection_id: Some(connection),
        ..StartOptions::default()
    };
    let lanes = [
        (false, Lane::Tenant),
        (false, Lane::Workflow("keyed".into())),
        (false, Lane::Key("k".into())),
        (false, Lane::Connection(connection)),
        (true, Lane::Tenant),
        (true, Lane::Workflow("keyed".into())),
    ];
    for (for_all, lane) in &lanes {
        pause(&world, *for_all, lane).await;
        let id = world
            .start_with::<Keyed>(&("k".into(), 1), on_connection())
            .await;
        if !matches!(lane, Lane::Tenant) {
            let other = world.start::<Free>(&1).await;
            world.until(other, RunState::Succeeded).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let run = world.run(id).await;
        assert_eq!((run.state, run.activations), (RunState::Queued, 0));
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let own = lanes::list(&mut tx, None, 100).await.unwrap();
        drop(tx);
        let mut tx = world.store.begin_system().await.unwrap();
        let of_all = lanes::list(&mut tx, None, 100).await.unwrap();
        drop(tx);
        let listed = [own, of_all].concat();
        assert_eq!(listed.len(), 1);
        assert_eq!(&listed[0].lane, lane);
        let paused = listed[0].paused.as_ref().unwrap();
        assert_eq!(
            (paused.by.as_str(), paused.reason.as_str()),
            ("usr_1", "peer is being moved")
        );
        let resumed = std::time::Instant::now();
        assert!(resume(&world, *for_all, lane).await);
        assert!(!resume(&world, *for_all, lane).await);
        world.until(id, RunState::Succeeded).await;
        let took = resumed.elapsed();
        assert!(took < Duration::from_millis(900), "{lane:?} {took:?}");
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_under_way_finishes_its_step_in_a_pause_and_goes_on_after_it() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = engine(&world, &trace).await;
    let lane = Lane::Key("sleeper".into());
    let holder = world.start::<Sleeper>(&200).await;
    eventually("it sleeps", || async {
        world.steps(holder).await.len() == 2
    })
    .await;
    let next = world.start::<Sleeper>(&1).await;
    pause(&world, false, &lane).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let run = world.run(holder).await;
    assert_eq!((run.state, run.activations), (RunState::Queued, 1));
    resume(&world, false, &lane).await;
    world.until(holder, RunState::Succeeded).await;
    world.until(next, RunState::Succeeded).await;
    engine.shutdown().await;
}

/// Is told once to come back later, if so asked.
struct Ask(Option<u64>);

impl Step for Ask {
    const NAME: &'static str = "ask";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        match self.0 {
            Some(millis) if cx.attempt() == 1 => Err(StepError::retry_after(
                Duration::from_millis(millis),
                "limit of the account is reached",
            )),
            _ => Ok(()),
        }
    }
}

struct Told;

impl Workflow for Told {
    const NAME: &'static str = "told";
    type Input = Option<u64>;
    type Output = ();

    async fn run(cx: &mut Run, millis: Option<u64>) -> Result<(), RunError> {
        cx.step(Ask(millis)).await
    }
}

fn on(connection: ConnectionId) -> StartOptions {
    StartOptions {
        connection_id: Some(connection),
        ..StartOptions::default()
    }
}

async fn closed(world: &World) -> Vec<lanes::LaneRow> {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    lanes::list(&mut tx, None, 100).await.unwrap()
}

#[tokio::test]
async fn a_retry_after_closes_the_connection_for_others_until_then() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let (full, other) = (ConnectionId::fresh(), ConnectionId::fresh());
    let told = world.start_with::<Told>(&Some(2000), on(full)).await;
    eventually("the lane is closed", || async {
        !closed(&world).await.is_empty()
    })
    .await;
    let lane = closed(&world).await.remove(0);
    assert_eq!(lane.lane, Lane::Connection(full));
    let lane = lane.closed.unwrap();
    assert_eq!(lane.reason, "limit of the account is reached");
    let behind = world.start_with::<Told>(&None, on(full)).await;
    let beside = world.start_with::<Told>(&None, on(other)).await;
    world.until(beside, RunState::Succeeded).await;
    assert_eq!(world.run(behind).await.activations, 0);
    let told = world.until(told, RunState::Succeeded).await;
    assert!(told.finished_at.unwrap() >= lane.until);
    let behind = world.until(behind, RunState::Succeeded).await;
    assert!(behind.started_at.unwrap() >= lane.until);
    assert!((behind.started_at.unwrap() - lane.until).num_milliseconds() < 2500);
    assert!(closed(&world).await.is_empty());
    engine.shutdown().await;
}

#[tokio::test]
async fn a_person_opens_a_closed_lane_before_its_time() {
    let world = World::new().await;
    let engine = engine(&world, &Trace::new()).await;
    let options = || StartOptions {
        key: Some("account".into()),
        ..StartOptions::default()
    };
    limit(&world, Lane::Key("account".into()), 2).await;
    world.start_with::<Told>(&Some(3_600_000), options()).await;
    eventually("the lane is closed", || async {
        closed(&world).await[0].closed.is_some()
    })
    .await;
    let behind = world.start_with::<Told>(&None, options()).await;
    eventually("it is put behind", || async {
        world.count("select count(*) from runs where behind").await == 1
    })
    .await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let lane = Lane::Key("account".into());
    let opened = lanes::act(&mut tx, &lane, &Action::Open).await.unwrap();
    assert!(opened.changes);
    tx.commit().await.unwrap();
    world.until(behind, RunState::Succeeded).await;
    assert_eq!(closed(&world).await[0].max_running, Some(2));
    engine.shutdown().await;
}
