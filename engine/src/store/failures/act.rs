//! Trying again what failed: what is counted and what is done come from the same set of things.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use crate::ids::{ConnectionId, FailureClassId};
use crate::store::{StoreError, Tx};

/// Something of a class that fails, with its writes or runs, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub thing: String,
    pub references: Vec<Uuid>,
}

/// How many things [`part`] walks over.
///
/// # Errors
/// [`StoreError`].
pub async fn count(
    tx: &mut Tx,
    class: FailureClassId,
    (connection, stream): (ConnectionId, &str),
    until: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from failing_things($1, $2, $3, $4)"#,
        class.0,
        connection.0,
        stream,
        until,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Things of a class that had failed by a time, from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn part(
    tx: &mut Tx,
    class: FailureClassId,
    (connection, stream): (ConnectionId, &str),
    until: DateTime<Utc>,
    after: &str,
    limit: i64,
) -> Result<Vec<Thing>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select thing as "thing!", array_remove(refs, null) as "refs!"
        from failing_things($1, $2, $3, $4)
        where thing > $5
        order by thing
        limit $6
        "#,
        class.0,
        connection.0,
        stream,
        until,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let things = rows.into_iter().map(|row| Thing {
        thing: row.thing,
        references: row.refs,
    });
    Ok(things.collect())
}

/// Makes records be mapped again when they are applied next, though nothing of them changed. Their
/// rows are locked by the caller.
///
/// # Errors
/// [`StoreError`].
pub async fn remap(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        update records
        set content_hash = ''
        from unnest($3::text[]) as again (key)
        where connection_id = $1 and stream = $2 and records.key = again.key
        ",
        connection.0,
        stream,
        keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes writes due again that failed or wait for their next attempt. Of several for one record the
/// newest takes over the fields of the others.
///
/// # Errors
/// [`StoreError`].
pub async fn write_again(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    writes: &[Uuid],
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        with again as (
            select id, entity_id, state, fields, look_first,
                   coalesce(earlier, '[]') || case
                       when look_first and state = 'failed' and sent is not null
                       then jsonb_build_array(sent)
                       else '[]'
                   end as earlier
            from writes
            where id = any($4) and connection_id = $1 and stream = $2
              and state in ('failed', 'pending')
            order by id
            for update
        ),
        candidates as (
            select id, entity_id, state, fields, look_first, earlier
            from again
            union
            select w.id, w.entity_id, w.state, w.fields, w.look_first, coalesce(w.earlier, '[]')
            from writes w
            where w.connection_id = $1 and w.stream = $2 and w.state = 'pending'
              and w.entity_id in (select entity_id from again)
        ),
        heirs as (
            select entity_id,
                   (array_agg(id order by state = 'pending' desc, id desc))[1] as id,
                   bool_or(look_first) as look_first
            from candidates
            group by entity_id
        ),
        asked as (
            select entity_id, array_agg(distinct field order by field) as fields
            from candidates, unnest(fields) as field
            group by entity_id
        ),
        -- What attempts carried of which it is not known whether they arrived.
        doubts as (
            select entity_id, jsonb_agg(distinct attempt) as earlier
            from candidates, jsonb_array_elements(earlier) as attempt
            group by entity_id
        )
        update writes w
        set state = case when w.id = heirs.id then 'pending' else 'superseded' end,
            fields = case when w.id = heirs.id then coalesce(asked.fields, w.fields) else w.fields end,
            look_first = heirs.look_first,
            earlier = doubts.earlier,
            attempt = case when w.state = 'failed' then 0 else w.attempt end,
            due_at = $3,
            asked_at = $3,
            settled_at = null
        from candidates, heirs
        left join asked on asked.entity_id = heirs.entity_id
        left join doubts on doubts.entity_id = heirs.entity_id
        where w.id = candidates.id and heirs.entity_id = w.entity_id
        ",
        connection.0,
        stream,
        now,
        writes,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| match StoreError::from(error) {
        // More was asked of a record by a transaction that has ended since this one looked.
        error if error.is_unique_violation() => StoreError::Stale("write".to_owned()),
        error => error,
    })?;
    Ok(())
}
