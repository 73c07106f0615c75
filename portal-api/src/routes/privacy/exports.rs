use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use domain::permissions::needs::PrivacyManage;
use domain::subject_exports::{self, ExportError};
use engine::Tx;
use engine::ids::{ContactId, SubjectExportId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SubjectExport, read_text};
use crate::caller::{Fresh, May, SignedIn};
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSubjectExport {
    #[schema(value_type = String)]
    contact_id: ContactId,
    reason: String,
}

/// Lists what was gathered of people
#[utoipa::path(
    get, path = "/subject-exports", operation_id = "list_subject_exports", tag = "privacy",
    responses((status = 200, description = "Those that are kept", body = Page<SubjectExport>)),
)]
pub(super) async fn list(
    caller: May<PrivacyManage>,
) -> Result<Json<Page<SubjectExport>>, ApiError> {
    let mut tx = caller.begin().await?;
    let all = subject_exports::list(&mut tx).await?;
    let all = all.into_iter().map(SubjectExport::from).collect();
    Ok(Json(Page::whole(all)))
}

/// Gathers what is known of somebody
#[utoipa::path(
    post, path = "/subject-exports", operation_id = "ask_subject_export", tag = "privacy",
    request_body = NewSubjectExport,
    responses((status = 202, description = "A run gathers it", body = SubjectExport)),
)]
pub(super) async fn ask(
    caller: Fresh<PrivacyManage>,
    extract::Json(body): extract::Json<NewSubjectExport>,
) -> Result<(StatusCode, Json<SubjectExport>), ApiError> {
    let reason = read_text("/reason", &body.reason)?;
    let (tables, by) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let id = subject_exports::ask(&mut tx, tables, body.contact_id, &reason, by).await?;
    let export = subject_exports::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(export.into())))
}

/// How gathering stands
#[utoipa::path(
    get, path = "/subject-exports/{id}", operation_id = "get_subject_export", tag = "privacy",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it stands", body = SubjectExport)),
)]
pub(super) async fn get(
    caller: May<PrivacyManage>,
    Path(id): Path<SubjectExportId>,
) -> Result<Json<SubjectExport>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(subject_exports::get(&mut tx, id).await?.into()))
}

/// What is known of somebody, as JSON
///
/// That it was handed out is noted in the audit trail.
#[utoipa::path(
    get, path = "/subject-exports/{id}/json", operation_id = "get_subject_export_json",
    tag = "privacy", params(("id" = String, Path)),
    responses((status = 200, description = "All of it", body = Object)),
)]
pub(super) async fn json(
    caller: Fresh<PrivacyManage>,
    Path(id): Path<SubjectExportId>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let mut tx = caller.begin().await?;
    let body = body_of(&caller, &mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(body))
}

/// What is known of somebody, as CSV
///
/// That it was handed out is noted in the audit trail.
#[utoipa::path(
    get, path = "/subject-exports/{id}/csv", operation_id = "get_subject_export_csv",
    tag = "privacy", params(("id" = String, Path)),
    responses((status = 200, description = "Rows of place and value", body = String, content_type = "text/csv")),
)]
pub(super) async fn csv(
    caller: Fresh<PrivacyManage>,
    Path(id): Path<SubjectExportId>,
) -> Result<impl IntoResponse, ApiError> {
    let mut tx = caller.begin().await?;
    let body = body_of(&caller, &mut tx, id).await?;
    tx.commit().await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"person.csv\"",
        ),
    ];
    Ok((headers, subject_exports::csv(&body)))
}

async fn body_of(
    caller: &SignedIn,
    tx: &mut Tx,
    id: SubjectExportId,
) -> Result<serde_json::Value, ApiError> {
    let vault = &caller.portal().factors.vault;
    match subject_exports::body(tx, vault, id, caller.session.user.id).await {
        Ok(body) => Ok(body),
        Err(ExportError::Store(error)) => Err(error.into()),
        Err(error @ ExportError::Vault(_)) => {
            Err(ApiError::internal("a copy of data cannot be opened", error))
        }
    }
}
