use domain::schedules::{self, Refusal, Wish};
use engine::StoreError;
use engine::ids::ScheduleId;
use engine::store::schedules::{self as store, CatchUp, Overlap};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CatchUpName, OverlapName, Schedule, refuse};
use crate::caller::Admin;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleChange {
    name: Option<String>,
    cron: Option<String>,
    time_zone: Option<String>,
    #[schema(value_type = Option<OverlapName>)]
    overlap: Option<Overlap>,
    #[schema(value_type = Option<CatchUpName>)]
    catch_up: Option<CatchUp>,
    paused: Option<bool>,
}

impl ScheduleChange {
    fn over(self, current: &store::Schedule) -> Wish {
        let mut wish = Wish::from(current);
        wish.name = self.name.unwrap_or(wish.name);
        wish.cron = self.cron.unwrap_or(wish.cron);
        wish.time_zone = self.time_zone.unwrap_or(wish.time_zone);
        wish.overlap = self.overlap.unwrap_or(wish.overlap);
        wish.catch_up = self.catch_up.unwrap_or(wish.catch_up);
        wish.paused = self.paused.unwrap_or(wish.paused);
        wish
    }
}

/// Changes a schedule
#[utoipa::path(
    patch, path = "/schedules/{id}", operation_id = "update_schedule", tag = "schedules",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = ScheduleChange,
    responses((status = 200, description = "As it is now", body = Schedule)),
)]
pub(super) async fn update(
    caller: Admin,
    Path(id): Path<ScheduleId>,
    IfMatch(version): IfMatch,
    Json(body): Json<ScheduleChange>,
) -> Result<Tagged<Schedule>, ApiError> {
    let mut tx = caller.begin().await?;
    let now = tx.now();
    let current = store::get(&mut tx, id).await?;
    let wish = body.over(&current);
    match schedules::change(&mut tx, id, version, wish).await {
        Ok(schedule) => {
            tx.commit().await?;
            Ok(Tagged(schedule.version, Schedule::new(schedule, now)))
        }
        Err(Refusal::Store(StoreError::Stale(_))) => {
            Err(ApiError::stale(&Schedule::new(current, now)))
        }
        Err(refusal) => Err(refuse(refusal)),
    }
}
