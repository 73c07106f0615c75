//! The outbox: what is owed to systems. Rows are intents; values are read when they are sent.

use chrono::{DateTime, Utc};
use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx, doubts};
use crate::ids::{ConnectionId, EntityId, RunId, UserId, WriteId};
use crate::mapping::Values;

/// What to do to the record of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Create it or bring the named fields to the core's values.
    Upsert,
    Delete,
}

impl Op {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "upsert" => Ok(Self::Upsert),
            "delete" => Ok(Self::Delete),
            other => Err(StoreError::corrupt(
                "operation of a write",
                other.to_owned(),
            )),
        }
    }
}

/// An intent to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub connection: ConnectionId,
    pub stream: String,
    pub entity: &'static str,
    pub entity_id: EntityId,
    pub op: Op,
    /// Core fields to bring over.
    pub fields: Vec<String>,
}

/// Who caused a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub run: Option<RunId>,
    pub user: Option<UserId>,
}

/// A write that was claimed and is to be sent.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: WriteId,
    pub entity_id: EntityId,
    pub op: Op,
    pub fields: Vec<String>,
    pub attempt: i32,
    pub look_first: bool,
    /// Whether a person's edit asked for it last.
    pub is_by_person: bool,
    /// What earlier attempts carried that may have been carried out, in order.
    pub earlier: Vec<Values>,
}

/// Adds intents. One that is still pending for the same entity and place takes the fields over, and
/// was asked for anew only if it did not name them all: else a look at the record that asks for the
/// same again would ask for another look, for ever.
///
/// # Errors
/// [`StoreError`].
pub async fn enqueue(tx: &mut Tx, intents: &[Intent], cause: Cause) -> Result<(), StoreError> {
    if intents.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = intents.iter().map(|_| WriteId::fresh().0).collect();
    let connections: Vec<Uuid> = intents.iter().map(|intent| intent.connection.0).collect();
    let streams: Vec<&str> = intents
        .iter()
        .map(|intent| intent.stream.as_str())
        .collect();
    let kinds: Vec<&str> = intents.iter().map(|intent| intent.entity).collect();
    let entities: Vec<Uuid> = intents.iter().map(|intent| intent.entity_id.0).collect();
    let ops: Vec<&str> = intents.iter().map(|intent| intent.op.as_str()).collect();
    let fields: Vec<String> = intents
        .iter()
        .map(|intent| intent.fields.join("\n"))
        .collect();
    sqlx::query!(
        "
        insert into writes
            (id, connection_id, stream, entity, entity_id, op, fields, state, due_at, asked_at,
             cause_run_id, cause_user_id, created_at)
        select id, connection_id, stream, entity, entity_id, op,
               string_to_array(fields, chr(10)), 'pending', $1, $1, $2, $3, $1
        from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::text[],
                    $10::text[])
            as intent (id, connection_id, stream, entity, entity_id, op, fields)
        on conflict (tenant_id, connection_id, stream, entity_id) where state = 'pending'
        do update
        set op = excluded.op,
            fields = array(
                select distinct unnest(writes.fields || excluded.fields) order by 1
            ),
            asked_at = case
                when writes.fields @> excluded.fields and writes.op = excluded.op
                then writes.asked_at
                else excluded.asked_at
            end,
            cause_run_id = excluded.cause_run_id,
            cause_user_id = excluded.cause_user_id
        ",
        now,
        cause.run.map(|id| id.0),
        cause.user.map(|id| id.0),
        &ids,
        &connections,
        &streams as &[&str],
        &kinds as &[&str],
        &entities,
        &ops as &[&str],
        &fields,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A due write as it was seen before the record it is about was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    pub id: WriteId,
    /// Moves when more is asked for: then the record must be looked at again.
    pub asked_at: DateTime<Utc>,
    /// The version of the record when it was looked at, where its system tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It was not there any more.
    #[serde(default)]
    pub is_absent: bool,
}

