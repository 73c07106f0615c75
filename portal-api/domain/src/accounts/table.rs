//! Accounts as a core table: fields, load and save

use chrono::{DateTime, Utc};
use engine::catalogue::{FieldDef, FieldKind};
use engine::entity::{CoreTable, Entity, Stored};
use engine::ids::{AccountId, EntityId};
use engine::provenance::Provenance;
use engine::sdk::Value;
use engine::store::Statement;
use engine::{StoreError, Tx};
use rust_decimal::Decimal;
use sqlx::types::{Json, Uuid};

use crate::columns::{Columns, Custom, entity_values, find, lower};
use crate::free_mail;

/// The statement that stores these columns; `$end` says what to do about rows that are there.
macro_rules! save {
    ($columns:ident, $now:ident, $end:literal) => {
        Statement::new(sqlx::query!(
            "
            insert into accounts
                (id, version, name, external_ref, industry, type, phone, website, domain,
                 description, annual_revenue, employees, billing_street, billing_city,
                 billing_state, billing_postal_code, billing_country, tier, csm_email,
                 account_manager, products, founded, parent, custom, provenance, created_at,
                 removed_at, updated_at)
            select id, version + 1, name, external_ref, industry, type, phone, website, domain,
                   description, annual_revenue, employees, billing_street, billing_city,
                   billing_state, billing_postal_code, billing_country, tier, csm_email,
                   account_manager, products::jsonb, founded, parent, custom::jsonb,
                   provenance::json, created_at, removed_at, $1
            from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::text[], $11::text[], $12::numeric[],
                        $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[],
                        $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
                        $23::text[], $24::uuid[], $25::text[], $26::text[], $27::timestamptz[],
                        $28::timestamptz[])
                as entity (id, version, name, external_ref, industry, type, phone, website, domain,
                          description, annual_revenue, employees, billing_street, billing_city,
                          billing_state, billing_postal_code, billing_country, tier, csm_email,
                          account_manager, products, founded, parent, custom, provenance,
                          created_at, removed_at)
            "
                + $end,
            $now,
            &$columns.ids,
            &$columns.versions,
            &$columns.required_text("name")? as &[&str],
            &$columns.text("external_ref")? as &[Option<&str>],
            &$columns.text("industry")? as &[Option<&str>],
            &$columns.text("type")? as &[Option<&str>],
            &$columns.text("phone")? as &[Option<&str>],
            &$columns.text("website")? as &[Option<&str>],
            &$columns.text("domain")? as &[Option<&str>],
            &$columns.text("description")? as &[Option<&str>],
            &$columns.decimal("annual_revenue")? as &[Option<Decimal>],
            &$columns.integer("employees")? as &[Option<i64>],
            &$columns.text("billing_street")? as &[Option<&str>],
            &$columns.text("billing_city")? as &[Option<&str>],
            &$columns.text("billing_state")? as &[Option<&str>],
            &$columns.text("billing_postal_code")? as &[Option<&str>],
            &$columns.text("billing_country")? as &[Option<&str>],
            &$columns.text("tier")? as &[Option<&str>],
            &$columns.text("csm_email")? as &[Option<&str>],
            &$columns.text("account_manager")? as &[Option<&str>],
            &$columns.json("products")? as &[Option<String>],
            &$columns.text("founded")? as &[Option<&str>],
            &$columns.uuid("parent")? as &[Option<Uuid>],
            &$columns.custom,
            &$columns.provenance,
            &$columns.created,
            &$columns.removed as &[Option<DateTime<Utc>>],
        ))
    };
}

/// Accounts as a core table.
pub struct Accounts;

