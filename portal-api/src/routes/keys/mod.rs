//! Keys of programs, and what they are used for.

mod create;
mod get;
mod list;
mod revoke;
mod rotate;
mod usage;

use chrono::{DateTime, Utc};
use domain::keys;
use engine::ids::{KeyId, UserId};
use engine::store::audit::Entry;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, revoke::revoke))
        .routes(routes!(rotate::rotate))
        .routes(routes!(usage::usage))
}

/// A key of a program, without its secret. It acts for the user who made it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    #[schema(value_type = String)]
    id: KeyId,
    name: String,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Those of them count that the user has too.
    permissions: Vec<String>,
    /// How it begins.
    shown: String,
    /// 600 unless said otherwise.
    calls_per_minute: i32,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation works too.
    old_until: Option<DateTime<Utc>>,
}

impl From<keys::Key> for Key {
    fn from(key: keys::Key) -> Self {
        Self {
            id: key.id,
            name: key.name,
            user_id: key.user,
            permissions: key.permissions.names(),
            shown: key.shown,
            calls_per_minute: key.calls_per_minute.unwrap_or(keys::CALLS_PER_MINUTE),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            old_until: key.old_until,
        }
    }
}

/// A key with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSecret {
    key: Key,
    /// For `Authorization: Bearer`.
    secret: String,
}

fn refused(action: &str, key: &keys::Key) -> Entry {
    Entry::refused(action, "key", key.id)
}
