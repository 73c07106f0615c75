//! Schedules: what starts by itself, and when.

mod create;
mod delete;
mod get;
mod list;
mod preview;
mod run;
mod skip;
mod update;

use chrono::{DateTime, Utc};
use domain::schedules::Refusal;
use engine::ids::{ConnectionId, RunId, ScheduleId};
use engine::runtime::cron::{Gap, Repeat};
use engine::store::schedules::{self, CatchUp, Overlap, PausedBy};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(preview::preview))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(run::run))
        .routes(routes!(skip::skip))
}

/// What happens when the run before has not ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleOverlap)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum OverlapName {
    Skip,
    Queue,
    CancelPrevious,
}

/// What happens with times that passed while nothing ran.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleCatchUp)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum CatchUpName {
    None,
    One,
    All,
}

/// What becomes of a time of day that a change of clocks leaves out.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleGap)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum GapName {
    RunAfter,
    Skip,
}

/// What becomes of a time of day that a change of clocks repeats.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = ScheduleRepeat)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum RepeatName {
    Once,
    Twice,
}

/// Who paused it: a person, the stream that is switched off or has no mapping, or the hub, because
/// its times can no longer be computed.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = SchedulePausedBy)]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum PausedByName {
    Person,
    Stream,
    Hub,
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
    #[schema(value_type = GapName)]
    gap: Gap,
    #[schema(value_type = RepeatName)]
    repeat: Repeat,
    /// Nothing starts before this.
    starts_at: Option<DateTime<Utc>>,
    /// Nothing starts after this.
    ends_at: Option<DateTime<Utc>>,
    /// Each start is up to this much later than the expression says; in seconds.
    jitter_seconds: u32,
    #[schema(value_type = OverlapName)]
    overlap: Overlap,
    #[schema(value_type = CatchUpName)]
    catch_up: CatchUp,
    /// The most missed times that `all` catches up, the newest.
    catch_up_limit: u16,
    paused: bool,
    #[schema(value_type = Option<PausedByName>)]
    paused_by: Option<PausedBy>,
    paused_reason: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    /// No time is left: it never starts anything again.
    ended: bool,
    /// The next five times, jitter included; none while it is paused.
    next: Vec<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    last_run_id: Option<RunId>,
    version: i64,
}

impl Schedule {
    fn new(schedule: schedules::Schedule) -> Self {
        let next = schedule.next_times(5);
        let spec = schedule.spec;
        let timing = spec.timing;
        Self {
            id: schedule.id,
            name: spec.name,
            workflow: spec.workflow,
            connection_id: spec.connection_id,
            stream: spec.stream,
            cron: timing.cron,
            time_zone: timing.time_zone,
            gap: timing.gap,
            repeat: timing.repeat,
            starts_at: timing.starts_at,
            ends_at: timing.ends_at,
            jitter_seconds: timing.jitter_seconds,
            overlap: spec.overlap,
            catch_up: spec.catch_up,
            catch_up_limit: spec.catch_up_limit,
            paused: spec.pause.is_some(),
            paused_by: spec.pause.as_ref().map(|pause| pause.by),
            paused_reason: spec.pause.and_then(|pause| pause.reason),
            paused_at: schedule.paused_at,
            ended: schedule.next.is_none(),
            next,
            last_at: schedule.last_at,
            last_run_id: schedule.last_run_id,
            version: schedule.version,
        }
    }
}

pub(super) fn refuse(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Store(error) => error.into(),
        Refusal::Invalid { place, message } => ApiError::invalid(format!("/{place}"), message),
    }
}
