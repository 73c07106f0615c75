//! Schedules as people make them: what may be scheduled, and with what input.

use chrono::{DateTime, Utc};
use engine::ids::{ConnectionId, ScheduleId};
use engine::runtime::cron::{CronError, Timing};
use engine::store::schedules::{
    self, CatchUp, Overlap, Pause, PausedBy, Schedule, ScheduleError, ScheduleSpec,
};
use engine::store::streams as store_streams;
use engine::{StoreError, Tx};

use crate::pulls::{PULL_WORKFLOW, PullInput};
use crate::streams;

const LONGEST_NAME: usize = 120;
const LONGEST_REASON: usize = 500;
/// The most that [`CatchUp::All`] catches up where nobody said otherwise.
pub const CATCH_UP_LIMIT: u16 = 10;

/// A schedule to make, or what one shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub name: String,
    pub workflow: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    pub timing: Timing,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    pub catch_up_limit: u16,
    pub paused: bool,
    /// Why it is paused, for others to read; nothing for one that is not.
    pub paused_reason: Option<String>,
}

impl Wish {
    /// With what is usual for the rest.
    pub fn new(name: impl Into<String>, workflow: impl Into<String>, timing: Timing) -> Self {
        Self {
            name: name.into(),
            workflow: workflow.into(),
            connection_id: None,
            stream: None,
            timing,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            catch_up_limit: CATCH_UP_LIMIT,
            paused: false,
            paused_reason: None,
        }
    }
}

impl From<&Schedule> for Wish {
    fn from(schedule: &Schedule) -> Self {
        let spec = schedule.spec.clone();
        Self {
            name: spec.name,
            workflow: spec.workflow,
            connection_id: spec.connection_id,
            stream: spec.stream,
            timing: spec.timing,
            overlap: spec.overlap,
            catch_up: spec.catch_up,
            catch_up_limit: spec.catch_up_limit,
            paused: spec.pause.is_some(),
            paused_reason: spec.pause.and_then(|pause| pause.reason),
        }
    }
}

/// Why a schedule was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{message}")]
    Invalid {
        place: &'static str,
        message: String,
    },
}

impl From<ScheduleError> for Refusal {
    fn from(error: ScheduleError) -> Self {
        let place = match &error {
            ScheduleError::Store(_) => "",
            ScheduleError::CatchUpNeedsQueue => "catch_up",
            ScheduleError::CatchUpLimit(_) => "catch_up_limit",
            ScheduleError::Cron(CronError::Expression { .. } | CronError::Never(_)) => "cron",
            ScheduleError::Cron(CronError::Zone { .. }) => "time_zone",
            ScheduleError::Cron(CronError::NothingLeft(_) | CronError::EndBeforeStart) => "ends_at",
            ScheduleError::Cron(CronError::Jitter(_)) => "jitter_seconds",
        };
        match error {
            ScheduleError::Store(error) => Self::Store(error),
            error => invalid(place, error.to_string()),
        }
    }
}

fn invalid(place: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        place,
        message: message.into(),
    }
}

/// Makes a schedule; one of a stream that cannot be read is paused until it can.
///
/// # Errors
/// [`Refusal`].
pub async fn create(tx: &mut Tx, wish: Wish) -> Result<Schedule, Refusal> {
    let spec = spec(tx, wish, None).await?;
    let id = schedules::insert(tx, &spec).await?;
    if let (Some(connection), Some(stream)) = (spec.connection_id, &spec.stream) {
        streams::follow(tx, connection, stream).await?;
    }
    Ok(schedules::get(tx, id).await?)
}

/// Changes the version of a schedule that the caller read.
///
/// # Errors
/// [`Refusal`], a newer version as [`StoreError::Stale`].
pub async fn change(
    tx: &mut Tx,
    current: &Schedule,
    version: i64,
    wish: Wish,
) -> Result<Schedule, Refusal> {
    if let (true, Some(hindrance)) = (
        current.spec.pause.is_some() && !wish.paused,
        hindrance_of(tx, &wish).await?,
    ) {
        return Err(invalid(
            "paused",
            format!("{hindrance}; the schedule goes on when that has changed"),
        ));
    }
    let spec = if current.spec.workflow == PULL_WORKFLOW {
        spec(tx, wish, current.spec.pause.as_ref()).await?
    } else {
        of_the_hub(wish, &current.spec)?
    };
    schedules::update(tx, current.id, version, &spec).await?;
    Ok(schedules::get(tx, current.id).await?)
}

