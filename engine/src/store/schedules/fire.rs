//! Starting a schedule's runs: by time, each nominal time once, or because a person wants it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::row::{self, not_found};
use super::{CatchUp, Overlap, Schedule, ScheduleError};
use crate::ids::{RunId, ScheduleId, TenantId};
use crate::runtime::cron::{Firing, Times};
use crate::store::runs::{
    self, Dedupe, DedupeMode, DedupeUntil, NewRun, RunState, StartOptions, version_to_db,
};
use crate::store::{StoreError, SystemTx, Tx};

/// A firing this late has been missed: nothing ran then, or the clock has jumped.
const MISSED: Duration = Duration::from_secs(60);
/// No more firings than this are in time at once: an expression names minutes, and a jitter is never
/// longer than the time to the next one.
const MOST_IN_TIME: u16 = 3;

/// Starts a run of it at once, also while it is paused; the next firing stays.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn run_now(tx: &mut Tx, id: ScheduleId) -> Result<RunId, StoreError> {
    let schedule = row::one(tx, id, false).await?;
    let new = schedule.new_run("manual", schedule.spec.workflow_version, None)?;
    let run = runs::start(tx, new).await?.id();
    started(tx, id, run, schedule.spec.workflow_version).await?;
    Ok(run)
}

/// Leaves out the next firing, which the caller names by its time (jitter included): asked twice, it
/// does not leave out two.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when another firing is the next one, or none.
pub async fn skip_next(
    tx: &mut Tx,
    id: ScheduleId,
    at: DateTime<Utc>,
) -> Result<Schedule, ScheduleError> {
    let schedule = row::one(tx, id, true).await?;
    let conflict = |why: String| StoreError::Conflict(format!("schedule {id} {why}"));
    let next = match (schedule.next, &schedule.spec.pause) {
        (_, Some(_)) => return Err(conflict("is paused: there is no firing to skip".into()).into()),
        (None, None) => {
            return Err(conflict("never fires again: there is nothing to skip".into()).into());
        }
        (Some(next), None) => next,
    };
    if next.at != at {
        let why = format!("fires next at {}, not at {at}", next.at);
        return Err(conflict(why).into());
    }
    let after = Times::new(&schedule.spec.timing)?.firing(id, next.nominal);
    advance(tx, id, Some(next.nominal), after).await?;
    Ok(row::one(tx, id, false).await?)
}

/// A schedule whose time has come.
pub(crate) struct Due {
    pub(crate) tenant: TenantId,
    pub(crate) id: ScheduleId,
    pub(crate) workflow: String,
}

/// Schedules to [`fire`], of these workflows.
pub(crate) async fn due(tx: &mut SystemTx, workflows: &[String]) -> Result<Vec<Due>, StoreError> {
    modelled!(tx, due_schedules(workflows));
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        select tenant_id, id, workflow
        from schedules s
        where not paused and next_at <= $1 and workflow = any($2)
          -- Its turns wait, or are left out, as if nothing had run meanwhile.
          and not exists (select from tenants t
                          where t.tenant_id = s.tenant_id and t.state <> 'active')
        order by next_at
        limit 200
        "#,
        now,
        workflows,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            tenant: TenantId(row.tenant_id),
            id: ScheduleId(row.id),
            workflow: row.workflow,
        })
        .collect())
}

/// What a schedule did at its time.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    pub(crate) runs: Vec<RunId>,
    /// No time is left.
    pub(crate) was_last: bool,
}

/// Fires a schedule if it is still due and no other process is firing it: the lock on its row, the
/// runs and the next time commit together, so that each nominal time fires once. `key` is the
/// workflow's own for an input.
///
/// # Errors
/// [`ScheduleError::Cron`] when the stored expression or zone is no longer valid.
pub(crate) async fn fire(
    tx: &mut Tx,
    id: ScheduleId,
    version: u16,
    key: impl Fn(&[u8]) -> Result<Option<String>, StoreError>,
) -> Result<Fired, ScheduleError> {
    let now = tx.now();
    if !hold_due(tx, id).await? {
        return Ok(Fired::default());
    }
    let mut schedule = row::one(tx, id, false).await?;
    let Some(next) = schedule.next else {
        return Ok(Fired::default());
    };
    let times = Times::new(&schedule.spec.timing)?;
    let most = match schedule.spec.catch_up {
        CatchUp::All => schedule.spec.catch_up_limit.max(MOST_IN_TIME),
        CatchUp::None | CatchUp::One => MOST_IN_TIME,
    };
    let mut due = times.newest_due(id, next.nominal, now, most.into());
    if due.is_empty() {
        // A release that computes another jitter: the stored firing stands.
        due.push(next);
    }
    let newest = due[due.len() - 1];
    let following = times.firing(id, newest.nominal);
    advance(tx, id, Some(newest.nominal), following).await?;
    drop_missed(&mut due, &schedule, now);
    let mut fired = Fired {
        was_last: following.is_none(),
        ..Fired::default()
    };
    for firing in due {
        if !makes_room(tx, &schedule).await? {
            continue;
        }
        let mut new = schedule.new_run("schedule", version, Some(firing.nominal))?;
        if schedule.spec.key.is_none() {
            // Input that does not decode has no key; its run is parked and says so.
            new.options.key = key(&new.input).ok().flatten().or(new.options.key);
        }
        let run = runs::start(tx, new).await?.id();
        started(tx, id, run, version).await?;
        schedule.last_run_id = Some(run);
        fired.runs.push(run);
    }
    Ok(fired)
}

