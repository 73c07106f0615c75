//! Streams as people set them up: with the mapping that comes with the hub, and with a schedule that
//! reads them for as long as there is something to read.

use engine::ids::ConnectionId;
use engine::runtime::cron::Timing;
use engine::sdk;
use engine::store::schedules::{self, Pause, PausedBy, Schedule, ScheduleError};
use engine::store::streams::{self, OnRemove, StreamRow};
use engine::{StoreError, Tx};

use crate::mappings::{self, Shipped};
use crate::pulls::PULL_WORKFLOW;
use crate::schedules::{Refusal, Wish};

/// How often a stream is read where nobody said otherwise.
pub const EVERY_FIVE_MINUTES: (&str, &str) = ("every 5 minutes", "*/5 * * * *");

/// A stream to set up.
pub struct Setup<'a> {
    pub connection: ConnectionId,
    /// As the system describes it.
    pub description: &'a sdk::Stream,
    pub entity: &'a str,
    pub enabled: bool,
    /// How often it is read, in words and as a cron expression.
    pub how_often: (&'a str, &'a str),
}

/// Sets up a stream, with the mapping that comes with the hub and a schedule, if there is none.
///
/// # Errors
/// [`StoreError::Conflict`] when it is set up already; [`Refusal::Invalid`] for an expression that is
/// none.
pub async fn set_up(
    tx: &mut Tx,
    shipped: &Shipped,
    setup: Setup<'_>,
) -> Result<StreamRow, Refusal> {
    let (connection, stream) = (setup.connection, setup.description.name.as_str());
    streams::insert(
        tx,
        connection,
        setup.entity,
        setup.enabled,
        setup.description,
    )
    .await?;
    mappings::adopt_shipped(tx, shipped, connection, stream).await?;
    if schedules::of_stream(tx, connection, stream)
        .await?
        .is_empty()
    {
        let (words, cron) = setup.how_often;
        let wish = Wish {
            connection_id: Some(connection),
            stream: Some(stream.to_owned()),
            ..Wish::new(
                format!("{stream} {words}"),
                PULL_WORKFLOW,
                Timing::new(cron, "UTC"),
            )
        };
        crate::schedules::create(tx, wish).await?;
    }
    Ok(streams::get(tx, connection, stream).await?)
}

/// Changes the version of a stream that the caller read; its schedules follow.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn change(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entity: &str,
    (enabled, on_remove): (bool, Option<OnRemove>),
    version: i64,
) -> Result<StreamRow, StoreError> {
    streams::update(
        tx,
        connection,
        stream,
        entity,
        (enabled, on_remove),
        version,
    )
    .await?;
    follow(tx, connection, stream).await?;
    streams::get(tx, connection, stream).await
}

/// Pauses the schedules of a stream that cannot be read, and lets those go on that were paused so
/// when it can be again; one that a person has paused stays so.
///
/// # Errors
/// [`StoreError`].
pub async fn follow(tx: &mut Tx, connection: ConnectionId, stream: &str) -> Result<(), StoreError> {
    let row = streams::get(tx, connection, stream).await?;
    let hindrance = hindrance(&row);
    for schedule in schedules::of_stream(tx, connection, stream).await? {
        let wanted = match (&schedule.spec.pause, hindrance) {
            (None, Some(reason)) => Some(reason.to_owned()),
            (Some(pause), wanted) if pause.by == PausedBy::Stream => wanted.map(str::to_owned),
            _ => continue,
        };
        match pause(tx, &schedule, wanted).await {
            Ok(()) => {}
            Err(ScheduleError::Store(error)) => return Err(error),
            // Its end has come meanwhile: it stays paused and says why.
            Err(error) => match pause(tx, &schedule, Some(error.to_string())).await {
                Ok(()) => {}
                Err(ScheduleError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::corrupt("schedule of a stream", error)),
            },
        }
    }
    Ok(())
}

/// Why a stream cannot be read.
pub(crate) fn hindrance(row: &StreamRow) -> Option<&'static str> {
    if !row.enabled {
        Some("the stream is switched off")
    } else if row.mapping_version.is_none() {
        Some("the stream has no published mapping")
    } else {
        None
    }
}

async fn pause(
    tx: &mut Tx,
    schedule: &Schedule,
    reason: Option<String>,
) -> Result<(), ScheduleError> {
    let pause = reason.map(|reason| Pause {
        by: PausedBy::Stream,
        reason: Some(reason),
    });
    if pause == schedule.spec.pause {
        return Ok(());
    }
    let mut spec = schedule.spec.clone();
    spec.pause = pause;
    schedules::update(tx, schedule.id, schedule.version, &spec).await
}
