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

/// Says how close a field is to a person: no, identifying or sensitive. What it was before.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn set_personal(
    tx: &mut Tx,
    entity: &str,
    key: &str,
    personal: &str,
) -> Result<String, StoreError> {
    let before = sqlx::query_scalar!(
        "update custom_fields f set personal = $3
         from (select tenant_id, entity, key, personal from custom_fields
               where entity = $1 and key = $2 for update) as before
         where f.tenant_id = before.tenant_id and f.entity = before.entity and f.key = before.key
         returning before.personal",
        entity,
        key,
        personal,
    )
    .fetch_optional(tx.conn())
    .await?;
    before.ok_or_else(|| StoreError::NotFound(format!("field {key:?} of your own")))
}
