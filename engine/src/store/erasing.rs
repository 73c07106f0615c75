//! Destroys what is stored of an entity beside its own row: snapshots, history, conflicts, writes,
//! echoes, rewrites, previews, what is withheld, questions about records, how links came to be, samples of failures, its keys in lists of canaries, and
//! its values in journals of runs.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sqlx::types::Uuid;

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId};

/// A record of the entity in a system.
#[derive(Clone, Debug)]
pub struct Place {
    pub connection: ConnectionId,
    pub stream: String,
    pub key: String,
}

/// The records an entity has or had.
///
/// # Errors
/// [`StoreError`].
pub async fn places(tx: &mut Tx, id: EntityId) -> Result<Vec<Place>, StoreError> {
    Ok(sqlx::query_as!(
        Place,
        r#"select connection_id as "connection: ConnectionId", stream, key
           from records where entity_id = $1"#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Everything that is stored of an entity as it was said: what its values are looked for in.
///
/// # Errors
/// [`StoreError`].
pub async fn said(tx: &mut Tx, id: EntityId) -> Result<Vec<Json>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"
        select base::jsonb as "said!" from records where entity_id = $1
        union all
        select jsonb_object_agg(field ->> 'field', field -> 'old') from changes c,
               jsonb_array_elements(c.fields) as field where c.entity_id = $1
        group by c.id having count(*) > 0
        union all
        select jsonb_object_agg(field ->> 'field', field -> 'new') from changes c,
               jsonb_array_elements(c.fields) as field where c.entity_id = $1
        group by c.id having count(*) > 0
        union all
        select jsonb_object_agg(field ->> 'field', field -> 'lost') from changes c,
               jsonb_array_elements(c.fields) as field
        where c.entity_id = $1 and field ? 'lost'
        group by c.id
        union all
        select sent from writes where entity_id = $1 and sent is not null
        union all
        select before from writes where entity_id = $1 and before is not null
        union all
        select jsonb_array_elements(earlier) from writes where entity_id = $1 and earlier is not null
        union all
        select jsonb_object_agg(side.key, side.value -> 'core') from conflicts c,
               jsonb_each(c.fields) as side where c.entity_id = $1 group by c.id
        union all
        select jsonb_object_agg(side.key, side.value -> 'remote') from conflicts c,
               jsonb_each(c.fields) as side where c.entity_id = $1 group by c.id
        union all
        select jsonb_build_object(field, ours) from rewrites where entity_id = $1
        union all
        select jsonb_build_object(field, theirs) from rewrites where entity_id = $1
        union all
        select jsonb_object_agg(one ->> 'field', one -> side) from link_events e,
               jsonb_array_elements(e.evidence) as one, unnest(array['here', 'there']) as side
        where e.entity_id = $1 group by e.id, side
        "#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// Everything that is stored of an entity as systems said it or were told, in their words.
///
/// # Errors
/// [`StoreError`].
pub async fn foreign(tx: &mut Tx, id: EntityId) -> Result<Vec<Json>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"
        select raw::jsonb as "said!" from records where entity_id = $1
        union all
        select raw::jsonb from matches where entity_id = $1
        union all
        select sent from writes where entity_id = $1 and sent is not null
        union all
        select before from writes where entity_id = $1 and before is not null
        union all
        select jsonb_array_elements(earlier) from writes where entity_id = $1 and earlier is not null
        "#,
        id.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// Whether a write of the entity is on its way: nothing may be destroyed under it.
///
/// # Errors
/// [`StoreError`].
pub async fn writes_under_way(tx: &mut Tx, id: EntityId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from writes
           where entity_id = $1
             and (state = 'sending' or (op = 'delete' and state = 'pending'))"#,
        id.0
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Destroys it; how many rows of what. `values` are texts of the person's, which are taken out of the
/// journals of the runs that had to do with the entity.
///
/// # Errors
/// [`StoreError`].
pub async fn destroy(
    tx: &mut Tx,
    id: EntityId,
    places: &[Place],
    values: &[String],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    // Before the rows that name the runs are gone.
    let runs = runs(tx, id).await?;
    let masked = mask_runs(tx, &runs, values).await?;
    counts.insert("journals".to_owned(), masked);
    let connections: Vec<Uuid> = places.iter().map(|place| place.connection.0).collect();
    let streams: Vec<String> = places.iter().map(|place| place.stream.clone()).collect();
    let keys: Vec<String> = places.iter().map(|place| place.key.clone()).collect();
    let fixtures = sqlx::query!(
        "delete from mapping_fixtures f using mappings m,
                unnest($1::uuid[], $2::text[], $3::text[]) as place (connection_id, stream, key)
         where m.id = f.mapping_id and m.connection_id = place.connection_id
           and m.stream = place.stream and f.record ->> 'key' = place.key",
        &connections,
        &streams,
        &keys,
    )
    .execute(tx.conn())
    .await?;
    counts.insert("fixtures".to_owned(), fixtures.rows_affected());
    // A canary that named the record keeps the number of those it named.
    sqlx::query!(
        "update canaries c
         set keys = array(
             select case
                 when exists (select from unnest($1::uuid[], $2::text[], $3::text[])
                                  as place (connection_id, stream, key)
                              where place.connection_id = c.connection_id
                                and place.stream = c.stream and place.key = named.key)
                 then '' else named.key end
             from unnest(c.keys) with ordinality as named (key, at)
             order by named.at
         )
         where c.connection_id = any($1) and c.keys && $3",
        &connections,
        &streams,
        &keys,
    )
    .execute(tx.conn())
    .await?;
    let previews = sqlx::query!(
        "delete from preview_rows r
         where r.entity_id = $1
            or exists (select from previews p
                       join mappings m on m.id = p.mapping_id
                       join unnest($2::uuid[], $3::text[], $4::text[])
                            as place (connection_id, stream, key)
                         on place.connection_id = m.connection_id and place.stream = m.stream
                       where p.id = r.preview_id and place.key = r.record_key)",
        id.0,
        &connections,
        &streams,
        &keys,
    )
    .execute(tx.conn())
    .await?;
    counts.insert("previews".to_owned(), previews.rows_affected());
    // Another record of theirs, of which nothing was made yet, is known by the address.
    let addresses: Vec<String> = values
        .iter()
        .filter(|value| value.contains('@'))
        .map(|value| value.to_lowercase())
        .collect();
    let withheld = sqlx::query!(
        "delete from withheld w
         where w.entity_id = $1
            or exists (select from unnest($2::uuid[], $3::text[], $4::text[])
                            as place (connection_id, stream, key)
                       where place.connection_id = w.connection_id and place.stream = w.stream
                         and place.key = w.key)
            or w.entity_id is null
                and mask_text(lower(w.change::text), $5) <> lower(w.change::text)",
        id.0,
        &connections,
        &streams,
        &keys,
        &addresses,
    )
    .execute(tx.conn())
    .await?;
    counts.insert("withheld".to_owned(), withheld.rows_affected());
    let places = (&*connections, &*streams, &*keys);
    let (questions, previewed) = forget_questions(tx, id, places, &addresses).await?;
    counts.insert("matches".to_owned(), questions);
    *counts.entry("previews".to_owned()).or_default() += previewed;
    let came = sqlx::query!(
        "delete from link_events e
         where e.entity_id = $1 or e.from_entity = $1
            or exists (select from unnest($2::uuid[], $3::text[], $4::text[])
                            as place (connection_id, stream, key)
                       where place.connection_id = e.connection_id and place.stream = e.stream
                         and place.key = e.key)",
        id.0,
        &connections,
        &streams,
        &keys,
    )
    .execute(tx.conn())
    .await?;
    counts.insert("link_events".to_owned(), came.rows_affected());
    // A class keeps the message of one of its things, whichever.
    sqlx::query!(
        "update failure_classes
         set samples = coalesce((select jsonb_agg(sample) from jsonb_array_elements(samples) sample
                                 where sample ->> 'entity_id' is distinct from $1), '[]'),
             message = mask_text(message, $2),
             note = mask_text(note, $2)
         where samples @> jsonb_build_array(jsonb_build_object('entity_id', $1::text))
            or mask_text(message, $2) <> message or mask_text(note, $2) <> note",
        id.0.to_string(),
        values,
    )
    .execute(tx.conn())
    .await?;
    // What people wrote of the person when they asked and decided, in earlier requests too.
    sqlx::query!(
        "update erasures set reason = mask_text(reason, $2), note = mask_text(note, $2)
         where entity_id = $1",
        id.0,
        values,
    )
    .execute(tx.conn())
    .await?;
    let mails = sqlx::query!(
        "delete from outgoing_mails
         where lower(recipient) in (select lower(value) from unnest($1::text[]) as value)",
        values,
    )
    .execute(tx.conn())
    .await?;
    counts.insert("mails".to_owned(), mails.rows_affected());
    for (table, statement) in [
        ("records", "delete from records where entity_id = $1"),
        ("changes", "delete from changes where entity_id = $1"),
        ("conflicts", "delete from conflicts where entity_id = $1"),
        ("writes", "delete from writes where entity_id = $1"),
        ("echoes", "delete from echoes where entity_id = $1"),
        ("rewrites", "delete from rewrites where entity_id = $1"),
        (
            "differences",
            "delete from differences where entity_id = $1",
        ),
        (
            "exports",
            "delete from subject_exports where entity_id = $1",
        ),
    ] {
        let gone = sqlx::query(statement).bind(id.0).execute(tx.conn()).await?;
        counts.insert(table.to_owned(), gone.rows_affected());
    }
    Ok(counts)
}

/// Destroys questions about records that are the entity's, or may be; what was answered of others stays,
/// without what was compared. Returns how many these were, and how many rows of previews showed them.
async fn forget_questions(
    tx: &mut Tx,
    id: EntityId,
    (connections, streams, keys): (&[Uuid], &[String], &[String]),
    addresses: &[String],
) -> Result<(u64, u64), StoreError> {
    // What a preview showed of them has no entity to be found by.
    let destroyed = sqlx::query!(
        r#"with gone as (
             delete from matches m
             where m.entity_id = $1
                or $1 = any(m.candidate_ids) and m.state in ('open', 'gone')
                or exists (select from unnest($2::uuid[], $3::text[], $4::text[])
                                as place (connection_id, stream, key)
                           where place.connection_id = m.connection_id and place.stream = m.stream
                             and place.key = m.key)
                or m.state <> 'same' and mask_text(lower(m.raw::text), $5) <> lower(m.raw::text)
             returning m.connection_id, m.stream, m.key
         ), previewed as (
             delete from preview_rows r
             using previews p, mappings of, gone
             where p.id = r.preview_id and of.id = p.mapping_id
               and of.connection_id = gone.connection_id and of.stream = gone.stream
               and r.record_key = gone.key
             returning r.number
         )
         select (select count(*) from gone) as "questions!",
                (select count(*) from previewed) as "previewed!""#,
        id.0,
        connections,
        streams,
        keys,
        addresses,
    )
    .fetch_one(tx.conn())
    .await?;
    let emptied = sqlx::query!(
        "update matches
         set candidates = '[]', candidate_ids = '{}', keys = '{}', raw = '{}', note = null,
             from_entity = nullif(from_entity, $1)
         where $1 = any(candidate_ids) or from_entity = $1",
        id.0,
    )
    .execute(tx.conn())
    .await?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let questions = count(destroyed.questions) + emptied.rows_affected();
    Ok((questions, count(destroyed.previewed)))
}

/// Runs that had to do with an entity: that the rows of the entity name, or whose journals name the
/// entity. A write that was put back names the last run that tried it only, and may be kept for a
/// shorter time than the journals; so all journals of the tenant are looked through.
async fn runs(tx: &mut Tx, id: EntityId) -> Result<Vec<Uuid>, StoreError> {
    let name = id.to_string();
    Ok(sqlx::query_scalar!(
        r#"
        select run_id as "run!" from writes where entity_id = $1 and run_id is not null
        union select cause_run_id from writes where entity_id = $1 and cause_run_id is not null
        union select run_id from changes where entity_id = $1 and run_id is not null
        union select run_id from records where entity_id = $1 and run_id is not null
        union select run_id from conflicts where entity_id = $1 and run_id is not null
        union select run_id from rewrites where entity_id = $1 and run_id is not null
        union select run_id from withheld where entity_id = $1
        union select run_id from matches where entity_id = $1 or $1 = any(candidate_ids)
        union select run_id from link_events where entity_id = $1 and run_id is not null
        union select run_id from steps where position($2::bytea in output) > 0
        "#,
        id.0,
        name.as_bytes(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Takes texts out of the journals of runs. Journals are JSON, and a part of a text in them can be
/// exchanged without breaking it.
async fn mask_runs(tx: &mut Tx, runs: &[Uuid], values: &[String]) -> Result<u64, StoreError> {
    if runs.is_empty() || values.is_empty() {
        return Ok(0);
    }
    // As they stand in JSON.
    let parts: Vec<String> = values
        .iter()
        .filter_map(|value| {
            let json = serde_json::to_string(value).ok()?;
            Some(json.trim_matches('"').to_owned())
        })
        .collect();
    let mut masked = 0;
    for (table, key, column) in [
        ("steps", "run_id", "output"),
        ("signals", "run_id", "body"),
        ("runs", "id", "input"),
        ("finished_runs", "id", "input"),
        ("finished_runs", "id", "output"),
    ] {
        let statement = format!(
            "update {table}
             set {column} = convert_to(mask_text(convert_from({column}, 'UTF8'), $2), 'UTF8')
             where {key} = any($1) and {column} is not null
               and mask_text(convert_from({column}, 'UTF8'), $2) <> convert_from({column}, 'UTF8')"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(runs)
            .bind(&parts)
            .execute(tx.conn())
            .await?;
        masked += done.rows_affected();
    }
    for (table, key) in [
        ("steps", "run_id"),
        ("attempts", "run_id"),
        ("runs", "id"),
        ("finished_runs", "id"),
    ] {
        let statement = format!(
            "update {table} set error = mask_text(error::text, $2)::jsonb
             where {key} = any($1) and error is not null
               and mask_text(error::text, $2) <> error::text"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(runs)
            .bind(&parts)
            .execute(tx.conn())
            .await?;
        masked += done.rows_affected();
    }
    Ok(masked)
}
