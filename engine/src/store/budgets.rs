//! Budgets: what an account at another system lets us do, as a bucket of tokens that all processes
//! take from ([`crate::budget`]).

use std::time::Duration;

use super::{StoreError, SystemTx, Tx};
use crate::ids::{ConnectionId, TenantId};

/// How long a process may use what it has taken, at most.
const LONGEST_HOLD: f64 = 0.25;

/// What is allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetSpec {
    /// Tokens that may be used at once after a quiet time. Over 0.
    pub capacity: f64,
    /// Tokens a second that come back. 0 for a budget that only [`set`] fills again.
    pub refill: f64,
    /// The part of the capacity that each lane, from interactive to reconcile, leaves to those before
    /// it: from 0 to under 1, none smaller than the one before.
    pub reserve: [f64; 5],
}

impl BudgetSpec {
    /// With the usual reserve: half of it is kept from reconciling, the last twentieth from all that
    /// nobody waits for.
    pub fn new(capacity: f64, refill: f64) -> Self {
        Self {
            capacity,
            refill,
            reserve: [0.0, 0.05, 0.15, 0.3, 0.5],
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let bad = |what: &str| Err(StoreError::Conflict(format!("budget's {what}")));
        if !(self.capacity > 0.0 && self.capacity <= 1e12) {
            return bad("capacity is over 0 and at most 10^12");
        }
        if !(self.refill >= 0.0 && self.refill <= 1e9) {
            return bad("refill is from 0 to 10^9 a second");
        }
        let in_order = self.reserve.is_sorted();
        if !in_order || !self.reserve.iter().all(|part| (0.0..1.0).contains(part)) {
            return bad("reserve is from 0 to under 1, none smaller than the one before");
        }
        Ok(())
    }
}

/// A budget and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRow {
    pub name: String,
    pub spec: BudgetSpec,
    /// Tokens that are there now.
    pub tokens: f64,
    /// Capacity and refill follow what the other system reports.
    pub reported: bool,
}

impl BudgetRow {
    /// Tokens that each lane may use now, from interactive to reconcile.
    pub fn for_lanes(&self) -> [f64; 5] {
        let left = |part: f64| (self.tokens - self.spec.capacity * part).max(0.0);
        self.spec.reserve.map(left)
    }
}

/// Open runs that a change of a budget is about: those of the connection it is named after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetTouched {
    /// Whether the budget is different afterwards.
    pub changes: bool,
    pub runs: u64,
}

/// Makes a budget, full, or changes one and leaves in it what there is. What the other system
/// reports changes its capacity and refill no more.
///
/// # Errors
/// [`StoreError::Conflict`] for figures that make no budget; [`StoreError::Database`].
///
/// ```
/// use engine::budget::{self, BudgetSpec};
/// # async fn allow(tx: &mut engine::Tx) -> Result<(), engine::StoreError> {
/// // 100 calls at once after a quiet time, and 10 a second.
/// budget::set(tx, "account", &BudgetSpec::new(100.0, 10.0)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn set(tx: &mut Tx, name: &str, spec: &BudgetSpec) -> Result<BudgetTouched, StoreError> {
    let touched = change(tx, name, Some(spec), true).await?;
    wake(tx, name, touched).await?;
    Ok(touched)
}

/// Removes a budget: its account is not limited any more, until the other system reports a limit.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(tx: &mut Tx, name: &str) -> Result<BudgetTouched, StoreError> {
    let touched = change(tx, name, None, true).await?;
    wake(tx, name, touched).await?;
    Ok(touched)
}

/// Has the connection's runs that wait for tokens ask again: they were told when there would be some
/// by what held before.
async fn wake(tx: &mut Tx, name: &str, touched: BudgetTouched) -> Result<(), StoreError> {
    if !touched.changes {
        return Ok(());
    }
    tx.changed("budget", name);
    let Ok(connection) = name.parse::<ConnectionId>() else {
        return Ok(());
    };
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        r#"
        update runs r
        set due_at = $3, asleep = false
        where r.tenant_id = $1 and r.connection_id = $2 and r.state = 'queued' and r.due_at > $3
          and exists (select from attempts a
                      where a.tenant_id = r.tenant_id and a.run_id = r.id and a.next_at = r.due_at
                        and a.error ->> 'code' = 'budget')
        "#,
        tenant.0,
        connection.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    Ok(())
}

