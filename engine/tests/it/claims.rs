//! The claim: sharing, order, what an idle process costs, the feed.

use std::time::Duration;

use engine::feed::Notice;
use engine::store::runs::{self, RunFilter, RunPage, RunState, StartOptions};
use engine::{Run, RunError, Workflow};

use crate::support::{Trace, World, eventually};

struct Noop;

impl Workflow for Noop {
    const NAME: &'static str = "noop";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, number: u32) -> Result<(), RunError> {
        let trace = cx.service::<Trace>()?;
        trace.enter();
        trace.add(number.to_string());
        tokio::time::sleep(Duration::from_millis(5)).await;
        trace.leave();
        Ok(())
    }
}

async fn done(world: &World, count: i64) {
    eventually("all are done", || async {
        world
            .count("select count(*) from all_runs where state = 'succeeded'")
            .await
            == count
    })
    .await;
}

#[tokio::test]
async fn two_processes_share_the_work_and_keep_to_their_concurrency() {
    let world = World::new().await;
    let traces = [Trace::new(), Trace::new()];
    let mut engines = Vec::new();
    for trace in &traces {
        let builder = world.engine().await.service(trace.clone()).concurrency(4);
        engines.push(builder.register::<Noop>().start());
    }
    eventually("both are up", || async {
        engines.iter().all(|engine| engine.is_running())
    })
    .await;
    let inputs: Vec<u32> = (0..400).collect();
    engines[0]
        .start_many::<Noop>(world.tenant, &inputs, &StartOptions::default())
        .await
        .unwrap();
    done(&world, 400).await;
    let shares: Vec<_> = traces.iter().map(|trace| trace.lines().len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 400);
    assert!(shares.iter().all(|share| *share > 40), "{shares:?}");
    for trace in &traces {
        assert!(trace.most.load(std::sync::atomic::Ordering::SeqCst) <= 4);
    }
    for engine in engines {
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn higher_priority_goes_first_and_then_who_is_due_first() {
    let world = World::new().await;
    let trace = Trace::new();
    for (number, priority) in [(1, 0), (2, 0), (3, 5), (4, -5), (5, 5)] {
        let options = StartOptions {
            priority,
            ..StartOptions::default()
        };
        world.start_with::<Noop>(&number, options).await;
    }
    let later = StartOptions {
        priority: 9,
        due_at: Some(chrono::Utc::now() + Duration::from_secs(3600)),
        ..StartOptions::default()
    };
    world.start_with::<Noop>(&6, later).await;
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Noop>()
        .concurrency(1)
        .start();
    done(&world, 5).await;
    assert_eq!(trace.lines(), ["3", "5", "1", "2", "4"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_start_wakes_a_worker_of_another_process() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Noop>()
        .start();
    eventually("it is up", || async { engine.is_running() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut waits = Vec::new();
    for number in 0..20 {
        let id = world.start::<Noop>(&number).await;
        let run = world.until(id, RunState::Succeeded).await;
        waits.push((run.started_at.unwrap() - run.created_at).num_milliseconds());
    }
    waits.sort_unstable();
    assert!(waits[10] < 100, "{waits:?}");
    engine.shutdown().await;
}

#[tokio::test]
async fn an_idle_process_asks_once_a_second() {
    let world = World::new().await;
    let engine = world
        .engine()
        .await
        .service(Trace::new())
        .register::<Noop>()
        .start();
    eventually("it is up", || async { engine.is_running() }).await;
    // The server counts up to a second late.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let commits = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    let mut windows = Vec::new();
    // A machine that is busy with other things counts later still.
    for _ in 0..4 {
        let before = world.count(commits).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        windows.push(world.count(commits).await - before);
        // Five pulses, our own query, and what the server counted late; twice as many would be 11.
        if windows.last().is_some_and(|commits| *commits <= 10) {
            break;
        }
    }
    assert!(windows.iter().any(|commits| *commits <= 10), "{windows:?}");
    engine.shutdown().await;
}

#[tokio::test]
async fn changes_are_heard_in_this_process_and_in_others() {
    let world = World::new().await;
    let other = world.db.store(engine::Clock::system()).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    other.feed().listen(stop.clone());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (mut near, mut far) = (world.store.feed().subscribe(), other.feed().subscribe());
    let id = world.start::<Noop>(&1).await;
    for feed in [&mut near, &mut far] {
        let notice = tokio::time::timeout(Duration::from_secs(5), feed.recv())
            .await
            .unwrap()
            .unwrap();
        let Notice::Changed(changed) = notice else {
            panic!("{notice:?}")
        };
        assert_eq!(
            (changed.tenant, changed.topic.as_str()),
            (world.tenant, "run")
        );
        assert_eq!(changed.id, Some(id.to_string()));
    }
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    tx.changed("run", id);
    drop(tx);
    let more = tokio::time::timeout(Duration::from_millis(300), near.recv()).await;
    assert!(more.is_err(), "{more:?}");
    stop.cancel();
}

#[tokio::test]
async fn lists_are_filtered_and_paged_and_another_tenant_sees_nothing() {
    let world = World::new().await;
    for number in 0..7 {
        let trigger = if number % 2 == 0 {
            "manual"
        } else {
            "delivery"
        };
        world
            .start_with::<Noop>(
                &number,
                StartOptions {
                    trigger: trigger.into(),
                    ..StartOptions::default()
                },
            )
            .await;
    }
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let filter = RunFilter {
        states: vec![RunState::Queued],
        workflow: Some("noop".into()),
        trigger: Some("manual".into()),
        ..RunFilter::default()
    };
    let first = runs::list(
        &mut tx,
        &filter,
        RunPage {
            after: None,
            limit: 3,
        },
    )
    .await
    .unwrap();
    assert_eq!(first.len(), 3);
    let after = Some(first[2].id);
    let second = runs::list(&mut tx, &filter, RunPage { after, limit: 3 })
        .await
        .unwrap();
    assert_eq!(second.len(), 1);
    assert!(second[0].created_at <= first[2].created_at);
    let mut stranger = world
        .store
        .begin(engine::ids::TenantId::fresh())
        .await
        .unwrap();
    let none = runs::list(
        &mut stranger,
        &RunFilter::default(),
        RunPage {
            after: None,
            limit: 9,
        },
    )
    .await
    .unwrap();
    assert!(none.is_empty());
    assert!(runs::get(&mut stranger, first[0].id).await.is_err());
    assert!(runs::cancel(&mut stranger, first[0].id).await.is_err());
}
