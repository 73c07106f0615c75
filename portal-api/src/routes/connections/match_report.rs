use std::collections::BTreeMap;

use axum::Json;
use domain::match_report::{self, Duplicate};
use domain::permissions::needs::ConnectionsRead;
use engine::ids::ConnectionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// How a stream's records came to what they are here: to be read before the first write to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchReport {
    /// `account` or `contact`
    entity: String,
    /// Records by what their link rests on: first_read, written, hub_id, strong_key, person, merge,
    /// conversion.
    linked_by: BTreeMap<String, i64>,
    /// Records that wait for a person, by why.
    waiting: BTreeMap<String, i64>,
    /// Whether what has no record in the stream is made over there.
    creates: bool,
    /// How many of the kind have no record in the stream, and had none.
    without_record: i64,
    /// Values of strong keys that several have, those with the most first; 100 at most.
    duplicates: Vec<MatchDuplicate>,
    /// How many such values there are.
    duplicates_in_all: i64,
}

/// Several with the same value of a strong key: no record is linked by it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchDuplicate {
    field: String,
    label: String,
    value: String,
    count: i64,
    /// Ten at most.
    entities: Vec<MatchNamed>,
}

/// A record here and its name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchNamed {
    id: String,
    name: String,
}

impl From<Duplicate> for MatchDuplicate {
    fn from(duplicate: Duplicate) -> Self {
        let named = duplicate.entities.into_iter().map(|one| MatchNamed {
            id: one.id,
            name: one.name,
        });
        Self {
            field: duplicate.field,
            label: duplicate.label,
            value: duplicate.value,
            count: duplicate.count,
            entities: named.collect(),
        }
    }
}

/// How a stream's records came to what they are here
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/match-report",
    operation_id = "get_stream_match_report", tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "The report", body = MatchReport)),
)]
pub(super) async fn get(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Json<MatchReport>, ApiError> {
    let mut tx = caller.begin().await?;
    let report = match_report::of_stream(&mut tx, &caller.portal().tables, id, &stream).await?;
    Ok(Json(MatchReport {
        entity: report.entity,
        linked_by: report.by_method,
        waiting: report.by_why,
        creates: report.creates,
        without_record: report.without_record,
        duplicates: report.duplicates.into_iter().map(Into::into).collect(),
        duplicates_in_all: report.duplicates_in_all,
    }))
}
