//! Who did what.

mod export;
mod list;
mod verify;

use chrono::{DateTime, Utc};
use engine::store::audit::AuditQuery;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(export::export))
        .routes(routes!(verify::verify))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Id of a user or of a key.
    actor: Option<String>,
    /// What was done: the name of an operation, or `sign_in`, `refused:update_user` and such.
    action: Option<String>,
    /// What it was done to: `user`, `group`, `session`, a tag of this document …
    subject_kind: Option<String>,
    subject_id: Option<String>,
    /// From then on.
    since: Option<DateTime<Utc>>,
    /// Before then.
    until: Option<DateTime<Utc>>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Params {
    fn query(&self) -> Result<AuditQuery, ApiError> {
        let actor = match self.actor.as_deref() {
            None => None,
            Some(text) => Some(actor(text)?),
        };
        Ok(AuditQuery {
            actor,
            action: self.action.clone(),
            subject_kind: self.subject_kind.clone(),
            subject_id: self.subject_id.clone(),
            since: self.since,
            until: self.until,
        })
    }
}

fn actor(text: &str) -> Result<uuid::Uuid, ApiError> {
    use engine::ids::{KeyId, UserId};
    if let Ok(id) = text.parse::<UserId>() {
        return Ok(id.0);
    }
    match text.parse::<KeyId>() {
        Ok(id) => Ok(id.0),
        Err(_bad) => Err(ApiError::invalid(
            "/actor",
            "actor must be the id of a user or a key",
        )),
    }
}
