use domain::failures;
use engine::StoreError;
use engine::ids::FailureClassId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::FailureClass;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// The longest note.
const MOST_NOTE: usize = 2000;

/// Whether a class is hidden, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureClassChange {
    muted: bool,
    note: Option<String>,
}

/// Hides a class, or shows it again
///
/// What fails goes on failing: a class closes when its records succeed, not by hand.
#[utoipa::path(
    patch, path = "/failure-classes/{id}", operation_id = "update_failure_class",
    tag = "failure-classes",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = FailureClassChange,
    responses((status = 200, description = "As it is now", body = FailureClass)),
)]
pub(super) async fn update(
    caller: Operator,
    Path(id): Path<FailureClassId>,
    IfMatch(version): IfMatch,
    Json(change): Json<FailureClassChange>,
) -> Result<Tagged<FailureClass>, ApiError> {
    let note = change.note.as_deref().map(str::trim);
    let note = note.filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > MOST_NOTE) {
        let message = format!("note must have at most {MOST_NOTE} characters");
        return Err(ApiError::invalid("/note", message));
    }
    let by = change.muted.then_some(caller.session.user.id);
    let mut tx = caller.begin().await?;
    match failures::mute(&mut tx, id, version, by, note).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            let current = failures::get(&mut tx, id).await?;
            return Err(ApiError::stale(&FailureClass::from(current)));
        }
        Err(error) => return Err(error.into()),
    }
    let class = failures::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(class.row.version, class.into()))
}
