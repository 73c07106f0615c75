//! Fields that a tenant added to an entity.

use serde::{Deserialize, Serialize};

use super::{StoreError, Tx};

/// A field as the tenant defined it; mappings name it `custom.<key>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomField {
    pub key: String,
    pub label: String,
    /// Kind of field, in snake case.
    pub kind: String,
    /// Digits after the point, for numbers.
    pub scale: Option<i32>,
    pub choices: Vec<String>,
    /// How close it is to a person: no, identifying or sensitive.
    pub personal: String,
}

/// The custom fields of an entity, by key.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, entity: &str) -> Result<Vec<CustomField>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select key, label, kind, scale, personal, choices as "choices: sqlx::types::Json<Vec<String>>"
        from custom_fields
        where entity = $1
        order by key
        "#,
        entity,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| CustomField {
            key: row.key,
            label: row.label,
            kind: row.kind,
            scale: row.scale,
            choices: row.choices.0,
            personal: row.personal,
        })
        .collect())
}

/// Adds a field to an entity.
///
/// # Errors
/// [`StoreError::Conflict`] when it has one with this key.
pub async fn insert(tx: &mut Tx, entity: &str, field: &CustomField) -> Result<(), StoreError> {
    let now = tx.now();
    let choices = serde_json::to_value(&field.choices).map_err(StoreError::Encode)?;
    let inserted = sqlx::query!(
        "insert into custom_fields (entity, key, label, kind, scale, choices, created_at, personal)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict do nothing",
        entity,
        field.key,
        field.label,
        field.kind,
        field.scale,
        choices,
        now,
        field.personal,
    )
    .execute(tx.conn())
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!(
            "there is a field {:?} already",
            field.key
        )));
    }
    Ok(())
}
