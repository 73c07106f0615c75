//! Processes whose death the advisory lock does not show: a machine that is gone behind a cut
//! network, a process that stands still. The lease alone decides, and whoever comes back later has
//! lost it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use engine::failpoints::Failpoint;
use sqlx::{Connection, PgConnection};
use testkit::until;
use uuid::Uuid;

use super::kills::Held;
use super::process::Worker;
use super::world::{Load, World};

const RESUMED: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(20);

/// A worker with long steps that holds runs, and a second one that would go on with them.
async fn pair(world: &mut World, load: Load) -> Result<(Worker, Uuid, Worker)> {
    world.orders.pause_ms = 100;
    world.start(load).await?;
    let mut first = world.worker(|_orders| {}).await?;
    let registration = first.registered().await?;
    let sql = world.sql.clone();
    until("runs that it holds", SOON, || async {
        Ok((Held::by(&sql, registration).await?.count() >= 4).then_some(()))
    })
    .await?;
    let mut second = world.worker(|_orders| {}).await?;
    second.registered().await?;
    Ok((first, registration, second))
}

/// When one of these ends, the next that was claimed begins without a look at the database.
const ONES: Load = Load {
    five: 0,
    five_tx: 0,
    sleeper: 0,
    parent: 0,
    retrying: 0,
    keyed: 0,
    one: 40,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_process_whose_lock_stays_taken_loses_its_lease() -> Result<()> {
    let mut world = World::new().await?;
    let (first, registration, second) = pair(&mut world, Load::of_each(4)).await?;
    // Next in line for the lock: it is never seen free.
    let key: i64 = sqlx::query_scalar("select lock_key from processes where id = $1")
        .bind(registration)
        .fetch_one(&world.sql)
        .await?;
    let mut blind = PgConnection::connect(&world.db.url()).await?;
    let locked = tokio::spawn(async move {
        let locked = sqlx::query("select pg_advisory_lock($1)")
            .bind(key)
            .execute(&mut blind)
            .await;
        locked.map(|_done| blind)
    });
    until("the wait for the lock", SOON, || async {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
                       and database = (select oid from pg_database where datname = current_database())";
        Ok((world.count(waiting).await? > 0).then_some(()))
    })
    .await?;
    let died = Instant::now();
    first.kill().await?;
    let held = Held::by(&world.sql, registration).await?;
    ensure!(held.count() > 0, "it held nothing");
    let took = held.resumed(&world.sql, died).await?;
    let took = took.context("it ended itself what it held")?;
    eprintln!("by the lease alone, runs went on after {took:.1?}");
    ensure!(
        took > Duration::from_secs(5),
        "after {took:?} it was not the lease"
    );
    ensure!(took < RESUMED, "resumed after {took:?}");
    world.drain(Duration::from_secs(60)).await?;
    locked.await??.close().await?;
    second.stop().await?;
    world.verify().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_runs_nothing_that_others_went_on_with() -> Result<()> {
    let mut world = World::new().await?;
    let (mut first, registration, second) = pair(&mut world, ONES).await?;
    first.signal("STOP")?;
    let stood = Instant::now();
    let held = Held::by(&world.sql, registration).await?;
    ensure!(held.count() > 0, "it held nothing");
    let took = held.resumed(&world.sql, stood).await?;
    let took = took.context("it ended itself what it held")?;
    eprintln!("runs of a process that stands still went on after {took:.1?}");
    ensure!(took < RESUMED, "resumed after {took:?}");
    world.drain(Duration::from_secs(60)).await?;
    first.signal("CONT")?;
    until("its new registration", SOON, || async {
        let now = first.registration();
        Ok((now.is_some() && now != Some(registration)).then_some(()))
    })
    .await?;
    ensure!(first.is_alive()?, "it has ended");
    // It takes part again.
    world.start(Load::of_each(2)).await?;
    world.drain(Duration::from_secs(60)).await?;
    first.stop().await?;
    second.stop().await?;
    world.verify().await?;
    Ok(())
}

/// A process that stands still in the middle of a transaction keeps its locks for as long as its
/// connection lives, which behind a cut network is hours.
async fn stands_still_at(place: Failpoint) -> Result<()> {
    let mut world = World::new().await?;
    world.start(Load::of_each(10)).await?;
    let mut first = world
        .worker(|orders| orders.hang_at = Some(format!("{place:?}")))
        .await?;
    first.hangs().await?;
    first.signal("STOP")?;
    let stood = Instant::now();
    let second = world.worker(|_orders| {}).await?;
    world.drain(RESUMED * 2).await?;
    eprintln!(
        "everything was done {:.1?} after a process stood still at {place:?}",
        stood.elapsed()
    );
    second.stop().await?;
    first.kill().await?;
    world.verify().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_in_a_claim_keeps_nobody_from_claiming() -> Result<()> {
    stands_still_at(Failpoint::ClaimCommits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_in_the_journal_keeps_no_run() -> Result<()> {
    stands_still_at(Failpoint::JournalCommits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_in_a_step_s_transaction_keeps_no_run() -> Result<()> {
    stands_still_at(Failpoint::TxCommits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_when_it_starts_a_child_keeps_no_run() -> Result<()> {
    stands_still_at(Failpoint::CallCommits).await
}
