//! Starting runs: dedupe keys between concurrent callers, many at once, group commit.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::store::StoreError;
use engine::store::runs::{
    self, Dedupe, DedupeMode, DedupeUntil, NewRun, RunState, StartOptions, Started,
};
use engine::{Clock, Engine, Run, RunError, Workflow};
use futures::future::join_all;

use crate::support::{Trace, World, eventually};

/// Leaves its input in the trace.
struct Note;

impl Workflow for Note {
    const NAME: &'static str = "note";
    type Input = u64;
    type Output = ();

    async fn run(cx: &mut Run, number: u64) -> Result<(), RunError> {
        cx.service::<Trace>()?.add(number.to_string());
        cx.sleep("a while", Duration::from_millis(1)).await
    }
}

fn once(until: DedupeUntil, mode: DedupeMode) -> StartOptions {
    StartOptions {
        dedupe: Some(Dedupe {
            key: "once".into(),
            until,
            mode,
        }),
        ..StartOptions::default()
    }
}

fn later(mode: DedupeMode) -> StartOptions {
    StartOptions {
        due_at: Some(Utc::now() + Duration::from_secs(3600)),
        ..once(DedupeUntil::Begun, mode)
    }
}

/// An engine whose runs are all due later.
async fn idle_engine(world: &World) -> Engine {
    let engine = world.engine().await.service(Trace::new());
    engine.register::<Note>().start()
}

async fn start(world: &World, input: u64, options: StartOptions) -> Result<Started, StoreError> {
    let mut tx = world.store.begin(world.tenant).await?;
    let started = runs::start(&mut tx, NewRun::of::<Note>(&input, options)?).await?;
    tx.commit().await?;
    Ok(started)
}

async fn input(world: &World, started: Started) -> u64 {
    let run = world.run(started.id()).await;
    serde_json::from_slice(&run.input.unwrap()).unwrap()
}

#[tokio::test]
async fn a_dedupe_key_gives_the_run_that_has_it() {
    let world = World::new().await;
    let trace = Trace::new();
    let builder = world.engine().await.service(trace);
    let engine = builder.register::<Note>().start();
    let options = |until| {
        let mut options = once(until, DedupeMode::Existing);
        options.dedupe.as_mut().unwrap().key = format!("{until:?}");
        options
    };
    let hour = DedupeUntil::Elapsed(Duration::from_secs(3600));
    for until in [hour, DedupeUntil::Ended] {
        let start = || engine.start::<Note>(world.tenant, &1, options(until));
        let first = start().await.unwrap();
        assert!(matches!(first, Started::New(_)));
        assert_eq!(start().await.unwrap(), Started::Existing(first.id()));
        world.until(first.id(), RunState::Succeeded).await;
        let third = start().await.unwrap();
        assert_eq!(matches!(third, Started::Existing(_)), until == hour);
    }
    engine.shutdown().await;
    let until = DedupeUntil::Begun;
    let first = world.start_with::<Note>(&1, options(until)).await;
    assert_eq!(world.start_with::<Note>(&1, options(until)).await, first);
    sqlx::query("update runs set started_at = now() where id = $1")
        .bind(first.0)
        .execute(&world.sql)
        .await
        .unwrap();
    assert_ne!(world.start_with::<Note>(&1, options(until)).await, first);
}

