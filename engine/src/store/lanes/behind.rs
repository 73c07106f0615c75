//! Runs that single lanes hold back: putting them back into the claim's way, and the closing of lanes
//! by steps that were told to wait.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Lane;
use crate::ids::TenantId;
use crate::store::activations::Lease;
use crate::store::{StoreError, SystemTx};

/// A lane that single runs are put behind: a key's or a connection's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Behind {
    tenant: TenantId,
    /// As in `runs.lane`.
    lane: String,
}

impl Behind {
    /// `None` for a lane that is passed over as a whole.
    pub(super) fn of(tenant: TenantId, lane: &Lane) -> Option<Self> {
        match lane {
            Lane::Tenant | Lane::Workflow(_) => None,
            Lane::Connection(_) | Lane::Key(_) => Some(Self {
                tenant,
                lane: lane.to_string(),
            }),
        }
    }

    #[cfg(test)]
    pub(crate) fn named(tenant: TenantId, lane: String) -> Self {
        Self { tenant, lane }
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> (TenantId, &str) {
        (self.tenant, &self.lane)
    }

    pub(crate) fn key(tenant: TenantId, key: &str) -> Self {
        Self {
            tenant,
            lane: format!("key/{key}"),
        }
    }
}

/// Puts back into the claim's way as many runs behind these lanes as there is room for, the first
/// ones; returns when the earliest of them was due. Wrongly freed ones are put behind again by the next claim; those that
/// another transaction holds are found by [`free_forgotten`].
pub(crate) async fn free(
    conn: &mut PgConnection,
    lanes: &[Behind],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let tenants: Vec<_> = lanes.iter().map(|behind| behind.tenant.0).collect();
    let names: Vec<_> = lanes.iter().map(|behind| behind.lane.clone()).collect();
    let due = sqlx::query_scalar!(
        r#"
        update runs
        set behind = false, lane = null
        where ctid = any(array(
            select first.place
            from (select distinct * from unnest($1::uuid[], $2::text[])) as k(tenant_id, lane)
            cross join lateral (
                select r.ctid as place
                from runs r
                where r.tenant_id = k.tenant_id and r.lane = k.lane
                  and r.state = 'queued' and r.behind
                order by r.holds_key desc, r.priority desc, r.due_at, r.id
                limit lane_room(k.tenant_id, k.lane, $3)
                for update skip locked
            ) first))
        returning due_at
        "#,
        &tenants,
        &names,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(due.into_iter().flatten().min())
}

/// [`free`] in a claim's transaction.
pub(crate) async fn free_for_claim(
    tx: &mut SystemTx,
    lanes: &[Behind],
) -> Result<Option<DateTime<Utc>>, StoreError> {
    modelled!(tx, free(lanes));
    let now = tx.now();
    free(tx.conn(), lanes, now).await
}

/// [`free`] for all lanes that have room and runs behind them: their holder ended in a process that
/// died before it could free them, or was cancelled while it waited. Up to 10,000 lanes are looked at.
pub(crate) async fn free_forgotten(tx: &mut SystemTx) -> Result<Option<DateTime<Utc>>, StoreError> {
    modelled!(tx, free_forgotten());
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        with recursive waiting(tenant_id, lane, number) as (
            (select tenant_id, lane, 1 from runs
             where state = 'queued' and behind
             order by tenant_id, lane limit 1)
            union all
            select next.tenant_id, next.lane, w.number + 1
            from waiting w
            cross join lateral (
                select r.tenant_id, r.lane from runs r
                where r.state = 'queued' and r.behind
                  and (r.tenant_id, r.lane) > (w.tenant_id, w.lane)
                order by r.tenant_id, r.lane limit 1
            ) next
            where w.number < 10000
        )
        select tenant_id as "tenant_id!", lane as "lane!"
        from waiting
        where lane_room(tenant_id, lane, $1) > 0
        "#,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let lanes: Vec<_> = rows
        .into_iter()
        .map(|row| Behind {
            tenant: TenantId(row.tenant_id),
            lane: row.lane,
        })
        .collect();
    free(tx.conn(), &lanes, now).await
}

/// Opens the lanes whose time is over.
pub(crate) async fn open_due(tx: &mut SystemTx) -> Result<(), StoreError> {
    modelled!(tx, open_due());
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        update lanes
        set closed_until = null, closed_reason = null
        where closed_until <= $1
        returning tenant_id, kind, name
        "#,
        now
    )
    .fetch_all(tx.conn())
    .await?;
    sqlx::query!(
        r#"
        delete from lanes
        where max_running is null and weight is null and closed_until is null and paused_at is null
        "#
    )
    .execute(tx.conn())
    .await?;
    let mut lanes = Vec::new();
    for row in rows {
        let lane = Lane::parse(&row.kind, row.name)?;
        lanes.extend(Behind::of(TenantId(row.tenant_id), &lane));
    }
    free(tx.conn(), &lanes, now).await?;
    tx.ring();
    Ok(())
}

/// Closes the lanes of runs whose step was told to come back then: the connection's, or, without
/// one, the key's. The reason is the failure's message.
pub(crate) async fn close_after(
    tx: &mut SystemTx,
    told: &[(Lease, DateTime<Utc>, String)],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into lanes as l (tenant_id, kind, name, closed_until, closed_reason)
        select distinct on (r.tenant_id, r.kind, r.name)
               r.tenant_id, r.kind, r.name, t.closed_until, t.reason
        from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
            as t(tenant_id, id, closed_until, reason)
        cross join lateral (
            select r.tenant_id,
                   case when r.connection_id is null then 'key' else 'connection' end as kind,
                   coalesce(r.connection_id::text, r.key) as name
            from runs r
            where r.tenant_id = t.tenant_id and r.id = t.id
            limit 1
        ) r
        where r.name is not null
        order by r.tenant_id, r.kind, r.name, t.closed_until desc
        on conflict (tenant_id, kind, name)
        do update set closed_until = excluded.closed_until, closed_reason = excluded.closed_reason
        where l.closed_until is null or l.closed_until < excluded.closed_until
        "#,
        &told.iter().map(|told| told.0.tenant.0).collect::<Vec<_>>(),
        &told.iter().map(|told| told.0.id.0).collect::<Vec<_>>(),
        &told.iter().map(|told| told.1).collect::<Vec<_>>(),
        &told.iter().map(|told| told.2.clone()).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