/// Leaves out the next firing, named by its time.
///
/// # Errors
/// [`StoreError::Conflict`] when another firing is the next one, or none.
pub async fn skip_next(
    tx: &mut Tx,
    id: ScheduleId,
    at: DateTime<Utc>,
) -> Result<Schedule, Refusal> {
    Ok(schedules::skip_next(tx, id, at).await?)
}

async fn hindrance_of(tx: &mut Tx, wish: &Wish) -> Result<Option<&'static str>, StoreError> {
    let (Some(connection), Some(stream)) = (wish.connection_id, &wish.stream) else {
        return Ok(None);
    };
    match store_streams::get(tx, connection, stream).await {
        Ok(row) => Ok(streams::hindrance(&row)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pause a person wants; whoever paused it before stays named while nothing of it changes.
fn pause(wish: &Wish, before: Option<&Pause>) -> Result<Option<Pause>, Refusal> {
    let reason = wish.paused_reason.as_deref().map(str::trim);
    let reason = reason
        .filter(|reason| !reason.is_empty())
        .map(str::to_owned);
    if !wish.paused {
        return match reason {
            Some(_) => Err(invalid(
                "paused_reason",
                "only a paused schedule has a reason for it",
            )),
            None => Ok(None),
        };
    }
    if reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > LONGEST_REASON)
    {
        let message = format!("a reason has up to {LONGEST_REASON} characters");
        return Err(invalid("paused_reason", message));
    }
    let unchanged = before.filter(|before| before.reason == reason);
    Ok(Some(unchanged.cloned().unwrap_or(Pause {
        by: PausedBy::Person,
        reason,
    })))
}

/// What is to be read, where it is set up.
pub(crate) async fn checked(tx: &mut Tx, wish: &Wish) -> Result<(ConnectionId, String), Refusal> {
    let connection = wish
        .connection_id
        .ok_or_else(|| invalid("connection_id", "name the connection to read from"))?;
    let stream = wish
        .stream
        .clone()
        .ok_or_else(|| invalid("stream", "name the stream to read"))?;
    match store_streams::get(tx, connection, &stream).await {
        Ok(_) => Ok((connection, stream)),
        Err(StoreError::NotFound(what)) => Err(invalid("stream", format!("{what} is not set up"))),
        Err(error) => Err(error.into()),
    }
}

fn name_of(wish: &Wish) -> Result<String, Refusal> {
    let name = wish.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(invalid(
            "name",
            format!("name must have 1 to {LONGEST_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}

/// A schedule that the hub made for itself, which people pause and time: what it does stays.
fn of_the_hub(wish: Wish, before: &ScheduleSpec) -> Result<ScheduleSpec, Refusal> {
    Ok(ScheduleSpec {
        name: name_of(&wish)?,
        pause: pause(&wish, before.pause.as_ref())?,
        timing: wish.timing,
        overlap: wish.overlap,
        catch_up: wish.catch_up,
        catch_up_limit: wish.catch_up_limit,
        ..before.clone()
    })
}

async fn spec(tx: &mut Tx, wish: Wish, before: Option<&Pause>) -> Result<ScheduleSpec, Refusal> {
    let name = name_of(&wish)?;
    if wish.workflow != PULL_WORKFLOW {
        let message = format!(
            "{:?} cannot be scheduled; {PULL_WORKFLOW} can",
            wish.workflow
        );
        return Err(invalid("workflow", message));
    }
    let pause = pause(&wish, before)?;
    let (connection, stream) = checked(tx, &wish).await?;
    let input = PullInput {
        connection,
        stream: stream.clone(),
        full: false,
    };
    Ok(ScheduleSpec {
        name,
        workflow: wish.workflow,
        workflow_version: 1,
        key: Some(input.key()),
        input: serde_json::to_value(&input).map_err(StoreError::Encode)?,
        connection_id: Some(connection),
        stream: Some(stream),
        timing: wish.timing,
        overlap: wish.overlap,
        catch_up: wish.catch_up,
        catch_up_limit: wish.catch_up_limit,
        pause,
    })
}
