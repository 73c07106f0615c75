use axum::Json;
use domain::custom_fields;
use domain::permissions::needs::FieldsManage;
use engine::catalogue::Personal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{FieldView, PersonalName};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldClass {
    /// How close it is to a person: no, identifying or sensitive.
    #[schema(value_type = PersonalName)]
    personal: Personal,
}

/// Says anew how close a field is to a person
///
/// Of the tenant's own fields. The masks follow: what becomes personal is masked from then on, in what
/// the audit trail holds already too, and destroyed when the person is forgotten.
#[utoipa::path(
    patch, path = "/fields/{entity}/{name}", operation_id = "classify_field", tag = "fields",
    params(
        ("entity" = String, Path, description = "`account` or `contact`"),
        ("name" = String, Path, description = "`custom.region`, for example"),
    ),
    request_body = FieldClass,
    responses((status = 200, description = "As it is now", body = FieldView)),
)]
pub(super) async fn classify(
    caller: Fresh<FieldsManage>,
    extract::Path((entity, name)): extract::Path<(String, String)>,
    extract::Json(body): extract::Json<FieldClass>,
) -> Result<Json<FieldView>, ApiError> {
    let kind = caller.portal().tables.kind(&entity)?;
    let mut tx = caller.begin().await?;
    let field = custom_fields::classify(&mut tx, &kind, &name, body.personal).await?;
    tx.commit().await?;
    Ok(Json(FieldView::from(&field)))
}
