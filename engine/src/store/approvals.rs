//! What runs ask a person for: changes beyond a cap, counted by the rows that are withheld.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::keyset::{After, Slice, instant, instant_text};
use super::{StoreError, Tx};
use crate::ids::{ApprovalId, ConnectionId, RunId, UserId};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Records that are gone over there.
    Delete,
    /// Records that would write over values of the core.
    Overwrite,
    /// Records of which entities would be made.
    Create,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Overwrite => "overwrite",
            Self::Create => "create",
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "delete" => Ok(Self::Delete),
            "overwrite" => Ok(Self::Overwrite),
            "create" => Ok(Self::Create),
            other => Err(StoreError::corrupt("kind of approval", other.to_owned())),
        }
    }
}

/// An approval as it is.
#[derive(Clone, Debug)]
pub struct ApprovalRow {
    pub id: ApprovalId,
    pub connection: ConnectionId,
    pub connection_name: String,
    pub system: String,
    pub stream: String,
    pub kind: Kind,
    /// `open`, `approved`, `declined`, `settled`.
    pub state: String,
    pub run_id: Option<RunId>,
    pub asked_at: DateTime<Utc>,
    /// Changes that are withheld for it now.
    pub open: i64,
    pub applied: i64,
    /// Changes that need no approval any more: the system shows something else by now.
    pub recovered: i64,
    pub ceiling: Option<i64>,
    pub decided_at: Option<DateTime<Utc>>,
    pub decided_by: Option<UserId>,
    pub note: Option<String>,
    pub apply_run_id: Option<RunId>,
}

struct Row {
    id: ApprovalId,
    connection: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    kind: String,
    state: String,
    run_id: Option<RunId>,
    asked_at: DateTime<Utc>,
    open: i64,
    applied: i64,
    recovered: i64,
    ceiling: Option<i64>,
    decided_at: Option<DateTime<Utc>>,
    decided_by: Option<UserId>,
    note: Option<String>,
    apply_run_id: Option<RunId>,
}

/// The open question of a stream and kind; asks it if there is none.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn ask(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    kind: Kind,
    run: RunId,
) -> Result<ApprovalId, StoreError> {
    let now = tx.now();
    let id = sqlx::query_scalar!(
        r#"
        insert into approvals as known (id, connection_id, stream, kind, state, run_id, asked_at)
        values ($1, $2, $3, $4, 'open', $5, $6)
        on conflict (tenant_id, connection_id, stream, kind) where state = 'open'
        -- Locked, so that nobody decides it before this transaction ends.
        do update set asked_at = known.asked_at
        returning id as "id: ApprovalId"
        "#,
        ApprovalId::fresh().0,
        connection.0,
        stream,
        kind.as_str(),
        run.0,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    tx.changed("approval", id);
    Ok(id)
}

/// A page of approvals, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    is_open: Option<bool>,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<ApprovalRow>, StoreError> {
    let rows = rows(tx, None, is_open, limit + 1, after).await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: instant_text(last.asked_at),
        id: last.id.0,
    }))
}

/// One approval.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ApprovalId) -> Result<ApprovalRow, StoreError> {
    let found = rows(tx, Some(id), None, 1, None).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::NotFound(format!("approval {id}")))
}

