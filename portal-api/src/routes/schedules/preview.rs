use chrono::{DateTime, Utc};
use domain::permissions::needs::SchedulesManage;
use domain::schedule_previews::{self, SchedulePreview as Shown};
use engine::ids::ScheduleId;
use engine::store::schedules as store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::create::NewSchedule;
use super::refuse;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Json;

/// A schedule to look at, as it would be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchedulePreviewOrder {
    schedule: NewSchedule,
    /// The schedule that it would be in the place of.
    #[schema(value_type = Option<String>)]
    replaces: Option<ScheduleId>,
}

/// What a schedule would do and cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchedulePreview {
    /// To be named as `preview` when it is made or changed: refused then if this holds no more.
    token: String,
    /// The next five times.
    next: Vec<DateTime<Utc>>,
    runs_per_day: u64,
    /// What reading the stream came to lately, 1 at least.
    calls_per_run: u64,
    calls_per_day: u64,
    /// Of the connection's other schedules.
    others_per_day: u64,
    /// What scheduled reads may use of the connection's budget in a day; null where none is known.
    budget_per_day: Option<u64>,
    /// Whether all schedules of the connection together ask for more than that.
    over_budget: bool,
    /// Schedules of the connection that fire within a minute of one of the five times.
    overlaps: Vec<ScheduleOverlapping>,
}

/// Another schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleOverlapping {
    #[schema(value_type = String)]
    id: ScheduleId,
    name: String,
}

impl From<Shown> for SchedulePreview {
    fn from(shown: Shown) -> Self {
        Self {
            over_budget: shown.is_over(),
            token: shown.token,
            next: shown.next,
            runs_per_day: shown.runs_per_day,
            calls_per_run: shown.calls_per_run,
            calls_per_day: shown.calls_per_day,
            others_per_day: shown.others_per_day,
            budget_per_day: shown.budget_per_day,
            overlaps: shown
                .overlaps
                .into_iter()
                .map(|(id, name)| ScheduleOverlapping { id, name })
                .collect(),
        }
    }
}

/// What a schedule would do and cost, before it is made or changed
#[utoipa::path(
    post, path = "/schedules/preview", operation_id = "preview_schedule", tag = "schedules",
    request_body = SchedulePreviewOrder,
    responses((status = 200, description = "What it would do", body = SchedulePreview)),
)]
pub(super) async fn preview(
    caller: May<SchedulesManage>,
    Json(body): Json<SchedulePreviewOrder>,
) -> Result<axum::Json<SchedulePreview>, ApiError> {
    let (wish, _) = body.schedule.wish();
    let mut tx = caller.begin().await?;
    if let Some(id) = body.replaces {
        store::get(&mut tx, id).await?;
    }
    let shown = schedule_previews::preview(&mut tx, &wish, body.replaces).await;
    Ok(axum::Json(shown.map_err(refuse)?.into()))
}
