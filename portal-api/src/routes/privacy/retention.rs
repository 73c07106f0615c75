use std::collections::BTreeMap;

use axum::Json;
use domain::permissions::needs::HubConfigure;
use domain::retention::{self, Policy, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Fresh, May};
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged, version_of};
use crate::extract;

/// How long what is kept beside the records stays.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    /// Days by kind (history, previews, withheld, conflicts, writes, mails); one that is not in it is
    /// kept for ever. The audit trail's are in the security policy.
    days: BTreeMap<String, i32>,
}

fn tagged(days: Policy) -> Tagged<Retention> {
    Tagged(version_of(&days), Retention { days })
}

/// How long things are kept
#[utoipa::path(
    get, path = "/retention", operation_id = "get_retention", tag = "privacy",
    responses((status = 200, description = "As it is", body = Retention)),
)]
pub(super) async fn get(caller: May<HubConfigure>) -> Result<Tagged<Retention>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(tagged(retention::current(&mut tx).await?))
}

/// Sets how long things are kept
///
/// A schedule takes away daily what is older.
#[utoipa::path(
    put, path = "/retention", operation_id = "put_retention", tag = "privacy",
    params(("If-Match" = String, Header)), request_body = Retention,
    responses((status = 200, description = "As it is now", body = Retention)),
)]
pub(super) async fn put(
    caller: Fresh<HubConfigure>,
    IfMatch(version): IfMatch,
    extract::Json(body): extract::Json<Retention>,
) -> Result<Tagged<Retention>, ApiError> {
    if let Some((kind, why)) = retention::problem(&body.days) {
        let pointer = format!("/days/{}", crate::error::escape(&kind));
        return Err(ApiError::invalid(pointer, why));
    }
    let mut tx = caller.begin().await?;
    let current = retention::current(&mut tx).await?;
    if version_of(&current) != version {
        return Err(ApiError::stale(&Json(Retention { days: current }).0));
    }
    retention::set(&mut tx, &body.days)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Schedule(error) => {
                ApiError::internal("the schedule of the retention cannot be made", error)
            }
        })?;
    let now = retention::current(&mut tx).await?;
    tx.commit().await?;
    Ok(tagged(now))
}
