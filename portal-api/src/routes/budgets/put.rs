use axum::response::{IntoResponse, Response};
use engine::budget;
use engine::ids::ConnectionId;
use engine::store::connections;

use super::{Budget, BudgetFigures, check_name, note};
use crate::caller::Operator;
use crate::error::{ApiError, Slug};
use crate::etag::{self, Created, MaybeIfMatch, Tagged};
use crate::extract::{Json, Path};

/// Makes a budget, or sets its rates
///
/// A new one is full; one that is there keeps what is in it, up to the new capacity. If-Match is
/// needed where it is there.
#[utoipa::path(
    put, path = "/budgets/{name}", operation_id = "put_budget", tag = "budgets",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = BudgetFigures,
    responses(
        (status = 200, description = "As it is now", body = Budget),
        (status = 201, description = "Made", body = Budget),
    ),
)]
pub(super) async fn put(
    caller: Operator,
    Path(name): Path<String>,
    MaybeIfMatch(version): MaybeIfMatch,
    Json(body): Json<BudgetFigures>,
) -> Result<Response, ApiError> {
    check_name(&name)?;
    let spec = body.read()?;
    let mut tx = caller.begin().await?;
    if let Ok(id) = name.parse::<ConnectionId>() {
        connections::get(&mut tx, id).await?;
    }
    let current = budget::lock(&mut tx, &name).await?.map(Budget::from);
    match (&current, version) {
        (Some(current), Some(version)) if current.version() != version => {
            return Err(ApiError::stale(current));
        }
        (Some(_), None) => {
            return Err(ApiError::new(
                Slug::PreconditionRequired,
                "this budget is there: send If-Match with its ETag",
            ));
        }
        (None, Some(_)) => return Err(ApiError::not_found(format!("budget {name}"))),
        _ => {}
    }
    let touched = budget::set(&mut tx, &name, &spec).await?;
    let shown = Budget::from(budget::get(&mut tx, &name).await?);
    tx.was(etag::shown(&current));
    tx.commit().await?;
    note(&caller, &name, "set", touched);
    Ok(match current {
        Some(_) => Tagged(shown.version(), shown).into_response(),
        None => Created(shown.version(), shown).into_response(),
    })
}
