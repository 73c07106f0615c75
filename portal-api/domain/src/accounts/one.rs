//! One account, read without locking it.

use engine::ids::EntityId;
use engine::provenance::Provenance;
use engine::{StoreError, Tx};
use sqlx::types::Json;

use crate::columns::{Custom, entity_values};
use crate::entities::Stored;

/// The account, unless it was removed.
pub(crate) async fn read(tx: &mut Tx, id: EntityId) -> Result<Option<Stored>, StoreError> {
    let row = sqlx::query!(
        r#"
        select version,
               name, external_ref, industry, type, phone, website, domain, description,
               annual_revenue, employees, billing_street, billing_city, billing_state,
               billing_postal_code, billing_country, tier, csm_email, account_manager,
               products as "products: Json<engine::sdk::Value>", founded, parent,
               custom as "custom: Json<Custom>",
               provenance as "provenance: Json<Provenance>",
               created_at, updated_at
        from accounts
        where id = $1 and removed_at is null
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let mut values = entity_values(row.custom.0);
        values.put("name", Some(row.name));
        values.put("external_ref", row.external_ref);
        values.put("industry", row.industry);
        values.put("type", row.r#type);
        values.put("phone", row.phone);
        values.put("website", row.website);
        values.put("domain", row.domain);
        values.put("description", row.description);
        values.put("annual_revenue", row.annual_revenue);
        values.put("employees", row.employees);
        values.put("billing_street", row.billing_street);
        values.put("billing_city", row.billing_city);
        values.put("billing_state", row.billing_state);
        values.put("billing_postal_code", row.billing_postal_code);
        values.put("billing_country", row.billing_country);
        values.put("tier", row.tier);
        values.put("csm_email", row.csm_email);
        values.put("account_manager", row.account_manager);
        values.put("products", row.products);
        values.put("founded", row.founded);
        values.put("parent", row.parent);
        Stored {
            version: row.version,
            values: values.into_inner(),
            provenance: row.provenance.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }))
}