impl CoreTable for Accounts {
    const KIND: &'static str = "account";
    const PREFIX: &'static str = AccountId::PREFIX;
    const FIELDS: &'static [FieldDef] = &[
        FieldDef::new("name", "Name", FieldKind::Text)
            .required()
            .found()
            .max_length(255),
        FieldDef::new("external_ref", "External reference", FieldKind::Text).max_length(255),
        FieldDef::new("industry", "Industry", FieldKind::Text).max_length(255),
        FieldDef::new("type", "Type", FieldKind::Text).max_length(255),
        FieldDef::new("phone", "Phone", FieldKind::Phone),
        FieldDef::new("website", "Website", FieldKind::Url),
        FieldDef::new("domain", "Domain", FieldKind::Text)
            .max_length(255)
            .found(),
        FieldDef::new("description", "Description", FieldKind::LongText),
        FieldDef::new("annual_revenue", "Annual revenue", FieldKind::Currency).scale(2),
        FieldDef::new("employees", "Employees", FieldKind::Integer),
        FieldDef::new("billing_street", "Billing street", FieldKind::Text).group("billing_address"),
        FieldDef::new("billing_city", "Billing city", FieldKind::Text).group("billing_address"),
        FieldDef::new("billing_state", "Billing state", FieldKind::Text).group("billing_address"),
        FieldDef::new(
            "billing_postal_code",
            "Billing postal code",
            FieldKind::Text,
        )
        .group("billing_address"),
        FieldDef::new("billing_country", "Billing country", FieldKind::Text)
            .group("billing_address"),
        FieldDef::new("tier", "Tier", FieldKind::Choice),
        FieldDef::new("csm_email", "Success manager", FieldKind::Email).max_length(320),
        FieldDef::new("account_manager", "Account manager", FieldKind::Text),
        FieldDef::new("products", "Products", FieldKind::Choices),
        FieldDef::new("founded", "Founded", FieldKind::Text),
        FieldDef::new("parent", "Parent account", FieldKind::Reference)
            .references("account")
            .found(),
    ];

    async fn load(tx: &mut Tx, ids: &[EntityId]) -> Result<Vec<Entity>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"
            select e.id, version,
                   name, external_ref, industry, type, phone, website, domain, description,
                   annual_revenue, employees, billing_street, billing_city, billing_state,
                   billing_postal_code, billing_country, tier, csm_email, account_manager,
                   products as "products: Json<Value>", founded, parent,
                   custom as "custom: Json<Custom>",
                   provenance as "provenance: Json<Provenance>",
                   created_at, updated_at, removed_at
            from unnest($1::uuid[]) as wanted (id)
            cross join lateral (
                select * from accounts where id = wanted.id for update offset 0
            ) e
            "#,
            &ids,
        )
        .fetch_all(tx.conn())
        .await?;
        let entities = rows.into_iter().map(|row| {
            let mut values = entity_values(row.custom.0);
            values.put("name", Some(row.name).filter(|text| !text.is_empty()));
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
            Entity {
                id: EntityId(row.id),
                version: row.version,
                values: values.into_inner(),
                provenance: row.provenance.0,
                created_at: row.created_at,
                updated_at: row.updated_at,
                removed_at: row.removed_at,
            }
        });
        Ok(entities.collect())
    }

    fn save(
        entities: &[&Entity],
        stored: Stored,
        now: DateTime<Utc>,
    ) -> Result<Statement, StoreError> {
        let columns = Columns::of(entities)?;
        Ok(match stored {
            Stored::Never => save!(columns, now, ""),
            Stored::Perhaps => save!(
                columns,
                now,
                "
                on conflict (tenant_id, id) do update
                set version = excluded.version,
                    name = excluded.name,
                    external_ref = excluded.external_ref,
                    industry = excluded.industry,
                    type = excluded.type,
                    phone = excluded.phone,
                    website = excluded.website,
                    domain = excluded.domain,
                    description = excluded.description,
                    annual_revenue = excluded.annual_revenue,
                    employees = excluded.employees,
                    billing_street = excluded.billing_street,
                    billing_city = excluded.billing_city,
                    billing_state = excluded.billing_state,
                    billing_postal_code = excluded.billing_postal_code,
                    billing_country = excluded.billing_country,
                    tier = excluded.tier,
                    csm_email = excluded.csm_email,
                    account_manager = excluded.account_manager,
                    products = excluded.products,
                    founded = excluded.founded,
                    parent = excluded.parent,
                    custom = excluded.custom,
                    provenance = excluded.provenance,
                    updated_at = excluded.updated_at,
                    removed_at = excluded.removed_at
                "
            ),
        })
    }

    fn sought(field: &str, text: &str) -> Option<String> {
        let text = lower(text)?;
        match field {
            "domain" => (!free_mail::is(&text)).then_some(text),
            "name" => text.split(' ').next().map(str::to_owned),
            _ => Some(text),
        }
    }

    async fn find(
        tx: &mut Tx,
        field: &str,
        texts: &[String],
    ) -> Result<Vec<(String, EntityId)>, StoreError> {
        match field {
            "domain" => find!(tx, texts, "accounts", "domain_key", "wanted.text"),
            "name" => find!(tx, texts, "accounts", "first_word", "wanted.text"),
            "parent" => find!(tx, texts, "accounts", "parent", "wanted.text::uuid"),
            _ => Err(StoreError::NotFound(format!("look-up by {field}"))),
        }
    }

    fn sought_whole(field: &str, text: &str) -> Option<String> {
        match field {
            "name" => lower(text),
            _ => Self::sought(field, text),
        }
    }

    async fn find_whole(
        tx: &mut Tx,
        field: &str,
        texts: &[String],
    ) -> Result<Vec<(String, EntityId)>, StoreError> {
        match field {
            "name" => find!(
                tx,
                texts,
                "accounts",
                "first_word",
                "split_part(wanted.text, ' ', 1)",
                "lower(btrim(name)) = wanted.text"
            ),
            _ => Self::find(tx, field, texts).await,
        }
    }
}
