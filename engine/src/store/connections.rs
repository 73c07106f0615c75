//! Connections: a tenant's configured links to systems, their sealed credentials and tokens.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use connector_sdk::Usage;
use serde::{Deserialize, Serialize};

use super::keyset::{After, Slice};
use super::lanes::{self, Lane};
use super::{StoreError, SystemTx, Tx, budgets};
use crate::ids::ConnectionId;

/// Whether the hub can work with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ConnectionState {
    /// Never checked.
    New,
    Ok,
    /// The last call failed in a way that may pass.
    Attention,
    /// Nothing works until the tenant acts: credentials, configuration.
    Stopped,
}

/// What went wrong last, as kept with the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionFailure {
    /// Kind of a [`connector_sdk::ConnectorError`], in snake case.
    pub kind: String,
    pub code: Option<String>,
    pub message: String,
    pub at: DateTime<Utc>,
}

/// A connection without its credentials.
#[derive(Clone, Debug)]
pub struct Connection {
    pub id: ConnectionId,
    pub system: String,
    pub name: String,
    pub state: ConnectionState,
    pub config: serde_json::Value,
    pub checked_at: Option<DateTime<Utc>>,
    pub error: Option<ConnectionFailure>,
    pub usage_used: Option<i64>,
    pub usage_limit: Option<i64>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    /// How many streams are set up on it.
    pub streams: i64,
}

/// A connection to store. Secrets are sealed already.
pub struct NewConnection<'a> {
    pub id: ConnectionId,
    pub system: &'a str,
    pub name: &'a str,
    pub config: &'a serde_json::Value,
    pub secrets: Option<&'a [u8]>,
}

/// Stores a new connection.
///
/// # Errors
/// [`StoreError::Conflict`] when the tenant has a connection of this name.
pub async fn insert(tx: &mut Tx, new: &NewConnection<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into connections (id, system, name, config, secrets, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        new.id.0,
        new.system,
        new.name,
        new.config,
        new.secrets,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error.into(), new.name))?;
    tx.changed("connection", new.id);
    Ok(())
}

fn taken(error: StoreError, name: &str) -> StoreError {
    if error.is_unique_violation() {
        return StoreError::Conflict(format!("there is a connection named {name:?} already"));
    }
    error
}

struct Row {
    id: ConnectionId,
    system: String,
    name: String,
    state: ConnectionState,
    config: serde_json::Value,
    checked_at: Option<DateTime<Utc>>,
    error: Option<serde_json::Value>,
    usage_used: Option<i64>,
    usage_limit: Option<i64>,
    version: i64,
    created_at: DateTime<Utc>,
    streams: i64,
}

impl Row {
    fn read(self) -> Result<Connection, StoreError> {
        let error = self.error.map(serde_json::from_value).transpose();
        Ok(Connection {
            id: self.id,
            system: self.system,
            name: self.name,
            state: self.state,
            config: self.config,
            checked_at: self.checked_at,
            error: error.map_err(|error| StoreError::corrupt("error of a connection", error))?,
            usage_used: self.usage_used,
            usage_limit: self.usage_limit,
            version: self.version,
            created_at: self.created_at,
            streams: self.streams,
        })
    }
}

/// The connection with this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ConnectionId) -> Result<Connection, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select id as "id: ConnectionId", system, name, state as "state: ConnectionState", config,
               checked_at, error, usage_used, usage_limit, version, created_at,
               (select count(*) from streams where streams.connection_id = connections.id)
                   as "streams!"
        from connections
        where id = $1
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("connection {id}")))?
    .read()
}

/// Connections by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Connection>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id as "id: ConnectionId", system, name, state as "state: ConnectionState", config,
               checked_at, error, usage_used, usage_limit, version, created_at,
               (select count(*) from streams where streams.connection_id = connections.id)
                   as "streams!"
        from connections
        where $2::text is null or (lower(name), id) > (lower($2), $3)
        order by lower(name), id
        limit $1::bigint + 1
        "#,
        limit,
        after.map(|after| after.value.as_str()),
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?;
    let total = sqlx::query_scalar!(r#"select count(*) as "count!" from connections"#)
        .fetch_one(tx.conn())
        .await?;
    let connections = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
    let place = |last: &Connection| After {
        value: last.name.to_lowercase(),
        id: last.id.0,
    };
    Ok(Slice::cut(connections, limit, place).with_total(Some(total)))
}

