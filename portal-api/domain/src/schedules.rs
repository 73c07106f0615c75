//! Schedules as people make them: what may be scheduled, and with what input.

use engine::ids::{ConnectionId, ScheduleId};
use engine::runtime::cron;
use engine::store::schedules::{self, CatchUp, Overlap, Schedule, ScheduleError, ScheduleSpec};
use engine::store::streams;
use engine::{StoreError, Tx};

use crate::pulls::{PULL_WORKFLOW, PullInput};

const LONGEST_NAME: usize = 120;

/// A schedule to make, or what one shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub name: String,
    pub workflow: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    pub cron: String,
    pub time_zone: String,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    pub paused: bool,
}

impl From<&Schedule> for Wish {
    fn from(schedule: &Schedule) -> Self {
        let spec = schedule.spec.clone();
        Self {
            name: spec.name,
            workflow: spec.workflow,
            connection_id: spec.connection_id,
            stream: spec.stream,
            cron: spec.cron,
            time_zone: spec.time_zone,
            overlap: spec.overlap,
            catch_up: spec.catch_up,
            paused: spec.paused,
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
        match error {
            ScheduleError::Store(error) => Self::Store(error),
            ScheduleError::Cron(error) => {
                let place = match &error {
                    cron::CronError::Zone(_) => "time_zone",
                    _ => "cron",
                };
                Self::Invalid {
                    place,
                    message: error.to_string(),
                }
            }
        }
    }
}

fn invalid(place: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        place,
        message: message.into(),
    }
}

/// Makes a schedule.
///
/// # Errors
/// [`Refusal`].
pub async fn create(tx: &mut Tx, wish: Wish) -> Result<Schedule, Refusal> {
    let spec = spec(tx, wish).await?;
    let id = schedules::insert(tx, &spec).await?;
    Ok(schedules::get(tx, id).await?)
}

/// Changes the version of a schedule that the caller read.
///
/// # Errors
/// [`Refusal`], a newer version as [`StoreError::Stale`].
pub async fn change(
    tx: &mut Tx,
    id: ScheduleId,
    version: i64,
    wish: Wish,
) -> Result<Schedule, Refusal> {
    let spec = spec(tx, wish).await?;
    schedules::update(tx, id, version, &spec).await?;
    Ok(schedules::get(tx, id).await?)
}

async fn spec(tx: &mut Tx, wish: Wish) -> Result<ScheduleSpec, Refusal> {
    let name = wish.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(invalid(
            "name",
            format!("name must have 1 to {LONGEST_NAME} characters"),
        ));
    }
    if wish.workflow != PULL_WORKFLOW {
        let message = format!(
            "{:?} cannot be scheduled; {PULL_WORKFLOW} can",
            wish.workflow
        );
        return Err(invalid("workflow", message));
    }
    let connection = wish
        .connection_id
        .ok_or_else(|| invalid("connection_id", "name the connection to read from"))?;
    let stream = wish
        .stream
        .ok_or_else(|| invalid("stream", "name the stream to read"))?;
    match streams::get(tx, connection, &stream).await {
        Ok(_) => {}
        Err(StoreError::NotFound(what)) => {
            return Err(invalid("stream", format!("{what} is not set up")));
        }
        Err(error) => return Err(error.into()),
    }
    let input = PullInput {
        connection,
        stream: stream.clone(),
        full: false,
    };
    Ok(ScheduleSpec {
        name: name.to_owned(),
        workflow: wish.workflow,
        workflow_version: 1,
        key: Some(input.key()),
        input: serde_json::to_value(&input).map_err(StoreError::Encode)?,
        connection_id: Some(connection),
        stream: Some(stream),
        cron: wish.cron,
        time_zone: wish.time_zone,
        overlap: wish.overlap,
        catch_up: wish.catch_up,
        paused: wish.paused,
    })
}
