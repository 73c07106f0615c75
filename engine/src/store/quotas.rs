//! What a tenant may use at most, and what it uses. Whoever makes records or files takes their share
//! in the transaction that makes them; a count over the tables sets right what drifted ([`recount`]).

use chrono::{DateTime, Utc};

use super::{StoreError, SystemTx, Tx};
use crate::ids::TenantId;

/// What a tenant may use; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    pub records: Option<i64>,
    pub connections: Option<i64>,
    /// Bytes of files.
    pub storage: Option<i64>,
    pub calls_per_day: Option<i64>,
    /// 0 while nothing was set.
    pub version: i64,
}

/// What a tenant uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub records: i64,
    pub connections: i64,
    /// Bytes of files.
    pub storage: i64,
    /// When records were last counted; made and removed ones since then are added up.
    pub counted_at: Option<DateTime<Utc>>,
}

/// The quotas of the tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn get(tx: &mut Tx) -> Result<Quotas, StoreError> {
    let row = sqlx::query_as!(
        Quotas,
        "select records, connections, storage, calls_per_day, version from tenant_quotas"
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.unwrap_or_default())
}

/// Sets the quotas of a tenant. `quotas.version` is the one that was read.
///
/// # Errors
/// [`StoreError::Stale`].
pub async fn set(tx: &mut SystemTx, tenant: TenantId, quotas: &Quotas) -> Result<(), StoreError> {
    let changed = sqlx::query!(
        "insert into tenant_quotas (tenant_id, records, connections, storage, calls_per_day)
         select $1, $2, $3, $4, $5
         where $6::bigint = 0 or exists (select from tenant_quotas where tenant_id = $1)
         on conflict (tenant_id) do update
         set records = excluded.records, connections = excluded.connections,
             storage = excluded.storage, calls_per_day = excluded.calls_per_day,
             version = tenant_quotas.version + 1
         where tenant_quotas.version = $6",
        tenant.0,
        quotas.records,
        quotas.connections,
        quotas.storage,
        quotas.calls_per_day,
        quotas.version,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale("quotas".to_owned()));
    }
    Ok(())
}

/// What the tenant uses now.
///
/// # Errors
/// [`StoreError`].
pub async fn usage(tx: &mut Tx) -> Result<Usage, StoreError> {
    Ok(sqlx::query_as!(
        Usage,
        r#"
        select coalesce(u.records, 0) as "records!", coalesce(u.storage, 0) as "storage!",
               u.counted_at as "counted_at?",
               (select count(*) from connections) as "connections!"
        from (select) as one left join tenant_usage u on true
        "#
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Takes room for records that are made, or gives it back for fewer than none. Called last in what
/// makes them: whoever makes others at the same time waits for this transaction's end.
///
/// # Errors
/// [`StoreError::OverQuota`]; nothing may be committed then.
pub async fn take_records(tx: &mut Tx, made: i64) -> Result<(), StoreError> {
    take(tx, "records", made, 0).await
}

/// Takes room for a file, or gives it back; bytes.
///
/// # Errors
/// As [`take_records`].
pub async fn take_storage(tx: &mut Tx, bytes: i64) -> Result<(), StoreError> {
    take(tx, "bytes of files", 0, bytes).await
}

async fn take(
    tx: &mut Tx,
    what: &'static str,
    records: i64,
    storage: i64,
) -> Result<(), StoreError> {
    if records == 0 && storage == 0 {
        return Ok(());
    }
    let row = sqlx::query!(
        r#"
        insert into tenant_usage (records, storage) values (greatest($1::bigint, 0), greatest($2::bigint, 0))
        on conflict (tenant_id) do update
        set records = greatest(tenant_usage.records + $1, 0),
            storage = greatest(tenant_usage.storage + $2, 0)
        returning records, storage,
                  (select records from tenant_quotas) as "most_records?",
                  (select storage from tenant_quotas) as "most_storage?"
        "#,
        records,
        storage,
    )
    .fetch_one(tx.conn())
    .await?;
    let (used, most) = match records {
        0 => (row.storage, row.most_storage),
        _ => (row.records, row.most_records),
    };
    refuse_over(what, used, most.filter(|_| records > 0 || storage > 0))
}

/// Takes room for a connection that is about to be made.
///
/// # Errors
/// As [`take_records`].
pub async fn take_connection(tx: &mut Tx) -> Result<(), StoreError> {
    // The row is locked, so that two that are made at once do not both find room for one.
    let row = sqlx::query!(
        r#"
        insert into tenant_usage (records) values (0)
        on conflict (tenant_id) do update set records = tenant_usage.records
        returning (select connections from tenant_quotas) as "most?"
        "#
    )
    .fetch_one(tx.conn())
    .await?;
    let Some(most) = row.most else { return Ok(()) };
    let there = sqlx::query_scalar!(r#"select count(*) as "there!" from connections"#)
        .fetch_one(tx.conn())
        .await?;
    refuse_over("connections", there + 1, Some(most))
}

fn refuse_over(what: &'static str, used: i64, most: Option<i64>) -> Result<(), StoreError> {
    match most {
        Some(most) if used > most => Err(StoreError::OverQuota { what, used, most }),
        _ => Ok(()),
    }
}

/// Holds the tenant's usage until the transaction ends. Whoever makes records takes room as its last
/// statement: it either did so and is over, and is counted, or waits and adds itself afterwards.
///
/// # Errors
/// [`StoreError`].
pub async fn hold_usage(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into tenant_usage (records) values (0)
         on conflict (tenant_id) do update set records = tenant_usage.records"
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how many records there are and counts files anew, after [`hold_usage`].
///
/// # Errors
/// [`StoreError`].
pub async fn recount(tx: &mut Tx, records: i64) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into tenant_usage (records, storage, counted_at)
         values ($1, (select coalesce(sum(octet_length(logo)), 0) from brands), $2)
         on conflict (tenant_id) do update
         set records = excluded.records, storage = excluded.storage,
             counted_at = excluded.counted_at",
        records,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_passes_and_what_is_over_says_by_how_much() {
        assert!(refuse_over("records", 10, Some(10)).is_ok());
        assert!(refuse_over("records", 10, None).is_ok());
        let error = refuse_over("records", 11, Some(10)).unwrap_err();
        assert_eq!(error.to_string(), "the quota of 10 records is used up");
    }
}
