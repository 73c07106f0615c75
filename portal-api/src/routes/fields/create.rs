use axum::Json;
use axum::http::StatusCode;
use domain::custom_fields::{self, Refusal, Wish};
use domain::permissions::needs::FieldsManage;
use engine::catalogue::{FieldKind, Personal};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{FieldTypeName, FieldView, PersonalName};
use crate::caller::May;
use crate::error::{ApiError, FieldProblem};
use crate::extract;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewField {
    /// Lower-case letters, digits and underscores, beginning with a letter.
    key: String,
    label: String,
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeName)]
    kind: FieldKind,
    #[serde(default)]
    choices: Vec<String>,
    /// Digits after the point, for numbers.
    scale: Option<u32>,
    /// How close it is to a person: no (if it is left out), identifying or sensitive. What is not `no`
    /// is masked in the audit trail and destroyed when the person is forgotten.
    #[serde(default)]
    #[schema(value_type = PersonalName)]
    personal: Personal,
}

/// Adds a field of the tenant's own
#[utoipa::path(
    post, path = "/fields/{entity}", operation_id = "create_field", tag = "fields",
    params(("entity" = String, Path, description = "`account` or `contact`")),
    request_body = NewField,
    responses((status = 201, description = "Added", body = FieldView)),
)]
pub(super) async fn create(
    caller: May<FieldsManage>,
    extract::Path(entity): extract::Path<String>,
    extract::Json(body): extract::Json<NewField>,
) -> Result<(StatusCode, Json<FieldView>), ApiError> {
    let kind = caller.portal().tables.kind(&entity)?;
    let wish = Wish {
        key: body.key,
        label: body.label,
        kind: body.kind,
        choices: body.choices,
        scale: body.scale,
        personal: body.personal,
    };
    let mut tx = caller.begin().await?;
    let field = custom_fields::create(&mut tx, &kind, wish)
        .await
        .map_err(refuse)?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(FieldView::from(&field))))
}

fn refuse(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Store(error) => error.into(),
        Refusal::Invalid { place, message } => {
            ApiError::invalid_all(vec![FieldProblem::new(format!("/{place}"), message)])
        }
    }
}
