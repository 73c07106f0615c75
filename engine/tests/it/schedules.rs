//! Schedules in the store and in several processes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::ids::ScheduleId;
use engine::runtime::cron::CronError;
use engine::store::StoreError;
use engine::store::schedules::{self, CatchUp, Overlap, ScheduleError, ScheduleSpec};
use engine::{Clock, Run, RunError, Workflow};

use crate::support::{World, eventually};

struct Tick;

impl Workflow for Tick {
    const NAME: &'static str = "tick";
    type Input = u64;
    type Output = ();

    async fn run(cx: &mut Run, seconds: u64) -> Result<(), RunError> {
        cx.sleep("work", Duration::from_secs(seconds)).await
    }
}

fn spec(seconds: u64) -> ScheduleSpec {
    ScheduleSpec {
        name: "ticks".into(),
        workflow: "tick".into(),
        workflow_version: 1,
        input: seconds.into(),
        key: None,
        connection_id: None,
        stream: None,
        cron: "* * * * *".into(),
        time_zone: "Europe/Berlin".into(),
        overlap: Overlap::Skip,
        catch_up: CatchUp::One,
        paused: false,
    }
}

async fn insert(world: &World, spec: &ScheduleSpec) -> ScheduleId {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let id = schedules::insert(&mut tx, spec).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn next_at(world: &World, id: ScheduleId) -> DateTime<Utc> {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    schedules::get(&mut tx, id).await.unwrap().next_at.unwrap()
}

fn start_of_time() -> DateTime<Utc> {
    "2026-11-20T10:00:30Z".parse().unwrap()
}

/// Moves the clock to each next firing and waits until it is over.
async fn pass(world: &World, id: ScheduleId, clock: &Clock, minutes: u32) {
    for _ in 0..minutes {
        let before = next_at(world, id).await;
        clock.advance(Duration::from_secs(60));
        eventually("it fires", || async { next_at(world, id).await > before }).await;
    }
}

#[tokio::test]
async fn each_nominal_time_fires_once_with_several_processes() {
    let clock = Clock::manual(start_of_time());
    let world = World::with_clock(clock.clone()).await;
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(world.engine().await.register::<Tick>().start());
    }
    let id = insert(&world, &spec(0)).await;
    for round in 1..=5 {
        pass(&world, id, &clock, 1).await;
        eventually("its run is over", || async {
            world
                .count("select count(*) from all_runs where state = 'succeeded'")
                .await
                == round
        })
        .await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.count("select count(*) from all_runs").await, 5);
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_firing_is_skipped_or_queued_while_the_last_run_is_open() {
    for (overlap, runs) in [(Overlap::Skip, 1), (Overlap::Queue, 3)] {
        let clock = Clock::manual(start_of_time());
        let world = World::with_clock(clock.clone()).await;
        let engine = world.engine().await.register::<Tick>().start();
        let id = insert(
            &world,
            &ScheduleSpec {
                overlap,
                ..spec(3600)
            },
        )
        .await;
        pass(&world, id, &clock, 3).await;
        assert_eq!(world.count("select count(*) from all_runs").await, runs);
        eventually("one has begun", || async {
            world
                .count("select count(*) from all_runs where epoch > 0")
                .await
                == 1
        })
        .await;
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn what_was_missed_is_caught_up_once_or_not_at_all() {
    for (catch_up, runs) in [(CatchUp::None, 0), (CatchUp::One, 1)] {
        let clock = Clock::manual(start_of_time());
        let world = World::with_clock(clock.clone()).await;
        let id = insert(
            &world,
            &ScheduleSpec {
                catch_up,
                ..spec(0)
            },
        )
        .await;
        clock.advance(Duration::from_secs(7230));
        let engine = world.engine().await.register::<Tick>().start();
        let next: DateTime<Utc> = "2026-11-20T12:02:00Z".parse().unwrap();
        eventually("the next time is set", || async {
            next_at(&world, id).await == next
        })
        .await;
        assert_eq!(world.count("select count(*) from all_runs").await, runs);
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_person_edits_pauses_runs_and_deletes_schedules() {
    let world = World::with_clock(Clock::manual(start_of_time())).await;
    let id = insert(&world, &spec(0)).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let before = schedules::get(&mut tx, id).await.unwrap();
    assert_eq!(
        before.next_at,
        Some("2026-11-20T10:01:00Z".parse().unwrap())
    );
    let daily = ScheduleSpec {
        cron: "30 9 * * *".into(),
        paused: true,
        ..spec(0)
    };
    schedules::update(&mut tx, id, before.version, &daily)
        .await
        .unwrap();
    let after = schedules::get(&mut tx, id).await.unwrap();
    assert_eq!(
        (after.next_at, after.version),
        (Some("2026-11-21T08:30:00Z".parse().unwrap()), 2)
    );
    let stale = schedules::update(&mut tx, id, before.version, &daily)
        .await
        .unwrap_err();
    assert!(matches!(stale, ScheduleError::Store(StoreError::Stale(_))));
    let run = schedules::run_now(&mut tx, id).await.unwrap();
    assert_eq!(
        schedules::list(&mut tx).await.unwrap()[0].last_run_id,
        Some(run)
    );
    schedules::delete(&mut tx, id).await.unwrap();
    assert!(matches!(
        schedules::get(&mut tx, id).await,
        Err(StoreError::NotFound(_))
    ));
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused() {
    let world = World::with_clock(Clock::manual(start_of_time())).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let bad = ScheduleSpec {
        cron: "every minute".into(),
        ..spec(0)
    };
    let error = schedules::insert(&mut tx, &bad).await.unwrap_err();
    assert!(
        matches!(error, ScheduleError::Cron(CronError::Expression { .. })),
        "{error}"
    );
    let bad = ScheduleSpec {
        time_zone: "Berlin".into(),
        ..spec(0)
    };
    let error = schedules::insert(&mut tx, &bad).await.unwrap_err();
    assert!(
        matches!(error, ScheduleError::Cron(CronError::Zone(_))),
        "{error}"
    );
}
