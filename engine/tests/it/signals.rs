//! Signals: taken once, in order, found whenever they were sent.

use std::time::Duration;

use chrono::Utc;
use engine::store::runs::{self, RunState};
use engine::store::signals;
use engine::{Deadline, Limits, Run, RunError, Store, StoreError, StoreOptions, Workflow};

use crate::support::{Trace, World, eventually};

/// Takes so many numbers and returns them in the order in which they came.
struct Collect;

impl Workflow for Collect {
    const NAME: &'static str = "collect";
    type Input = usize;
    type Output = Vec<i64>;

    async fn run(cx: &mut Run, count: usize) -> Result<Vec<i64>, RunError> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.extend(cx.signal::<i64>("number", None).await?);
        }
        Ok(numbers)
    }
}

/// Waits for an answer, but not for long.
struct Ask;

impl Workflow for Ask {
    const NAME: &'static str = "ask";
    type Input = u64;
    type Output = Option<Option<String>>;

    async fn run(cx: &mut Run, millis: u64) -> Result<Option<Option<String>>, RunError> {
        let deadline = Deadline::After(Duration::from_millis(millis));
        let answer = cx
            .signal::<Option<String>>("answer", Some(deadline))
            .await?;
        cx.sleep("a moment", Duration::from_millis(20)).await?;
        Ok(answer)
    }
}

async fn started(world: &World) -> engine::Engine {
    world
        .engine()
        .await
        .service(Trace::new())
        .register::<Collect>()
        .register::<Ask>()
        .concurrency(2)
        .start()
}

#[tokio::test]
async fn signals_sent_before_the_wait_are_taken_once_and_in_the_order_of_sending() {
    let world = World::new().await;
    let id = world.start::<Collect>(&3).await;
    for number in [5, 3, 4, 9] {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let body = number.to_string();
        assert!(
            signals::send(&mut tx, id, "number", body.as_bytes(), None)
                .await
                .unwrap()
        );
        signals::send(&mut tx, id, "other", b"1", None)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let engine = started(&world).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"[5,3,4]".as_slice()));
    assert_eq!(run.activations, 1);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let taken: Vec<_> = signals::of_run(&mut tx, id)
        .await
        .unwrap()
        .into_iter()
        .filter(|signal| signal.name == "number")
        .map(|signal| signal.taken_seq)
        .collect();
    assert_eq!(taken, [Some(0), Some(1), Some(2), None]);
    engine.shutdown().await;
}

