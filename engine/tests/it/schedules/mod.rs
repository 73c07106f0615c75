//! Schedules in the store and in several processes; what people do to them is in `edits.rs`, what clocks
//! do in `clocks.rs`.

mod clocks;
mod edits;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::ids::ScheduleId;
use engine::runtime::cron::{Firing, Timing};
use engine::store::schedules::{self, CatchUp, Overlap, PausedBy, Schedule, ScheduleSpec};
use engine::{Clock, Engine, Run, RunError, Workflow};

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
        timing: Timing::new("* * * * *", "Europe/Berlin"),
        overlap: Overlap::Skip,
        catch_up: CatchUp::One,
        catch_up_limit: 10,
        pause: None,
    }
}

fn every(cron: &str) -> Timing {
    Timing::new(cron, "UTC")
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-20T{text}Z").parse().unwrap()
}

/// A schedule, and a table of what fires: keys are forgotten once they have expired.
async fn insert(world: &World, spec: &ScheduleSpec) -> ScheduleId {
    sqlx::raw_sql(
        "create table if not exists fired (key text, run_id uuid);
         create or replace function note_fired() returns trigger language plpgsql security definer as
             $$ begin insert into fired values (new.key, new.run_id); return new; end $$;
         create or replace trigger note_fired after insert on run_dedupe
             for each row execute function note_fired();",
    )
    .execute(&world.sql)
    .await
    .unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let id = schedules::insert(&mut tx, spec).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn get(world: &World, id: ScheduleId) -> Schedule {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    schedules::get(&mut tx, id).await.unwrap()
}

async fn next(world: &World, id: ScheduleId) -> Firing {
    get(world, id).await.next.unwrap()
}

async fn runs(world: &World) -> i64 {
    world.count("select count(*) from all_runs").await
}

/// Nominal times that were fired; their runs have them in their dedupe keys.
async fn nominals(world: &World) -> Vec<i64> {
    sqlx::query_scalar(
        "select split_part(f.key, '/', 3)::bigint from all_runs r join fired f on f.run_id = r.id
         order by 1",
    )
    .fetch_all(&world.sql)
    .await
    .unwrap()
}

async fn engines(world: &World, count: usize) -> Vec<Engine> {
    let mut engines = Vec::new();
    for _ in 0..count {
        engines.push(world.engine().await.register::<Tick>().start());
    }
    for engine in &engines {
        eventually("it runs", || async { engine.is_running() }).await;
    }
    engines
}

async fn shut_down(engines: Vec<Engine>) {
    for engine in engines {
        engine.shutdown().await;
    }
}

/// Moves the clock to each next firing and waits until it is over.
async fn pass(world: &World, id: ScheduleId, clock: &Clock, firings: u32) {
    for _ in 0..firings {
        let next = next(world, id).await;
        clock.advance((next.at - clock.now()).to_std().unwrap());
        fired(world, id, next).await;
    }
}

async fn fired(world: &World, id: ScheduleId, firing: Firing) {
    eventually("it fires", || async {
        let schedule = get(world, id).await;
        schedule.last_nominal >= Some(firing.nominal)
    })
    .await;
}

/// Long enough for every process to have looked.
async fn look_around() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

#[tokio::test]
async fn each_nominal_time_fires_once_with_several_processes() {
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let engines = engines(&world, 4).await;
    let mut ids = Vec::new();
    for jitter_seconds in [0, 0, 59, 300] {
        let timing = Timing {
            jitter_seconds,
            ..spec(0).timing
        };
        let spec = ScheduleSpec {
            timing,
            overlap: Overlap::Queue,
            ..spec(0)
        };
        ids.push(insert(&world, &spec).await);
    }
    for _ in 0..5 {
        clock.advance(Duration::from_secs(60));
        for id in &ids {
            eventually("what is due fires", || async {
                next(&world, *id).await.at > clock.now()
            })
            .await;
        }
    }
    clock.advance(Duration::from_secs(59));
    look_around().await;
    let keys: Vec<(ScheduleId, i64)> = sqlx::query_as::<_, (String, i64)>(
        "select split_part(d.key, '/', 2), split_part(d.key, '/', 3)::bigint
         from all_runs r join run_dedupe d on d.run_id = r.id",
    )
    .fetch_all(&world.sql)
    .await
    .unwrap()
    .into_iter()
    .map(|(id, nominal)| (id.parse().unwrap(), nominal))
    .collect();
    let different: HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
    assert_eq!(i64::try_from(keys.len()).unwrap(), runs(&world).await);
    for id in ids {
        let mut of_one: Vec<_> = keys.iter().filter(|key| key.0 == id).collect();
        of_one.sort();
        assert!(of_one.len() >= 5, "{of_one:?}");
        // None was left out either.
        for pair in of_one.windows(2) {
            assert_eq!(pair[1].1 - pair[0].1, 60);
        }
    }
    shut_down(engines).await;
}

#[tokio::test]
async fn a_clock_that_jumps_neither_loses_nor_doubles_a_firing() {
    let start = at("10:00:30");
    let clock = Clock::manual(start);
    let world = World::with_clock(clock.clone()).await;
    let all = ScheduleSpec {
        overlap: Overlap::Queue,
        catch_up: CatchUp::All,
        ..spec(0)
    };
    let id = insert(&world, &all).await;
    let engines = engines(&world, 3).await;
    let first = next(&world, id).await;
    clock.advance(Duration::from_secs(5 * 60));
    fired(&world, id, first).await;
    look_around().await;
    let minutes = |minutes: &[u32]| -> Vec<i64> {
        let nominal = |minute: &u32| at(&format!("10:{minute:02}:00")).timestamp();
        minutes.iter().map(nominal).collect()
    };
    assert_eq!(nominals(&world).await, minutes(&[1, 2, 3, 4, 5]));
    // Back by four minutes: what has fired does not fire again, not after an edit either.
    clock.go_back(Duration::from_secs(4 * 60));
    look_around().await;
    assert_eq!(next(&world, id).await.nominal, at("10:06:00"));
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let edited = ScheduleSpec {
        timing: every("*/1 * * * *"),
        ..all
    };
    schedules::update(&mut tx, id, 1, &edited).await.unwrap();
    tx.commit().await.unwrap();
    clock.advance(Duration::from_secs(4 * 60));
    look_around().await;
    assert_eq!(runs(&world).await, 5);
    let first = next(&world, id).await;
    clock.advance(Duration::from_secs(60));
    fired(&world, id, first).await;
    look_around().await;
    assert_eq!(nominals(&world).await, minutes(&[1, 2, 3, 4, 5, 6]));
    shut_down(engines).await;
}

#[tokio::test]
async fn a_firing_is_skipped_or_queued_or_replaces_the_last_run() {
    for (overlap, total, cancelled) in [
        (Overlap::Skip, 1, 0),
        (Overlap::Queue, 3, 0),
        (Overlap::CancelPrevious, 3, 2),
    ] {
        let clock = Clock::manual(at("10:00:30"));
        let world = World::with_clock(clock.clone()).await;
        let engines = engines(&world, 1).await;
        let spec = ScheduleSpec {
            overlap,
            ..spec(3600)
        };
        let id = insert(&world, &spec).await;
        for _ in 0..3 {
            pass(&world, id, &clock, 1).await;
            eventually("the newest that may has begun", || async {
                let begun = "select count(*) from all_runs
                    where epoch > 0 and state in ('running', 'queued')";
                world.count(begun).await == 1
            })
            .await;
        }
        assert_eq!(runs(&world).await, total, "{overlap:?}");
        eventually("those before are cancelled", || async {
            let count = "select count(*) from all_runs where state = 'cancelled'";
            world.count(count).await == cancelled
        })
        .await;
        shut_down(engines).await;
    }
}

#[tokio::test]
async fn what_was_missed_is_caught_up_once_or_each_or_not_at_all() {
    for (catch_up, limit, wanted) in [
        (CatchUp::None, 10, vec![]),
        (CatchUp::One, 10, vec!["12:00:00"]),
        (CatchUp::All, 3, vec!["11:50:00", "11:55:00", "12:00:00"]),
    ] {
        let clock = Clock::manual(at("10:00:30"));
        let world = World::with_clock(clock.clone()).await;
        let spec = ScheduleSpec {
            timing: every("*/5 * * * *"),
            overlap: Overlap::Queue,
            catch_up,
            catch_up_limit: limit,
            ..spec(0)
        };
        let id = insert(&world, &spec).await;
        clock.advance((at("12:03:30") - clock.now()).to_std().unwrap());
        let engines = engines(&world, 2).await;
        eventually("the next time is set", || async {
            next(&world, id).await.nominal == at("12:05:00")
        })
        .await;
        let wanted: Vec<_> = wanted.into_iter().map(|one| at(one).timestamp()).collect();
        assert_eq!(nominals(&world).await, wanted, "{catch_up:?}");
        // What comes in time is not missed.
        pass(&world, id, &clock, 1).await;
        let total = i64::try_from(wanted.len()).unwrap() + 1;
        assert_eq!(runs(&world).await, total, "{catch_up:?}");
        shut_down(engines).await;
    }
}

#[tokio::test]
async fn a_schedule_that_can_no_longer_be_computed_is_paused_and_says_so() {
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let broken = insert(&world, &spec(0)).await;
    let sound = insert(&world, &spec(0)).await;
    sqlx::query("update schedules set time_zone = 'Gone/Away' where id = $1")
        .bind(broken.0)
        .execute(&world.sql)
        .await
        .unwrap();
    let engines = engines(&world, 2).await;
    clock.advance(Duration::from_secs(60));
    eventually("it is paused", || async {
        get(&world, broken).await.spec.pause.is_some()
    })
    .await;
    let pause = get(&world, broken).await.spec.pause.unwrap();
    assert_eq!(pause.by, PausedBy::Hub);
    assert!(pause.reason.unwrap().contains("\"Gone/Away\""));
    eventually("the other one fires", || async {
        get(&world, sound).await.last_run_id.is_some()
    })
    .await;
    shut_down(engines).await;
}
