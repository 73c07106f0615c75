//! What a person does to lanes, and how many runs it would touch: one statement counts and does it.

use chrono::{DateTime, Utc};

use super::{Behind, Lane, Scope, free};
use crate::ids::TenantId;
use crate::store::StoreError;

/// What is done to a lane.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// None of its runs is claimed until [`Action::Resume`]; replaces the reason of an earlier pause.
    Pause {
        /// Who, as the caller names people.
        by: String,
        reason: String,
    },
    /// Ends a pause.
    Resume,
    /// None of its runs is claimed before `until`; a lane that is closed for longer stays so.
    Close {
        until: DateTime<Utc>,
        reason: String,
    },
    /// Opens a closed lane before its time.
    Open,
    /// Limits how many runs go at once; `None` takes the limit off (a key's is then 1). For a key
    /// those count that hold it, also while they sleep; else those that a worker has in hand. A limit
    /// below what runs now stops none of it.
    Limit(Option<u32>),
    /// Sets the tenant's part of the time against the 1 of others while there is not enough for
    /// all; `None` is 1.
    Weight(Option<f64>),
}

/// The open runs of a lane that an action is about: none when it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Whether the lane is different afterwards.
    pub changes: bool,
    pub queued: u64,
    pub running: u64,
    pub waiting: u64,
}

/// An action as columns; what is not its own is empty.
#[derive(Default)]
struct Columns<'a> {
    name: &'static str,
    at: Option<DateTime<Utc>>,
    by: Option<&'a str>,
    reason: Option<&'a str>,
    most: Option<i32>,
    weight: Option<f64>,
}

impl Action {
    fn columns(&self, now: DateTime<Utc>) -> Result<Columns<'_>, StoreError> {
        let bare = |name| Columns {
            name,
            ..Columns::default()
        };
        Ok(match self {
            Self::Pause { by, reason } => Columns {
                at: Some(now),
                by: Some(by),
                reason: Some(reason),
                ..bare("pause")
            },
            Self::Resume => bare("resume"),
            Self::Close { until, reason } => Columns {
                at: Some(*until),
                reason: Some(reason),
                ..bare("close")
            },
            Self::Open => bare("open"),
            Self::Limit(most) => Columns {
                most: most.map(limit).transpose()?,
                ..bare("limit")
            },
            Self::Weight(weight) => {
                if weight.is_some_and(|weight| !(weight > 0.0 && weight <= 1000.0)) {
                    return Err(StoreError::Conflict(
                        "weight of a tenant is over 0 and at most 1000".into(),
                    ));
                }
                Columns {
                    weight: *weight,
                    ..bare("weight")
                }
            }
        })
    }

    /// Whether it may let runs go.
    fn frees(&self) -> bool {
        matches!(self, Self::Resume | Self::Open | Self::Limit(_))
    }
}

fn limit(most: u32) -> Result<i32, StoreError> {
    match i32::try_from(most) {
        Ok(most) if most > 0 => Ok(most),
        _ => Err(StoreError::Conflict(
            "limit of a lane is at least 1 and at most 2147483647".into(),
        )),
    }
}

/// Does it; the runs it touches are those that [`plan`] counts at this moment.
///
/// # Errors
/// [`StoreError::Conflict`] for a limit or a weight out of bounds or on a lane that has none, and for
/// a key or connection without a tenant; [`StoreError::Database`].
///
/// ```
/// use engine::store::lanes::{self, Action, Lane};
/// # async fn quiet(tx: &mut engine::Tx) -> Result<(), engine::StoreError> {
/// let lane = Lane::Workflow("pull_stream".into());
/// let pause = Action::Pause { by: "Ann".into(), reason: "their system moves".into() };
/// let touched = lanes::act(tx, &lane, &pause).await?;
/// println!("{} runs wait until it is resumed", touched.queued);
/// # Ok(())
/// # }
/// ```
pub async fn act(tx: &mut impl Scope, lane: &Lane, action: &Action) -> Result<Touched, StoreError> {
    let touched = run(tx, lane, action, true).await?;
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
    if !touched.changes {
        return Ok(touched);
    }
    if action.frees()
        && let Some(behind) = Behind::of(TenantId(owner), lane)
    {
        free(tx.connection(), &[behind], now).await?;
    }
    tx.touched(lane);
    Ok(touched)
}

/// What [`act`] would do now; nothing is changed.
///
/// # Errors
/// As [`act`].
pub async fn plan(
    tx: &mut impl Scope,
    lane: &Lane,
    action: &Action,
) -> Result<Touched, StoreError> {
    run(tx, lane, action, false).await
}

