//! Storing records: what was seen of them, and the statement for many.

use chrono::{DateTime, Utc};
use connector_sdk::Fields;
use sha2::{Digest, Sha256};

use super::Unresolved;
use crate::entity::Stored;
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::Values;
use crate::store::{Statement, StoreError};

/// A record to store, over whatever is stored for its key.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub entity_id: EntityId,
    pub snapshot: Snapshot,
    pub base: Values,
    pub remote_version: Option<String>,
    pub remote_changed_at: Option<DateTime<Utc>>,
    pub unresolved: Option<Unresolved>,
    pub problems: Option<serde_json::Value>,
    pub link_method: &'static str,
    /// It was asked for by itself, not listed.
    pub is_asked: bool,
    /// When it was seen so, if that was before this.
    pub seen_at: Option<DateTime<Utc>>,
}

/// Where rows belong: one stream of one connection, mapped to one kind of entity.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub connection: ConnectionId,
    pub stream: &'a str,
    pub entity: &'a str,
    pub mapping_version: i32,
    pub run: Option<RunId>,
}

/// A record as it was seen.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// JSON of the record's fields.
    pub raw: String,
    /// Tells whether they changed.
    pub content_hash: Vec<u8>,
}

/// What stands in a snapshot for a character that Postgres does not store.
const CLEANED: &str = "\\ufffd";

impl Snapshot {
    /// Whether it may say something else than the record did.
    pub(crate) fn is_cleaned(&self) -> bool {
        self.raw.contains(CLEANED)
    }
}

/// The snapshot of these fields.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn snapshot(fields: &Fields) -> Result<Snapshot, StoreError> {
    let mut raw = serde_json::to_string(fields).map_err(StoreError::Encode)?;
    if raw.contains("\\u0000") {
        // Postgres stores no NUL; the field itself is refused by its mapping.
        raw = raw.replace("\\u0000", CLEANED);
    }
    let content_hash = Sha256::digest(raw.as_bytes())[..16].to_vec();
    Ok(Snapshot { raw, content_hash })
}

/// The statement that stores records, which are all new or all known. Rows that are there although
/// nobody should have stored them make it fail with a unique violation.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn save(
    place: Place<'_>,
    stored: Stored,
    now: DateTime<Utc>,
    rows: &[Row],
) -> Result<Statement, StoreError> {
    let mut keys = Vec::with_capacity(rows.len());
    let mut entities = Vec::with_capacity(rows.len());
    let mut raws = Vec::with_capacity(rows.len());
    let mut bases = Vec::with_capacity(rows.len());
    let mut versions = Vec::with_capacity(rows.len());
    let mut changed = Vec::with_capacity(rows.len());
    let mut hashes = Vec::with_capacity(rows.len());
    let mut unresolved = Vec::with_capacity(rows.len());
    let mut problems = Vec::with_capacity(rows.len());
    let mut methods = Vec::with_capacity(rows.len());
    let mut asked = Vec::with_capacity(rows.len());
    let mut seen = Vec::with_capacity(rows.len());
    for row in rows {
        keys.push(row.key.as_str());
        entities.push(row.entity_id.0);
        raws.push(row.snapshot.raw.as_str());
        bases.push(serde_json::to_string(&row.base).map_err(StoreError::Encode)?);
        versions.push(row.remote_version.as_deref());
        changed.push(row.remote_changed_at);
        hashes.push(row.snapshot.content_hash.as_slice());
        let waiting = row
            .unresolved
            .as_ref()
            .map(serde_json::to_string)
            .transpose();
        unresolved.push(waiting.map_err(StoreError::Encode)?);
        problems.push(row.problems.as_ref().map(ToString::to_string));
        methods.push(row.link_method);
        asked.push(row.is_asked);
        seen.push(row.seen_at.unwrap_or(now));
    }
    // `$end` says what to do about rows that are there.
    macro_rules! save {
        ($end:literal) => {
            sqlx::query!(
                "
                insert into records
                    (connection_id, stream, key, entity, entity_id, raw, base, remote_version,
                     remote_changed_at, content_hash, unresolved, problems, mapping_version, link_method,
                     linked_at, seen_at, mapped_at, run_id, is_asked)
                select $1, $2, key, $3, entity_id, raw::json, base::json, remote_version,
                       remote_changed_at, content_hash, unresolved::jsonb, problems::jsonb, $4, link_method,
                       $5, seen_at, $5, $6, is_asked
                from unnest($7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                            $12::timestamptz[], $13::bytea[], $14::text[], $15::text[], $16::text[],
                            $17::boolean[], $18::timestamptz[])
                    as row (key, entity_id, raw, base, remote_version, remote_changed_at, content_hash,
                            unresolved, problems, link_method, is_asked, seen_at)
                "
                    + $end,
                place.connection.0,
                place.stream,
                place.entity,
                place.mapping_version,
                now,
                place.run.map(|id| id.0),
                &keys as &[&str],
                &entities,
                &raws as &[&str],
                &bases,
                &versions as &[Option<&str>],
                &changed as &[Option<DateTime<Utc>>],
                &hashes as &[&[u8]],
                &unresolved as &[Option<String>],
                &problems as &[Option<String>],
                &methods as &[&str],
                &asked,
                &seen,
            )
        };
    }
    Ok(Statement::new(match stored {
        Stored::Never => save!(""),
        Stored::Perhaps => save!(
            "
            on conflict (tenant_id, connection_id, stream, key) do update
            set entity_id = excluded.entity_id,
                raw = excluded.raw,
                base = excluded.base,
                remote_version = excluded.remote_version,
                remote_changed_at = excluded.remote_changed_at,
                content_hash = excluded.content_hash,
                unresolved = excluded.unresolved,
                problems = excluded.problems,
                mapping_version = excluded.mapping_version,
                seen_at = excluded.seen_at,
                mapped_at = excluded.mapped_at,
                run_id = excluded.run_id,
                is_asked = excluded.is_asked,
                removed_at = null,
                removal = null
            "
        ),
    }))
}
