use axum::response::{IntoResponse, Response};
use domain::permissions::needs::ConnectionsManage;
use domain::streams::{EVERY_FIVE_MINUTES, Setup};
use engine::ids::ConnectionId;
use engine::store::streams::{self, OnRemove};
use engine::{StoreError, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ConnectionStream, OnRemoveName};
use crate::caller::May;
use crate::error::{ApiError, Slug};
use crate::etag::{Created, MaybeIfMatch, Tagged};
use crate::extract::{Json, Path};
use crate::routes::schedules::refuse;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamSetup {
    enabled: bool,
    /// Which kind of entity its records are: `account` or `contact`.
    entity: String,
    /// What becomes of a record over there whose entity is removed here: `keep`, which a new stream
    /// does, or `delete`. Left out, it stays as it is.
    #[schema(value_type = Option<OnRemoveName>)]
    on_remove: Option<OnRemove>,
}

/// Sets up a stream, or changes how it is set up
///
/// A new one needs no If-Match; the system is asked what it looks like, and it gets the mapping that
/// comes with the hub, if there is one, and a schedule that reads it every 5 minutes. Switched off, its
/// schedules are paused; switched on again, those go on that a person has not paused.
#[utoipa::path(
    put, path = "/connections/{id}/streams/{stream}", operation_id = "put_connection_stream",
    tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = StreamSetup,
    responses(
        (status = 200, description = "Changed", body = ConnectionStream),
        (status = 201, description = "Set up", body = ConnectionStream),
    ),
)]
pub(super) async fn put_stream(
    caller: May<ConnectionsManage>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    MaybeIfMatch(version): MaybeIfMatch,
    Json(body): Json<StreamSetup>,
) -> Result<Response, ApiError> {
    let kinds: Vec<_> = caller.portal().tables.names().collect();
    if !kinds.contains(&body.entity.as_str()) {
        let message = format!("entity must be one of {}", kinds.join(", "));
        return Err(ApiError::invalid("/entity", message));
    }
    let mut tx = caller.begin().await?;
    let known = match streams::get(&mut tx, id, &stream).await {
        Ok(known) => Some(known),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match (known, version) {
        (Some(_), Some(version)) => change(tx, id, &stream, &body, version).await,
        (Some(known), None) => Err(ApiError::new(
            Slug::PreconditionRequired,
            format!(
                "stream {} is set up already: send If-Match with its version",
                known.stream
            ),
        )),
        (None, Some(_)) => Err(ApiError::not_found(format!("stream {stream:?} of {id}"))),
        (None, None) => {
            drop(tx); // the system is asked next
            create(&caller, id, &stream, &body).await
        }
    }
}

async fn change(
    mut tx: Tx,
    id: ConnectionId,
    stream: &str,
    body: &StreamSetup,
    version: i64,
) -> Result<Response, ApiError> {
    let (entity, how) = (&body.entity, (body.enabled, body.on_remove));
    match domain::streams::change(&mut tx, id, stream, entity, how, version).await {
        Err(StoreError::Stale(_)) => {
            let row = streams::get(&mut tx, id, stream).await?;
            Err(ApiError::stale(&ConnectionStream::from(row)))
        }
        Err(error) => Err(error.into()),
        Ok(row) => {
            tx.commit().await?;
            Ok(Tagged(row.version, ConnectionStream::from(row)).into_response())
        }
    }
}

async fn create(
    caller: &May<ConnectionsManage>,
    id: ConnectionId,
    stream: &str,
    body: &StreamSetup,
) -> Result<Response, ApiError> {
    let found = caller
        .portal()
        .peers
        .discover(caller.session.user.tenant, id)
        .await?;
    let description = found
        .iter()
        .find(|found| found.name.as_str() == stream)
        .ok_or_else(|| ApiError::not_found(format!("stream {stream:?} of this system")))?;
    let mut tx = caller.begin().await?;
    let setup = Setup {
        connection: id,
        description,
        entity: &body.entity,
        enabled: body.enabled,
        how_often: EVERY_FIVE_MINUTES,
    };
    let mut row = domain::streams::set_up(&mut tx, &caller.portal().shipped, setup)
        .await
        .map_err(refuse)?;
    if body.on_remove.is_some() {
        let how = (body.enabled, body.on_remove);
        row = domain::streams::change(&mut tx, id, stream, &body.entity, how, row.version).await?;
    }
    tx.commit().await?;
    Ok(Created(row.version, ConnectionStream::from(row)).into_response())
}
