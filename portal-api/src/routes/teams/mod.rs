//! Teams of users: who is in one may see what its accounts are.

mod create;
mod delete;
mod get;
mod list;
mod update;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::teams::{self, MOST_MEMBERS, TeamWish};
use engine::StoreError;
use engine::ids::{TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
}

/// Users who look after accounts together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Team {
    #[schema(value_type = String)]
    id: TeamId,
    name: String,
    members: Vec<TeamMember>,
    /// Accounts that are assigned to it.
    accounts: i64,
    version: i64,
    created_at: DateTime<Utc>,
}

/// A user in a team.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeamMember {
    #[schema(value_type = String)]
    user_id: UserId,
    /// Whether the user leads it; false if it is left out.
    #[serde(default)]
    lead: bool,
}

impl From<teams::Team> for Team {
    fn from(team: teams::Team) -> Self {
        let members = team.members.into_iter().map(|member| TeamMember {
            user_id: member.user,
            lead: member.is_lead,
        });
        Self {
            id: team.id,
            name: team.name,
            members: members.collect(),
            accounts: team.accounts,
            version: team.version,
            created_at: team.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeamBody {
    /// Unique among the tenant's teams.
    name: String,
    /// All of them; each user once.
    members: Vec<TeamMember>,
}

impl TeamBody {
    fn read(self) -> Result<TeamWish, ApiError> {
        if self.members.len() > MOST_MEMBERS {
            let why = format!("a team has at most {MOST_MEMBERS} members");
            return Err(ApiError::invalid("/members", why));
        }
        let mut members = BTreeMap::new();
        for (index, member) in self.members.into_iter().enumerate() {
            if members.insert(member.user_id, member.lead).is_some() {
                let pointer = format!("/members/{index}/user_id");
                return Err(ApiError::invalid(pointer, "this user is named twice"));
            }
        }
        Ok(TeamWish {
            name: domain::groups::name(&self.name)
                .map_err(|why| ApiError::invalid("/name", why))?,
            members,
        })
    }
}

/// A member who is no user of the tenant is a wrong value, not a missing page.
fn of_members(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound(what) if what.starts_with("user") => {
            ApiError::invalid("/members", format!("{what} not found"))
        }
        error => error.into(),
    }
}
