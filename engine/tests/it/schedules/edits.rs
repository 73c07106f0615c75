//! What people do to schedules: edit, pause, skip, run now, delete, and get wrong.

use std::time::Duration;

use chrono::TimeDelta;
use engine::Clock;
use engine::ids::ScheduleId;
use engine::runtime::cron::{CronError, Timing};
use engine::store::StoreError;
use engine::store::schedules::{
    self, CatchUp, Overlap, Pause, PausedBy, Schedule, ScheduleError, ScheduleSpec,
};

use super::{at, engines, every, get, insert, look_around, nominals, pass, runs, shut_down, spec};
use crate::support::World;

async fn refused(world: &World, spec: &ScheduleSpec) -> ScheduleError {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    schedules::insert(&mut tx, spec).await.unwrap_err()
}

#[tokio::test]
async fn a_person_edits_runs_and_deletes_schedules() {
    let world = World::with_clock(Clock::manual(at("10:00:30"))).await;
    let id = insert(&world, &spec(0)).await;
    let before = get(&world, id).await;
    assert_eq!(before.next.unwrap().at, at("10:01:00"));
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let daily = ScheduleSpec {
        timing: Timing::new("30 9 * * *", "Europe/Berlin"),
        ..spec(0)
    };
    schedules::update(&mut tx, id, before.version, &daily)
        .await
        .unwrap();
    let after = schedules::get(&mut tx, id).await.unwrap();
    assert_eq!(after.version, 2);
    assert_eq!(after.next.unwrap().at, at("08:30:00") + TimeDelta::days(1));
    let stale = schedules::update(&mut tx, id, before.version, &daily)
        .await
        .unwrap_err();
    assert!(matches!(stale, ScheduleError::Store(StoreError::Stale(_))));
    let run = schedules::run_now(&mut tx, id).await.unwrap();
    let listed = schedules::list(&mut tx).await.unwrap();
    assert_eq!(listed[0].last_run_id, Some(run));
    assert_eq!(listed[0].next, after.next);
    schedules::delete(&mut tx, id).await.unwrap();
    assert!(matches!(
        schedules::get(&mut tx, id).await,
        Err(StoreError::NotFound(_))
    ));
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_next_firing_is_skipped_once_and_stays_skipped() {
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let id = insert(&world, &spec(0)).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let after = schedules::skip_next(&mut tx, id, at("10:01:00"))
        .await
        .unwrap();
    let times = ["10:02:00", "10:03:00"].map(at);
    assert_eq!(after.next_times(2), times);
    let twice = schedules::skip_next(&mut tx, id, at("10:01:00")).await;
    assert!(matches!(
        twice,
        Err(ScheduleError::Store(StoreError::Conflict(_)))
    ));
    // An edit of something else does not bring it back.
    let renamed = ScheduleSpec {
        name: "tocks".into(),
        ..spec(0)
    };
    schedules::update(&mut tx, id, 1, &renamed).await.unwrap();
    assert_eq!(get_in(&mut tx, id).await.next_times(2), times);
    tx.commit().await.unwrap();
    let engines = engines(&world, 2).await;
    clock.advance(Duration::from_secs(45));
    look_around().await;
    assert_eq!(runs(&world).await, 0);
    pass(&world, id, &clock, 1).await;
    assert_eq!(nominals(&world).await, [at("10:02:00").timestamp()]);
    shut_down(engines).await;
}

async fn get_in(tx: &mut engine::Tx, id: ScheduleId) -> Schedule {
    schedules::get(tx, id).await.unwrap()
}

#[tokio::test]
async fn a_paused_schedule_says_why_and_goes_on_from_now() {
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let pause = Pause {
        by: PausedBy::Person,
        reason: Some("the other side is being moved".into()),
    };
    let paused = ScheduleSpec {
        pause: Some(pause),
        ..spec(0)
    };
    let id = insert(&world, &spec(0)).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    schedules::update(&mut tx, id, 1, &paused).await.unwrap();
    let shown = get_in(&mut tx, id).await;
    assert_eq!(shown.spec.pause, paused.pause);
    assert_eq!(shown.paused_at, Some(at("10:00:30")));
    assert!(shown.next_times(5).is_empty());
    let skip = schedules::skip_next(&mut tx, id, at("10:01:00")).await;
    assert!(skip.unwrap_err().to_string().contains("is paused"));
    tx.commit().await.unwrap();
    let engines = engines(&world, 2).await;
    clock.advance(Duration::from_secs(3600));
    look_around().await;
    assert_eq!(runs(&world).await, 0);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    schedules::update(&mut tx, id, 2, &spec(0)).await.unwrap();
    let shown = get_in(&mut tx, id).await;
    assert_eq!((shown.spec.pause.clone(), shown.paused_at), (None, None));
    assert_eq!(shown.next_times(1), [at("11:01:00")]);
    tx.commit().await.unwrap();
    pass(&world, id, &clock, 1).await;
    assert_eq!(nominals(&world).await, [at("11:01:00").timestamp()]);
    shut_down(engines).await;
}

#[tokio::test]
async fn after_its_end_a_schedule_has_no_next_time() {
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let bounded = ScheduleSpec {
        timing: Timing {
            starts_at: Some(at("10:02:00")),
            ends_at: Some(at("10:03:30")),
            ..spec(0).timing
        },
        overlap: Overlap::Queue,
        ..spec(0)
    };
    let id = insert(&world, &bounded).await;
    assert_eq!(
        get(&world, id).await.next_times(5),
        ["10:02:00", "10:03:00"].map(at)
    );
    let engines = engines(&world, 2).await;
    pass(&world, id, &clock, 2).await;
    let ended = get(&world, id).await;
    assert_eq!((ended.next, ended.next_times(5)), (None, vec![]));
    clock.advance(Duration::from_secs(600));
    look_around().await;
    assert_eq!(runs(&world).await, 2);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let error = schedules::skip_next(&mut tx, id, at("10:03:00")).await;
    assert!(error.unwrap_err().to_string().contains("never fires again"));
    // It can still be renamed, and run again for longer.
    let renamed = ScheduleSpec {
        name: "was".into(),
        ..bounded.clone()
    };
    schedules::update(&mut tx, id, 1, &renamed).await.unwrap();
    let longer = ScheduleSpec {
        timing: every("* * * * *"),
        ..renamed
    };
    schedules::update(&mut tx, id, 2, &longer).await.unwrap();
    assert_eq!(get_in(&mut tx, id).await.next_times(1), [at("10:14:00")]);
    shut_down(engines).await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused() {
    let world = World::with_clock(Clock::manual(at("10:00:30"))).await;
    let cron = |cron: &str| ScheduleSpec {
        timing: every(cron),
        ..spec(0)
    };
    let error = refused(&world, &cron("every minute")).await;
    assert!(
        matches!(error, ScheduleError::Cron(CronError::Expression { .. })),
        "{error}"
    );
    let error = refused(&world, &cron("0 0 30 2 *")).await;
    assert!(
        matches!(error, ScheduleError::Cron(CronError::Never(_))),
        "{error}"
    );
    let nowhere = ScheduleSpec {
        timing: Timing::new("* * * * *", "Berlin"),
        ..spec(0)
    };
    let error = refused(&world, &nowhere).await;
    assert!(
        matches!(error, ScheduleError::Cron(CronError::Zone { .. })),
        "{error}"
    );
    let mut over = spec(0);
    over.timing.ends_at = Some(at("10:00:59"));
    let error = refused(&world, &over).await;
    assert!(
        matches!(error, ScheduleError::Cron(CronError::NothingLeft(_))),
        "{error}"
    );
    let all = ScheduleSpec {
        catch_up: CatchUp::All,
        ..spec(0)
    };
    let error = refused(&world, &all).await;
    assert!(matches!(error, ScheduleError::CatchUpNeedsQueue), "{error}");
    for limit in [0, 101] {
        let error = ScheduleSpec {
            catch_up_limit: limit,
            ..spec(0)
        };
        let error = refused(&world, &error).await;
        assert!(matches!(error, ScheduleError::CatchUpLimit(_)), "{error}");
    }
}