/// The oldest due writes of one stream, each with the key of the record it is about, if there is one; of
/// one that was deleted too, which may be back by now.
///
/// # Errors
/// [`StoreError`].
pub async fn due(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
) -> Result<Vec<(Seen, Option<String>)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select due.id, due.asked_at, record.key as "key?"
        from (
            select id, asked_at, due_at, entity_id, op
            from writes
            where connection_id = $1 and stream = $2 and state = 'pending' and due_at <= $3
            order by due_at, id
            limit $4
        ) as due
        left join lateral (
            (select key from records
             where (entity_id, connection_id, stream) = (due.entity_id, $1, $2) and removed_at is null)
            union all
            (select key from records
             where (entity_id, connection_id, stream) = (due.entity_id, $1, $2)
               and removed_at is not null and due.op = 'upsert'
               and removal -> 'how' ->> 'kind' = 'deleted'
             order by removed_at desc limit 1)
            limit 1
        ) record on true
        order by due.due_at, due.id
        "#,
        connection.0,
        stream,
        tx.now(),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let due = rows.into_iter().map(|row| {
        let seen = Seen {
            id: WriteId(row.id),
            asked_at: row.asked_at,
            version: None,
            is_absent: false,
        };
        (seen, row.key)
    });
    Ok(due.collect())
}

/// Claims for `run` those of the writes that are as they were seen. One that was asked more of
/// since then stays pending.
///
/// # Errors
/// [`StoreError`].
pub async fn claim(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    seen: &[Seen],
) -> Result<Vec<Claimed>, StoreError> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = seen.iter().map(|seen| seen.id.0).collect();
    let asked: Vec<DateTime<Utc>> = seen.iter().map(|seen| seen.asked_at).collect();
    let rows = sqlx::query!(
        r#"
        update writes
        set state = 'sending', attempt = attempt + 1, run_id = $4, sent_at = $3
        from unnest($5::uuid[], $6::timestamptz[]) as seen (id, asked_at)
        where writes.id = seen.id
          and writes.asked_at = seen.asked_at
          and writes.connection_id = $1
          and writes.stream = $2
          and writes.state = 'pending'
        returning writes.id, entity_id, op, fields, attempt, look_first,
                  cause_user_id is not null as "is_by_person!",
                  earlier as "earlier: Json<Vec<Values>>"
        "#,
        connection.0,
        stream,
        now,
        run.0,
        &ids,
        &asked,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Claimed {
                id: WriteId(row.id),
                entity_id: EntityId(row.entity_id),
                op: Op::read(&row.op)?,
                fields: row.fields,
                attempt: row.attempt,
                look_first: row.look_first,
                is_by_person: row.is_by_person,
                earlier: row.earlier.map(|json| json.0).unwrap_or_default(),
            })
        })
        .collect()
}

