use domain::approvals;
use engine::StoreError;
use engine::ids::ConnectionId;
use engine::store::caps::{Cap, Caps};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Caller};
use crate::error::{ApiError, FieldProblem};
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// How much one run may do to a stream before it asks.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamCaps {
    /// Records that are removed.
    deletes: StreamCap,
    /// Values that are written over others in the core.
    overwrites: StreamCap,
    /// Records of which entities are made, once the stream was read to its end.
    creates: StreamCap,
}

/// A cap is passed by what is more than the count and more than the share.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamCap {
    count: u64,
    /// Of the stream's records, in percent.
    share: u8,
}

/// How much one run may do to a stream before it asks
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/caps", operation_id = "get_stream_caps",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "The caps", body = StreamCaps)),
)]
pub(super) async fn get(
    caller: Caller,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Tagged<StreamCaps>, ApiError> {
    let mut tx = caller.begin().await?;
    let (caps, version) = approvals::caps(&mut tx, id, &stream).await?;
    Ok(Tagged(version, caps.into()))
}

/// Sets how much one run may do to a stream before it asks
#[utoipa::path(
    put, path = "/connections/{id}/streams/{stream}/caps", operation_id = "put_stream_caps",
    tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path), ("If-Match" = String, Header)),
    request_body = StreamCaps,
    responses((status = 200, description = "As they are now", body = StreamCaps)),
)]
pub(super) async fn put(
    caller: Admin,
    Path((id, stream)): Path<(ConnectionId, String)>,
    IfMatch(version): IfMatch,
    Json(body): Json<StreamCaps>,
) -> Result<Tagged<StreamCaps>, ApiError> {
    let caps = [
        ("deletes", body.deletes),
        ("overwrites", body.overwrites),
        ("creates", body.creates),
    ];
    let mut problems = Vec::new();
    for (name, cap) in caps {
        if cap.share > 100 {
            let message = format!("the share of {name} must be between 0 and 100");
            problems.push(FieldProblem::new(format!("/{name}/share"), message));
        }
        if i64::try_from(cap.count).is_err() {
            let message = format!("the count of {name} is too large");
            problems.push(FieldProblem::new(format!("/{name}/count"), message));
        }
    }
    if !problems.is_empty() {
        return Err(ApiError::invalid_all(problems));
    }
    let mut tx = caller.begin().await?;
    match approvals::set_caps(&mut tx, id, &stream, &body.into(), version).await {
        Ok(version) => {
            tx.commit().await?;
            Ok(Tagged(version, body))
        }
        Err(StoreError::Stale(_)) => {
            let (caps, _) = approvals::caps(&mut tx, id, &stream).await?;
            Err(ApiError::stale(&StreamCaps::from(caps)))
        }
        Err(error) => Err(error.into()),
    }
}

impl From<Cap> for StreamCap {
    fn from(cap: Cap) -> Self {
        Self {
            count: cap.count,
            share: cap.share,
        }
    }
}

impl From<StreamCap> for Cap {
    fn from(cap: StreamCap) -> Self {
        Self {
            count: cap.count,
            share: cap.share,
        }
    }
}

impl From<Caps> for StreamCaps {
    fn from(caps: Caps) -> Self {
        Self {
            deletes: caps.deletes.into(),
            overwrites: caps.overwrites.into(),
            creates: caps.creates.into(),
        }
    }
}

impl From<StreamCaps> for Caps {
    fn from(caps: StreamCaps) -> Self {
        Self {
            deletes: caps.deletes.into(),
            overwrites: caps.overwrites.into(),
            creates: caps.creates.into(),
        }
    }
}
