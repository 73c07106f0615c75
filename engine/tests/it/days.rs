//! Open runs here, finished ones by day there: moving, making days, dropping them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{ConnectionId, RunId, TenantId};
use engine::runtime::{Class, Retry};
use engine::store::runs::{self, RunFilter, RunPage, RunState, StartOptions};
use engine::{Clock, Run, RunError, Step, StepCx, StepError, Workflow};
use sqlx::types::Uuid;

use crate::support::{World, eventually};

struct Refuse;

impl Step for Refuse {
    const NAME: &'static str = "refuse";
    const RETRY: Retry = Retry::DEFAULT;
    type Output = ();

    async fn run(&self, _cx: &StepCx) -> Result<(), StepError> {
        Err(StepError::permanent(Class::Rejected, "no"))
    }
}

/// Fails if it is told to.
struct Act;

impl Workflow for Act {
    const NAME: &'static str = "act";
    type Input = bool;
    type Output = String;

    async fn run(cx: &mut Run, well: bool) -> Result<String, RunError> {
        cx.sleep("a moment", Duration::from_millis(1)).await?;
        if !well {
            cx.step(Refuse).await?;
        }
        Ok("done".to_owned())
    }
}

async fn act(world: &World, well: bool, state: RunState) -> RunId {
    let engine = world.engine().await.register::<Act>().start();
    let options = StartOptions {
        key: Some("one".to_owned()),
        priority: 3,
        trigger: "test".to_owned(),
        connection_id: Some(ConnectionId::fresh()),
        stream: Some("contacts".to_owned()),
        ..StartOptions::default()
    };
    let id = world.start_with::<Act>(&well, options).await;
    world.until(id, state).await;
    engine.shutdown().await;
    id
}

#[tokio::test]
async fn a_run_that_is_over_is_found_among_the_finished_ones_only_and_reads_as_before() {
    let world = World::new().await;
    let id = act(&world, true, RunState::Succeeded).await;
    assert_eq!(world.count("select count(*) from runs").await, 0);
    assert_eq!(world.count("select count(*) from finished_runs").await, 1);
    assert_eq!(
        world
            .count("select count(*) from finished_runs_default")
            .await,
        0
    );
    let run = world.run(id).await;
    assert_eq!(run.output.as_deref(), Some(b"\"done\"".as_slice()));
    assert_eq!((run.priority, run.activations), (3, 2));
    assert_eq!(run.key.as_deref(), Some("one"));
    assert!(run.started_at.unwrap() >= run.created_at);
    assert!(run.finished_at.unwrap() >= run.started_at.unwrap());
    assert_eq!(world.steps(id).await.len(), 1);
    let mut stranger = world.store.begin(TenantId::fresh()).await.unwrap();
    assert!(runs::get(&mut stranger, id).await.is_err());
    assert!(runs::retry(&mut stranger, id).await.is_err());
    let seen: i64 = sqlx::query_scalar("select count(*) from all_runs")
        .fetch_one(stranger.conn())
        .await
        .unwrap();
    assert_eq!(seen, 0);
}

async fn open_row(world: &World) -> serde_json::Value {
    let mut row: serde_json::Value = sqlx::query_scalar("select to_jsonb(r) from runs r")
        .fetch_one(&world.sql)
        .await
        .unwrap();
    for moves_on in ["due_at", "epoch", "started_at"] {
        row.as_object_mut().unwrap().remove(moves_on);
    }
    row
}

