//! Housekeeping: the days of finished runs and journals are made ahead and dropped when they have
//! been kept for long enough; old snapshots are noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use tokio::time::Instant;

use super::core::Core;
use crate::store::days::{self, Drop};
use crate::store::{StoreError, SystemTx};

/// Days that have their tables before they begin. A hub that was away for longer, or whose clock
/// jumps, writes to the default tables until it has looked.
const AHEAD: u64 = 7;
/// Between two rounds, by the hub's clock.
const ROUND: TimeDelta = TimeDelta::minutes(10);
/// Between two rounds when something was in the way.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// The clock is looked at this often; asks the database nothing.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// Between two looks for old snapshots.
const WATCH: Duration = Duration::from_secs(60);
/// From here on a snapshot slows the claim down.
const OLD_SNAPSHOT: Duration = Duration::from_secs(300);
/// Keeps house until the engine stops.
pub(super) async fn keep(core: Arc<Core>, retention: Duration) {
    let mut house = House {
        retention: TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX),
        late: HashMap::new(),
    };
    let mut next: Option<DateTime<Utc>> = None;
    let mut watched = Instant::now();
    let mut warned = false;
    loop {
        let now = core.store.clock().now();
        // A clock that was set back does not put the next round off.
        if next.is_none_or(|next| next <= now || next - now > ROUND) {
            next = Some(now + round(&core, &mut house).await);
        }
        if watched.elapsed() >= WATCH {
            watched = Instant::now();
            match watch_snapshots(&core).await {
                Ok(age) => warn_once(&mut warned, age),
                Err(error) => tracing::debug!(%error, "open snapshots could not be read"),
            }
        }
        let pause = tokio::time::sleep(LOOK_AT_CLOCK);
        if core.stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// One round; returns how long to wait for the next.
async fn round(core: &Core, house: &mut House) -> TimeDelta {
    match house.tidy(core).await {
        Ok(()) => ROUND,
        Err(error) if error.is_transient() => {
            // A lock that a reader holds, a database that restarts.
            tracing::debug!(%error, "days of finished runs could not be kept yet");
            AGAIN
        }
        Err(error) => {
            tracing::warn!(%error, "days of finished runs could not be kept");
            AGAIN
        }
    }
}

struct House {
    retention: TimeDelta,
    /// Days that a late run keeps, and until when: not looked at before.
    late: HashMap<NaiveDate, DateTime<Utc>>,
}

impl House {
    async fn tidy(&mut self, core: &Core) -> Result<(), StoreError> {
        let Some(mut tx) = days::begin(&core.store).await? else {
            return Ok(());
        };
        let there = days::list(&mut tx).await?;
        // Dropping is for ever: no clock alone decides that it is time.
        let now = core.store.clock().now();
        let known = now.min(days::server_time(&mut tx).await?);
        let cut = known.checked_sub_signed(self.retention);
        if let Some(cut) = cut {
            days::forget_dayless(&mut tx, cut).await?;
        }
        tx.commit().await?;
        for day in (0..=AHEAD).filter_map(|n| now.date_naive().checked_add_days(Days::new(n))) {
            if !there.contains(&day) {
                add(core, day).await?;
            }
        }
        let Some(cut) = cut else { return Ok(()) };
        for day in there {
            let is_kept = self.late.get(&day).is_some_and(|until| cut <= *until);
            // One a round: a clock that is wrong everywhere can be noticed before all is gone.
            if days::end(day) <= cut && !is_kept && self.drop(core, day, cut).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the day is gone.
    async fn drop(
        &mut self,
        core: &Core,
        day: NaiveDate,
        cut: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Some(mut tx) = days::begin(&core.store).await? else {
            return Ok(false);
        };
        let outcome = days::drop(&mut tx, day, cut).await?;
        tx.commit().await?;
        self.late.remove(&day);
        match outcome {
            Drop::Dropped => {
                metrics::counter!("engine_days_dropped_total").increment(1);
                tracing::info!(%day, "finished runs of a day were dropped");
            }
            Drop::Open => tracing::debug!(%day, "day is kept: a run of it is open"),
            Drop::EndedLate(at) => {
                tracing::debug!(%day, %at, "day is kept: a run of it ended late");
                self.late.insert(day, at);
            }
        }
        Ok(outcome == Drop::Dropped)
    }
}

async fn add(core: &Core, day: NaiveDate) -> Result<(), StoreError> {
    let Some(mut tx) = days::begin(&core.store).await? else {
        return Ok(());
    };
    days::add(&mut tx, day).await?;
    tx.commit().await
}

async fn watch_snapshots(core: &Core) -> Result<Duration, StoreError> {
    // As the login role, which sees its own sessions; the others only if it may read all statistics.
    let mut tx: SystemTx = core.store.system("begin").await?;
    let age = days::oldest_snapshot(&mut tx).await?;
    tx.commit().await?;
    metrics::gauge!("engine_oldest_snapshot_seconds").set(age.as_secs_f64());
    Ok(age)
}

fn warn_once(warned: &mut bool, age: Duration) {
    let old = age >= OLD_SNAPSHOT;
    if old && !std::mem::replace(warned, true) {
        tracing::warn!(
            seconds = age.as_secs(),
            "a transaction has been open for long: rows of ended runs cannot be removed and claims \
             slow down until it ends"
        );
    } else if !old {
        *warned = false;
    }
}