async fn rows(
    tx: &mut Tx,
    id: Option<ApprovalId>,
    is_open: Option<bool>,
    limit: i64,
    after: Option<&After>,
) -> Result<Vec<ApprovalRow>, StoreError> {
    let before = after.map(|after| instant(&after.value)).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"
        select a.id as "id: ApprovalId", a.connection_id as "connection: ConnectionId",
               c.name as connection_name, c.system, a.stream, a.kind, a.state,
               a.run_id as "run_id: RunId", a.asked_at, w.open as "open!",
               w.applied as "applied!", w.recovered as "recovered!", a.ceiling, a.decided_at,
               a.decided_by as "decided_by: UserId", a.note, a.apply_run_id as "apply_run_id: RunId"
        from approvals a
        join connections c on c.id = a.connection_id
        cross join lateral (
            select count(*) filter (where w.state = 'open') as open,
                   count(*) filter (where w.state = 'applied') as applied,
                   count(*) filter (where w.state in ('recovered', 'gone')) as recovered
            from withheld w
            where w.approval_id = a.id
        ) w
        where ($1::uuid is null or a.id = $1)
          and ($2::boolean is null or (a.state = 'open') = $2)
          and ($3::timestamptz is null or (a.asked_at, a.id) < ($3, $4))
        order by a.asked_at desc, a.id desc
        limit $5
        "#,
        id.map(|id| id.0),
        is_open,
        before,
        after.map(|after| after.id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let read = |row: Row| {
        Ok(ApprovalRow {
            id: row.id,
            connection: row.connection,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            kind: Kind::read(&row.kind)?,
            state: row.state,
            run_id: row.run_id,
            asked_at: row.asked_at,
            open: row.open,
            applied: row.applied,
            recovered: row.recovered,
            ceiling: row.ceiling,
            decided_at: row.decided_at,
            decided_by: row.decided_by,
            note: row.note,
            apply_run_id: row.apply_run_id,
        })
    };
    rows.into_iter().map(read).collect()
}

/// An open approval, locked until it is decided.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for one that was decided, with when.
pub async fn take(tx: &mut Tx, id: ApprovalId) -> Result<ApprovalRow, StoreError> {
    let locked = sqlx::query_scalar!("select id from approvals where id = $1 for update", id.0)
        .fetch_optional(tx.conn())
        .await?;
    if locked.is_none() {
        return Err(StoreError::NotFound(format!("approval {id}")));
    }
    let row = get(tx, id).await?;
    if row.state == "open" {
        return Ok(row);
    }
    let how = if row.state == "declined" {
        "declined"
    } else {
        "approved"
    };
    let at = row.decided_at.map(instant_text).unwrap_or_default();
    Err(StoreError::Conflict(format!(
        "approval {id} was {how} already, at {at}"
    )))
}

/// Notes that a person agreed to at most `ceiling` changes, which a run applies.
///
/// # Errors
/// [`StoreError`].
pub async fn approve(
    tx: &mut Tx,
    id: ApprovalId,
    ceiling: u64,
    by: UserId,
    run: RunId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update approvals
        set state = 'approved', ceiling = $2, decided_at = $3, decided_by = $4, apply_run_id = $5
        where id = $1
        ",
        id.0,
        i64::try_from(ceiling).unwrap_or(i64::MAX),
        now,
        by.0,
        run.0,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("approval", id);
    Ok(())
}

/// Notes that a person declined, and drops what is withheld.
///
/// # Errors
/// [`StoreError`].
pub async fn decline(
    tx: &mut Tx,
    id: ApprovalId,
    by: UserId,
    note: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        with dropped as (
            update withheld
            set state = 'declined', ended_at = $2
            where approval_id = $1 and state = 'open'
        )
        update approvals
        set state = 'declined', decided_at = $2, decided_by = $3, note = $4
        where id = $1
        ",
        id.0,
        now,
        by.0,
        note,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("approval", id);
    Ok(())
}

/// Ends an approval whose run is through. What is left of it was not agreed to: it is asked for again.
///
/// # Errors
/// [`StoreError`].
pub async fn settle(tx: &mut Tx, id: ApprovalId, run: RunId) -> Result<(), StoreError> {
    let row = get(tx, id).await?;
    sqlx::query!("update approvals set state = 'settled' where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    if row.open > 0 {
        let next = ask(tx, row.connection, &row.stream, row.kind, run).await?;
        sqlx::query!(
            "update withheld set approval_id = $2 where approval_id = $1 and state = 'open'",
            id.0,
            next.0,
        )
        .execute(tx.conn())
        .await?;
    }
    tx.changed("approval", id);
    Ok(())
}