async fn run(
    tx: &mut impl Scope,
    lane: &Lane,
    action: &Action,
    act: bool,
) -> Result<Touched, StoreError> {
    tx.check(lane)?;
    match (action, lane) {
        (Action::Limit(_), Lane::Connection(_)) => {
            return Err(StoreError::Conflict(
                "lane of a connection takes no limit: limit the key of its runs".into(),
            ));
        }
        (Action::Weight(_), lane) if *lane != Lane::Tenant || tx.owner().is_nil() => {
            return Err(StoreError::Conflict("only a tenant has a weight".into()));
        }
        _ => {}
    }
    let owner = tx.owner();
    let columns = action.columns(tx.moment())?;
    let row = sqlx::query!(
        r#"
        with lane as materialized (
            select l.max_running, l.weight, l.closed_until, l.closed_reason, l.paused_at,
                   l.paused_by, l.paused_reason
            from (select) as always
            left join lanes l on l.tenant_id = $1 and l.kind = $2 and l.name = $3
        ), changed as materialized (
            select case $5
                       when 'pause' then (paused_by, paused_reason) is distinct from ($7, $8)
                       when 'resume' then paused_at is not null
                       when 'close' then closed_until is null or closed_until < $6
                       when 'open' then closed_until is not null
                       when 'limit' then max_running is distinct from $9
                       else weight is distinct from $10
                   end as changes
            from lane
        ), stored as (
            insert into lanes as l
                (tenant_id, kind, name, max_running, weight, closed_until, closed_reason,
                 paused_at, paused_by, paused_reason)
            select $1, $2, $3,
                   case $5 when 'limit' then $9 end,
                   case $5 when 'weight' then $10 end,
                   case $5 when 'close' then $6 end,
                   case $5 when 'close' then $8 end,
                   case $5 when 'pause' then $6 end,
                   case $5 when 'pause' then $7 end,
                   case $5 when 'pause' then $8 end
            from changed
            where changes and $4
            -- Each action has columns of its own: what is done to others meanwhile stays.
            on conflict (tenant_id, kind, name) do update
            set max_running = case $5 when 'limit' then excluded.max_running
                              else l.max_running end,
                weight = case $5 when 'weight' then excluded.weight else l.weight end,
                closed_until = case $5 when 'close' then greatest(l.closed_until, $6)
                               when 'open' then null else l.closed_until end,
                closed_reason = case when $5 = 'open' then null
                                when $5 = 'close' and (l.closed_until is null
                                                       or l.closed_until < $6) then $8
                                else l.closed_reason end,
                paused_at = case $5 when 'pause' then $6 when 'resume' then null
                            else l.paused_at end,
                paused_by = case $5 when 'pause' then $7 when 'resume' then null
                            else l.paused_by end,
                paused_reason = case $5 when 'pause' then $8 when 'resume' then null
                                else l.paused_reason end
        )
        select changes as "changes!", t.queued as "queued!", t.running as "running!",
               t.waiting as "waiting!"
        from changed
        cross join lateral (
            select count(*) filter (where state = 'queued') as queued,
                   count(*) filter (where state = 'running') as running,
                   count(*) filter (where state = 'waiting') as waiting
            from runs
            where changes and state in ('queued', 'running', 'waiting')
              and (tenant_id = $1 or $1 = '00000000-0000-0000-0000-000000000000')
              and case $2
                      when 'tenant' then true
                      when 'workflow' then workflow = $3
                      when 'connection' then connection_id::text = $3
                      else key = $3
                  end
        ) t
        "#,
        owner,
        lane.kind(),
        lane.name(),
        act,
        columns.name,
        columns.at,
        columns.by,
        columns.reason,
        columns.most,
        columns.weight,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(Touched {
        changes: row.changes,
        queued: row.queued.unsigned_abs(),
        running: row.running.unsigned_abs(),
        waiting: row.waiting.unsigned_abs(),
    })
}

/// Forgets all that was said about a lane.
pub(crate) async fn remove(tx: &mut impl Scope, lane: &Lane) -> Result<(), StoreError> {
    let (owner, now) = (tx.owner(), tx.moment());
    sqlx::query!(
        "delete from lanes where tenant_id = $1 and kind = $2 and name = $3",
        owner,
        lane.kind(),
        lane.name(),
    )
    .execute(tx.connection())
    .await?;
    // Runs behind it go on, and find out that what they were about is gone.
    if let Some(behind) = Behind::of(TenantId(owner), lane) {
        free(tx.connection(), &[behind], now).await?;
    }
    tx.touched(lane);
    Ok(())
}
