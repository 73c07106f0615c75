//! Death at every failpoint, at several of its passings.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use engine::failpoints::Failpoint;
use futures::{StreamExt, TryStreamExt};

use super::world::{Load, World};

const SIGABRT: i32 = 6;
/// Deaths tried out at the same time.
const AT_ONCE: usize = 3;

/// After how many passings to die. Five runs of five steps at once: the first ones end a process
/// early in the runs, the later ones between two steps in the middle and near the end.
fn passings(place: Failpoint) -> &'static [u32] {
    match place {
        Failpoint::ClaimCommits | Failpoint::ClaimCommitted => &[0, 1, 3],
        Failpoint::StepBegins | Failpoint::StepDone => &[0, 1, 2, 3, 4, 9, 14, 19],
        Failpoint::JournalCommits | Failpoint::JournalCommitted => &[0, 1, 2, 4, 8],
        Failpoint::TxCommits | Failpoint::TxCommitted => &[0, 1, 2, 3, 4, 8],
        Failpoint::EndCommits | Failpoint::EndCommitted => &[0, 1, 2],
        Failpoint::StartInserted => &[0, 1, 3],
        Failpoint::CallCommits | Failpoint::CallCommitted => &[0, 1, 2],
        Failpoint::ScheduleCommits
        | Failpoint::ScheduleCommitted
        | Failpoint::BurialCommits
        | Failpoint::BurialCommitted
        | Failpoint::RegistrationBegins
        | Failpoint::Registered => &[0],
    }
}

/// Kills a worker there and lets another one go on; returns how long the other one took to finish
/// everything, from the death on.
async fn die_at(place: Failpoint, skip: u32) -> Result<Duration> {
    let mut world = World::new().await?;
    world.start(Load::of_each(2)).await?;
    world.schedule().await?;
    if matches!(place, Failpoint::BurialCommits | Failpoint::BurialCommitted) {
        // Somebody to bury.
        let mut dead = world
            .worker(|orders| orders.die_at = Some((format!("{:?}", Failpoint::StepDone), 3)))
            .await?;
        dead.died().await?;
    }
    let mut doomed = world
        .worker(|orders| orders.die_at = Some((format!("{place:?}"), skip)))
        .await?;
    let ended = match doomed.died().await {
        Ok(ended) => ended,
        Err(error) => return Err(error.context(world.state().await?)),
    };
    ensure!(ended.signal() == Some(SIGABRT), "it ended with {ended}");
    let died = Instant::now();
    let heir = world.worker(|_orders| {}).await?;
    world.drain(Duration::from_secs(40)).await?;
    let took = died.elapsed();
    heir.stop().await?;
    let found = world.verify().await?;
    ensure!(
        found.repeated <= world.orders.concurrency * 2,
        "{} steps ran again",
        found.repeated
    );
    Ok(took)
}

async fn die_at_all(places: &[Failpoint]) -> Result<()> {
    let deaths: Vec<(Failpoint, u32)> = places
        .iter()
        .flat_map(|place| passings(*place).iter().map(|skip| (*place, *skip)))
        .collect();
    let took: Vec<Duration> = futures::stream::iter(deaths)
        .map(|(place, skip)| async move {
            let took = die_at(place, skip).await;
            took.with_context(|| format!("death at {place:?} after {skip}"))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let longest = took.iter().max().context("no deaths")?;
    eprintln!(
        "{} deaths at {} places; everything was done {longest:.1?} after the death at the latest",
        took.len(),
        places.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn death_around_a_step_and_its_journaling_loses_and_doubles_nothing() -> Result<()> {
    die_at_all(&[
        Failpoint::StepBegins,
        Failpoint::StepDone,
        Failpoint::JournalCommits,
        Failpoint::JournalCommitted,
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn death_around_a_transactional_step_loses_and_doubles_nothing() -> Result<()> {
    die_at_all(&[
        Failpoint::TxCommits,
        Failpoint::TxCommitted,
        Failpoint::StartInserted,
        Failpoint::CallCommits,
        Failpoint::CallCommitted,
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn death_anywhere_else_loses_and_doubles_nothing() -> Result<()> {
    let rest: Vec<Failpoint> = Failpoint::ALL[..]
        .iter()
        .copied()
        .filter(|place| {
            !matches!(
                place,
                Failpoint::StepBegins
                    | Failpoint::StepDone
                    | Failpoint::JournalCommits
                    | Failpoint::JournalCommitted
                    | Failpoint::TxCommits
                    | Failpoint::TxCommitted
                    | Failpoint::StartInserted
                    | Failpoint::CallCommits
                    | Failpoint::CallCommitted
            )
        })
        .collect();
    die_at_all(&rest).await
}
