use axum::Json;
use axum::http::StatusCode;
use domain::erasures::{self, ErasureWish, Forgetting, Subject};
use domain::permissions::needs::{PrivacyApprove, PrivacyManage};
use domain::users::people;
use engine::Tx;
use engine::ids::{ContactId, ErasureId, UserId};
use engine::store::audit::Entry;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Erasure, ErasurePlan, read_text};
use crate::caller::{Fresh, May, SignedIn};
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

/// What becomes of a person.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureKind {
    /// Nothing is left.
    Erase,
    /// A contact without a name stays, for what points at it.
    Anonymise,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewErasure {
    kind: ErasureKind,
    /// A contact; who signs in with its address is forgotten with it.
    #[schema(value_type = Option<String>)]
    contact_id: Option<ContactId>,
    /// Somebody who signs in and is no contact: what they did stays, by nobody known.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Not who it is: it stays when they are forgotten.
    reason: String,
    /// For how long it can be withdrawn once it is approved; 24 if it is left out, at most 720.
    hold_hours: Option<i32>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureDecision {
    note: Option<String>,
}

impl ErasureDecision {
    fn read(&self) -> Result<Option<String>, ApiError> {
        let note = self.note.as_deref();
        note.map(|note| read_text("/note", note)).transpose()
    }
}

/// Lists requests to forget people
#[utoipa::path(
    get, path = "/erasures", operation_id = "list_erasures", tag = "privacy",
    responses((status = 200, description = "All, newest first", body = Page<Erasure>)),
)]
pub(super) async fn list(caller: May<PrivacyManage>) -> Result<Json<Page<Erasure>>, ApiError> {
    let mut tx = caller.begin().await?;
    let all = erasures::list(&mut tx).await?;
    Ok(Json(Page::whole(
        all.into_iter().map(Erasure::from).collect(),
    )))
}

/// A request to forget somebody
#[utoipa::path(
    get, path = "/erasures/{id}", operation_id = "get_erasure", tag = "privacy",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it stands", body = Erasure)),
)]
pub(super) async fn get(
    caller: May<PrivacyManage>,
    Path(id): Path<ErasureId>,
) -> Result<Json<Erasure>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(erasures::get(&mut tx, id).await?.into()))
}

/// Says what forgetting somebody would destroy now
///
/// It is done and taken back, so that the numbers are those of what would run.
#[utoipa::path(
    get, path = "/contacts/{id}/erasure", operation_id = "plan_erasure", tag = "privacy",
    params(("id" = String, Path)),
    responses((status = 200, description = "As of now", body = ErasurePlan)),
)]
pub(super) async fn plan(
    caller: May<PrivacyManage>,
    Path(id): Path<ContactId>,
) -> Result<Json<ErasurePlan>, ApiError> {
    planned(&caller, Subject::Contact(id)).await
}

/// Says what forgetting somebody who signs in would destroy now
///
/// It is done and taken back, so that the numbers are those of what would run.
#[utoipa::path(
    get, path = "/users/{id}/erasure", operation_id = "plan_user_erasure", tag = "privacy",
    params(("id" = String, Path)),
    responses((status = 200, description = "As of now", body = ErasurePlan)),
)]
pub(super) async fn plan_user(
    caller: May<PrivacyManage>,
    Path(id): Path<UserId>,
) -> Result<Json<ErasurePlan>, ApiError> {
    planned(&caller, Subject::User(id)).await
}

async fn planned(caller: &SignedIn, subject: Subject) -> Result<Json<ErasurePlan>, ApiError> {
    let salt = erasures::fresh_salt()
        .map_err(|error| ApiError::internal("the plan of an erasure cannot be made", error))?;
    let tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let destroyed = erasures::plan(tx, tables, subject, &salt).await?;
    Ok(Json(ErasurePlan { destroyed }))
}

/// Refuses to forget somebody who may do more than the caller, and notes the attempt.
async fn permit(caller: &SignedIn, tx: &mut Tx, subject: Subject) -> Result<(), ApiError> {
    for user in erasures::users_of(tx, &caller.portal().tables, subject).await? {
        let person = people::get(tx, user).await?;
        if let Err(elevation) = caller.editor().may_change(&person) {
            let entry = Entry::refused("ask_erasure", "user", user);
            return Err(caller.refuse(entry, &elevation.to_string()).await);
        }
    }
    Ok(())
}

/// Asks for somebody to be forgotten
///
/// Somebody else has to approve it. It reaches snapshots, history, conflicts, writes, previews and
/// journals, and keeps the person out of later syncs.
#[utoipa::path(
    post, path = "/erasures", operation_id = "ask_erasure", tag = "privacy",
    request_body = NewErasure,
    responses((status = 201, description = "Asked", body = Erasure)),
)]
pub(super) async fn ask(
    caller: Fresh<PrivacyManage>,
    extract::Json(body): extract::Json<NewErasure>,
) -> Result<(StatusCode, Json<Erasure>), ApiError> {
    let hold_hours = body.hold_hours.unwrap_or(24);
    if !(0..=720).contains(&hold_hours) {
        let why = "hold_hours must be between 0 and 720";
        return Err(ApiError::invalid("/hold_hours", why));
    }
    let subject = match (body.contact_id, body.user_id) {
        (Some(contact), None) => Subject::Contact(contact),
        (None, Some(user)) => Subject::User(user),
        _ => {
            let why = "name one of contact_id and user_id";
            return Err(ApiError::invalid("/contact_id", why));
        }
    };
    let wish = ErasureWish {
        kind: match body.kind {
            ErasureKind::Erase => Forgetting::Erase,
            ErasureKind::Anonymise => Forgetting::Anonymise,
        },
        subject,
        reason: read_text("/reason", &body.reason)?,
        hold_hours,
    };
    let mut tx = caller.begin().await?;
    permit(&caller, &mut tx, subject).await?;
    let tables = &caller.portal().tables;
    let id = erasures::ask(&mut tx, tables, &wish, caller.session.user.id).await?;
    let erasure = erasures::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(erasure.into())))
}

/// Approves a request to forget somebody
///
/// Nobody approves their own. When the hold is over a run carries it out; that cannot be taken back.
#[utoipa::path(
    post, path = "/erasures/{id}/approve", operation_id = "approve_erasure", tag = "privacy",
    params(("id" = String, Path)), request_body = ErasureDecision,
    responses((status = 200, description = "As it stands", body = Erasure)),
)]
pub(super) async fn approve(
    caller: Fresh<PrivacyApprove>,
    Path(id): Path<ErasureId>,
    extract::Json(body): extract::Json<ErasureDecision>,
) -> Result<Json<Erasure>, ApiError> {
    let note = body.read()?;
    let mut tx = caller.begin().await?;
    erasures::approve(&mut tx, id, note.as_deref(), caller.session.user.id).await?;
    let erasure = erasures::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(erasure.into()))
}

/// Refuses or withdraws a request to forget somebody
///
/// Possible until it is carried out.
#[utoipa::path(
    post, path = "/erasures/{id}/stop", operation_id = "stop_erasure", tag = "privacy",
    params(("id" = String, Path)), request_body = ErasureDecision,
    responses((status = 200, description = "As it stands", body = Erasure)),
)]
pub(super) async fn stop(
    caller: May<PrivacyManage>,
    Path(id): Path<ErasureId>,
    extract::Json(body): extract::Json<ErasureDecision>,
) -> Result<Json<Erasure>, ApiError> {
    let note = body.read()?;
    let mut tx = caller.begin().await?;
    erasures::stop(&mut tx, id, note.as_deref(), caller.session.user.id).await?;
    let erasure = erasures::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(erasure.into()))
}
