//! Links of records with what they are here, and how a person moves one.

use std::collections::BTreeMap;

use axum::Json;
use domain::entities;
use domain::permissions::needs::ConflictsResolve;
use domain::relinks::{self, JoinedView, Moved, OwedView, Wish};
use engine::ids::ConnectionId;
use engine::store::audit::Entry;
use engine::sync::identity::Place;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::mappings::PreviewRow;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(preview))
        .routes(routes!(carry_out))
}

/// A link that is to be moved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkMove {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    stream: String,
    /// The record's key in its system.
    key: String,
    /// What it is linked with now.
    from: String,
    /// What it is; null for one of its own.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    to: Option<String>,
    /// The version of `to` that the preview showed; left out: whatever it is.
    to_version: Option<i64>,
    note: Option<String>,
}

impl LinkMove {
    fn wish(&self) -> Result<Wish, ApiError> {
        let read = |pointer, text: &str| {
            let known = entities::read_id(text);
            known.ok_or_else(|| ApiError::invalid(pointer, "is no id of a record"))
        };
        let (kind, from) = read("/from", &self.from)?;
        let to = self.to.as_deref().map(|to| read("/to", to)).transpose()?;
        if let Some((other, _)) = to.filter(|(other, _)| *other != kind) {
            return Err(ApiError::invalid(
                "/to",
                format!("names no {kind} but a {other}"),
            ));
        }
        if self.to.as_ref() == Some(&self.from) {
            return Err(ApiError::invalid("/to", "is what it is linked with"));
        }
        Ok(Wish {
            place: Place {
                connection: self.connection_id,
                stream: self.stream.clone(),
                key: self.key.clone(),
            },
            from,
            to: to.map(|(_, id)| id),
            to_version: self.to_version,
            note: self.note.clone(),
        })
    }
}

/// What moving a link does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkMoved {
    /// Null for one that is made.
    to: Option<String>,
    /// Of `to`, before anything was moved.
    to_version: Option<i64>,
    /// What becomes of the record's values.
    record: Option<PreviewRow>,
    /// What goes over from the one it was linked with, where that is left without a record.
    joined: Option<LinkJoined>,
    /// Streams that are owed writes because of it.
    owed: Vec<LinkOwed>,
}

/// What goes over from one that turns out to be another; fields by their label.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkJoined {
    /// In which the other had nothing.
    filled: Vec<String>,
    /// In which the other's value stands.
    kept: Vec<String>,
    /// By kind, how many pointed at it and point at the other then.
    moved: BTreeMap<String, u64>,
}

/// A stream that is owed writes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkOwed {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    /// Records there that would be given values.
    writes: u64,
}

impl From<Moved> for LinkMoved {
    fn from(moved: Moved) -> Self {
        let joined = |joined: JoinedView| LinkJoined {
            filled: joined.filled,
            kept: joined.kept,
            moved: joined
                .moved
                .into_iter()
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect(),
        };
        let owed = |owed: OwedView| LinkOwed {
            connection_id: owed.connection_id,
            connection_name: owed.connection_name,
            stream: owed.stream,
            writes: owed.writes,
        };
        Self {
            to: moved.to,
            to_version: moved.to_version,
            record: moved.record.map(PreviewRow::from),
            joined: moved.joined.map(joined),
            owed: moved.owed.into_iter().map(owed).collect(),
        }
    }
}

/// What moving a record's link would do
///
/// It is done and taken back: nothing is stored.
#[utoipa::path(
    post, path = "/links/preview", operation_id = "preview_link_move", tag = "matches",
    request_body = LinkMove,
    responses((status = 200, description = "What would change", body = LinkMoved)),
)]
async fn preview(
    caller: May<ConflictsResolve>,
    extract::Json(body): extract::Json<LinkMove>,
) -> Result<Json<LinkMoved>, ApiError> {
    let wish = body.wish()?;
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let moved = relinks::preview(&mut tx, tables, &wish, user).await?;
    Ok(Json(moved.into()))
}

/// Moves a record's link to another record here, or to one of its own
///
/// Refused as stale where the record is not linked with `from` any more, or `to` was changed since.
#[utoipa::path(
    post, path = "/links/move", operation_id = "move_link", tag = "matches",
    request_body = LinkMove,
    responses((status = 200, description = "Moved", body = LinkMoved)),
)]
async fn carry_out(
    caller: May<ConflictsResolve>,
    extract::Json(body): extract::Json<LinkMove>,
) -> Result<Json<LinkMoved>, ApiError> {
    let wish = body.wish()?;
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let moved = relinks::carry_out(&mut tx, tables, &wish, user).await?;
    let subject = format!("{}/{}/{}", body.connection_id, body.stream, body.key);
    tx.audit(
        Entry::new("move_link", "records", subject)
            .before(json!({"entity_id": body.from}))
            .after(json!({"entity_id": moved.to})),
    );
    tx.commit().await?;
    Ok(Json(moved.into()))
}
