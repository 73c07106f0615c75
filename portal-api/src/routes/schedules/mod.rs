//! Schedules: what starts by itself, and when.

mod create;
mod delete;
mod get;
mod list;
mod run;
mod update;

use chrono::{DateTime, Utc};
use domain::schedules::Refusal;
use engine::ids::{ConnectionId, RunId, ScheduleId};
use engine::runtime::cron;
use engine::store::schedules::{self, CatchUp, Overlap};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::error::ApiError;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(run::run))
}

/// What happens when the run before has not ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleOverlap)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum OverlapName {
    Skip,
    Queue,
}

/// What happens with times that passed while nothing ran.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleCatchUp)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum CatchUpName {
    None,
    One,
}

/// What starts by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Schedule {
    #[schema(value_type = String)]
    id: ScheduleId,
    name: String,
    workflow: String,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    stream: Option<String>,
    /// Five fields, as in crontab(5).
    cron: String,
    /// IANA name: `Europe/Berlin`.
    time_zone: String,
    #[schema(value_type = OverlapName)]
    overlap: Overlap,
    #[schema(value_type = CatchUpName)]
    catch_up: CatchUp,
    paused: bool,
    /// The next five times; none while it is paused.
    next: Vec<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    last_run_id: Option<RunId>,
    version: i64,
}

impl Schedule {
    fn new(schedule: schedules::Schedule, now: DateTime<Utc>) -> Self {
        let spec = schedule.spec;
        let next = if spec.paused {
            Vec::new()
        } else {
            // What is stored was valid when it was stored; a zone that vanished has no times.
            cron::next_five(&spec.cron, &spec.time_zone, now).unwrap_or_default()
        };
        Self {
            id: schedule.id,
            name: spec.name,
            workflow: spec.workflow,
            connection_id: spec.connection_id,
            stream: spec.stream,
            cron: spec.cron,
            time_zone: spec.time_zone,
            overlap: spec.overlap,
            catch_up: spec.catch_up,
            paused: spec.paused,
            next,
            last_at: schedule.last_at,
            last_run_id: schedule.last_run_id,
            version: schedule.version,
        }
    }
}

fn refuse(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Store(error) => error.into(),
        Refusal::Invalid { place, message } => ApiError::invalid(format!("/{place}"), message),
    }
}
