//! Previews of mappings, and the records they are about.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{EntityId, MappingId, PreviewId, RunId, UserId};
use crate::outcomes::{Act, Digest, Outcome, Part, Totals};

/// A preview to make.
#[derive(Clone, Debug)]
pub struct NewPreview<'a> {
    pub id: PreviewId,
    pub mapping: MappingId,
    pub version: i32,
    pub against: Option<i32>,
    pub around: &'a BTreeMap<String, String>,
    pub run: RunId,
    /// Records to read again from the system.
    pub sample: i32,
    pub asked_by: UserId,
}

/// A preview.
#[derive(Clone, Debug)]
pub struct Preview {
    pub id: PreviewId,
    pub mapping: MappingId,
    pub version: i32,
    pub against: Option<i32>,
    pub around: BTreeMap<String, String>,
    pub run: RunId,
    pub sample: i32,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    /// When the first snapshot was looked at.
    pub began_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub totals: Option<Totals>,
    pub digest: Option<Digest>,
    pub live: Option<Live>,
}

/// What reading some records again gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    pub asked: u64,
    pub found: u64,
    pub totals: Totals,
    /// Why the system did not give them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One record of a preview.
#[derive(Clone, Debug)]
pub struct PreviewRow {
    pub number: i64,
    pub live: bool,
    pub entity_id: Option<EntityId>,
    pub outcome: Outcome,
}

/// Which records of a preview are asked for; empty fields do not restrict.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowQuery {
    pub act: Option<Act>,
    pub live: Option<bool>,
    pub has_conflict: Option<bool>,
    pub has_failure: Option<bool>,
}

/// Stores a preview that is to be made, and forgets those of the same mapping that are older than
/// the newest `keep`, but for such as something was published by.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut Tx, new: &NewPreview<'_>, keep: i64) -> Result<(), StoreError> {
    let now = tx.now();
    let around = serde_json::to_value(new.around).map_err(StoreError::Encode)?;
    sqlx::query!(
        "insert into previews
             (id, mapping_id, mapping_version, against, around, run_id, sample, asked_by, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id.0,
        new.mapping.0,
        new.version,
        new.against,
        around,
        new.run.0,
        new.sample,
        new.asked_by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    let old: Vec<Uuid> = sqlx::query_scalar!(
        "select id from previews p
         where mapping_id = $1
           and not exists (select from publications where preview_id = p.id)
         order by id desc
         offset $2",
        new.mapping.0,
        keep,
    )
    .fetch_all(tx.conn())
    .await?;
    if !old.is_empty() {
        sqlx::query!("delete from preview_rows where preview_id = any($1)", &old)
            .execute(tx.conn())
            .await?;
        sqlx::query!("delete from previews where id = any($1)", &old)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// A preview of a mapping.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, mapping: MappingId, id: PreviewId) -> Result<Preview, StoreError> {
    let preview = find(tx, id).await?;
    if preview.mapping == mapping {
        return Ok(preview);
    }
    Err(StoreError::NotFound(format!("preview {id}")))
}

/// The preview with this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn find(tx: &mut Tx, id: PreviewId) -> Result<Preview, StoreError> {
    let row = sqlx::query_as!(
        PreviewFacts,
        r#"
        select id, mapping_id, mapping_version, against,
               around as "around: Json<BTreeMap<String, String>>", run_id, sample, asked_by,
               asked_at, began_at, ended_at, totals, digest, live as "live: Json<Live>"
        from previews
        where id = $1
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.ok_or_else(|| StoreError::NotFound(format!("preview {id}")))?
        .read()
}

/// Previews of a mapping, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    mapping: MappingId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Preview>, StoreError> {
    let rows = sqlx::query_as!(
        PreviewFacts,
        r#"
        select id, mapping_id, mapping_version, against,
               around as "around: Json<BTreeMap<String, String>>", run_id, sample, asked_by,
               asked_at, began_at, ended_at, totals, digest, live as "live: Json<Live>"
        from previews
        where mapping_id = $1 and ($3::uuid is null or id < $3)
        order by id desc
        limit $2::bigint + 1
        "#,
        mapping.0,
        limit,
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?;
    let previews = rows
        .into_iter()
        .map(PreviewFacts::read)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Slice::cut(previews, limit, |preview| After {
        value: String::new(),
        id: preview.id.0,
    }))
}

struct PreviewFacts {
    id: Uuid,
    mapping_id: Uuid,
    mapping_version: i32,
    against: Option<i32>,
    around: Json<BTreeMap<String, String>>,
    run_id: Uuid,
    sample: i32,
    asked_by: Uuid,
    asked_at: DateTime<Utc>,
    began_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    totals: serde_json::Value,
    digest: Option<Vec<u8>>,
    live: Option<Json<Live>>,
}

impl PreviewFacts {
    fn read(self) -> Result<Preview, StoreError> {
        let totals = match self.began_at {
            Some(_) => Some(
                serde_json::from_value(self.totals)
                    .map_err(|error| StoreError::corrupt("totals of a preview", error))?,
            ),
            None => None,
        };
        let digest = self.digest.as_deref().map(Digest::from_bytes).transpose();
        let digest = digest.map_err(|error| StoreError::corrupt("digest of a preview", error))?;
        Ok(Preview {
            id: PreviewId(self.id),
            mapping: MappingId(self.mapping_id),
            version: self.mapping_version,
            against: self.against,
            around: self.around.0,
            run: RunId(self.run_id),
            sample: self.sample,
            asked_by: UserId(self.asked_by),
            asked_at: self.asked_at,
            began_at: self.began_at,
            ended_at: self.ended_at,
            totals,
            digest,
            live: self.live.map(|json| json.0),
        })
    }
}

/// Notes how far a preview has come; the first time is when it began.
///
/// # Errors
/// [`StoreError::NotFound`] for one that was deleted meanwhile.
pub async fn note(tx: &mut Tx, id: PreviewId, so_far: &Part) -> Result<(), StoreError> {
    let now = tx.now();
    let totals = serde_json::to_value(&so_far.totals).map_err(StoreError::Encode)?;
    let noted = sqlx::query!(
        "update previews set totals = $2, digest = $3, began_at = coalesce(began_at, $4)
         where id = $1",
        id.0,
        totals,
        so_far.digest.as_bytes(),
        now,
    )
    .execute(tx.conn())
    .await?;
    if noted.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("preview {id}")));
    }
    Ok(())
}