/// What [`set`], or without figures [`remove`], would do now; nothing is changed.
///
/// # Errors
/// As [`set`].
pub async fn plan(
    tx: &mut Tx,
    name: &str,
    spec: Option<&BudgetSpec>,
) -> Result<BudgetTouched, StoreError> {
    change(tx, name, spec, false).await
}

/// Counts, and does it if `act`: one statement.
async fn change(
    tx: &mut Tx,
    name: &str,
    spec: Option<&BudgetSpec>,
    act: bool,
) -> Result<BudgetTouched, StoreError> {
    if let Some(spec) = spec {
        spec.check()?;
    }
    let connection = name.parse::<ConnectionId>().ok().map(|id| id.0);
    let tenant = tx.tenant();
    let row = sqlx::query!(
        r#"
        with was as materialized (
            select case when $2 then b.name is null or b.reported
                             or (b.capacity, b.refill, b.reserve) is distinct from ($3, $4, $5)
                        else b.name is not null end as changes
            from (select) as always
            left join budgets b on b.name = $1 and b.tenant_id = $8
        ), stored as (
            insert into budgets as b (name, capacity, refill, reserve, tokens, at)
            select $1, $3, $4, $5, $3, clock_timestamp()
            from was
            where changes and $2 and $6
            on conflict (tenant_id, name) do update
            set capacity = excluded.capacity, refill = excluded.refill, reserve = excluded.reserve,
                at = excluded.at, reported = false,
                tokens = least(excluded.capacity, b.capacity, b.tokens
                    + b.refill * greatest(0, extract(epoch from excluded.at - b.at))::double precision)
        ), removed as (
            delete from budgets where name = $1 and not $2 and $6
        )
        select changes as "changes!",
               (select count(*) from runs
                where changes and tenant_id = $8 and connection_id = $7
                  and state in ('queued', 'running', 'waiting')) as "runs!"
        from was
        "#,
        name,
        spec.is_some(),
        spec.map(|spec| spec.capacity),
        spec.map(|spec| spec.refill),
        spec.map(|spec| spec.reserve.to_vec()) as Option<Vec<f64>>,
        act,
        connection,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(BudgetTouched {
        changes: row.changes,
        runs: row.runs.unsigned_abs(),
    })
}

/// Notes a daily limit that the other system reports, and how much of it is left: makes a budget of
/// it if there is none, follows the limit if nobody has set other figures, and takes over what is
/// left if that is less than we thought.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn report(tx: &mut Tx, name: &str, limit: f64, left: f64) -> Result<(), StoreError> {
    let spec = BudgetSpec::new(limit, limit / 86_400.0);
    if spec.check().is_err() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into budgets as b (name, capacity, refill, reserve, tokens, at, reported)
        select $1, $2, $3, $4, least($2, greatest(0, $5::double precision)), clock_timestamp(), true
        -- A call that was under way while its connection was removed brings nothing back.
        where $6::uuid is null or exists (select from connections where id = $6)
        on conflict (tenant_id, name) do update
        set capacity = excluded.capacity, refill = excluded.refill
        where b.reported and b.capacity <> excluded.capacity
        "#,
        name,
        spec.capacity,
        spec.refill,
        &spec.reserve,
        left,
        name.parse::<ConnectionId>().ok().map(|id| id.0),
    )
    .execute(tx.conn())
    .await?;
    note_left(tx, name, left).await
}

/// Notes what the other system says is left, when that is less than we thought.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_left(tx: &mut Tx, name: &str, left: f64) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update budgets
        set tokens = greatest(0, $2), at = clock_timestamp()
        where name = $1
          and $2 < tokens
              + refill * greatest(0, extract(epoch from clock_timestamp() - at))::double precision
        "#,
        name,
        left,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The tenant's budgets in the order of their names, after the one named `after`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    tx: &mut Tx,
    after: Option<&str>,
    limit: u16,
) -> Result<Vec<BudgetRow>, StoreError> {
    rows(tx, None, after, i64::from(limit)).await
}

