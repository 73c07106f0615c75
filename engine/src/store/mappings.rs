//! Mappings of streams and their versions, as text.

use chrono::{DateTime, Utc};

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, MappingId, UserId};

/// A mapping with its newest and its published text.
#[derive(Clone, Debug)]
pub struct MappingRow {
    pub id: MappingId,
    pub connection_id: ConnectionId,
    pub stream: String,
    pub entity: String,
    pub published_version: Option<i32>,
    pub newest_version: i32,
    pub text: String,
    pub published_text: Option<String>,
    /// Of the row, for edits.
    pub version: i64,
    pub updated_at: DateTime<Utc>,
    /// Name of who wrote the newest version.
    pub updated_by: String,
}

impl MappingRow {
    /// Whether the newest version is not published.
    pub fn has_draft(&self) -> bool {
        self.published_version != Some(self.newest_version)
    }
}

/// One version of a mapping.
#[derive(Clone, Debug)]
pub struct MappingVersion {
    pub version: i32,
    /// draft, published, superseded or rolled_back
    pub state: String,
    pub body: String,
    /// The earlier version whose text this one brought back.
    pub restores: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub created_by: String,
    /// Who that is; `None` for what the hub brought along.
    pub author: Option<UserId>,
}

/// Who writes a version.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    pub name: &'a str,
    /// `None` for the hub itself.
    pub user: Option<UserId>,
}

impl<'a> Author<'a> {
    /// The hub, or a program.
    pub fn named(name: &'a str) -> Self {
        Self { name, user: None }
    }
}

/// The mapping with this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: MappingId) -> Result<MappingRow, StoreError> {
    sqlx::query_as!(
        MappingRow,
        r#"
        select m.id as "id: MappingId", m.connection_id as "connection_id: ConnectionId",
               m.stream, m.entity, m.published_version, newest.version as newest_version,
               newest.body as text, published.body as "published_text?", m.version, m.updated_at,
               newest.created_by as updated_by
        from mappings m
        join mapping_versions newest on newest.mapping_id = m.id
         and newest.version = (select max(version) from mapping_versions where mapping_id = m.id)
        left join mapping_versions published on published.mapping_id = m.id
         and published.version = m.published_version
        where m.id = $1
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("mapping {id}")))
}

/// Mappings by stream, of one connection or of all.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    connection: Option<ConnectionId>,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<MappingRow>, StoreError> {
    let rows = sqlx::query_as!(
        MappingRow,
        r#"
        select m.id as "id: MappingId", m.connection_id as "connection_id: ConnectionId",
               m.stream, m.entity, m.published_version, newest.version as newest_version,
               newest.body as text, published.body as "published_text?", m.version, m.updated_at,
               newest.created_by as updated_by
        from mappings m
        join mapping_versions newest on newest.mapping_id = m.id
         and newest.version = (select max(version) from mapping_versions where mapping_id = m.id)
        left join mapping_versions published on published.mapping_id = m.id
         and published.version = m.published_version
        where ($2::uuid is null or m.connection_id = $2)
          and ($3::text is null or (m.stream, m.id) > ($3, $4))
        order by m.stream, m.id
        limit $1::bigint + 1
        "#,
        limit,
        connection.map(|id| id.0),
        after.map(|after| after.value.as_str()),
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Slice::cut(rows, limit, |row| After {
        value: row.stream.clone(),
        id: row.id.0,
    }))
}

