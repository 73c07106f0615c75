use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::AuditRead;
use engine::ids::{KeyId, UserId};
use engine::store::audit::{self, AuditRow};
use engine::store::keyset::{After, Slice};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Params;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

const SORT: &str = "-seq";

/// One thing that was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    /// From 1, without gaps.
    seq: i64,
    at: DateTime<Utc>,
    actor: AuditActor,
    /// Where the request came from.
    address: Option<String>,
    /// Id of the request, as the log has it.
    request: Option<String>,
    action: String,
    subject_kind: String,
    subject_id: String,
    /// Secrets are masked.
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    /// Secrets are masked. Where an operation notes no values of its own, what was asked for.
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
    /// Over this entry and the hash before it, in hexadecimal digits.
    hash: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditActor {
    /// user, key or system
    kind: String,
    id: Option<String>,
    name: String,
}

impl AuditActor {
    fn of(row: &AuditRow) -> Self {
        Self {
            kind: row.actor_kind.clone(),
            id: actor_id(row),
            name: row.actor_name.clone(),
        }
    }
}

/// The id of an entry's actor with its prefix.
pub(super) fn actor_id(row: &AuditRow) -> Option<String> {
    let id = row.actor_id?;
    Some(if row.actor_kind == "key" {
        KeyId(id).to_string()
    } else {
        UserId(id).to_string()
    })
}

pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = ApiError;

    fn try_from(row: AuditRow) -> Result<Self, ApiError> {
        let value = |text: Option<String>| {
            text.map(RawValue::from_string)
                .transpose()
                .map_err(|error| ApiError::internal("an audit entry cannot be read", error))
        };
        Ok(Self {
            actor: AuditActor::of(&row),
            hash: hex(&row.hash),
            seq: row.seq,
            at: row.at,
            address: row.address,
            request: row.request,
            action: row.action,
            subject_kind: row.subject_kind,
            subject_id: row.subject_id,
            before: value(row.before)?,
            after: value(row.after)?,
        })
    }
}

/// Lists what was done
#[utoipa::path(
    get, path = "/audit", operation_id = "list_audit_entries", tag = "audit", params(Params),
    responses((status = 200, description = "A page, newest first", body = Page<AuditEntry>)),
)]
pub(super) async fn list(
    caller: May<AuditRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let before =
        match page::after(params.cursor.as_deref(), SORT)? {
            None => None,
            Some(After { value, .. }) => Some(value.parse::<i64>().map_err(|_not_ours| {
                ApiError::invalid("/cursor", "this is no cursor of this list")
            })?),
        };
    let query = params.query()?;
    let mut tx = caller.begin().await?;
    let rows = audit::list(&mut tx, &query, before, limit + 1).await?;
    let slice = Slice::cut(rows, limit, |row| After {
        value: row.seq.to_string(),
        id: uuid::Uuid::nil(),
    });
    let next = slice.next;
    let items: Result<Vec<_>, _> = slice.items.into_iter().map(AuditEntry::try_from).collect();
    let slice = Slice {
        items: items?,
        next,
        total: None,
    };
    Ok(Json(Page::new(slice, SORT, |entry| entry)))
}
