//! The engine beside a ceiling: the least that a hand-written worker needs to do the same work on
//! the same Postgres, round by round in turn. Only ratios within one run mean something.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]

mod ceiling;
mod figures;
mod ours;
mod traces;

use std::time::{Duration, Instant};

use anyhow::Result;
use localpg::Cluster;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use self::ceiling::{Ceiling, Done};
use self::figures::Table;
use self::ours::{Backlog, Ours, Worked};
use crate::processes::postmaster;

/// Before a flow of runs is measured.
const WARM_UP: Duration = Duration::from_secs(10);
/// A flow's rate is that of so long.
const WINDOW: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(crate) struct EngineBench {
    /// Rounds; the table shows their medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Runs of a drain.
    #[arg(long, default_value_t = 100_000)]
    runs: usize,
    /// Finished runs that are there before others, in the part `history`.
    #[arg(long, default_value_t = 10_000_000)]
    history: usize,
    /// Seconds for which the part `hold` keeps a snapshot open under load.
    #[arg(long, default_value_t = 600)]
    hold: u64,
    /// Only these parts; without any, all that take less than minutes.
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Part {
    /// No-op runs from a backlog.
    Drain,
    /// Backlogs of many tenants, with bad bodies, under a held snapshot.
    Odds,
    /// Runs that carry a trace which nobody records.
    Traces,
    /// Durable steps.
    Steps,
    /// Single durable starts.
    Starts,
    /// From a start to its work, on an idle engine.
    Latency,
    /// After millions of finished runs.
    History,
    /// Under one open transaction for minutes.
    Hold,
}

impl EngineBench {
    fn wants(&self, part: Part) -> bool {
        let is_long = matches!(part, Part::History | Part::Hold);
        (self.only.is_empty() && !is_long) || self.only.contains(&part)
    }
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
    if options.wants(Part::Drain) {
        drain(runs, cluster, table).await?;
    }
    if options.wants(Part::Odds) {
        odds(runs, cluster, table).await?;
    }
    if options.wants(Part::Traces) {
        carried(runs, cluster, table).await?;
    }
    if options.wants(Part::Steps) {
        steps(runs, cluster, table).await?;
    }
    if options.wants(Part::Starts) {
        starts(runs, cluster, table).await?;
    }
    if options.wants(Part::Latency) {
        latency(cluster, table).await?;
    }
    if options.wants(Part::History) {
        history(runs, options.history, cluster, table).await?;
    }
    if options.wants(Part::Hold) {
        hold(options.hold, cluster, table).await?;
    }
    Ok(())
}

async fn drain(runs: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let mut others = Vec::new();
    for done in [Done::Gone, Done::Kept] {
        let ceiling = ceiling(cluster).await?;
        ceiling.fill(runs).await?;
        others.push(ceiling.drain(runs, done).await?);
    }
    let [gone, kept] = others[..] else {
        anyhow::bail!("two ceilings");
    };
    for at_once in [50, 500] {
        let drain = ours(cluster)
            .await?
            .drain(runs, at_once, Backlog::OneTenant)
            .await?;
        let name = format!("no-op runs/s, {at_once} at once");
        table.note(&name, ">= 0.7", drain.rate, gone);
        say_cost(&drain);
        let name = "  against a ceiling that keeps what is done";
        table.note(&format!("{name}, {at_once}"), "-", drain.rate, kept);
        let drain = ours(cluster).await?.drain_fleeting(runs, at_once).await?;
        let name = format!("no-op runs/s without history, {at_once} at once");
        table.note(&name, ">= 0.7", drain.rate, gone);
        say_cost(&drain);
    }
    Ok(())
}

async fn odds(runs: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let plain = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::OneTenant)
        .await?;
    let uneven = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::Uneven)
        .await?;
    table.note(
        "200 tenants, against one",
        ">= 0.5",
        uneven.rate,
        plain.rate,
    );
    // 200 tenants are owed one part in 200 each.
    let name = "  the big one's share of the first tenth";
    table.note(name, "<= 2", uneven.share, 1.0 / 200.0);
    let poisoned = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::Poisoned)
        .await?;
    table.note(
        "1 % poison, against none",
        ">= 0.95",
        poisoned.rate,
        plain.rate,
    );
    let ours = ours(cluster).await?;
    let mut holder = ours.held_snapshot().await?;
    let held = ours.drain(runs, 500, Backlog::OneTenant).await?;
    holder.release().await?;
    table.note(
        "under a held snapshot, against none",
        ">= 0.5",
        held.rate,
        plain.rate,
    );
    Ok(())
}

