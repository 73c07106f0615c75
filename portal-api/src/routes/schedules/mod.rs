//! Schedules: what starts by itself, and when.

mod create;
mod delete;
mod get;
mod list;
mod run;
mod update;

use chrono::{DateTime, Utc};
use engine::ids::{ConnectionId, RunId, ScheduleId};
use engine::store::schedules::ScheduleRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(run::run))
}

/// What happens when the run before has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overlap {
    Skip,
    Queue,
}

/// What happens with times that passed while nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatchUp {
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
    /// Five or six fields, as in cron(8).
    cron: String,
    /// IANA name: `Europe/Berlin`.
    time_zone: String,
    overlap: Overlap,
    catch_up: CatchUp,
    paused: bool,
    /// The next five times; none while it is paused.
    next: Vec<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    last_run_id: Option<RunId>,
    version: i64,
}
