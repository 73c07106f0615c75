//! Budgets: what an account at another system lets us do, as a bucket of tokens that all processes
//! take from ([`crate::budget`]).

use std::time::Duration;

use super::{StoreError, SystemTx, Tx};
use crate::ids::TenantId;

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
}

/// Makes a budget, full, or changes one and leaves in it what there is.
///
/// # Errors
/// [`StoreError::Conflict`] for figures that make no budget; [`StoreError::Database`].
pub async fn set(tx: &mut Tx, name: &str, spec: &BudgetSpec) -> Result<(), StoreError> {
    spec.check()?;
    sqlx::query!(
        r#"
        insert into budgets as b (name, capacity, refill, reserve, tokens, at)
        values ($1, $2, $3, $4, $2, clock_timestamp())
        on conflict (tenant_id, name) do update
        set capacity = excluded.capacity, refill = excluded.refill, reserve = excluded.reserve,
            at = excluded.at,
            tokens = least(excluded.capacity, b.capacity, b.tokens
                + b.refill * greatest(0, extract(epoch from excluded.at - b.at))::double precision)
        "#,
        name,
        spec.capacity,
        spec.refill,
        &spec.reserve,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("budget", name);
    Ok(())
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

/// Removes a budget: its account is not limited any more. Returns whether there was one.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    let removed = sqlx::query!("delete from budgets where name = $1", name)
        .execute(tx.conn())
        .await?
        .rows_affected()
        == 1;
    tx.changed("budget", name);
    Ok(removed)
}

/// The tenant's budgets by name, at most 1,000.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(tx: &mut Tx) -> Result<Vec<BudgetRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select name, capacity, refill, reserve,
               least(capacity, tokens
                   + refill * greatest(0, extract(epoch from clock_timestamp() - at))
                     ::double precision) as "tokens!"
        from budgets
        order by name
        limit 1000
        "#
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