/// A log as the hub writes it, without an exporter, and a trace on each run; against neither.
async fn carried(runs: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let plain = ours(cluster)
        .await?
        .drain(runs, 500, Backlog::OneTenant)
        .await?;
    traces::log(true)?;
    let carried = ours(cluster).await?.drain(runs, 500, Backlog::Traced).await;
    traces::log(false)?;
    let carried = carried?;
    let name = "with a trace that nobody records, against none";
    table.note(name, "-", carried.rate, plain.rate);
    say_cost(&plain);
    say_cost(&carried);
    Ok(())
}

async fn steps(runs: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    for (at_once, count) in [(50, runs / 10), (500, runs / 5)] {
        let other = {
            let ceiling = ceiling(cluster).await?;
            ceiling.fill(count).await?;
            ceiling.steps(count, at_once).await?
        };
        let steps = ours(cluster).await?.steps(count, at_once).await?;
        let name = format!("durable steps/s, {at_once} runs at once");
        table.note(&name, ">= 0.7", 5.0 * steps.rate, other);
        say_cost(&steps);
    }
    Ok(())
}

async fn starts(runs: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    for callers in [50, 500] {
        let count = runs / 10;
        let other = ceiling(cluster).await?.enqueue(count, callers).await?;
        let enqueue = ours(cluster).await?.enqueue(count, callers).await?;
        let name = format!("single durable starts/s, {callers} callers");
        table.note(&name, "-", enqueue, other);
    }
    Ok(())
}

async fn latency(cluster: &Cluster, table: &mut Table) -> Result<()> {
    let other = ceiling(cluster).await?.latency(500).await?;
    let ours = ours(cluster).await?.latency(500).await?;
    table.note("start to work, idle, p50 ms", "<= 1.2", ours.p50, other.p50);
    table.note("start to work, idle, p99 ms", "<= 2", ours.p99, other.p99);
    Ok(())
}

async fn history(runs: usize, finished: usize, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let fresh = ours(cluster).await?;
    let empty = (
        fresh.drain(runs, 500, Backlog::OneTenant).await?.rate,
        fresh.steps(runs / 5, 500).await?.rate,
    );
    let ours = ours(cluster).await?;
    let took = ours.add_history(finished).await?;
    println!("  {finished} finished runs and their steps: {took:.0} s to make");
    let drain = ours.drain(runs, 500, Backlog::OneTenant).await?.rate;
    let name = "no-op runs/s after finished runs, against none";
    table.note(name, ">= 0.9", drain, empty.0);
    let steps = ours.steps(runs / 5, 500).await?.rate;
    let name = "durable steps/s after finished runs, against none";
    table.note(name, ">= 0.8", 5.0 * steps, 5.0 * empty.1);
    Ok(())
}

async fn hold(seconds: u64, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let ours = ours(cluster).await?;
    let flow = ours.flow(500).await?;
    flow.rate(WARM_UP).await?;
    let before = flow.rate(WINDOW).await?;
    let mut holder = ours.held_snapshot().await?;
    let mut last = before;
    let begun = Instant::now();
    while begun.elapsed().as_secs() < seconds {
        last = flow.rate(WINDOW).await?;
        let held = begun.elapsed().as_secs();
        println!("    held for {held:>4} s: {:.0} steps/s", 5.0 * last);
    }
    holder.release().await?;
    flow.stop().await?;
    let name = "steps/s under an open transaction, against none";
    table.note(name, ">= 0.8", 5.0 * last, 5.0 * before);
    Ok(())
}

fn say_cost(worked: &Worked) {
    let (engine, postgres) = (worked.engine, worked.postgres);
    println!("    processor time of a run: engine {engine:.0} µs, Postgres {postgres:.0} µs");
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
    Ours::new(&fresh(cluster).await?, postmaster(cluster)?).await
}
