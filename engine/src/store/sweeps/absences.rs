//! Records that a sweep listed, and those that it did not find.

use chrono::{DateTime, Utc};

use crate::ids::{ConnectionId, RunId};
use crate::store::{StoreError, Tx};

/// Forgets what was listed and suspected of a stream.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(tx: &mut Tx, connection: ConnectionId, stream: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from listed where connection_id = $1 and stream = $2",
        connection.0,
        stream,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from absences where connection_id = $1 and stream = $2",
        connection.0,
        stream,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes keys that a listing brought; one that comes twice is one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    keys: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        insert into listed (connection_id, stream, run_id, key)
        select $1, $2, $3, key from unnest($4::text[]) as row (key)
        on conflict do nothing
        ",
        connection.0,
        stream,
        run.0,
        keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Suspects the records that a complete listing did not bring, of those that were linked before it
/// began; returns how many there are.
///
/// # Errors
/// [`StoreError`].
pub async fn suspect_unlisted(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    began_at: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let suspected = sqlx::query!(
        "
        insert into absences (connection_id, stream, run_id, key, state)
        select $1, $2, $3, r.key, 'suspected'
        from records r
        where r.connection_id = $1 and r.stream = $2 and r.removed_at is null
          and r.linked_at < $4
          and not exists (
              select from listed l
              where l.connection_id = $1 and l.stream = $2 and l.run_id = $3 and l.key = r.key
          )
        on conflict do nothing
        ",
        connection.0,
        stream,
        run.0,
        began_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(suspected.rows_affected())
}

/// Suspects these records.
///
/// # Errors
/// [`StoreError`].
pub async fn suspect(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    keys: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        insert into absences (connection_id, stream, run_id, key, state)
        select $1, $2, $3, key, 'suspected' from unnest($4::text[]) as row (key)
        on conflict do nothing
        ",
        connection.0,
        stream,
        run.0,
        keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Suspected or confirmed absences of a run by key, from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn absent(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    is_confirmed: bool,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "
        select key
        from absences
        where connection_id = $1 and stream = $2 and run_id = $3 and state = $4 and key > $5
        order by key
        limit $6
        ",
        connection.0,
        stream,
        run.0,
        if is_confirmed {
            "confirmed"
        } else {
            "suspected"
        },
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Confirms absences, after a direct read did not find the records either.
///
/// # Errors
/// [`StoreError`].
pub async fn confirm(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    keys: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        update absences set state = 'confirmed'
        where connection_id = $1 and stream = $2 and run_id = $3 and key = any($4)
        ",
        connection.0,
        stream,
        run.0,
        keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How many absences of a run are confirmed.
///
/// # Errors
/// [`StoreError`].
pub async fn count_confirmed(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from absences
        where connection_id = $1 and stream = $2 and run_id = $3 and state = 'confirmed'
        "#,
        connection.0,
        stream,
        run.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