/// One budget.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Database`].
pub async fn get(tx: &mut Tx, name: &str) -> Result<BudgetRow, StoreError> {
    let found = rows(tx, Some(name), None, 1).await?.pop();
    found.ok_or_else(|| StoreError::NotFound(format!("budget {name}")))
}

/// [`get`], of a budget that nobody else changes until the transaction ends; `None`: there is none.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(tx: &mut Tx, name: &str) -> Result<Option<BudgetRow>, StoreError> {
    sqlx::query!("select from budgets where name = $1 for update", name)
        .execute(tx.conn())
        .await?;
    Ok(rows(tx, Some(name), None, 1).await?.pop())
}

async fn rows(
    tx: &mut Tx,
    one: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<BudgetRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select name, capacity, refill, reserve, reported,
               least(capacity, tokens
                   + refill * greatest(0, extract(epoch from clock_timestamp() - at))
                     ::double precision) as "tokens!"
        from budgets
        where ($1::text is null or name = $1) and ($2::text is null or name > $2)
        order by name
        limit $3
        "#,
        one,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let reserve = <[f64; 5]>::try_from(row.reserve).map_err(|_other_length| {
                StoreError::corrupt("reserve of a budget", "not five parts")
            })?;
            Ok(BudgetRow {
                name: row.name,
                spec: BudgetSpec {
                    capacity: row.capacity,
                    refill: row.refill,
                    reserve,
                },
                tokens: row.tokens,
                reported: row.reported,
            })
        })
        .collect()
}

/// What came of a [`take`].
#[derive(Debug)]
pub(crate) enum Taken {
    /// There is no such budget: nothing is limited.
    Unlimited,
    /// So many tokens; those that are not used now are to be used within this time.
    Tokens(f64, Duration),
    /// There are not enough for now. An hour when none ever come back by themselves.
    Wait(Duration),
    /// There will never be enough for this lane, unless the budget is set anew.
    Never,
}

/// Takes at least `least` tokens, which are used now, and up to `most` if the lane may.
///
/// A process may hold the others for as long as the bucket is kept below the capacity by what
/// comes back in that time: whatever window one looks at, what is used in it was taken in it or that
/// long before, and is thus never more than the capacity and what came back in the window.
pub(crate) async fn take(
    tx: &mut SystemTx,
    tenant: TenantId,
    name: &str,
    lane: usize,
    least: f64,
    most: f64,
) -> Result<Taken, StoreError> {
    let row = sqlx::query!(
        r#"
        with locked as materialized (
            select tenant_id, name, capacity, refill, reserve[$3] as reserve, tokens, at
            from budgets
            where tenant_id = $1 and name = $2
            for update
        ), timed as materialized (
            -- Read under the lock: times go forward from one taker to the next.
            select *, clock_timestamp() as moment,
                   least($6, 0.1 * capacity / nullif(refill, 0)) as hold
            from locked
        ), bucket as materialized (
            select t.*, b.most, b.most * t.reserve as floor,
                   least(b.most, t.tokens + t.refill
                       * greatest(0, extract(epoch from t.moment - t.at))::double precision)
                       as filled
            from timed t
            cross join lateral (select t.capacity - t.refill * t.hold as most) b
        ), granted as materialized (
            -- In advance no more than a twentieth of all, so that one process leaves others some.
            select *,
                   case when filled - floor >= $4
                        then least(greatest($4, least($5, most / 20)), filled - floor)
                        else 0
                   end as given
            from bucket
        ), taken as (
            update budgets b
            set tokens = g.filled - g.given, at = greatest(b.at, g.moment)
            from granted g
            where b.tenant_id = g.tenant_id and b.name = g.name
        )
        select given as "given!", hold as "hold!",
               case when given > 0 then 0
                    when $4 + floor > most then null
                    when refill = 0 then 3600
                    else ($4 + floor - filled) / refill end as wait
        from granted
        "#,
        tenant.0,
        name,
        i32::try_from(lane + 1).unwrap_or(5),
        least,
        most,
        LONGEST_HOLD,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok(Taken::Unlimited);
    };
    if row.given > 0.0 {
        let hold = Duration::try_from_secs_f64(row.hold).unwrap_or_default();
        return Ok(Taken::Tokens(row.given, hold));
    }
    Ok(match row.wait {
        Some(wait) => Taken::Wait(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)),
        None => Taken::Never,
    })
}
