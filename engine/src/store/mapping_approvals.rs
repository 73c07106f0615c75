//! Asking a second person whether a version of a mapping may be put in force.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::{StoreError, Tx};
use crate::ids::{MappingApprovalId, MappingId, UserId};

/// A question and, once there is one, its answer.
#[derive(Clone, Debug)]
pub struct Approval {
    pub id: MappingApprovalId,
    pub version: i32,
    /// SHA-256 of the text it is about.
    pub text_hash: Vec<u8>,
    pub note: Option<String>,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    /// open, approved or refused
    pub state: String,
    pub answer: Option<String>,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<DateTime<Utc>>,
}

/// Asks about a version; one question a version.
///
/// # Errors
/// [`StoreError::Conflict`] when it was asked about already.
pub async fn ask(
    tx: &mut Tx,
    mapping: MappingId,
    version: i32,
    text_hash: &[u8],
    note: Option<&str>,
    by: UserId,
) -> Result<MappingApprovalId, StoreError> {
    let (id, now) = (MappingApprovalId::fresh(), tx.now());
    let asked = sqlx::query!(
        "insert into mapping_approvals
             (id, mapping_id, mapping_version, text_hash, note, asked_by, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
        id.0,
        mapping.0,
        version,
        text_hash,
        note,
        by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if asked.rows_affected() == 0 {
        let message = format!("approval of version {version} was asked for already");
        return Err(StoreError::Conflict(message));
    }
    Ok(id)
}

/// All questions about a mapping, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, mapping: MappingId) -> Result<Vec<Approval>, StoreError> {
    let rows = sqlx::query_as!(
        ApprovalRow,
        "select id, mapping_version, text_hash, note, asked_by, asked_at, state, answer,
                decided_by, decided_at
         from mapping_approvals
         where mapping_id = $1
         order by id desc",
        mapping.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Approval::from).collect())
}

/// The question about a version, if it was asked.
///
/// # Errors
/// [`StoreError`].
pub async fn of_version(
    tx: &mut Tx,
    mapping: MappingId,
    version: i32,
) -> Result<Option<Approval>, StoreError> {
    let row = sqlx::query_as!(
        ApprovalRow,
        "select id, mapping_version, text_hash, note, asked_by, asked_at, state, answer,
                decided_by, decided_at
         from mapping_approvals
         where mapping_id = $1 and mapping_version = $2",
        mapping.0,
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Approval::from))
}

/// A question, locked to be answered.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn take(
    tx: &mut Tx,
    mapping: MappingId,
    id: MappingApprovalId,
) -> Result<Approval, StoreError> {
    let row = sqlx::query_as!(
        ApprovalRow,
        "select id, mapping_version, text_hash, note, asked_by, asked_at, state, answer,
                decided_by, decided_at
         from mapping_approvals
         where mapping_id = $1 and id = $2
         for update",
        mapping.0,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Approval::from)
        .ok_or_else(|| StoreError::NotFound(format!("approval {id}")))
}

/// Answers a question that [`take`] gave.
///
/// # Errors
/// [`StoreError`].
pub async fn decide(
    tx: &mut Tx,
    id: MappingApprovalId,
    approve: bool,
    answer: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update mapping_approvals
         set state = $2, answer = $3, decided_by = $4, decided_at = $5
         where id = $1",
        id.0,
        if approve { "approved" } else { "refused" },
        answer,
        by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct ApprovalRow {
    id: Uuid,
    mapping_version: i32,
    text_hash: Vec<u8>,
    note: Option<String>,
    asked_by: Uuid,
    asked_at: DateTime<Utc>,
    state: String,
    answer: Option<String>,
    decided_by: Option<Uuid>,
    decided_at: Option<DateTime<Utc>>,
}

impl From<ApprovalRow> for Approval {
    fn from(row: ApprovalRow) -> Self {
        Self {
            id: MappingApprovalId(row.id),
            version: row.mapping_version,
            text_hash: row.text_hash,
            note: row.note,
            asked_by: UserId(row.asked_by),
            asked_at: row.asked_at,
            state: row.state,
            answer: row.answer,
            decided_by: row.decided_by.map(UserId),
            decided_at: row.decided_at,
        }
    }
}
