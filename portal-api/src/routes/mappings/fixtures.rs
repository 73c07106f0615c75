use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::mappings::{self, Pinned};
use domain::users;
use engine::ids::{FixtureId, MappingId, UserId};
use engine::mapping::Expected;
use engine::store::{fixtures, mappings as store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Caller};
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

/// A record of which a mapping must go on making the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MappingFixture {
    #[schema(value_type = String)]
    id: FixtureId,
    name: String,
    key: String,
    created_at: DateTime<Utc>,
    created_by: Option<String>,
    /// The record as it was pinned.
    #[schema(value_type = Object)]
    fields: serde_json::Value,
    /// What is to be made of it: `values`, `references`, `failed`.
    #[schema(value_type = Object)]
    expected: serde_json::Value,
    /// Whether the newest version does so.
    green: bool,
    differences: Vec<FixtureDifference>,
}

/// A field of which the newest version makes something else.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FixtureDifference {
    field: String,
    /// For people.
    expected: String,
    found: String,
}

/// Pinned records, held against the newest version
#[utoipa::path(
    get, path = "/mappings/{id}/fixtures", operation_id = "list_mapping_fixtures",
    tag = "mappings", params(("id" = String, Path)),
    responses((status = 200, description = "All of them", body = Page<MappingFixture>)),
)]
pub(super) async fn list(
    caller: Caller,
    Path(id): Path<MappingId>,
) -> Result<Json<Page<MappingFixture>>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let tables = &caller.portal().tables;
    let checked = mappings::check_fixtures(&mut tx, tables, &row, &row.text).await?;
    let people: Vec<UserId> = checked.iter().map(|one| one.fixture.created_by).collect();
    let names = users::names(&mut tx, &people).await?;
    let json = |value: serde_json::Result<serde_json::Value>| {
        value.map_err(|error| ApiError::internal("a fixture cannot be shown", error))
    };
    let shown = checked.into_iter().map(|checked| {
        let fixture = checked.fixture;
        Ok(MappingFixture {
            id: fixture.id,
            name: fixture.name,
            created_at: fixture.created_at,
            created_by: names.get(&fixture.created_by).cloned(),
            fields: json(serde_json::to_value(&fixture.record.fields))?,
            key: fixture.record.key,
            expected: json(serde_json::to_value(&fixture.expected))?,
            green: checked.differences.is_empty(),
            differences: checked
                .differences
                .into_iter()
                .map(|one| FixtureDifference {
                    field: one.core,
                    expected: one.expected.to_string(),
                    found: one.found.to_string(),
                })
                .collect(),
        })
    });
    Ok(Json(Page::whole(shown.collect::<Result<_, ApiError>>()?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFixture {
    /// For people; one fixture of a mapping has it.
    name: String,
    /// Of a record of the stream; it is pinned as it was last seen.
    key: String,
    /// What is to be made of it; left out, what the newest version makes of it.
    #[schema(value_type = Option<Object>)]
    expected: Option<Expected>,
}

/// The id of a fixture.
#[derive(Serialize, ToSchema)]
pub(crate) struct PinnedFixture {
    #[schema(value_type = String)]
    id: FixtureId,
}

/// Pins a record
///
/// A version that makes something else of it is not put in force.
#[utoipa::path(
    post, path = "/mappings/{id}/fixtures", operation_id = "pin_mapping_fixture",
    tag = "mappings", params(("id" = String, Path)), request_body = NewFixture,
    responses((status = 201, description = "Pinned", body = PinnedFixture)),
)]
pub(super) async fn pin(
    caller: Admin,
    Path(id): Path<MappingId>,
    extract::Json(body): extract::Json<NewFixture>,
) -> Result<(StatusCode, Json<PinnedFixture>), ApiError> {
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(ApiError::invalid("/name", "a name has 1 to 100 characters"));
    }
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let pinned = Pinned {
        name,
        key: &body.key,
        expected: body.expected,
    };
    let (tables, by) = (&caller.portal().tables, caller.session.user.id);
    let id = mappings::pin(&mut tx, tables, &row, pinned, by).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(PinnedFixture { id })))
}

/// Takes a pin off
#[utoipa::path(
    delete, path = "/mappings/{id}/fixtures/{fixture}", operation_id = "unpin_mapping_fixture",
    tag = "mappings", params(("id" = String, Path), ("fixture" = String, Path)),
    responses((status = 204, description = "Gone")),
)]
pub(super) async fn unpin(
    caller: Admin,
    Path((id, fixture)): Path<(MappingId, FixtureId)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    fixtures::delete(&mut tx, id, fixture).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
