//! The log of one entity, read backwards. Changes are made under the lock of the entity's row, so that
//! their ids are in the order in which they took effect, which times of transactions need not be.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::changes::{Actor, FieldChange};
use super::{StoreError, Tx};
use crate::ids::{ChangeId, ConnectionId, EntityId, RunId, UserId};

/// One logged change.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub id: ChangeId,
    pub at: DateTime<Utc>,
    /// As [`super::changes::Change::kind`].
    pub kind: String,
    pub actor: Actor,
    pub fields: Vec<FieldChange>,
}

/// The first change later than a moment; it and all after it are the entity's future as of then.
///
/// # Errors
/// [`StoreError`].
pub async fn first_after(
    tx: &mut Tx,
    entity: EntityId,
    at: DateTime<Utc>,
) -> Result<Option<ChangeId>, StoreError> {
    let id = sqlx::query_scalar!(
        "
        select id
        from changes
        where entity_id = $1 and at > $2
        order by id
        limit 1
        ",
        entity.0,
        at,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(ChangeId))
}

/// Changes from `since` on and before `before`, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn newest(
    tx: &mut Tx,
    entity: EntityId,
    since: ChangeId,
    before: Option<ChangeId>,
    limit: i64,
) -> Result<Vec<Logged>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: ChangeId", at, kind, connection_id as "connection: ConnectionId",
               run_id as "run: RunId", user_id as "user: UserId",
               fields as "fields: Json<Vec<FieldChange>>"
        from changes
        where entity_id = $1 and id >= $2 and ($3::uuid is null or id < $3)
        order by id desc
        limit $4
        "#,
        entity.0,
        since.0,
        before.map(|id| id.0),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let logged = rows.into_iter().map(|row| Logged {
        id: row.id,
        at: row.at,
        kind: row.kind,
        actor: Actor {
            connection: row.connection,
            run: row.run,
            user: row.user,
        },
        fields: row.fields.0,
    });
    Ok(logged.collect())
}

/// When the entity was removed, if it was and did not come back, going by its changes before `end`.
///
/// # Errors
/// [`StoreError`].
pub async fn removed_before(
    tx: &mut Tx,
    entity: EntityId,
    end: Option<ChangeId>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let last = sqlx::query!(
        "
        select at, kind
        from changes
        where entity_id = $1 and kind in ('removed', 'restored') and ($2::uuid is null or id < $2)
        order by id desc
        limit 1
        ",
        entity.0,
        end.map(|id| id.0),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(last
        .filter(|last| last.kind == "removed")
        .map(|last| last.at))
}
