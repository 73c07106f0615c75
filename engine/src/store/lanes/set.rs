//! What a person does to lanes.

use chrono::{DateTime, Utc};

use super::{Behind, Closed, Lane, LaneRow, Paused, Scope, free};
use crate::ids::TenantId;
use crate::store::{StoreError, Tx};

/// Lets no run of this lane be claimed until [`resume`]; a second pause replaces the first one's
/// reason.
///
/// # Errors
/// [`StoreError::Conflict`] for a key or connection without a tenant; [`StoreError::Database`].
pub async fn pause(
    tx: &mut impl Scope,
    lane: &Lane,
    by: &str,
    reason: &str,
) -> Result<(), StoreError> {
    tx.check(lane)?;
    let (owner, now) = (tx.owner(), tx.moment());
    sqlx::query!(
        r#"
        insert into lanes (tenant_id, kind, name, paused_at, paused_by, paused_reason)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (tenant_id, kind, name)
        do update set paused_at = excluded.paused_at, paused_by = excluded.paused_by,
                      paused_reason = excluded.paused_reason
        "#,
        owner,
        lane.kind(),
        lane.name(),
        now,
        by,
        reason,
    )
    .execute(tx.connection())
    .await?;
    tx.touched(lane);
    Ok(())
}

/// Ends a pause: its runs go on at once. Returns whether there was one.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn resume(tx: &mut impl Scope, lane: &Lane) -> Result<bool, StoreError> {
    let owner = tx.owner();
    let resumed = sqlx::query!(
        r#"
        update lanes
        set paused_at = null, paused_by = null, paused_reason = null
        where tenant_id = $1 and kind = $2 and name = $3 and paused_at is not null
        "#,
        owner,
        lane.kind(),
        lane.name(),
    )
    .execute(tx.connection())
    .await?
    .rows_affected()
        == 1;
    if resumed {
        opened(tx, lane).await?;
    }
    Ok(resumed)
}

/// Lets no run of this lane be claimed before `until`; one that is closed for longer stays so.
///
/// # Errors
/// As [`pause`].
pub async fn close(
    tx: &mut impl Scope,
    lane: &Lane,
    until: DateTime<Utc>,
    reason: &str,
) -> Result<(), StoreError> {
    tx.check(lane)?;
    let owner = tx.owner();
    sqlx::query!(
        r#"
        insert into lanes as l (tenant_id, kind, name, closed_until, closed_reason)
        values ($1, $2, $3, $4, $5)
        on conflict (tenant_id, kind, name)
        do update set closed_until = excluded.closed_until, closed_reason = excluded.closed_reason
        where l.closed_until is null or l.closed_until < excluded.closed_until
        "#,
        owner,
        lane.kind(),
        lane.name(),
        until,
        reason,
    )
    .execute(tx.connection())
    .await?;
    tx.touched(lane);
    Ok(())
}

/// Opens a closed lane before its time. Returns whether it was closed.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open(tx: &mut impl Scope, lane: &Lane) -> Result<bool, StoreError> {
    let owner = tx.owner();
    let was_closed = sqlx::query!(
        r#"
        update lanes
        set closed_until = null, closed_reason = null
        where tenant_id = $1 and kind = $2 and name = $3 and closed_until is not null
        "#,
        owner,
        lane.kind(),
        lane.name(),
    )
    .execute(tx.connection())
    .await?
    .rows_affected()
        == 1;
    if was_closed {
        opened(tx, lane).await?;
    }
    Ok(was_closed)
}

/// Limits how many runs go in this lane at once; `None` takes the limit off (a key's is then 1). For
/// a key those count that hold it, also while they sleep; else those that a worker has in hand. A
/// limit below what runs now stops none of it.
///
/// # Errors
/// [`StoreError::Conflict`] for a limit of 0 or over 2^31 - 1, for a connection, and for a key
/// without a tenant; [`StoreError::Database`].
pub async fn set_limit(
    tx: &mut impl Scope,
    lane: &Lane,
    most: Option<u32>,
) -> Result<(), StoreError> {
    tx.check(lane)?;
    if matches!(lane, Lane::Connection(_)) {
        return Err(StoreError::Conflict(
            "lane of a connection takes no limit: limit the key of its runs".into(),
        ));
    }
    let most = match most.map(i32::try_from) {
        None => None,
        Some(Ok(most)) if most > 0 => Some(most),
        Some(_) => {
            return Err(StoreError::Conflict(
                "limit of a lane is at least 1 and at most 2147483647".into(),
            ));
        }
    };
    let owner = tx.owner();
    sqlx::query!(
        r#"
        insert into lanes (tenant_id, kind, name, max_running)
        values ($1, $2, $3, $4)
        on conflict (tenant_id, kind, name) do update set max_running = excluded.max_running
        "#,
        owner,
        lane.kind(),
        lane.name(),
        most,
    )
    .execute(tx.connection())
    .await?;
    opened(tx, lane).await
}

/// Sets the tenant's part of the time against the 1 of others while there is not enough for all;
/// `None` is 1.
///
/// # Errors
/// [`StoreError::Conflict`] for a weight that is not over 0 and at most 1,000;
/// [`StoreError::Database`].
pub async fn set_weight(tx: &mut Tx, weight: Option<f64>) -> Result<(), StoreError> {
    if weight.is_some_and(|weight| !(weight > 0.0 && weight <= 1000.0)) {
        return Err(StoreError::Conflict(
            "weight of a tenant is over 0 and at most 1000".into(),
        ));
    }
    let tenant = tx.tenant().0;
    sqlx::query!(
        r#"
        insert into lanes (tenant_id, kind, weight)
        values ($1, 'tenant', $2)
        on conflict (tenant_id, kind, name) do update set weight = excluded.weight
        "#,
        tenant,
        weight,
    )
    .execute(tx.conn())
    .await?;
    opened(tx, &Lane::Tenant).await
}

/// The lanes that have something to heed, by kind and name; at most 1,000.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(tx: &mut impl Scope) -> Result<Vec<LaneRow>, StoreError> {
    let owner = tx.owner();
    sqlx::query!(
        r#"
        select kind, name, max_running, weight, closed_until, closed_reason, paused_at, paused_by,
               paused_reason
        from lanes
        where tenant_id = $1
        order by kind, name
        limit 1000
        "#,
        owner,
    )
    .fetch_all(tx.connection())
    .await?
    .into_iter()
    .map(|row| {
        Ok(LaneRow {
            lane: Lane::parse(&row.kind, row.name)?,
            max_running: row.max_running.map(i32::unsigned_abs),
            weight: row.weight,
            closed: row.closed_until.map(|until| Closed {
                until,
                reason: row.closed_reason.unwrap_or_default(),
            }),
            paused: row.paused_at.map(|at| Paused {
                at,
                by: row.paused_by.unwrap_or_default(),
                reason: row.paused_reason.unwrap_or_default(),
            }),
        })
    })
    .collect()
}

/// After a lane has more room: drops its row if that says nothing more, and frees what is behind it.
async fn opened(tx: &mut impl Scope, lane: &Lane) -> Result<(), StoreError> {
    let (owner, now) = (tx.owner(), tx.moment());
    sqlx::query!(
        r#"
        delete from lanes
        where tenant_id = $1 and kind = $2 and name = $3
          and max_running is null and weight is null and closed_until is null and paused_at is null
        "#,
        owner,
        lane.kind(),
        lane.name(),
    )
    .execute(tx.connection())
    .await?;
    if let Some(behind) = Behind::of(TenantId(owner), lane) {
        free(tx.connection(), &[behind], now).await?;
    }
    tx.touched(lane);
    Ok(())
}
