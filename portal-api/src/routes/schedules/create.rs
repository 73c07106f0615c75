use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use domain::permissions::needs::SchedulesManage;
use domain::pulls::PULL_WORKFLOW;
use domain::schedule_previews;
use domain::schedules::{self, CATCH_UP_LIMIT, Wish};
use engine::ids::ConnectionId;
use engine::runtime::cron::{Gap, Repeat, Timing};
use engine::store::schedules::{CatchUp, Overlap};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CatchUpName, GapName, OverlapName, RepeatName, Schedule, refuse};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchedule {
    name: String,
    /// `pull_stream` unless said otherwise.
    workflow: Option<String>,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    stream: Option<String>,
    /// Five fields, as in crontab(5).
    cron: String,
    /// IANA name; UTC unless said otherwise.
    time_zone: Option<String>,
    /// run_after unless said otherwise
    #[schema(value_type = Option<GapName>)]
    gap: Option<Gap>,
    /// once unless said otherwise
    #[schema(value_type = Option<RepeatName>)]
    repeat: Option<Repeat>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    /// Up to 3600; 0 unless said otherwise.
    jitter_seconds: Option<u32>,
    /// skip unless said otherwise
    #[schema(value_type = Option<OverlapName>)]
    overlap: Option<Overlap>,
    /// one unless said otherwise
    #[schema(value_type = Option<CatchUpName>)]
    catch_up: Option<CatchUp>,
    /// 1 to 100; 10 unless said otherwise.
    catch_up_limit: Option<u16>,
    #[serde(default)]
    paused: bool,
    paused_reason: Option<String>,
    /// What was shown of it; refused when that holds no more.
    preview: Option<String>,
}

impl NewSchedule {
    /// What is wished for, and what was shown of it.
    pub(super) fn wish(self) -> (Wish, Option<String>) {
        let timing = Timing {
            gap: self.gap.unwrap_or_default(),
            repeat: self.repeat.unwrap_or_default(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            jitter_seconds: self.jitter_seconds.unwrap_or(0),
            ..Timing::new(self.cron, self.time_zone.unwrap_or_else(|| "UTC".into()))
        };
        let workflow = self.workflow.unwrap_or_else(|| PULL_WORKFLOW.to_owned());
        let wish = Wish {
            connection_id: self.connection_id,
            stream: self.stream,
            overlap: self.overlap.unwrap_or_default(),
            catch_up: self.catch_up.unwrap_or_default(),
            catch_up_limit: self.catch_up_limit.unwrap_or(CATCH_UP_LIMIT),
            paused: self.paused,
            paused_reason: self.paused_reason,
            ..Wish::new(self.name, workflow, timing)
        };
        (wish, self.preview)
    }
}

/// Makes a schedule
#[utoipa::path(
    post, path = "/schedules", operation_id = "create_schedule", tag = "schedules",
    request_body = NewSchedule,
    responses((status = 201, description = "Made", body = Schedule)),
)]
pub(super) async fn create(
    caller: May<SchedulesManage>,
    Json(body): Json<NewSchedule>,
) -> Result<impl IntoResponse, ApiError> {
    let (wish, shown) = body.wish();
    let mut tx = caller.begin().await?;
    if let Some(shown) = shown {
        let checked = schedule_previews::check(&mut tx, &wish, None, &shown).await;
        checked.map_err(refuse)?;
    }
    let schedule = schedules::create(&mut tx, wish).await.map_err(refuse)?;
    tx.commit().await?;
    Ok(Created(schedule.version, Schedule::new(schedule)))
}