#[tokio::test]
async fn of_fifty_concurrent_starts_with_one_key_one_makes_the_run() {
    let debounce = DedupeMode::Debounce {
        window: Duration::from_secs(3600),
        longest: Duration::from_secs(7200),
    };
    for mode in [
        DedupeMode::Existing,
        DedupeMode::Replace,
        DedupeMode::Reject,
        debounce,
    ] {
        let world = World::new().await;
        let engine = idle_engine(&world).await;
        let options = if mode == debounce {
            once(DedupeUntil::Begun, mode)
        } else {
            later(mode)
        };
        // Half of them share transactions, half have their own.
        let starts = (0..50_u64).map(|number| {
            let (world, engine, options) = (&world, &engine, options.clone());
            async move {
                if number % 2 == 0 {
                    engine.start::<Note>(world.tenant, &number, options).await
                } else {
                    start(world, number, options).await
                }
            }
        });
        let (mut new, mut existing, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for outcome in join_all(starts).await {
            match outcome {
                Ok(Started::New(id)) => new.push(id),
                Ok(Started::Existing(id)) => existing.push(id),
                Err(StoreError::Duplicate(id)) => rejected.push(id),
                Err(error) => panic!("{mode:?}: {error:?}"),
            }
        }
        assert_eq!(new.len(), 1, "{mode:?}");
        let others = if mode == DedupeMode::Reject {
            rejected
        } else {
            existing
        };
        assert_eq!(others, vec![new[0]; 49], "{mode:?}");
        assert_eq!(world.count("select count(*) from all_runs").await, 1);
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_replaced_run_has_the_newest_input_and_no_start_is_lost_to_one_that_has_begun() {
    let world = World::new().await;
    let trace = Trace::new();
    let builder = world.engine().await.service(trace.clone());
    let engine = builder.register::<Note>().start();
    let mut made = BTreeSet::new();
    for round in 0..10_u64 {
        let options = || once(DedupeUntil::Ended, DedupeMode::Replace);
        let starts = (0..50).map(|number| {
            let (engine, tenant, number) = (&engine, world.tenant, round * 100 + number);
            async move { engine.start::<Note>(tenant, &number, options()).await }
        });
        for outcome in join_all(starts).await {
            made.insert(outcome.unwrap().id());
        }
        let last = engine
            .start::<Note>(world.tenant, &(round * 100 + 99), options())
            .await
            .unwrap();
        made.insert(last.id());
        world.until(last.id(), RunState::Succeeded).await;
        // Whatever ran before it, the last word was heard, and once.
        let ran: BTreeSet<_> = trace.lines().into_iter().collect();
        assert!(ran.contains(&(round * 100 + 99).to_string()), "{round}");
    }
    eventually("all are over", || async {
        let open = "select count(*) from all_runs where state <> 'succeeded'";
        world.count(open).await == 0
    })
    .await;
    let runs = world.count("select count(*) from all_runs").await;
    assert_eq!(usize::try_from(runs).unwrap(), made.len());
    // Replays add lines of inputs that ran already, never of others.
    let ran: BTreeSet<_> = trace.lines().into_iter().collect();
    assert_eq!(ran.len(), made.len());
    engine.shutdown().await;
}

#[tokio::test]
async fn a_debounced_run_waits_for_quiet_but_not_for_ever() {
    let begin: DateTime<Utc> = "2026-11-20T10:00:00Z".parse().unwrap();
    let clock = Clock::manual(begin);
    let world = World::with_clock(clock.clone()).await;
    let mode = DedupeMode::Debounce {
        window: Duration::from_secs(10),
        longest: Duration::from_secs(25),
    };
    let options = || once(DedupeUntil::Begun, mode);
    let mut first = None;
    for (number, due) in [(0, 10), (8, 18), (16, 25), (24, 25)] {
        let now = begin + Duration::from_secs(number);
        clock.advance((now - clock.now()).to_std().unwrap());
        let started = start(&world, number, options()).await.unwrap();
        let id = *first.get_or_insert(started.id());
        assert_eq!(started.id(), id);
        let run = world.run(id).await;
        assert_eq!(run.due_at, Some(begin + Duration::from_secs(due)));
        assert_eq!(input(&world, started).await, number);
    }
    let trace = Trace::new();
    let builder = world.engine().await.service(trace.clone());
    let engine = builder.register::<Note>().start();
    eventually("the engine runs", || async { engine.is_running() }).await;
    assert_eq!(trace.lines(), Vec::<String>::new());
    clock.advance(Duration::from_secs(1));
    eventually("it has begun", || async { trace.count("24") > 0 }).await;
    let next = start(&world, 99, options()).await.unwrap();
    assert!(matches!(next, Started::New(_)));
    engine.shutdown().await;
    let mut own_time = options();
    own_time.due_at = Some(begin);
    let refused = start(&world, 1, own_time).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused}");
}

#[tokio::test]
async fn many_starts_tell_new_from_existing_each() {
    let world = World::new().await;
    let keyed = |key: &str, mode| {
        let mut options = later(mode);
        options.dedupe.as_mut().unwrap().key = key.into();
        options
    };
    let there = start(&world, 0, keyed("b", DedupeMode::Existing)).await;
    let there = there.unwrap().id();
    let asked = [
        (1, StartOptions::default()),
        (2, keyed("c", DedupeMode::Existing)),
        (3, keyed("b", DedupeMode::Replace)),
        (4, keyed("a", DedupeMode::Existing)),
        (5, keyed("c", DedupeMode::Existing)),
        (6, keyed("a", DedupeMode::Replace)),
        (7, StartOptions::default()),
    ]
    .map(|(number, options)| NewRun::of::<Note>(&number, options).unwrap());
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let started = runs::start_many(&mut tx, &asked).await.unwrap();
    tx.commit().await.unwrap();
    let new = |place: usize| matches!(started[place], Started::New(_));
    assert_eq!(
        [0, 1, 2, 3, 4, 5, 6].map(new),
        [true, true, false, true, false, false, true]
    );
    assert_eq!(started[2].id(), there);
    assert_eq!(started[4].id(), started[1].id());
    assert_eq!(started[5].id(), started[3].id());
    let inputs = join_all(started.iter().map(|one| input(&world, *one))).await;
    assert_eq!(inputs, [1, 2, 3, 6, 2, 6, 7]);
    assert_eq!(world.count("select count(*) from all_runs").await, 5);
    assert_eq!(
        world
            .count("select count(distinct xmin::text) from runs")
            .await,
        1,
        "all in one transaction, the one that was there too"
    );
    // One that is rejected: none is started, and the caller's transaction goes on.
    let mut rejected = asked.to_vec();
    rejected.push(NewRun::of::<Note>(&8, keyed("c", DedupeMode::Reject)).unwrap());
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let error = runs::start_many(&mut tx, &rejected).await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate(id) if id == started[1].id()));
    tx.commit().await.unwrap();
    assert_eq!(world.count("select count(*) from all_runs").await, 5);
}

