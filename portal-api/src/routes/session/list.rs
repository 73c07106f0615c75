use axum::Json;
use chrono::{DateTime, Utc};
use domain::security;
use domain::sessions::{self, SessionRow};
use engine::ids::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::page::Page;

/// A browser in which the caller is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenSession {
    #[schema(value_type = String)]
    id: SessionId,
    /// The one that asks.
    current: bool,
    /// Where it was opened from.
    address: Option<String>,
    /// What the browser calls itself.
    agent: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl OpenSession {
    /// `own` is the session of whoever asks.
    pub(crate) fn of(row: SessionRow, own: Option<SessionId>) -> Self {
        Self {
            current: own == Some(row.id),
            id: row.id,
            address: row.address,
            agent: row.agent,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}

/// Lists one's own sessions
#[utoipa::path(
    get, path = "/sessions", operation_id = "list_sessions", tag = "session",
    responses((status = 200, description = "All, last used first", body = Page<OpenSession>)),
)]
pub(super) async fn list(signed_in: SignedIn) -> Result<Json<Page<OpenSession>>, ApiError> {
    let current = signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    let policy = security::current(&mut tx).await?.policy;
    let rows = sessions::list(&mut tx, signed_in.session.user.id, &policy).await?;
    let sessions = rows
        .into_iter()
        .map(|row| OpenSession::of(row, Some(current)));
    Ok(Json(Page::whole(sessions.collect())))
}
