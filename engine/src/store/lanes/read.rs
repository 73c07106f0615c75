//! Lanes as people see them.

use chrono::{DateTime, Utc};

use super::{Closed, Lane, LaneRow, Paused, Scope};
use crate::store::runs::{RunRow, RunState};
use crate::store::{StoreError, Tx};

struct Raw {
    kind: String,
    name: String,
    max_running: Option<i32>,
    weight: Option<f64>,
    closed_until: Option<DateTime<Utc>>,
    closed_reason: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    paused_by: Option<String>,
    paused_reason: Option<String>,
    running: i64,
    waiting: i64,
}

impl TryFrom<Raw> for LaneRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            lane: Lane::parse(&raw.kind, raw.name)?,
            max_running: raw.max_running.map(i32::unsigned_abs),
            weight: raw.weight,
            closed: raw.closed_until.map(|until| Closed {
                until,
                reason: raw.closed_reason.unwrap_or_default(),
            }),
            paused: raw.paused_at.map(|at| Paused {
                at,
                by: raw.paused_by.unwrap_or_default(),
                reason: raw.paused_reason.unwrap_or_default(),
            }),
            running: raw.running.unsigned_abs(),
            waiting: raw.waiting.unsigned_abs(),
        })
    }
}

/// The lanes that have something to heed or runs behind them, in the order of kind and name, after
/// the lane `after` ([`Lane`]'s text).
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    tx: &mut impl Scope,
    after: Option<&str>,
    limit: u16,
) -> Result<Vec<LaneRow>, StoreError> {
    rows(tx, None, after, i64::from(limit)).await
}

/// One lane, also one that has nothing to heed.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn get(tx: &mut impl Scope, lane: &Lane) -> Result<LaneRow, StoreError> {
    let found = rows(tx, Some(lane), None, 1).await?.pop();
    found.ok_or_else(|| StoreError::corrupt("lane", "no answer"))
}

/// [`get`], of a lane that nobody else changes until the transaction ends.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(tx: &mut Tx, lane: &Lane) -> Result<LaneRow, StoreError> {
    // A lane without a row has nothing to lock: this makes one, which `act` or a rollback removes.
    sqlx::query!(
        r#"
        insert into lanes (kind, name)
        values ($1, $2)
        on conflict (tenant_id, kind, name) do update set kind = excluded.kind
        "#,
        lane.kind(),
        lane.name(),
    )
    .execute(tx.conn())
    .await?;
    get(tx, lane).await
}

/// The lanes that keep a queued run from being claimed, as far as they belong to its tenant.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn holding(tx: &mut Tx, run: &RunRow) -> Result<Vec<LaneRow>, StoreError> {
    let mut holding = Vec::new();
    if run.state != RunState::Queued {
        return Ok(holding);
    }
    let now = tx.now();
    let mut lanes = vec![Lane::Tenant, Lane::Workflow(run.workflow.clone())];
    lanes.extend(run.connection_id.map(Lane::Connection));
    lanes.extend(run.key.clone().map(Lane::Key));
    for lane in lanes {
        let row = get(tx, &lane).await?;
        let closed = row.closed.as_ref().is_some_and(|closed| closed.until > now);
        // Who holds a key has its place in it; others are put behind it.
        let full = match &row.lane {
            Lane::Tenant | Lane::Workflow(_) => row
                .max_running
                .is_some_and(|most| row.running >= u64::from(most)),
            Lane::Connection(_) | Lane::Key(_) => run.behind.as_ref() == Some(&row.lane),
        };
        if row.paused.is_some() || closed || full {
            holding.push(row);
        }
    }
    Ok(holding)
}

/// Counts stop at 10,000: a list is not to cost what a queue is long.
async fn rows(
    tx: &mut impl Scope,
    one: Option<&Lane>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<LaneRow>, StoreError> {
    let owner = tx.owner();
    sqlx::query_as!(
        Raw,
        r#"
        with recursive waiting(lane, number) as (
            (select lane, 1::bigint from runs
             where $3::text is null and tenant_id = $1 and state = 'queued' and behind and lane > $2
             order by lane limit 1)
            union all
            select next.lane, w.number + 1
            from waiting w
            cross join lateral (
                select r.lane from runs r
                where r.tenant_id = $1 and r.state = 'queued' and r.behind and r.lane > w.lane
                order by r.lane limit 1
            ) next
            where w.number < $5
        ), named as materialized (
            select lane, split_part(lane, '/', 1) as kind,
                   substr(lane, strpos(lane, '/') + 1) as name
            from waiting
            union
            select kind || '/' || name, kind, name
            from lanes
            where $3::text is null and tenant_id = $1 and kind || '/' || name > $2
            union
            select $3 || '/' || $4, $3, $4
            where $3::text is not null
            order by 1
            limit $5
        )
        select n.kind as "kind!", n.name as "name!", l.max_running as "max_running?",
               l.weight as "weight?", l.closed_until as "closed_until?",
               l.closed_reason as "closed_reason?", l.paused_at as "paused_at?",
               l.paused_by as "paused_by?", l.paused_reason as "paused_reason?",
               h.running as "running!", w.waiting as "waiting!"
        from named n
        left join lanes l on l.tenant_id = $1 and l.kind = n.kind and l.name = n.name
        cross join lateral (
            -- What counts against the limit: of a key, who holds it.
            select count(*) as running
            from (select from runs r
                  where n.kind = 'key' and r.tenant_id = $1 and r.key = n.name and r.holds_key
                    and not (r.behind and r.lane = n.lane)
                  union all
                  select from runs r
                  where n.kind <> 'key' and r.state = 'running'
                    and (r.tenant_id = $1 or $1 = '00000000-0000-0000-0000-000000000000')
                    and (n.kind = 'tenant' or n.kind = 'workflow' and r.workflow = n.name
                         or n.kind = 'connection' and r.connection_id::text = n.name)
                  limit 10000) one
        ) h
        cross join lateral (
            -- Single runs are put behind a key's or a connection's lane; others are passed over.
            select count(*) as waiting
            from (select from runs r
                  where n.kind in ('key', 'connection') and r.tenant_id = $1 and r.lane = n.lane
                    and r.state = 'queued' and r.behind
                  union all
                  select from runs r
                  where n.kind in ('tenant', 'workflow') and r.state = 'queued'
                    and not r.behind and not r.asleep
                    and (r.tenant_id = $1 or $1 = '00000000-0000-0000-0000-000000000000')
                    and (n.kind = 'tenant' or r.workflow = n.name)
                  limit 10000) one
        ) w
        order by n.lane
        "#,
        owner,
        after.unwrap_or_default(),
        one.map(Lane::kind),
        one.map(Lane::name),
        limit,
    )
    .fetch_all(tx.connection())
    .await?
    .into_iter()
    .map(LaneRow::try_from)
    .collect()
}
