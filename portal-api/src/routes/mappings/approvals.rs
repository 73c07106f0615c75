use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::{mappings, users};
use engine::Tx;
use engine::ids::{MappingApprovalId, MappingId, UserId};
use engine::store::mapping_approvals::{self, Approval};
use engine::store::mappings as store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Caller};
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

/// A question to a second person, and the answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MappingApproval {
    #[schema(value_type = String)]
    id: MappingApprovalId,
    version: i32,
    /// SHA-256 of the text it is about.
    text_hash: String,
    note: Option<String>,
    /// Name of who asked.
    asked_by: Option<String>,
    asked_at: DateTime<Utc>,
    /// open, approved or refused
    state: String,
    answer: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

async fn show(tx: &mut Tx, all: Vec<Approval>) -> Result<Vec<MappingApproval>, ApiError> {
    let people: Vec<UserId> = all
        .iter()
        .flat_map(|one| [Some(one.asked_by), one.decided_by])
        .flatten()
        .collect();
    let names = users::names(tx, &people).await?;
    let shown = all.into_iter().map(|one| MappingApproval {
        id: one.id,
        version: one.version,
        text_hash: one
            .text_hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        note: one.note,
        asked_by: names.get(&one.asked_by).cloned(),
        asked_at: one.asked_at,
        state: one.state,
        answer: one.answer,
        decided_by: one.decided_by.and_then(|id| names.get(&id).cloned()),
        decided_at: one.decided_at,
    });
    Ok(shown.collect())
}

async fn one(
    tx: &mut Tx,
    id: MappingId,
    which: MappingApprovalId,
) -> Result<MappingApproval, ApiError> {
    let approval = mapping_approvals::take(tx, id, which).await?;
    let shown = show(tx, vec![approval]).await?.pop();
    shown.ok_or_else(|| ApiError::not_found(which))
}

/// What a second person was asked about a mapping, newest first
#[utoipa::path(
    get, path = "/mappings/{id}/approvals", operation_id = "list_mapping_approvals",
    tag = "mappings", params(("id" = String, Path)),
    responses((status = 200, description = "All of them", body = Page<MappingApproval>)),
)]
pub(super) async fn list(
    caller: Caller,
    Path(id): Path<MappingId>,
) -> Result<Json<Page<MappingApproval>>, ApiError> {
    let mut tx = caller.begin().await?;
    store::get(&mut tx, id).await?;
    let all = mapping_approvals::list(&mut tx, id).await?;
    Ok(Json(Page::whole(show(&mut tx, all).await?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalQuestion {
    /// A draft.
    version: i32,
    note: Option<String>,
}

/// Asks a second person whether a draft may be put in force
#[utoipa::path(
    post, path = "/mappings/{id}/approvals", operation_id = "ask_mapping_approval",
    tag = "mappings", params(("id" = String, Path)), request_body = ApprovalQuestion,
    responses((status = 201, description = "Asked", body = MappingApproval)),
)]
pub(super) async fn ask(
    caller: Admin,
    Path(id): Path<MappingId>,
    extract::Json(body): extract::Json<ApprovalQuestion>,
) -> Result<(StatusCode, Json<MappingApproval>), ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let (note, by) = (body.note.as_deref(), caller.session.user.id);
    let asked = mappings::ask_approval(&mut tx, &row, body.version, note, by).await?;
    let shown = one(&mut tx, id, asked).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalAnswer {
    approve: bool,
    /// Of the text that was read.
    text_hash: String,
    answer: Option<String>,
}

/// Answers as the second person
///
/// Whoever wrote the version or asked about it cannot answer. An answer that comes late or twice, or
/// that is about another text, is refused.
#[utoipa::path(
    post, path = "/mappings/{id}/approvals/{approval}", operation_id = "decide_mapping_approval",
    tag = "mappings", params(("id" = String, Path), ("approval" = String, Path)),
    request_body = ApprovalAnswer,
    responses((status = 200, description = "Answered", body = MappingApproval)),
)]
pub(super) async fn decide(
    caller: Admin,
    Path((id, approval)): Path<(MappingId, MappingApprovalId)>,
    extract::Json(body): extract::Json<ApprovalAnswer>,
) -> Result<Json<MappingApproval>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    mappings::decide_approval(
        &mut tx,
        &row,
        approval,
        &body.text_hash,
        body.approve,
        body.answer.as_deref(),
        caller.session.user.id,
    )
    .await?;
    let shown = one(&mut tx, id, approval).await?;
    tx.commit().await?;
    Ok(Json(shown))
}
