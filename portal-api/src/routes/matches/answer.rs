use domain::entities::{self, Refusal};
use domain::matches;
use domain::permissions::needs::ConflictsResolve;
use engine::ids::MatchId;
use engine::store::audit::Entry;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Match;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{self, IfMatch, Tagged};
use crate::extract::{Json, Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MatchChoice {
    /// It is the record here that `entity_id` names.
    Same,
    /// It is one of its own.
    Different,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchAnswer {
    choice: MatchChoice,
    /// With `same`: a candidate, or any other record of the kind.
    entity_id: Option<String>,
    note: Option<String>,
}

/// Says whose a record is
#[utoipa::path(
    post, path = "/matches/{id}/answer", operation_id = "answer_match", tag = "matches",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = MatchAnswer,
    responses((status = 200, description = "Answered", body = Match)),
)]
pub(super) async fn answer(
    caller: May<ConflictsResolve>,
    Path(id): Path<MatchId>,
    IfMatch(version): IfMatch,
    Json(body): Json<MatchAnswer>,
) -> Result<Tagged<Match>, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let entity = match (body.choice, body.entity_id.as_deref()) {
        (MatchChoice::Same, Some(id)) => {
            let known = entities::read_id(id);
            Some(known.ok_or_else(|| ApiError::invalid("/entity_id", "is no id of a record"))?)
        }
        (MatchChoice::Same, None) => {
            return Err(ApiError::invalid(
                "/entity_id",
                "choice same needs entity_id",
            ));
        }
        (MatchChoice::Different, None) => None,
        (MatchChoice::Different, Some(_)) => {
            let why = "only choice same takes entity_id";
            return Err(ApiError::invalid("/entity_id", why));
        }
    };
    let mut tx = caller.begin().await?;
    let asked = matches::get(&mut tx, tables, id).await?;
    if let Some((kind, _)) = entity.filter(|(kind, _)| *kind != asked.entity) {
        let why = format!("names no {} but a {kind}", asked.entity);
        return Err(ApiError::invalid("/entity_id", why));
    }
    let is = entity.map(|(_, id)| id);
    let note = body.note.as_deref();
    match matches::answer(&mut tx, tables, (id, version), is, note, user).await {
        Ok(()) => {}
        Err(Refusal::Stale) => {
            let current = matches::get(&mut tx, tables, id).await?;
            return Err(ApiError::stale(&Match::from(current)));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    let view = matches::get(&mut tx, tables, id).await?;
    let after = json!({"state": etag::shown(&body.choice), "entity_id": body.entity_id});
    tx.audit(
        Entry::new("answer_match", "matches", id)
            .before(json!({"state": "open"}))
            .after(after),
    );
    tx.commit().await?;
    Ok(Tagged(view.version, view.into()))
}
