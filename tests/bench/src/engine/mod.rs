//! The engine beside a ceiling: the least that a hand-written worker needs to do the same work on
//! the same Postgres, round by round in turn. Only ratios within one run mean something.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]

mod ceiling;
mod figures;
mod ours;

use anyhow::Result;
use localpg::Cluster;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use self::ceiling::Ceiling;
use self::figures::Table;
use self::ours::{Backlog, Ours};

#[derive(clap::Args)]
pub(crate) struct EngineBench {
    /// Rounds; the table shows their medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Runs of a drain.
    #[arg(long, default_value_t = 100_000)]
    runs: usize,
}

pub(crate) async fn run(options: &EngineBench) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::open(folder.path().join("pg"))?;
    cluster.start()?;
    let outcome = measured(options, &cluster).await;
    cluster.stop()?;
    outcome
}

async fn measured(options: &EngineBench, cluster: &Cluster) -> Result<()> {
    let mut table = Table::default();
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        one_round(options, cluster, &mut table).await?;
    }
    table.print();
    Ok(())
}

async fn one_round(options: &EngineBench, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let runs = options.runs;
    let drain_ceiling = {
        let ceiling = ceiling(cluster).await?;
        ceiling.fill(runs).await?;
        ceiling.drain(runs).await?
    };
    let mut plain = 0.0;
    for at_once in [50, 500] {
        let (drain, _) = ours(cluster)
            .await?
            .drain(runs, at_once, Backlog::OneTenant)
            .await?;
        let name = format!("no-op runs/s, {at_once} at once");
        table.note(&name, ">= 0.7", drain, drain_ceiling);
        plain = drain;
    }
    let (uneven, share) = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::Uneven)
        .await?;
    table.note("  200 tenants, against one", ">= 0.5", uneven, plain);
    // 200 tenants are owed one part in 200 each.
    table.note(
        "  the big one's share of the first tenth",
        "<= 2",
        share,
        1.0 / 200.0,
    );
    let (poisoned, _) = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::Poisoned)
        .await?;
    table.note("  1 % poison, against none", ">= 0.95", poisoned, plain);
    let held = {
        let ours = ours(cluster).await?;
        let mut holder = ours.held_snapshot().await?;
        let (held, _) = ours.drain(runs, 500, Backlog::OneTenant).await?;
        holder.release().await?;
        held
    };
    table.note(
        "  under a held snapshot, against none",
        ">= 0.5",
        held,
        plain,
    );

    for (at_once, count) in [(50, runs / 10), (500, runs / 5)] {
        let other = {
            let ceiling = ceiling(cluster).await?;
            ceiling.fill(count).await?;
            ceiling.steps(count, at_once).await?
        };
        let steps = ours(cluster).await?.steps(count, at_once).await?;
        let name = format!("durable steps/s, {at_once} runs at once");
        table.note(&name, ">= 0.7", steps, other);
    }

    for callers in [50, 500] {
        let count = runs / 10;
        let other = ceiling(cluster).await?.enqueue(count, callers).await?;
        let enqueue = ours(cluster).await?.enqueue(count, callers).await?;
        let name = format!("single durable starts/s, {callers} callers");
        table.note(&name, "-", enqueue, other);
    }

    let other = ceiling(cluster).await?.latency(500).await?;
    let latency = ours(cluster).await?.latency(500).await?;
    table.note(
        "start to work, idle, p50 ms",
        "<= 1.2",
        latency.p50,
        other.p50,
    );
    table.note(
        "start to work, idle, p99 ms",
        "<= 2",
        latency.p99,
        other.p99,
    );
    Ok(())
}

/// A fresh database: nothing of an earlier round is in the way of this one.
async fn fresh(cluster: &Cluster) -> Result<String> {
    let admin = PgPool::connect(&cluster.url("postgres")).await?;
    sqlx::raw_sql("drop database if exists bench with (force)")
        .execute(&admin)
        .await?;
    admin.close().await;
    cluster.create_database("bench")?;
    Ok(cluster.url("bench"))
}

async fn ceiling(cluster: &Cluster) -> Result<Ceiling> {
    let url = fresh(cluster).await?;
    let pool = PgPoolOptions::new()
        .max_connections(20)
        .connect(&url)
        .await?;
    Ceiling::new(pool).await
}

async fn ours(cluster: &Cluster) -> Result<Ours> {
    Ours::new(&fresh(cluster).await?).await
}
