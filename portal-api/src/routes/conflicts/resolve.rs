use domain::permissions::needs::ConflictsResolve;
use std::collections::BTreeMap;

use domain::conflicts::{self, Answer, Choice};
use domain::entities::Refusal;
use engine::ids::ConflictId;
use engine::sdk::Value;
use engine::store::audit::Entry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Conflict;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{self, IfMatch, Tagged};
use crate::extract::{Json, Path};

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResolutionChoice {
    Core,
    Remote,
    Base,
    Value,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConflictAnswer {
    choice: ResolutionChoice,
    /// With `value`: by field of the conflict; fields left out keep the hub's value.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    values: Option<BTreeMap<String, Value>>,
    note: Option<String>,
}

/// Decides a conflict
#[utoipa::path(
    post, path = "/conflicts/{id}/resolve", operation_id = "resolve_conflict", tag = "conflicts",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = ConflictAnswer,
    responses((status = 200, description = "Decided", body = Conflict)),
)]
pub(super) async fn resolve(
    caller: May<ConflictsResolve>,
    Path(id): Path<ConflictId>,
    IfMatch(version): IfMatch,
    Json(body): Json<ConflictAnswer>,
) -> Result<Tagged<Conflict>, ApiError> {
    // Values may be a person's: the trail says what was chosen, the timeline what came of it.
    let chosen = etag::shown(&body.choice);
    let answer = answer(body)?;
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    match conflicts::resolve(&mut tx, tables, id, version, answer, user).await {
        Ok(()) => {}
        Err(Refusal::Stale) => {
            let current = conflicts::get(&mut tx, tables, id).await?;
            return Err(ApiError::stale(&Conflict::from(current)));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    let view = conflicts::get(&mut tx, tables, id).await?;
    tx.audit(
        Entry::new("resolve_conflict", "conflicts", id)
            .before(serde_json::json!({"state": "open"}))
            .after(serde_json::json!({"state": "resolved", "choice": chosen})),
    );
    tx.commit().await?;
    Ok(Tagged(view.version, view.into()))
}

fn answer(body: ConflictAnswer) -> Result<Answer, ApiError> {
    let choice = match (body.choice, body.values) {
        (ResolutionChoice::Core, None) => Choice::Core,
        (ResolutionChoice::Remote, None) => Choice::Remote,
        (ResolutionChoice::Base, None) => Choice::Base,
        (ResolutionChoice::Value, Some(values)) => Choice::Values(values),
        (ResolutionChoice::Value, None) => {
            return Err(ApiError::invalid("/values", "choice value needs values"));
        }
        (_, Some(_)) => {
            return Err(ApiError::invalid(
                "/values",
                "only choice value takes values",
            ));
        }
    };
    Ok(Answer {
        choice,
        note: body.note,
    })
}
