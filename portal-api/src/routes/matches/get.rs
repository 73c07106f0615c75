use std::collections::BTreeMap;

use domain::matches::{self, FieldView};
use domain::permissions::needs::ConflictsRead;
use engine::ids::MatchId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Match;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A record that waits until a person says whose it is, with its values beside those of the candidates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchDetail {
    #[serde(flatten)]
    all: Match,
    /// By the mapping in force; empty where there is none any more.
    fields: Vec<MatchField>,
}

/// A field of the record beside those of its candidates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchField {
    name: String,
    label: String,
    /// What the record says; the key of a record that it points at.
    #[schema(value_type = Value)]
    there: serde_json::Value,
    /// What the candidates that are here have now, by their id.
    #[schema(value_type = BTreeMap<String, Value>)]
    here: BTreeMap<String, serde_json::Value>,
}

impl From<FieldView> for MatchField {
    fn from(field: FieldView) -> Self {
        Self {
            name: field.name,
            label: field.label,
            there: field.there,
            here: field.here,
        }
    }
}

/// One record of which it is not sure whose it is
#[utoipa::path(
    get, path = "/matches/{id}", operation_id = "get_match", tag = "matches",
    params(("id" = String, Path)),
    responses((status = 200, description = "The record and its candidates", body = MatchDetail)),
)]
pub(super) async fn get(
    caller: May<ConflictsRead>,
    Path(id): Path<MatchId>,
) -> Result<Tagged<MatchDetail>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let view = matches::get(&mut tx, tables, id).await?;
    let fields = matches::fields(&mut tx, tables, &view).await?;
    let detail = MatchDetail {
        fields: fields.into_iter().map(MatchField::from).collect(),
        all: Match::from(view),
    };
    Ok(Tagged(detail.all.version, detail))
}