#[tokio::test]
async fn a_failed_run_comes_back_whole_when_it_is_retried() {
    let world = World::new().await;
    let options = StartOptions {
        key: Some("one".to_owned()),
        priority: -2,
        trigger: "test".to_owned(),
        connection_id: Some(ConnectionId::fresh()),
        stream: Some("contacts".to_owned()),
        ..StartOptions::default()
    };
    let id = world.start_with::<Act>(&false, options).await;
    let before = open_row(&world).await;
    let engine = world.engine().await.register::<Act>().start();
    let failed = world.until(id, RunState::Failed).await;
    engine.shutdown().await;
    assert_eq!(world.attempts(id).await.len(), 1);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    runs::retry(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(open_row(&world).await, before);
    let run = world.run(id).await;
    assert_eq!(run.activations, failed.activations);
    assert_eq!(run.started_at, failed.started_at);
    assert_eq!(world.count("select count(*) from finished_runs").await, 0);
    // What the step before the failure did is kept.
    assert_eq!(world.steps(id).await.len(), 1);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    assert!(runs::retry(&mut tx, id).await.is_err());
}

#[tokio::test]
async fn a_finished_run_keeps_every_column_that_an_open_one_has_use_for() {
    let world = World::new().await;
    let columns = "select coalesce(array_agg(a.attname::text order by a.attname), '{}')
        from pg_attribute a
        where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
          and not exists (select from pg_attribute b where b.attrelid = $2::regclass
                          and b.attname = a.attname and b.atttypid = a.atttypid)";
    let only = async |table: &str, other: &str| -> Vec<String> {
        sqlx::query_scalar(columns)
            .bind(table)
            .bind(other)
            .fetch_one(&world.sql)
            .await
            .unwrap()
    };
    assert_eq!(
        only("runs", "finished_runs").await,
        [
            "asleep",
            "awaits",
            "behind",
            "due_at",
            "holds_key",
            "lane",
            "owner"
        ]
    );
    assert_eq!(
        only("finished_runs", "runs").await,
        ["finished_at", "output"]
    );
}

#[tokio::test]
async fn a_list_goes_over_open_and_finished_runs_in_one_order() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for round in 0..4 {
        if round % 2 == 0 {
            ids.push(
                act(
                    &world,
                    round == 0,
                    [RunState::Succeeded, RunState::Failed][round / 2],
                )
                .await,
            );
        } else {
            ids.push(world.start::<Act>(&true).await);
            // Out of the way of the engine of the next round.
            let mut tx = world.store.begin(world.tenant).await.unwrap();
            sqlx::query("update runs set state = 'parked'")
                .execute(tx.conn())
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
    }
    ids.reverse();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let page = RunPage { after, limit: 1 };
        let rows = runs::list(&mut tx, &RunFilter::default(), page)
            .await
            .unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        listed.extend(rows.iter().map(|run| run.id));
    }
    assert_eq!(listed, ids);
    let now = Utc::now();
    for (states, from, before, expected) in [
        (vec![RunState::Parked, RunState::Failed], None, None, 3),
        (vec![RunState::Succeeded], None, None, 1),
        (vec![], Some(now - TimeDelta::minutes(1)), Some(now), 4),
        (vec![], Some(now), None, 0),
        (vec![], None, Some(now - TimeDelta::days(2)), 0),
    ] {
        let filter = RunFilter {
            states,
            created_from: from,
            created_before: before,
            ..RunFilter::default()
        };
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let page = RunPage {
            after: None,
            limit: 9,
        };
        let rows = runs::list(&mut tx, &filter, page).await.unwrap();
        assert_eq!(rows.len(), expected, "{filter:?}");
    }
}

/// Drops the tables of a day, as if nobody had made them.
async fn unmake(world: &World, day: DateTime<Utc>) {
    for table in ["finished_runs", "steps", "attempts", "signals"] {
        let drop = format!("drop table {table}_{}", day.format("%Y%m%d"));
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
            .execute(&world.sql)
            .await
            .unwrap();
    }
}

async fn has_day(world: &World, day: DateTime<Utc>) -> bool {
    sqlx::query_scalar("select to_regclass('steps_' || $1) is not null")
        .bind(day.format("%Y%m%d").to_string())
        .fetch_one(&world.sql)
        .await
        .unwrap()
}

const DAYLESS: &str = "select (select count(*) from finished_runs_default)
    + (select count(*) from steps_default) + (select count(*) from attempts_default)";

