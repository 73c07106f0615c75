//! Fires schedules whose time has come.

use super::core::Core;
use crate::failpoints::{self, Failpoint};
use crate::store::StoreError;
use crate::store::schedules::{self, Due, ScheduleError};

/// Fires what is due of the workflows this process knows; a schedule that cannot be fired does not
/// keep the others from it.
pub(super) async fn fire_due(core: &Core) -> Result<(), StoreError> {
    let newest = core.registry.newest();
    let known: Vec<String> = newest.keys().map(|name| (*name).to_owned()).collect();
    let mut tx = core.store.begin_system().await?;
    let due = schedules::due(&mut tx, &known).await?;
    tx.commit().await?;
    for schedule in due {
        let Some(&version) = newest.get(schedule.workflow.as_str()) else {
            continue;
        };
        match fire(core, &schedule, version).await {
            Ok(()) => {}
            Err(ScheduleError::Store(error)) if error.is_transient() => return Err(error),
            Err(ScheduleError::Store(error)) => {
                tracing::error!(schedule.id = %schedule.id, %error, "schedule could not be fired");
            }
            Err(error) => {
                tracing::error!(schedule.id = %schedule.id, %error, "schedule is paused");
                let mut tx = core.store.begin(schedule.tenant).await?;
                schedules::pause_broken(&mut tx, schedule.id, &error.to_string()).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(())
}

async fn fire(core: &Core, schedule: &Due, version: u16) -> Result<(), ScheduleError> {
    let key = |input: &[u8]| match core.registry.get(&schedule.workflow, version) {
        Some(workflow) => (workflow.key)(input),
        None => Ok(None),
    };
    let mut tx = core.store.begin(schedule.tenant).await?;
    let fired = schedules::fire(&mut tx, schedule.id, version, key).await?;
    failpoints::reach(Failpoint::ScheduleCommits);
    tx.commit().await?;
    failpoints::reach(Failpoint::ScheduleCommitted);
    metrics::counter!("engine_schedules_fired_total").increment(fired.runs.len() as u64);
    for run in fired.runs {
        tracing::info!(schedule.id = %schedule.id, run.id = %run, "schedule fired");
    }
    if fired.was_last {
        tracing::info!(schedule.id = %schedule.id, "schedule has no time left, it never fires again");
    }
    Ok(())
}