/// Whether it is due and no other process has it in hand; then this one has.
async fn hold_due(tx: &mut Tx, id: ScheduleId) -> Result<bool, StoreError> {
    modelled!(tx, hold_due(id));
    let now = tx.now();
    let held = sqlx::query!(
        r#"
        select from schedules
        where id = $1 and not paused and next_at <= $2
        for update skip locked
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(held.is_some())
}

/// Leaves what is to be fired: what comes in time, and of what was missed what shall be caught up.
fn drop_missed(due: &mut Vec<Firing>, schedule: &Schedule, now: DateTime<Utc>) {
    let in_time = |firing: &Firing| {
        (now - firing.at)
            .to_std()
            .map_or(true, |late| late <= MISSED)
    };
    let missed = due.iter().take_while(|firing| !in_time(firing)).count();
    let dropped = match schedule.spec.catch_up {
        CatchUp::None => missed,
        // One that comes in time does for those that were missed.
        CatchUp::One => missed.min(due.len() - 1),
        CatchUp::All => {
            let limit = usize::from(schedule.spec.catch_up_limit);
            missed.min(due.len().saturating_sub(limit))
        }
    };
    due.drain(..dropped);
}

/// Pauses a schedule that cannot be computed any more.
pub(crate) async fn pause_broken(
    tx: &mut Tx,
    id: ScheduleId,
    reason: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update schedules
        set paused_by = 'hub', paused_reason = $2, paused_at = $3, version = version + 1
        where id = $1 and not paused
        "#,
        id.0,
        reason,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    Ok(())
}

/// Whether a run may be started, the last one being as it is.
async fn makes_room(tx: &mut Tx, schedule: &Schedule) -> Result<bool, StoreError> {
    let Some(last) = schedule.last_run_id else {
        return Ok(true);
    };
    match schedule.spec.overlap {
        Overlap::Queue => Ok(true),
        Overlap::Skip => Ok(!is_open(tx, last).await?),
        Overlap::CancelPrevious => {
            if is_open(tx, last).await? {
                match runs::cancel(tx, last).await {
                    // It ended in this moment.
                    Ok(_) | Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        }
    }
}

async fn is_open(tx: &mut Tx, run: RunId) -> Result<bool, StoreError> {
    match runs::get(tx, run).await {
        // A parked run waits for a person and would stop the schedule for as long.
        Ok(run) => Ok(!run.state.is_final() && run.state != RunState::Parked),
        Err(StoreError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts a firing behind it.
async fn advance(
    tx: &mut Tx,
    id: ScheduleId,
    past: Option<DateTime<Utc>>,
    next: Option<Firing>,
) -> Result<(), StoreError> {
    tx.changed("schedule", id);
    modelled!(tx, advance_schedule(id, past, next));
    sqlx::query!(
        "update schedules set last_nominal = $2, next_nominal = $3, next_at = $4 where id = $1",
        id.0,
        past,
        next.map(|next| next.nominal),
        next.map(|next| next.at),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn started(tx: &mut Tx, id: ScheduleId, run: RunId, version: u16) -> Result<(), StoreError> {
    if !note_started(tx, id, run, version).await? {
        return Err(not_found(id));
    }
    tx.changed("schedule", id);
    Ok(())
}

/// Whether there is such a schedule.
async fn note_started(
    tx: &mut Tx,
    id: ScheduleId,
    run: RunId,
    version: u16,
) -> Result<bool, StoreError> {
    modelled!(tx, note_started(id, run, version));
    let now = tx.now();
    let noted = sqlx::query!(
        r#"
        update schedules
        set last_at = $2, last_run_id = $3, workflow_version = $4
        where id = $1
        "#,
        id.0,
        now,
        run.0,
        version_to_db(version)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(noted.rows_affected() > 0)
}

impl Schedule {
    fn new_run(
        &self,
        trigger: &str,
        version: u16,
        nominal: Option<DateTime<Utc>>,
    ) -> Result<NewRun, StoreError> {
        let own_key =
            (self.spec.overlap == Overlap::Queue).then(|| format!("schedule/{}", self.id));
        Ok(NewRun {
            workflow: self.spec.workflow.clone(),
            version,
            input: serde_json::to_vec(&self.spec.input).map_err(StoreError::Encode)?,
            parent_id: None,
            trace: None,
            options: StartOptions {
                key: self.spec.key.clone().or(own_key),
                trigger: trigger.into(),
                connection_id: self.spec.connection_id,
                stream: self.spec.stream.clone(),
                // The row's lock keeps a nominal time from firing twice; this does so, too, when
                // somebody has set the row back.
                dedupe: nominal.map(|nominal| Dedupe {
                    key: format!("schedule/{}/{}", self.id, nominal.timestamp()),
                    until: DedupeUntil::Elapsed(Duration::from_secs(7 * 86_400)),
                    mode: DedupeMode::Existing,
                }),
                ..StartOptions::default()
            },
        })
    }
}