#[tokio::test]
async fn runs_that_wait_hold_no_slot_and_wake_at_once() {
    let world = World::new().await;
    let engine = started(&world).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(world.start::<Collect>(&1).await);
    }
    for &id in &waiting {
        world.until(id, RunState::Waiting).await;
    }
    assert_eq!(engine.active(), 0);
    for &id in &waiting {
        let sent = std::time::Instant::now();
        engine
            .signal(world.tenant, id, "number", &7, None)
            .await
            .unwrap();
        let run = world.until(id, RunState::Succeeded).await;
        assert!(sent.elapsed() < Duration::from_millis(700), "{sent:?}");
        assert_eq!(run.output.as_deref(), Some(b"[7]".as_slice()));
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_deadline_passes_once_and_an_answer_in_time_is_kept() {
    let world = World::new().await;
    let engine = started(&world).await;
    let silent = world.start::<Ask>(&300).await;
    let run = world.until(silent, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"null".as_slice()));
    let waited = run.finished_at.unwrap() - run.created_at;
    assert!(
        waited.num_milliseconds() >= 300 && waited.num_milliseconds() < 900,
        "{waited}"
    );
    let kinds: Vec<_> = world
        .steps(silent)
        .await
        .into_iter()
        .map(|step| format!("{} {} {}", step.kind, step.name, step.key))
        .collect();
    assert_eq!(
        kinds,
        [
            "wait signal answer",
            "signal signal answer",
            "sleep a moment "
        ]
    );
    // An empty answer is an answer.
    let answered = world.start::<Ask>(&60_000).await;
    world.until(answered, RunState::Waiting).await;
    engine
        .signal(world.tenant, answered, "answer", &None::<String>, None)
        .await
        .unwrap();
    world.until(answered, RunState::Succeeded).await;
    assert_eq!(
        world.steps(answered).await[1].output.as_deref(),
        Some(b"[null]".as_slice())
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn the_deadline_counts_from_the_first_time_the_run_got_there() {
    let world = World::new().await;
    let engine = started(&world).await;
    let id = world.start::<Ask>(&1500).await;
    let first = world.until(id, RunState::Waiting).await.due_at;
    // A signal that nobody waits for wakes it: it looks, and waits again until the same time.
    engine
        .signal(world.tenant, id, "unknown", &1, None)
        .await
        .unwrap();
    eventually("it waits again", || async {
        let run = world.run(id).await;
        run.state == RunState::Waiting && run.activations == 2
    })
    .await;
    assert_eq!(world.run(id).await.due_at, first);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_sender_hears_what_is_wrong() {
    let world = World::new().await;
    let engine = started(&world).await;
    let id = world.start::<Collect>(&2).await;
    let (engine_, tenant) = (&engine, world.tenant);
    let send = async |body: i64, dedupe: Option<&str>| {
        engine_.signal(tenant, id, "number", &body, dedupe).await
    };
    assert!(send(1, Some("a")).await.unwrap());
    assert!(!send(2, Some("a")).await.unwrap());
    assert!(send(3, Some("b")).await.unwrap());
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"[1,3]".as_slice()));
    assert!(matches!(
        send(4, None).await,
        Err(StoreError::Conflict(message)) if message.ends_with("is succeeded and takes no signals")
    ));
    let unknown = engine::ids::RunId::fresh();
    assert!(matches!(
        engine
            .signal(world.tenant, unknown, "number", &1, None)
            .await,
        Err(StoreError::NotFound(_))
    ));
    let narrow = StoreOptions {
        limits: Limits {
            input: 10,
            ..Limits::DEFAULT
        },
        ..StoreOptions::default()
    };
    let narrow = Store::connect(&world.db.url(), &narrow, engine::Clock::system())
        .await
        .unwrap();
    let other = world.start::<Collect>(&1).await;
    let mut tx = narrow.begin(world.tenant).await.unwrap();
    let refused = signals::send(&mut tx, other, "number", b"12345678901", None).await;
    assert!(matches!(
        refused,
        Err(StoreError::TooLarge {
            size: 11,
            limit: 10,
            ..
        })
    ));
    signals::send(&mut tx, other, "number", b"1234567890", None)
        .await
        .unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn a_signal_that_cannot_be_read_parks_the_run_and_can_be_discarded() {
    let world = World::new().await;
    let engine = started(&world).await;
    let id = world.start::<Collect>(&1).await;
    engine
        .signal(world.tenant, id, "number", &"secret", None)
        .await
        .unwrap();
    let run = world.until(id, RunState::Parked).await;
    let error = run.error.unwrap().to_string();
    assert!(error.contains("is not what number wants here"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let bad = signals::of_run(&mut tx, id).await.unwrap().remove(0);
    assert_eq!(bad.taken_seq, None);
    signals::discard(&mut tx, id, bad.id).await.unwrap();
    assert!(matches!(
        signals::discard(&mut tx, id, bad.id).await,
        Err(StoreError::NotFound(_))
    ));
    signals::send(&mut tx, id, "number", b"8", None)
        .await
        .unwrap();
    runs::retry(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(run.output.as_deref(), Some(b"[8]".as_slice()));
    engine.shutdown().await;
}

/// Senders race with runs that go to wait, while workers die: every signal is taken, once, in order.
#[tokio::test]
async fn signals_are_neither_lost_nor_doubled_while_senders_race_and_workers_die() {
    const RUNS: usize = 12;
    const EACH: i64 = 25;
    let world = World::new().await;
    let mut engine = started(&world).await;
    let mut ids = Vec::new();
    for _ in 0..RUNS {
        ids.push(world.start::<Collect>(&(EACH as usize)).await);
    }
    let mut senders = tokio::task::JoinSet::new();
    for &id in &ids {
        let (store, tenant) = (world.store.clone(), world.tenant);
        senders.spawn(async move {
            for number in 0..EACH {
                let mut tx = store.begin(tenant).await.unwrap();
                let body = number.to_string();
                signals::send(&mut tx, id, "number", body.as_bytes(), None)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                tokio::time::sleep(Duration::from_millis(id.0.as_u128() as u64 % 13)).await;
            }
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        drop(std::mem::replace(&mut engine, started(&world).await));
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    let wanted = serde_json::to_vec(&(0..EACH).collect::<Vec<_>>()).unwrap();
    for id in ids {
        let run = world.until(id, RunState::Succeeded).await;
        assert_eq!(run.output, Some(wanted.clone()));
        assert_eq!(world.steps(id).await.len(), EACH as usize);
    }
    let taken = world
        .count(
            "select count(distinct (run_id, taken_seq)) from signals where taken_seq is not null",
        )
        .await;
    assert_eq!(taken, RUNS as i64 * EACH);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_waiting_run_can_be_cancelled() {
    let world = World::new().await;
    let engine = started(&world).await;
    let id = world.start::<Collect>(&1).await;
    world.until(id, RunState::Waiting).await;
    let state = engine.cancel(world.tenant, id).await.unwrap();
    assert_eq!(state, RunState::Cancelled);
    assert!(world.run(id).await.finished_at.unwrap() <= Utc::now());
    engine.shutdown().await;
}
