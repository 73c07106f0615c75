//! Records with the values that a mapping must go on making of them.

use chrono::{DateTime, Utc};
use connector_sdk::Record;
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::ids::{FixtureId, MappingId, UserId};
use crate::mapping::Expected;

/// A pinned record.
#[derive(Clone, Debug)]
pub struct Fixture {
    pub id: FixtureId,
    pub name: String,
    pub record: Record,
    pub expected: Expected,
    pub created_at: DateTime<Utc>,
    pub created_by: UserId,
}

/// Pins a record.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn insert(
    tx: &mut Tx,
    mapping: MappingId,
    name: &str,
    record: &Record,
    expected: &Expected,
    by: UserId,
) -> Result<FixtureId, StoreError> {
    let (id, now) = (FixtureId::fresh(), tx.now());
    let record = serde_json::to_value(record).map_err(StoreError::Encode)?;
    let expected = serde_json::to_value(expected).map_err(StoreError::Encode)?;
    let inserted = sqlx::query!(
        "insert into mapping_fixtures
             (id, mapping_id, name, record, expected, created_at, created_by)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
        id.0,
        mapping.0,
        name,
        record,
        expected,
        now,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    if inserted.rows_affected() == 0 {
        let message = format!("there is a fixture {name:?} already");
        return Err(StoreError::Conflict(message));
    }
    Ok(id)
}

/// All fixtures of a mapping, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, mapping: MappingId) -> Result<Vec<Fixture>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, name, record as "record: Json<connector_sdk::Record>", expected as "expected: Json<Expected>",
               created_at, created_by
        from mapping_fixtures
        where mapping_id = $1
        order by lower(name), id
        "#,
        mapping.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let fixtures = rows.into_iter().map(|row| Fixture {
        id: FixtureId(row.id),
        name: row.name,
        record: row.record.0,
        expected: row.expected.0,
        created_at: row.created_at,
        created_by: UserId(row.created_by),
    });
    Ok(fixtures.collect())
}

/// Takes a pin off.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn delete(tx: &mut Tx, mapping: MappingId, id: FixtureId) -> Result<(), StoreError> {
    let deleted = sqlx::query!(
        "delete from mapping_fixtures where mapping_id = $1 and id = $2",
        mapping.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("fixture {id}")));
    }
    Ok(())
}
