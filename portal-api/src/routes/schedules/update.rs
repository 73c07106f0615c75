use chrono::{DateTime, Utc};
use domain::permissions::needs::SchedulesManage;
use domain::schedule_previews;
use domain::schedules::{self, Refusal, Wish};
use engine::StoreError;
use engine::ids::ScheduleId;
use engine::runtime::cron::{Gap, Repeat, Timing};
use engine::store::schedules::{self as store, CatchUp, Overlap};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CatchUpName, GapName, OverlapName, RepeatName, Schedule, refuse};
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged, shown};
use crate::extract::{Json, Path, given};

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleChange {
    name: Option<String>,
    cron: Option<String>,
    time_zone: Option<String>,
    #[schema(value_type = Option<GapName>)]
    gap: Option<Gap>,
    #[schema(value_type = Option<RepeatName>)]
    repeat: Option<Repeat>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    starts_at: Option<Option<DateTime<Utc>>>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    ends_at: Option<Option<DateTime<Utc>>>,
    jitter_seconds: Option<u32>,
    #[schema(value_type = Option<OverlapName>)]
    overlap: Option<Overlap>,
    #[schema(value_type = Option<CatchUpName>)]
    catch_up: Option<CatchUp>,
    catch_up_limit: Option<u16>,
    paused: Option<bool>,
    /// Null takes it away; a schedule that goes on loses it anyway.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    paused_reason: Option<Option<String>>,
    /// What was shown of it; refused when that holds no more.
    preview: Option<String>,
}

impl ScheduleChange {
    fn over(self, current: &store::Schedule) -> Wish {
        let was = Wish::from(current);
        let paused = self.paused.unwrap_or(was.paused);
        let kept_reason = was.paused_reason.filter(|_| paused);
        Wish {
            name: self.name.unwrap_or(was.name),
            timing: Timing {
                cron: self.cron.unwrap_or(was.timing.cron),
                time_zone: self.time_zone.unwrap_or(was.timing.time_zone),
                gap: self.gap.unwrap_or(was.timing.gap),
                repeat: self.repeat.unwrap_or(was.timing.repeat),
                starts_at: self.starts_at.unwrap_or(was.timing.starts_at),
                ends_at: self.ends_at.unwrap_or(was.timing.ends_at),
                jitter_seconds: self.jitter_seconds.unwrap_or(was.timing.jitter_seconds),
            },
            overlap: self.overlap.unwrap_or(was.overlap),
            catch_up: self.catch_up.unwrap_or(was.catch_up),
            catch_up_limit: self.catch_up_limit.unwrap_or(was.catch_up_limit),
            paused,
            paused_reason: self.paused_reason.unwrap_or(kept_reason),
            workflow: was.workflow,
            connection_id: was.connection_id,
            stream: was.stream,
        }
    }
}

/// Changes a schedule
#[utoipa::path(
    patch, path = "/schedules/{id}", operation_id = "update_schedule", tag = "schedules",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = ScheduleChange,
    responses((status = 200, description = "As it is now", body = Schedule)),
)]
pub(super) async fn update(
    caller: May<SchedulesManage>,
    Path(id): Path<ScheduleId>,
    IfMatch(version): IfMatch,
    Json(body): Json<ScheduleChange>,
) -> Result<Tagged<Schedule>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = store::get(&mut tx, id).await?;
    let shown_before = body.preview.clone();
    let wish = body.over(&current);
    if let Some(token) = shown_before {
        let checked = schedule_previews::check(&mut tx, &wish, Some(id), &token).await;
        checked.map_err(refuse)?;
    }
    match schedules::change(&mut tx, &current, version, wish).await {
        Ok(schedule) => {
            let (version, schedule) = (schedule.version, Schedule::new(schedule));
            let entry = Entry::new("update_schedule", "schedules", id);
            let before = shown(&Schedule::new(current));
            tx.audit(entry.before(before).after(shown(&schedule)));
            tx.commit().await?;
            Ok(Tagged(version, schedule))
        }
        Err(Refusal::Store(StoreError::Stale(_))) => Err(ApiError::stale(&Schedule::new(current))),
        Err(refusal) => Err(refuse(refusal)),
    }
}
