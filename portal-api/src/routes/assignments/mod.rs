//! Who looks after which account.

mod assign;
mod bulk;
mod end;
mod list;

use chrono::{DateTime, Utc};
use domain::accounts::list::Assigned;
use domain::assignments::{self, Assignee, BadHolder, Holder};
use engine::StoreError;
use engine::ids::{AssignmentId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, assign::assign))
        .routes(routes!(end::end))
        .routes(routes!(bulk::plan))
        .routes(routes!(bulk::carry_out))
}

/// Somebody's looking after an account, now or once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Assignment {
    #[schema(value_type = String)]
    id: AssignmentId,
    /// user, team or partner
    kind: &'static str,
    /// Of the user, the team or the partner.
    holder_id: String,
    name: String,
    assigned_at: DateTime<Utc>,
    #[schema(value_type = String)]
    assigned_by: UserId,
    /// Null while it holds.
    ended_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    ended_by: Option<UserId>,
}

impl From<assignments::Assignment> for Assignment {
    fn from(assignment: assignments::Assignment) -> Self {
        Self {
            id: assignment.id,
            kind: assignment.holder.kind(),
            holder_id: assignment.holder.to_string(),
            name: assignment.name,
            assigned_at: assignment.assigned_at,
            assigned_by: assignment.assigned_by,
            ended_at: assignment.ended_at,
            ended_by: assignment.ended_by,
        }
    }
}

/// Who looks after an account, in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountAssignee {
    /// user, team or partner
    kind: &'static str,
    id: String,
    name: String,
}

impl From<Assignee> for AccountAssignee {
    fn from(assignee: Assignee) -> Self {
        Self {
            kind: assignee.holder.kind(),
            id: assignee.holder.to_string(),
            name: assignee.name,
        }
    }
}

pub(super) fn read_holder(pointer: &str, text: &str) -> Result<Holder, ApiError> {
    text.parse()
        .map_err(|error: BadHolder| ApiError::invalid(pointer, error.to_string()))
}

/// `me`, `nobody`, or somebody's id.
pub(crate) fn read_assigned(
    pointer: &str,
    text: Option<&str>,
    caller: &SignedIn,
) -> Result<Option<Assigned>, ApiError> {
    Ok(match text {
        None => None,
        Some("me") => Some(Assigned::To(Holder::User(caller.session.user.id))),
        Some("nobody") => Some(Assigned::Nobody),
        Some(text) => Some(Assigned::To(read_holder(pointer, text)?)),
    })
}

/// A holder who is not there is a wrong value, not a missing page.
fn of_holder(pointer: &'static str) -> impl Fn(StoreError) -> ApiError {
    move |error| match error {
        StoreError::NotFound(what) if !what.starts_with("account") => {
            ApiError::invalid(pointer, format!("{what} not found"))
        }
        error => error.into(),
    }
}
