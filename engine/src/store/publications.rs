//! When which version of a mapping was put in force, by whom, and what that did.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{MappingApprovalId, MappingId, PreviewId, PublicationId, RunId, UserId};
use crate::outcomes::{Digest, Part, Totals};

/// A version that is put in force.
#[derive(Clone, Copy, Debug)]
pub struct NewPublication {
    pub id: PublicationId,
    pub mapping: MappingId,
    pub version: i32,
    pub replaced: Option<i32>,
    /// The version whose text came back.
    pub restored: Option<i32>,
    pub preview: Option<PreviewId>,
    pub approval: Option<MappingApprovalId>,
    /// Applies it to the stored snapshots.
    pub run: Option<RunId>,
    pub by: UserId,
}

/// A version that was put in force.
#[derive(Clone, Debug)]
pub struct Publication {
    pub id: PublicationId,
    pub version: i32,
    pub replaced: Option<i32>,
    pub restored: Option<i32>,
    pub preview: Option<PreviewId>,
    pub approval: Option<MappingApprovalId>,
    pub run: Option<RunId>,
    pub at: DateTime<Utc>,
    pub by: UserId,
    /// When it had been applied to all stored snapshots.
    pub applied_at: Option<DateTime<Utc>>,
    pub totals: Option<Totals>,
    pub digest: Option<Digest>,
    /// Of the preview it was published by.
    pub previewed: Option<Digest>,
}

/// Notes a publication.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut Tx, new: &NewPublication) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into publications
             (id, mapping_id, mapping_version, replaced, restored, preview_id, approval_id, run_id,
              at, by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        new.id.0,
        new.mapping.0,
        new.version,
        new.replaced,
        new.restored,
        new.preview.map(|id| id.0),
        new.approval.map(|id| id.0),
        new.run.map(|id| id.0),
        now,
        new.by.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes what applying it to the stored snapshots did.
///
/// # Errors
/// [`StoreError`].
pub async fn applied(tx: &mut Tx, id: PublicationId, did: &Part) -> Result<(), StoreError> {
    let now = tx.now();
    let totals = serde_json::to_value(&did.totals).map_err(StoreError::Encode)?;
    sqlx::query!(
        "update publications set applied_at = $2, totals = $3, digest = $4 where id = $1",
        id.0,
        now,
        totals,
        did.digest.as_bytes(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Publications of a mapping, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    mapping: MappingId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Publication>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id, p.mapping_version, p.replaced, p.restored, p.preview_id, p.approval_id,
               p.run_id, p.at, p.by, p.applied_at, p.totals as "totals: Json<Totals>", p.digest,
               v.digest as "previewed?"
        from publications p
        left join previews v on v.id = p.preview_id
        where p.mapping_id = $1 and ($3::uuid is null or p.id < $3)
        order by p.id desc
        limit $2::bigint + 1
        "#,
        mapping.0,
        limit,
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?;
    let digest = |bytes: Option<Vec<u8>>| {
        let digest = bytes.as_deref().map(Digest::from_bytes).transpose();
        digest.map_err(|error| StoreError::corrupt("digest of a publication", error))
    };
    let publications = rows
        .into_iter()
        .map(|row| {
            Ok(Publication {
                id: PublicationId(row.id),
                version: row.mapping_version,
                replaced: row.replaced,
                restored: row.restored,
                preview: row.preview_id.map(PreviewId),
                approval: row.approval_id.map(MappingApprovalId),
                run: row.run_id.map(RunId),
                at: row.at,
                by: UserId(row.by),
                applied_at: row.applied_at,
                totals: row.totals.map(|json| json.0),
                digest: digest(row.digest)?,
                previewed: digest(row.previewed)?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Slice::cut(publications, limit, |publication| After {
        value: String::new(),
        id: publication.id.0,
    }))
}

/// Whether a version was ever put in force by somebody.
///
/// # Errors
/// [`StoreError`].
pub async fn has(tx: &mut Tx, mapping: MappingId, version: i32) -> Result<bool, StoreError> {
    let has = sqlx::query_scalar!(
        r#"
        select exists (
            select from publications where mapping_id = $1 and mapping_version = $2
        ) as "has!"
        "#,
        mapping.0,
        version,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(has)
}
