use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::coverage;
use domain::entities::Refusal;
use domain::permissions::needs::{ConnectionsRead, MappingsManage, MappingsRead};
use engine::drift::Kind;
use engine::ids::{ConnectionId, DriftId, MappingId, PublicationId, RunId};
use engine::sdk::StreamField;
use engine::store::drifts::{self, DriftRow};
use engine::store::mappings::Author;
use engine::store::streams;
use engine::sync::drift as sync;
use serde::Serialize;
use utoipa::ToSchema;

use super::DiscoveredField;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{self, Page, Params};

/// A change of what a system says of a field that is mapped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamDrift {
    #[schema(value_type = String)]
    id: DriftId,
    /// The remote field.
    field: String,
    #[schema(value_type = DriftKind)]
    kind: Kind,
    message: String,
    #[schema(value_type = Option<DiscoveredField>)]
    before: Option<StreamField>,
    #[schema(value_type = Option<DiscoveredField>)]
    after: Option<StreamField>,
    /// Core fields that stand still for it, both ways; none where only making records rests.
    held: Vec<String>,
    /// open, decided or recovered
    state: String,
    found_at: DateTime<Utc>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    ended_at: Option<DateTime<Utc>>,
    /// What decided it.
    #[schema(value_type = Option<String>)]
    publication_id: Option<PublicationId>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum DriftKind {
    Type,
    Removed,
    Required,
    Choice,
}

impl From<DriftRow> for StreamDrift {
    fn from(row: DriftRow) -> Self {
        Self {
            id: row.id,
            field: row.drift.field,
            kind: row.drift.kind,
            message: row.drift.message,
            before: row.drift.before,
            after: row.drift.after,
            held: row.drift.core_fields.into_iter().collect(),
            state: row.state,
            found_at: row.found_at,
            run_id: row.run_id,
            ended_at: row.ended_at,
            publication_id: row.publication_id,
        }
    }
}

/// Changes of what the system says of a stream's fields, newest first
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/drifts", operation_id = "list_stream_drifts",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<StreamDrift>)),
)]
pub(super) async fn list(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Page<StreamDrift>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-id")?;
    let mut tx = caller.begin().await?;
    streams::get(&mut tx, id, &stream).await?;
    let slice = drifts::list(&mut tx, id, &stream, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-id", StreamDrift::from)))
}

/// A text of the mapping that answers what changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftProposal {
    /// Null where nothing waits for an answer.
    text: Option<String>,
    edits: Vec<DriftEdit>,
}

/// One edit of the text, in words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftEdit {
    /// The remote field it answers.
    field: String,
    sentence: String,
}

/// What the mapping could say about the fields that changed
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/drifts/proposal",
    operation_id = "get_drift_proposal", tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "The proposal", body = DriftProposal)),
)]
pub(super) async fn proposal(
    caller: May<MappingsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Json<DriftProposal>, ApiError> {
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let proposal = sync::proposal(&mut tx, tables, id, &stream).await;
    let Some(proposal) = proposal.map_err(Refusal::from)? else {
        return Ok(Json(DriftProposal {
            text: None,
            edits: Vec::new(),
        }));
    };
    let edits = proposal.edits.into_iter().map(|edit| DriftEdit {
        field: edit.field,
        sentence: edit.sentence,
    });
    Ok(Json(DriftProposal {
        edits: edits.collect(),
        text: Some(proposal.text),
    }))
}

/// A draft that answers what changed, to be previewed and published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftDraft {
    #[schema(value_type = String)]
    mapping_id: MappingId,
    version: i32,
}

/// Stores the proposal as a draft of the mapping; publishing any version of it decides the drifts
#[utoipa::path(
    post, path = "/connections/{id}/streams/{stream}/drifts/proposal",
    operation_id = "draft_drift_proposal", tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 201, description = "Stored", body = DriftDraft)),
)]
pub(super) async fn draft(
    caller: May<MappingsManage>,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<(StatusCode, Json<DriftDraft>), ApiError> {
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let author = Author {
        name: &caller.session.user.name,
        user: Some(caller.session.user.id),
    };
    let drafted = coverage::draft(&mut tx, tables, id, &stream, author).await;
    let (mapping_id, version) = drafted.map_err(Refusal::from)?;
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(DriftDraft {
            mapping_id,
            version,
        }),
    ))
}
