//! The time that tenants' runs used lately, over all processes: what fair shares are measured by.

use std::time::Duration;

use super::{StoreError, SystemTx};
use crate::ids::TenantId;

/// After so long, time used counts half. Seconds.
pub(crate) const HALF_LIFE: f64 = 60.0;

/// What one tenant used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeUsed {
    pub(crate) tenant: TenantId,
    /// As of now, with what is long past counted less.
    pub(crate) seconds: f64,
    /// Average of an activation, in seconds.
    pub(crate) average: f64,
}

/// Adds what this process's runs used, and returns what all have used; at most 1,000 tenants, those
/// that used most.
pub(crate) async fn add(tx: &mut SystemTx, more: &[TimeUsed]) -> Result<Vec<TimeUsed>, StoreError> {
    modelled!(tx, add_time_used(more));
    let now = tx.now();
    sqlx::query!(
        r#"
        insert into time_used as u (tenant_id, seconds, average, at)
        select t.tenant_id, t.seconds, t.average, $4
        from unnest($1::uuid[], $2::double precision[], $3::double precision[])
            as t(tenant_id, seconds, average)
        order by t.tenant_id
        on conflict (tenant_id) do update
        set seconds = excluded.seconds
                + u.seconds * power(0.5, greatest(0, extract(epoch from excluded.at - u.at))
                                         ::double precision / $5),
            average = (u.average + excluded.average) / 2,
            at = greatest(u.at, excluded.at)
        "#,
        &more.iter().map(|used| used.tenant.0).collect::<Vec<_>>(),
        &more.iter().map(|used| used.seconds).collect::<Vec<_>>(),
        &more.iter().map(|used| used.average).collect::<Vec<_>>(),
        now,
        HALF_LIFE,
    )
    .execute(tx.conn())
    .await?;
    let rows = sqlx::query!(
        r#"
        select tenant_id, average,
               seconds * power(0.5, greatest(0, extract(epoch from $1 - at))::double precision / $2)
                   as "seconds!"
        from time_used
        order by 3 desc
        limit 1000
        "#,
        now,
        HALF_LIFE,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| TimeUsed {
            tenant: TenantId(row.tenant_id),
            seconds: row.seconds,
            average: row.average,
        })
        .collect())
}

/// Drops what has become too little to count.
pub(crate) async fn forget(tx: &mut SystemTx) -> Result<(), StoreError> {
    modelled!(tx, forget_time_used());
    let before = tx.now() - Duration::from_secs(3600);
    sqlx::query!("delete from time_used where at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(())
}