/// Writes that another run claimed and never settled, because it was killed or failed in between:
/// back to pending, to be looked up first.
///
/// # Errors
/// [`StoreError`].
pub async fn adopt(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
) -> Result<u64, StoreError> {
    let ids = sqlx::query_scalar!(
        "
        select id
        from writes
        where connection_id = $1 and stream = $2 and state = 'sending' and run_id <> $3
        ",
        connection.0,
        stream,
        run.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let again: Vec<Again> = ids
        .into_iter()
        .map(|id| Again {
            id: WriteId(id),
            due_at: tx.now(),
            look_first: true,
            in_doubt: true,
            error: None,
        })
        .collect();
    requeue(tx, &again).await?;
    Ok(again.len() as u64)
}

/// What a write carries to its system.
#[derive(Clone, Debug)]
pub struct Carried {
    pub id: WriteId,
    pub sent: Values,
    /// What the record is known to hold in their place; `None` where it is yet to be made.
    pub before: Option<Values>,
    /// The version of the record that it is written over.
    pub expected: Option<String>,
}

/// Records what is being sent, and what the system is known to hold in its place; that is `None` where
/// the write is to make the record. Such a write carries more than was asked for: should it have to be
/// repeated, and the record be there by then, all of it is still to be brought over.
///
/// # Errors
/// [`StoreError`].
pub async fn note_sent(tx: &mut Tx, sent: &[Carried]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = sent.iter().map(|row| row.id.0).collect();
    let values = sent
        .iter()
        .map(|row| serde_json::to_string(&row.sent).map_err(StoreError::Encode))
        .collect::<Result<Vec<_>, _>>()?;
    let before = sent
        .iter()
        .map(|row| row.before.as_ref().map(serde_json::to_string).transpose())
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::Encode)?;
    let expected: Vec<Option<&str>> = sent.iter().map(|row| row.expected.as_deref()).collect();
    sqlx::query!(
        "
        update writes
        set sent = row.sent::jsonb,
            before = row.before::jsonb,
            expected = row.expected,
            fields = array(
                select distinct unnest(
                    writes.fields || array(select jsonb_object_keys(row.sent::jsonb))
                ) order by 1
            )
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
            as row (id, sent, before, expected)
        where writes.id = row.id
        ",
        &ids,
        &values,
        &before as &[Option<String>],
        &expected as &[Option<&str>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends writes: settled, or failed for good with the reason.
///
/// # Errors
/// [`StoreError`].
pub async fn finish(
    tx: &mut Tx,
    ended: &[(WriteId, Option<serde_json::Value>)],
) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = ended.iter().map(|(id, _)| id.0).collect();
    let errors: Vec<Option<String>> = ended
        .iter()
        .map(|(_, error)| error.as_ref().map(ToString::to_string))
        .collect();
    sqlx::query!(
        "
        update writes
        set state = case when row.error is null then 'settled' else 'failed' end,
            error = row.error::jsonb,
            earlier = null,
            settled_at = $1
        from unnest($2::uuid[], $3::text[]) as row (id, error)
        where writes.id = row.id and writes.state = 'sending'
        ",
        tx.now(),
        &ids,
        &errors as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A write to try again later.
#[derive(Clone, Debug)]
pub struct Again {
    pub id: WriteId,
    pub due_at: DateTime<Utc>,
    /// It may have taken effect: look before a create is repeated.
    pub look_first: bool,
    /// What it carried may be there by now: know it again.
    pub in_doubt: bool,
    pub error: Option<serde_json::Value>,
}

/// Back to pending, with what was carried where that may have arrived. Where a newer intent for the
/// same record is pending already, that one takes the fields over and this one ends as superseded.
///
/// # Errors
/// [`StoreError`].
pub async fn requeue(tx: &mut Tx, again: &[Again]) -> Result<(), StoreError> {
    if again.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = again.iter().map(|row| row.id.0).collect();
    let due: Vec<DateTime<Utc>> = again.iter().map(|row| row.due_at).collect();
    let look: Vec<bool> = again.iter().map(|row| row.look_first).collect();
    let errors: Vec<Option<String>> = again
        .iter()
        .map(|row| row.error.as_ref().map(ToString::to_string))
        .collect();
    let in_doubt = again.iter().filter(|row| row.in_doubt);
    doubts::remember(tx, in_doubt.map(|row| row.id)).await?;
    sqlx::query!(
        "
        update writes newer
        set fields = array(select distinct unnest(newer.fields || older.fields) order by 1),
            look_first = newer.look_first or row.look_first,
            sent = coalesce(newer.sent, older.sent),
            before = coalesce(newer.before, older.before),
            expected = coalesce(newer.expected, older.expected),
            earlier = coalesce(older.earlier || newer.earlier, newer.earlier, older.earlier)
        from writes older
        join unnest($1::uuid[], $2::boolean[]) as row (id, look_first) on row.id = older.id
        where newer.state = 'pending'
          and newer.connection_id = older.connection_id
          and newer.stream = older.stream
          and newer.entity_id = older.entity_id
        ",
        &ids,
        &look,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        update writes
        set state = case
                when exists (
                    select 1
                    from writes newer
                    where newer.state = 'pending'
                      and newer.connection_id = writes.connection_id
                      and newer.stream = writes.stream
                      and newer.entity_id = writes.entity_id
                ) then 'superseded'
                else 'pending'
            end,
            due_at = row.due_at,
            look_first = writes.look_first or row.look_first,
            error = coalesce(row.error::jsonb, writes.error)
        from unnest($1::uuid[], $2::timestamptz[], $3::boolean[], $4::text[])
            as row (id, due_at, look_first, error)
        where writes.id = row.id and writes.state = 'sending'
        ",
        &ids,
        &due,
        &look,
        &errors as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// When the next write of a stream is due; one that a run claimed, and that was cancelled or failed
/// before it settled it, has been due since then.
///
/// # Errors
/// [`StoreError`].
pub async fn next_due(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_scalar!(
        "
        select least(
            (
                select min(due_at) from writes
                where connection_id = $1 and stream = $2 and state = 'pending'
            ),
            (
                select min(sent_at) from writes
                where connection_id = $1 and stream = $2 and state = 'sending'
                  and not exists (
                      select from runs where runs.id = writes.run_id and runs.state <> 'parked'
                  )
            )
        )
        ",
        connection.0,
        stream,
    )
    .fetch_one(tx.conn())
    .await?)
}
