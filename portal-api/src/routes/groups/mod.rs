//! Groups of users, and the permissions they give.

mod create;
mod delete;
mod get;
mod list;
mod update;

use chrono::{DateTime, Utc};
use domain::groups::{self, GroupWish};
use domain::permissions::{Permission, Permissions};
use engine::ids::{AccountId, GroupId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{ApiError, FieldProblem};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
}

/// A named set of permissions that its members have beyond their roles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    #[schema(value_type = String)]
    id: GroupId,
    /// The account of the customer's organisation whose group it is; null for the tenant's own.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    name: String,
    permissions: Vec<String>,
    /// How many users are in it.
    members: i64,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<groups::Group> for Group {
    fn from(group: groups::Group) -> Self {
        Self {
            id: group.id,
            account_id: group.account,
            name: group.name,
            permissions: group.permissions.names(),
            members: group.members,
            version: group.version,
            created_at: group.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupBody {
    /// Unique among the tenant's groups.
    name: String,
    /// As `permissions.md` lists them; none that the caller does not have.
    permissions: Vec<String>,
}

impl GroupBody {
    pub(in crate::routes) fn read(self) -> Result<GroupWish, ApiError> {
        Ok(GroupWish {
            name: groups::name(&self.name).map_err(|why| ApiError::invalid("/name", why))?,
            permissions: read_permissions("/permissions", &self.permissions)?,
        })
    }
}

/// Permissions by their names; `pointer` is where the list stands.
pub(crate) fn read_permissions(pointer: &str, names: &[String]) -> Result<Permissions, ApiError> {
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match name.parse::<Permission>() {
            Ok(permission) => read.push(permission),
            Err(error) => problems.push(FieldProblem::new(
                format!("{pointer}/{index}"),
                error.to_string(),
            )),
        }
    }
    if problems.is_empty() {
        Ok(read.into_iter().collect())
    } else {
        Err(ApiError::invalid_all(problems))
    }
}
