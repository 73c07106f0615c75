//! The days that finished runs and journals are kept by: made ahead, dropped whole.
//!
//! A day is a range of run ids, so it holds the runs that were *made* in it, with everything they
//! journaled, whenever they ended.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use super::{Store, StoreError, SystemTx};
use crate::ids::RunId;

/// One process keeps the days at a time. Whoever waits for a lock on a day makes others wait behind
/// it: not for long, the next round tries again.
const BEGIN: &str = "begin; set local role syncline_system; set local lock_timeout = '500ms'";
const LOCK: i64 = 7_311_002_026;

/// Begins a transaction that may change the days; `None` while another process does.
pub(crate) async fn begin(store: &Store) -> Result<Option<SystemTx>, StoreError> {
    // The model has no days.
    #[cfg(test)]
    if store.model().is_some() {
        return Ok(None);
    }
    let mut tx = store.system(BEGIN).await?;
    let alone = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "alone!""#, LOCK)
        .fetch_one(tx.conn())
        .await?;
    Ok(alone.then_some(tx))
}

/// The server's clock.
pub(crate) async fn server_time(tx: &mut SystemTx) -> Result<DateTime<Utc>, StoreError> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(tx.conn())
        .await?)
}

/// Days that have tables, oldest first.
pub(crate) async fn list(tx: &mut SystemTx) -> Result<Vec<NaiveDate>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select to_date(right(c.relname, 8), 'YYYYMMDD') as "day!"
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'finished_runs'::regclass and c.relname ~ '^finished_runs_[0-9]{8}$'
        order by 1
        "#
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Makes the tables of a day and takes in what was written while they were missing; false when they
/// are there.
pub(crate) async fn add(tx: &mut SystemTx, day: NaiveDate) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar!(r#"select add_run_day($1) as "added!""#, day)
            .fetch_one(tx.conn())
            .await?,
    )
}

/// What became of a day that is old enough to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    Dropped,
    /// A run of that day is still open, and its journal with it.
    Open,
    /// A run of that day ended later than the cut, at this time.
    EndedLate(DateTime<Utc>),
}

/// Drops a day of which no run is open and none ended at the cut or later.
pub(crate) async fn drop(
    tx: &mut SystemTx,
    day: NaiveDate,
    cut: DateTime<Utc>,
) -> Result<Drop, StoreError> {
    // Nobody moves a finished run of that day back from here on.
    sqlx::query!("select hold_run_day($1)", day)
        .execute(tx.conn())
        .await?;
    let open = sqlx::query_scalar!(
        r#"
        select exists (
            select from tenants t
            cross join lateral (
                select from runs r
                where r.tenant_id = t.tenant_id and r.id >= $1 and r.id < $2
                limit 1
            ) open_run) as "open!"
        "#,
        RunId::floor(start(day)).0,
        RunId::floor(end(day)).0,
    )
    .fetch_one(tx.conn())
    .await?;
    if open {
        return Ok(Drop::Open);
    }
    let late = sqlx::query_scalar!("select drop_run_day($1, $2)", day, cut)
        .fetch_one(tx.conn())
        .await?;
    Ok(late.map_or(Drop::Dropped, Drop::EndedLate))
}

/// Deletes up to 1,000 finished runs without a day that ended before the cut.
pub(crate) async fn forget_dayless(
    tx: &mut SystemTx,
    cut: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query_scalar!("select forget_dayless_runs($1)", cut)
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// How long the oldest transaction has been open whose snapshot keeps dead rows from being removed,
/// as far as this role may see; prepared transactions count as well.
pub(crate) async fn oldest_snapshot(tx: &mut SystemTx) -> Result<Duration, StoreError> {
    modelled!(tx, oldest_snapshot());
    let seconds = sqlx::query_scalar!(
        r#"
        select coalesce(extract(epoch from clock_timestamp() - min(began)), 0)::float8 as "age!"
        from (
            select xact_start as began from pg_stat_activity
            where backend_xmin is not null and backend_type <> 'autovacuum worker'
              and datid = (select oid from pg_database where datname = current_database())
            union all
            select prepared from pg_prepared_xacts where database = current_database()
        ) as open_ones
        "#
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// When a day begins.
pub(crate) fn start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// When a day is over.
pub(crate) fn end(day: NaiveDate) -> DateTime<Utc> {
    start(day.checked_add_days(Days::new(1)).unwrap_or(day))
}
