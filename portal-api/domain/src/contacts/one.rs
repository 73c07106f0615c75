//! One contact, read without locking it.

use engine::ids::EntityId;
use engine::provenance::Provenance;
use engine::{StoreError, Tx};
use sqlx::types::Json;

use crate::columns::{Custom, entity_values};
use crate::entities::Stored;

/// The contact, unless it was removed.
pub(crate) async fn read(tx: &mut Tx, id: EntityId) -> Result<Option<Stored>, StoreError> {
    let row = sqlx::query!(
        r#"
        select version,
               account, first_name, last_name, email, phone, mobile, title, department,
               is_primary, no_email, mailing_street, mailing_city, mailing_state,
               mailing_postal_code, mailing_country,
               custom as "custom: Json<Custom>",
               provenance as "provenance: Json<Provenance>",
               created_at, updated_at
        from contacts
        where id = $1 and removed_at is null
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let mut values = entity_values(row.custom.0);
        values.put("account", row.account);
        values.put("first_name", row.first_name);
        values.put("last_name", Some(row.last_name));
        values.put("email", row.email);
        values.put("phone", row.phone);
        values.put("mobile", row.mobile);
        values.put("title", row.title);
        values.put("department", row.department);
        values.put("is_primary", row.is_primary);
        values.put("no_email", row.no_email);
        values.put("mailing_street", row.mailing_street);
        values.put("mailing_city", row.mailing_city);
        values.put("mailing_state", row.mailing_state);
        values.put("mailing_postal_code", row.mailing_postal_code);
        values.put("mailing_country", row.mailing_country);
        Stored {
            version: row.version,
            values: values.into_inner(),
            provenance: row.provenance.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }))
}