/// Notes that a preview is complete, with what the system itself gave.
///
/// # Errors
/// [`StoreError`].
pub async fn end(tx: &mut Tx, id: PreviewId, live: Option<&Live>) -> Result<(), StoreError> {
    let now = tx.now();
    let live = live
        .map(serde_json::to_value)
        .transpose()
        .map_err(StoreError::Encode)?;
    sqlx::query!(
        "update previews set live = $2, ended_at = $3 where id = $1",
        id.0,
        live,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores records to which something would happen, numbered from `first` on.
///
/// # Errors
/// [`StoreError`].
pub async fn insert_rows(
    tx: &mut Tx,
    id: PreviewId,
    first: i64,
    is_live: bool,
    outcomes: &[Outcome],
) -> Result<(), StoreError> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = (first..).take(outcomes.len()).collect();
    let keys: Vec<&str> = outcomes.iter().map(|one| one.key.as_str()).collect();
    let entities: Vec<Option<Uuid>> = outcomes
        .iter()
        .map(|one| one.entity_id.map(|id| id.0))
        .collect();
    let acts: Vec<&str> = outcomes.iter().map(|one| one.act.as_str()).collect();
    let conflicts: Vec<bool> = outcomes.iter().map(Outcome::has_conflict).collect();
    let failures: Vec<bool> = outcomes.iter().map(|one| !one.failed.is_empty()).collect();
    let bodies = outcomes
        .iter()
        .map(|one| serde_json::to_string(one).map_err(StoreError::Encode))
        .collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "
        insert into preview_rows
            (preview_id, number, live, record_key, entity_id, act, has_conflict, has_failure,
             outcome)
        select $1, number, $2, record_key, entity_id, act, has_conflict, has_failure, outcome::json
        from unnest($3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::bool[], $8::bool[],
                    $9::text[])
            as row (number, record_key, entity_id, act, has_conflict, has_failure, outcome)
        ",
        id.0,
        is_live,
        &numbers,
        &keys as &[&str],
        &entities as &[Option<Uuid>],
        &acts as &[&str],
        &conflicts,
        &failures,
        &bodies,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Records of a preview, in the order they were looked at, from behind number `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn rows(
    tx: &mut Tx,
    id: PreviewId,
    query: RowQuery,
    after: i64,
    limit: i64,
) -> Result<Vec<PreviewRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select number, live, entity_id, outcome as "outcome: Json<Outcome>"
        from preview_rows
        where preview_id = $1
          and number > $2
          and ($4::text is null or act = $4)
          and ($5::bool is null or live = $5)
          and ($6::bool is null or has_conflict = $6)
          and ($7::bool is null or has_failure = $7)
        order by number
        limit $3
        "#,
        id.0,
        after,
        limit,
        query.act.map(Act::as_str),
        query.live,
        query.has_conflict,
        query.has_failure,
    )
    .fetch_all(tx.conn())
    .await?;
    let rows = rows.into_iter().map(|row| PreviewRow {
        number: row.number,
        live: row.live,
        entity_id: row.entity_id.map(EntityId),
        outcome: row.outcome.0,
    });
    Ok(rows.collect())
}