/// Changes name and configuration of the version the caller read. The tokens go: they belong to
/// the old configuration.
///
/// # Errors
/// [`StoreError::Stale`], [`StoreError::NotFound`], [`StoreError::Conflict`] when the name is taken.
pub async fn update(
    tx: &mut Tx,
    changed: &NewConnection<'_>,
    version: i64,
) -> Result<(), StoreError> {
    let now = tx.now();
    let updated = sqlx::query!(
        "update connections
         set name = $2, config = $3, secrets = $4,
             tokens = case when config = $3 and secrets is not distinct from $4 then tokens end,
             tokens_revision = tokens_revision + 1,
             version = version + 1, updated_at = $5
         where id = $1 and version = $6",
        changed.id.0,
        changed.name,
        changed.config,
        changed.secrets,
        now,
        version,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error.into(), changed.name))?;
    if updated.rows_affected() == 1 {
        tx.changed("connection", changed.id);
        return Ok(());
    }
    get(tx, changed.id).await?;
    Err(StoreError::Stale(format!("connection {}", changed.id)))
}

/// Removes a connection with its streams, mappings, writes and what was read from it.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn delete(tx: &mut Tx, id: ConnectionId, version: i64) -> Result<(), StoreError> {
    let deleted = sqlx::query!(
        "delete from connections where id = $1 and version = $2",
        id.0,
        version
    )
    .execute(tx.conn())
    .await?;
    if deleted.rows_affected() == 0 {
        get(tx, id).await?;
        return Err(StoreError::Stale(format!("connection {id}")));
    }
    // Tables that pages write have no foreign keys; what hangs on the connection goes here.
    sqlx::query!("delete from records where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from writes where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from listed where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from absences where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from echoes where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from conflicts where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from rewrites where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from matches where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from link_events where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from schedules where connection_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    lanes::remove(tx, &Lane::Connection(id)).await?;
    budgets::remove(tx, &id.to_string()).await?;
    tx.changed("connection", id);
    Ok(())
}

/// Names of connections, for sentences.
///
/// # Errors
/// [`StoreError`].
pub async fn names(
    tx: &mut Tx,
    ids: &[ConnectionId],
) -> Result<HashMap<ConnectionId, String>, StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: ConnectionId", name from connections where id = any($1)"#,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// What is needed to open a connection.
pub struct Opening {
    pub system: String,
    pub config: serde_json::Value,
    /// Sealed.
    pub secrets: Option<Vec<u8>>,
    /// Sealed.
    pub tokens: Option<Vec<u8>>,
    pub tokens_revision: i64,
}

/// Configuration and sealed secrets of a connection.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn opening(tx: &mut Tx, id: ConnectionId) -> Result<Opening, StoreError> {
    sqlx::query_as!(
        Opening,
        "select system, config, secrets, tokens, tokens_revision from connections where id = $1",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("connection {id}")))
}

/// The sealed secrets of some connection, of whatever tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn any_sealed(tx: &mut SystemTx) -> Result<Option<(ConnectionId, Vec<u8>)>, StoreError> {
    let row = sqlx::query!(
        r#"
        select id as "id: ConnectionId", secrets as "secrets!"
        from connections
        where secrets is not null
        limit 1
        "#
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.id, row.secrets)))
}

/// Notes how the last call went: `None` for well.
///
/// # Errors
/// [`StoreError`]; a connection that is gone meanwhile is no error.
pub async fn record_outcome(
    tx: &mut Tx,
    id: ConnectionId,
    state: ConnectionState,
    failure: Option<&ConnectionFailure>,
    usage: Option<Usage>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let error = failure
        .map(serde_json::to_value)
        .transpose()
        .map_err(StoreError::Encode)?;
    let (used, limit) = usage.map_or((None, None), |usage| {
        (
            i64::try_from(usage.used).ok(),
            i64::try_from(usage.limit).ok(),
        )
    });
    let was = sqlx::query_scalar!(
        r#"
        update connections
         set state = $2, error = $3, checked_at = $4,
             usage_used = coalesce($5, usage_used), usage_limit = coalesce($6, usage_limit),
             usage_at = case when $5::bigint is null then usage_at else $4 end
         where id = $1
         returning (select state from connections was where was.id = $1)
             as "was: ConnectionState"
        "#,
        id.0,
        state as ConnectionState,
        error,
        now,
        used,
        limit,
    )
    .fetch_optional(tx.conn())
    .await?
    .flatten();
    // Every page that is read notes that it went well: only news are told.
    if was.is_some_and(|was| was != state) {
        tx.changed("connection", id);
    }
    Ok(())
}