#[tokio::test]
async fn no_write_fails_for_want_of_a_day_and_the_day_takes_it_in_once_it_is_made() {
    let clock = Clock::manual(Utc::now());
    let world = World::with_clock(clock.clone()).await;
    let today = Utc::now();
    let engine = world.engine().await.register::<Act>().start();
    eventually("the house is in order", || {
        has_day(&world, today + TimeDelta::days(7))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Midnight may pass meanwhile.
    for day in [today, today + TimeDelta::days(1)] {
        unmake(&world, day).await;
    }
    let id = world.start::<Act>(&false).await;
    eventually("it sleeps", || async {
        clock.advance(Duration::from_millis(5));
        world.run(id).await.state == RunState::Failed
    })
    .await;
    assert_eq!(world.count(DAYLESS).await, 4);
    clock.advance(Duration::from_secs(601));
    eventually("the day is made", || has_day(&world, today)).await;
    assert_eq!(world.count(DAYLESS).await, 0);
    assert_eq!(world.run(id).await.state, RunState::Failed);
    assert_eq!(world.steps(id).await.len(), 2);
    assert_eq!(world.attempts(id).await.len(), 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn several_processes_make_days_ahead_once_each_wherever_the_clock_jumps() {
    let clock = Clock::manual(Utc::now());
    let world = World::with_clock(clock.clone()).await;
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(world.engine().await.register::<Act>().start());
    }
    let now = clock.now();
    clock.advance(Duration::from_secs(400 * 86_400));
    eventually("days are made after a jump", || {
        has_day(&world, now + TimeDelta::days(407))
    })
    .await;
    // Several make them, each a part: in no order.
    eventually("the day of now is made", || {
        has_day(&world, now + TimeDelta::days(400))
    })
    .await;
    assert!(!has_day(&world, now + TimeDelta::days(300)).await);
    // The server's clock has not jumped: nothing is old.
    assert!(has_day(&world, now).await);
    let id = world.start::<Act>(&true).await;
    eventually("it ends", || async {
        clock.advance(Duration::from_millis(5));
        world.run(id).await.state == RunState::Succeeded
    })
    .await;
    for engine in engines {
        engine.shutdown().await;
    }
}

/// Enters a run that was made at this time and, unless it is parked, finished an hour later.
async fn enter(world: &World, made: DateTime<Utc>, n: u128, ended: Option<DateTime<Utc>>) -> RunId {
    let id = RunId(Uuid::from_u128(RunId::floor(made).0.as_u128() + n));
    let (table, state, end) = match ended {
        Some(_) => ("finished_runs", "succeeded", "finished_at"),
        None => ("runs", "parked", "due_at"),
    };
    let insert = format!(
        "with run as (
             insert into {table} (tenant_id, id, workflow, version, state, priority, epoch, attempt,
                                  cancel_requested, wakes_parent, trigger, input, created_at, {end})
             values ($1, $2, 'act', 1, '{state}', 0, 1, 0, false, false, 'test', '\\x31', $3, $4)
         )
         insert into steps (tenant_id, run_id, seq, name, kind, attempt, started_at, finished_at)
         values ($1, $2, 0, 'a step', 'step', 1, $3, $3)"
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(world.tenant.0)
        .bind(id.0)
        .bind(made)
        .bind(ended)
        .execute(&world.sql)
        .await
        .unwrap();
    id
}

async fn add_day(world: &World, day: DateTime<Utc>) {
    sqlx::query("select add_run_day($1)")
        .bind(day.date_naive())
        .execute(&world.sql)
        .await
        .unwrap();
}

/// Lets the house do its next rounds.
async fn rounds(clock: &Clock, count: u32) {
    for _ in 0..count {
        clock.advance(Duration::from_secs(660));
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
}

#[tokio::test]
async fn a_day_goes_whole_when_the_last_of_its_runs_has_been_over_for_long_enough() {
    // Behind the server's clock, so that it can be moved without coming before it.
    let now = Utc::now() - TimeDelta::days(60);
    let clock = Clock::manual(now);
    let world = World::with_clock(clock.clone()).await;
    let ago = |days| now - TimeDelta::days(days);
    for days in [40, 39, 38, 20] {
        add_day(&world, ago(days)).await;
    }
    let old = enter(&world, ago(40), 1, Some(ago(39))).await;
    let open = enter(&world, ago(39), 1, None).await;
    let neighbour = enter(&world, ago(39), 2, Some(ago(39))).await;
    let late = enter(&world, ago(38), 1, Some(ago(5))).await;
    let young = enter(&world, ago(20), 1, Some(ago(20))).await;
    let dayless = enter(&world, ago(300), 1, Some(ago(299))).await;
    let odd = enter(&world, ago(301), 1, None).await;
    let engine = world.engine().await.start();
    eventually("the old day is gone", || async {
        !has_day(&world, ago(40)).await
    })
    .await;
    rounds(&clock, 2).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    for gone in [old, dayless] {
        assert!(runs::get(&mut tx, gone).await.is_err());
        assert!(world.steps(gone).await.is_empty());
    }
    for kept in [open, neighbour, late, young, odd] {
        runs::get(&mut tx, kept).await.unwrap();
        assert_eq!(world.steps(kept).await.len(), 1);
    }
    runs::cancel(&mut tx, open).await.unwrap();
    tx.commit().await.unwrap();
    rounds(&clock, 1).await;
    assert!(has_day(&world, ago(39)).await, "it has just ended");
    clock.advance(Duration::from_secs(31 * 86_400));
    rounds(&clock, 4).await;
    for days in [39, 38, 20] {
        assert!(!has_day(&world, ago(days)).await, "{days}");
    }
    assert_eq!(world.count("select count(*) from finished_runs").await, 0);
    assert_eq!(world.count("select count(*) from steps").await, 1);
    assert_eq!(world.run(odd).await.state, RunState::Parked);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_that_is_being_retried_keeps_its_day() {
    let now = Utc::now() - TimeDelta::days(2);
    let clock = Clock::manual(now);
    let world = World::with_clock(clock.clone()).await;
    let made = now - TimeDelta::days(50);
    add_day(&world, made).await;
    let id = enter(&world, made, 1, Some(made)).await;
    sqlx::query("update finished_runs set state = 'failed'")
        .execute(&world.sql)
        .await
        .unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    runs::retry(&mut tx, id).await.unwrap();
    let engine = world.engine().await.start();
    eventually("the house is in order", || {
        has_day(&world, now + TimeDelta::days(7))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(has_day(&world, made).await);
    tx.commit().await.unwrap();
    rounds(&clock, 2).await;
    assert!(has_day(&world, made).await);
    assert_eq!(world.steps(id).await.len(), 1);
    assert_ne!(world.run(id).await.state, RunState::Failed);
    engine.shutdown().await;
}