/// The text in force for a stream.
///
/// # Errors
/// [`StoreError`].
pub async fn in_force(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "
        select v.body
        from mappings m
        join mapping_versions v on v.mapping_id = m.id and v.version = m.published_version
        where m.connection_id = $1 and m.stream = $2
        ",
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Stores the first version of a stream's mapping and publishes it if asked to.
///
/// # Errors
/// [`StoreError::Conflict`] when the stream has a mapping.
pub async fn insert(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entity: &str,
    text: &str,
    author: Author<'_>,
    publish: bool,
) -> Result<MappingId, StoreError> {
    let id = MappingId::fresh();
    let now = tx.now();
    let inserted = sqlx::query!(
        "insert into mappings
             (id, connection_id, stream, entity, published_version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict do nothing",
        id.0,
        connection.0,
        stream,
        entity,
        publish.then_some(1),
        now,
    )
    .execute(tx.conn())
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!(
            "stream {stream:?} has a mapping already"
        )));
    }
    insert_version(tx, id, 1, text, author, None, publish).await?;
    Ok(id)
}

async fn insert_version(
    tx: &mut Tx,
    id: MappingId,
    version: i32,
    text: &str,
    author: Author<'_>,
    restores: Option<i32>,
    publish: bool,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into mapping_versions
             (mapping_id, version, state, body, restores, created_at, created_by, author)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        version,
        if publish { "published" } else { "draft" },
        text,
        restores,
        now,
        author.name,
        author.user.map(|id| id.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds a version over what the caller read, as a draft; returns its number.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn append(
    tx: &mut Tx,
    id: MappingId,
    version: i64,
    text: &str,
    author: Author<'_>,
    restores: Option<i32>,
) -> Result<i32, StoreError> {
    touch(tx, id, version).await?;
    let next = sqlx::query_scalar!(
        r#"select max(version) + 1 as "next!" from mapping_versions where mapping_id = $1"#,
        id.0,
    )
    .fetch_one(tx.conn())
    .await?;
    insert_version(tx, id, next, text, author, restores, false).await?;
    Ok(next)
}

/// Takes the row as the caller read it; it is a newer one from now on.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn touch(tx: &mut Tx, id: MappingId, version: i64) -> Result<(), StoreError> {
    let now = tx.now();
    let touched = sqlx::query!(
        "update mappings set version = version + 1, updated_at = $3
         where id = $1 and version = $2",
        id.0,
        version,
        now,
    )
    .execute(tx.conn())
    .await?;
    if touched.rows_affected() == 0 {
        get(tx, id).await?;
        return Err(StoreError::Stale(format!("mapping {id}")));
    }
    Ok(())
}

/// Puts a version in force. The one before it, and drafts older than it, are behind it;
/// `behind` says how the one before it is called from now on.
///
/// # Errors
/// [`StoreError`].
pub async fn put_in_force(
    tx: &mut Tx,
    id: MappingId,
    version: i32,
    behind: Behind,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update mapping_versions
         set state = case when state = 'published' then $3 else 'superseded' end
         where mapping_id = $1
           and (state = 'published' or (state = 'draft' and version < $2))",
        id.0,
        version,
        behind.as_str(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update mapping_versions set state = 'published' where mapping_id = $1 and version = $2",
        id.0,
        version,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update mappings set published_version = $2 where id = $1",
        id.0,
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a version is that is in force no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    Superseded,
    RolledBack,
}

impl Behind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// All versions of a mapping, newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn versions(tx: &mut Tx, id: MappingId) -> Result<Vec<MappingVersion>, StoreError> {
    let rows = sqlx::query_as!(
        MappingVersion,
        r#"select version, state, body, restores, created_at, created_by,
                  author as "author: UserId"
           from mapping_versions
           where mapping_id = $1
           order by version desc"#,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    if rows.is_empty() {
        return Err(StoreError::NotFound(format!("mapping {id}")));
    }
    Ok(rows)
}

/// One version of a mapping.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn version(
    tx: &mut Tx,
    id: MappingId,
    version: i32,
) -> Result<MappingVersion, StoreError> {
    sqlx::query_as!(
        MappingVersion,
        r#"select version, state, body, restores, created_at, created_by,
                  author as "author: UserId"
           from mapping_versions
           where mapping_id = $1 and version = $2"#,
        id.0,
        version,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("version {version} of mapping {id}")))
}
