use domain::mappings::{self, Order};
use domain::permissions::needs::MappingsManage;
use engine::StoreError;
use engine::ids::MappingId;
use engine::store::mappings as store;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Mapping, author, refuse};
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingText {
    text: String,
    /// Put it in force; without, it is a draft.
    publish: bool,
}

/// Adds a version to a mapping
///
/// A text with mistakes is refused with their lines and columns. One that is to be put in force at
/// once is held against the fixtures and the tenant's rules as by `publish`.
#[utoipa::path(
    put, path = "/mappings/{id}", operation_id = "put_mapping", tag = "mappings",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = MappingText,
    responses((status = 200, description = "As it is now", body = Mapping)),
)]
pub(super) async fn put(
    caller: May<MappingsManage>,
    Path(id): Path<MappingId>,
    IfMatch(version): IfMatch,
    Json(body): Json<MappingText>,
) -> Result<Tagged<Mapping>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let before = row.text.clone();
    let (connection, stream) = (row.connection_id, row.stream.clone());
    let review = mappings::review(&mut tx, tables, connection, &stream, &body.text).await?;
    let added = store::append(&mut tx, id, version, &body.text, author(&caller), None).await;
    let added = match added {
        Ok(added) => added,
        Err(StoreError::Stale(_)) => {
            let row = store::get(&mut tx, id).await?;
            let now = mappings::review(&mut tx, tables, connection, &stream, &row.text).await?;
            return Err(ApiError::stale(&Mapping::new(row, now)));
        }
        Err(error) => return Err(error.into()),
    };
    let review = review.accepted(body.publish).map_err(refuse)?;
    if body.publish {
        let order = Order {
            mapping: &row,
            version: added,
            preview: None,
            by: caller.session.user.id,
        };
        mappings::publish(&mut tx, tables, order).await?;
    }
    let row = store::get(&mut tx, id).await?;
    let before = serde_json::json!({ "text": before });
    let after = serde_json::json!({ "text": body.text, "publish": body.publish });
    tx.audit(
        Entry::new("put_mapping", "mappings", id)
            .before(before)
            .after(after),
    );
    tx.changed("mapping", id);
    tx.commit().await?;
    Ok(Tagged(row.version, Mapping::new(row, review)))
}
