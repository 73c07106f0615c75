//! Kills at random moments under load.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::world::{Load, World};

/// Asked for is 2 s; a machine that does other things too gets more.
const RESUMED: Duration = Duration::from_secs(10);

/// A number that the task runner gives, by its variable.
fn given(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is no number: {text}")),
        Err(_) => Ok(default),
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Runs that a dead process held, with their epochs.
pub(super) struct Held(Vec<(Uuid, i64)>);

impl Held {
    /// What `process` holds now.
    pub(super) async fn by(sql: &PgPool, process: Uuid) -> Result<Self> {
        let runs = sqlx::query_as("select id, epoch from runs where owner = $1")
            .bind(process)
            .fetch_all(sql)
            .await?;
        Ok(Self(runs))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Waits until another process has taken the first of them; the time since `died`. `None` when
    /// nothing was left to take: a last write that was on its way when the process died still counts,
    /// and may have ended all that it held.
    pub(super) async fn resumed(&self, sql: &PgPool, died: Instant) -> Result<Option<Duration>> {
        let (ids, epochs): (Vec<Uuid>, Vec<i64>) = self.0.iter().copied().unzip();
        loop {
            let (taken, left): (bool, bool) = sqlx::query_as(
                "select exists (select from unnest($1::uuid[], $2::bigint[]) as held(id, epoch) \
                 join evidence.runs r using (id) where r.epoch > held.epoch), \
                 exists (select from unnest($1::uuid[], $2::bigint[]) as held(id, epoch) \
                 join runs r using (id, epoch))",
            )
            .bind(&ids)
            .bind(&epochs)
            .fetch_one(sql)
            .await?;
            if taken {
                return Ok(Some(died.elapsed()));
            }
            if !left {
                return Ok(None);
            }
            ensure!(
                died.elapsed() < Duration::from_secs(60),
                "nobody goes on with the dead process's runs"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_under_load_lose_and_double_nothing() -> Result<()> {
    let kills = given("SYNCLINE_KILLS", 15)?;
    let seed = given("SYNCLINE_SEED", 20_261_120)?;
    let mut random = Random(seed);
    let mut world = World::new().await?;
    world.orders.concurrency = 8;
    world.orders.pause_ms = 3;
    world.start(Load::of_each(10)).await?;
    let mut workers = [
        world.worker(|_orders| {}).await?,
        world.worker(|_orders| {}).await?,
    ];
    for worker in &mut workers {
        worker.registered().await?;
    }
    let began = Instant::now();
    let mut resumptions = JoinSet::new();
    for _ in 0..kills {
        if world.open().await? < 150 {
            world.start(Load::of_each(15)).await?;
        }
        tokio::time::sleep(Duration::from_millis(50 + random.below(400))).await;
        let victim = usize::try_from(random.below(2))?;
        let next = world.worker(|_orders| {}).await?;
        let victim = std::mem::replace(&mut workers[victim], next);
        let registration = victim.registration();
        let died = Instant::now();
        victim.kill().await?;
        // It may have been killed before it could register.
        let Some(registration) = registration else {
            continue;
        };
        let sql = world.sql.clone();
        let held = Held::by(&sql, registration).await?;
        if held.count() > 0 {
            resumptions.spawn(async move { held.resumed(&sql, died).await });
        }
    }
    let killing = began.elapsed();
    if let Err(error) = world.drain(Duration::from_secs(120)).await {
        return Err(error.context(format!("seed {seed}")));
    }
    for worker in workers {
        worker.stop().await?;
    }
    let found = world
        .verify()
        .await
        .with_context(|| format!("seed {seed}"))?;
    let took = resumptions.join_all().await;
    let took = took.into_iter().filter_map(Result::transpose);
    let mut took = took.collect::<Result<Vec<_>>>()?;
    took.sort();
    let longest = *took.last().context("no killed process held a run")?;
    eprintln!(
        "{kills} kills in {killing:.1?} (seed {seed}): {} runs, {} steps, {} executions that were \
         not journaled; {} processes held runs, which went on after {:.2?} (median), {longest:.2?} \
         (longest)",
        found.runs,
        found.steps,
        found.repeated,
        took.len(),
        took[took.len() / 2],
    );
    ensure!(longest < RESUMED, "resumed after {longest:?}");
    Ok(())
}
