//! A server that goes away under load, in whole or connection by connection. The worker processes
//! stay, and so does everything they were told.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use localpg::{Cluster, Throwaway};
use sqlx::{Connection, PgConnection};
use testkit::until;

use super::process::Worker;
use super::world::{Load, World};

const SOON: Duration = Duration::from_secs(60);

/// A server of its own whose commits are durable, with work in it and two workers on it.
async fn working() -> Result<(Throwaway, World, [Worker; 2])> {
    let server = tokio::task::spawn_blocking(Throwaway::start).await??;
    let mut world = World::on(server.cluster().clone()).await?;
    // The server's own default loses the last commits in a crash, to be fast.
    let durable = format!(
        "alter database {} set synchronous_commit = on",
        world.db.name()
    );
    server.cluster().execute("postgres", &durable)?;
    world.orders.concurrency = 8;
    world.orders.pause_ms = 3;
    world.start(Load::of_each(120)).await?;
    let workers = [
        world.worker(|_orders| {}).await?,
        world.worker(|_orders| {}).await?,
    ];
    Ok((server, world, workers))
}

/// Waits until this many more runs have ended than had at first.
async fn progress(world: &World, more: i64) -> Result<()> {
    let ended = "select count(*) from evidence.finishes";
    let before = until("a first answer", SOON, || async {
        Ok(world.count(ended).await.ok())
    })
    .await?;
    until("progress", SOON, || async {
        // The server may be away.
        let now = world.count(ended).await.unwrap_or(0);
        Ok((now >= before + more).then_some(()))
    })
    .await
}

async fn finish(world: &World, mut workers: [Worker; 2]) -> Result<()> {
    world.drain(Duration::from_secs(120)).await?;
    for worker in &mut workers {
        ensure!(worker.is_alive()?, "a worker has ended");
    }
    for worker in workers {
        worker.stop().await?;
    }
    let found = world.verify().await?;
    eprintln!(
        "{} runs, {} steps, {} executions that were not journaled",
        found.runs, found.steps, found.repeated
    );
    Ok(())
}

async fn restart(cluster: &Cluster, at_once: bool) -> Result<()> {
    let cluster = cluster.clone();
    tokio::task::spawn_blocking(move || {
        if at_once {
            cluster.stop_at_once()?;
        } else {
            cluster.stop()?;
        }
        cluster.start()?;
        anyhow::Ok(())
    })
    .await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_or_restarts_ends_no_worker_and_doubles_nothing() -> Result<()> {
    let (server, world, workers) = working().await?;
    for at_once in [true, false, true, false] {
        progress(&world, 40).await?;
        ensure!(world.open().await? > 0, "there is no load any more");
        restart(server.cluster(), at_once).await?;
        let back = Instant::now();
        progress(&world, 1).await?;
        let how = if at_once { "crash" } else { "restart" };
        eprintln!("work went on {:.1?} after a {how}", back.elapsed());
    }
    finish(&world, workers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_the_middle_of_commits_leave_no_run_stuck() -> Result<()> {
    let (_server, world, workers) = working().await?;
    progress(&world, 20).await?;
    let mut sql = PgConnection::connect(&world.db.url()).await?;
    let (mut cut, mut in_commit) = (0, 0);
    while in_commit < 60 && world.open().await? > 0 {
        // A standby that is not there: whoever commits has committed and waits for its word.
        hold_commits(&mut sql, true).await?;
        tokio::time::sleep(Duration::from_millis(60)).await;
        in_commit += end_those(
            &mut sql,
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'",
        )
        .await?;
        hold_commits(&mut sql, false).await?;
        // And whoever is at work, before a commit.
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            cut += end_those(
                &mut sql,
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where application_name = 'syncline' and datname = current_database() \
                   and state in ('active', 'idle in transaction') order by random() limit 1",
            )
            .await?;
        }
    }
    eprintln!("{in_commit} connections were cut in a commit that had happened, {cut} before one");
    ensure!(in_commit > 20, "only {in_commit} were cut in a commit");
    sql.close().await?;
    finish(&world, workers).await
}

/// How many connections this ended.
async fn end_those(sql: &mut PgConnection, statement: &'static str) -> Result<usize> {
    let ended: Vec<bool> = sqlx::query_scalar(statement).fetch_all(sql).await?;
    Ok(ended.into_iter().filter(|ended| *ended).count())
}

/// Lets commits wait, once they have happened, for a standby that is not there; or lets them go.
async fn hold_commits(sql: &mut PgConnection, hold: bool) -> Result<()> {
    let set = if hold {
        "alter system set synchronous_standby_names = 'nobody'"
    } else {
        "alter system reset synchronous_standby_names"
    };
    sqlx::raw_sql(set).execute(&mut *sql).await?;
    sqlx::raw_sql("select pg_reload_conf()")
        .execute(sql)
        .await?;
    Ok(())
}