#[tokio::test]
async fn single_starts_of_concurrent_callers_share_transactions() {
    let world = World::new().await;
    let engine = idle_engine(&world).await;
    let callers = (0..50_u64).map(|caller| {
        let (world, engine) = (&world, &engine);
        async move {
            let mut last = None;
            for number in 0..20 {
                let options = StartOptions {
                    due_at: Some(Utc::now() + Duration::from_secs(3600)),
                    ..StartOptions::default()
                };
                let started = engine
                    .start::<Note>(world.tenant, &(caller * 100 + number), options)
                    .await
                    .unwrap();
                last = Some(started);
            }
            // Durable on return: another session sees it.
            assert_eq!(input(world, last.unwrap()).await, caller * 100 + 19);
        }
    });
    join_all(callers).await;
    assert_eq!(world.count("select count(*) from all_runs").await, 1000);
    let transactions = world
        .count("select count(distinct created_at) from runs")
        .await;
    eprintln!("1000 starts of 50 callers in {transactions} transactions");
    assert!(transactions <= 100, "{transactions}");
    engine.shutdown().await;
}

#[tokio::test]
async fn a_start_that_cannot_be_fails_alone() {
    let world = World::new().await;
    let engine = idle_engine(&world).await;
    let starts = (0..40_u64).map(|number| {
        let (engine, tenant) = (&engine, world.tenant);
        let mut options = later(DedupeMode::Existing);
        options.dedupe = None;
        if number == 11 {
            options.key = Some("no\0text".into());
        }
        if number == 22 {
            // Debounced, with a due time of its own.
            options = later(DedupeMode::Debounce {
                window: Duration::from_secs(1),
                longest: Duration::from_secs(10),
            });
        }
        async move { engine.start::<Note>(tenant, &number, options).await }
    });
    for (number, outcome) in join_all(starts).await.into_iter().enumerate() {
        assert_eq!(outcome.is_err(), number == 11 || number == 22, "{number}");
    }
    assert_eq!(world.count("select count(*) from all_runs").await, 38);
    engine.shutdown().await;
}
