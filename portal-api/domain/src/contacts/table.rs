//! Contacts as a core table: fields, load and save

use chrono::{DateTime, Utc};
use engine::catalogue::{FieldDef, FieldKind, Personal};
use engine::entity::{CoreTable, Entity, Stored};
use engine::ids::{ContactId, EntityId};
use engine::provenance::Provenance;
use engine::store::Statement;
use engine::{StoreError, Tx};
use sqlx::types::{Json, Uuid};

use crate::columns::{Columns, Custom, entity_values, find, lower};

/// The statement that stores these columns; `$end` says what to do about rows that are there.
macro_rules! save {
    ($columns:ident, $now:ident, $end:literal) => {
        Statement::new(sqlx::query!(
            "
            insert into contacts
                (id, version, account, first_name, last_name, email, phone, mobile, title,
                 department, is_primary, no_email, mailing_street, mailing_city, mailing_state,
                 mailing_postal_code, mailing_country, custom, provenance, created_at, removed_at,
                 updated_at)
            select id, version + 1, account, first_name, last_name, email, phone, mobile, title,
                   department, is_primary, no_email, mailing_street, mailing_city, mailing_state,
                   mailing_postal_code, mailing_country, custom::jsonb, provenance::json,
                   created_at, removed_at, $1
            from unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[],
                        $13::boolean[], $14::text[], $15::text[], $16::text[], $17::text[],
                        $18::text[], $19::text[], $20::text[], $21::timestamptz[],
                        $22::timestamptz[])
                as entity (id, version, account, first_name, last_name, email, phone, mobile,
                          title, department, is_primary, no_email, mailing_street, mailing_city,
                          mailing_state, mailing_postal_code, mailing_country, custom, provenance,
                          created_at, removed_at)
            "
                + $end,
            $now,
            &$columns.ids,
            &$columns.versions,
            &$columns.uuid("account")? as &[Option<Uuid>],
            &$columns.text("first_name")? as &[Option<&str>],
            &$columns.required_text("last_name")? as &[&str],
            &$columns.text("email")? as &[Option<&str>],
            &$columns.text("phone")? as &[Option<&str>],
            &$columns.text("mobile")? as &[Option<&str>],
            &$columns.text("title")? as &[Option<&str>],
            &$columns.text("department")? as &[Option<&str>],
            &$columns.boolean("is_primary")? as &[Option<bool>],
            &$columns.boolean("no_email")? as &[Option<bool>],
            &$columns.text("mailing_street")? as &[Option<&str>],
            &$columns.text("mailing_city")? as &[Option<&str>],
            &$columns.text("mailing_state")? as &[Option<&str>],
            &$columns.text("mailing_postal_code")? as &[Option<&str>],
            &$columns.text("mailing_country")? as &[Option<&str>],
            &$columns.custom,
            &$columns.provenance,
            &$columns.created,
            &$columns.removed as &[Option<DateTime<Utc>>],
        ))
    };
}

/// Contacts as a core table.
pub struct Contacts;

impl CoreTable for Contacts {
    const KIND: &'static str = "contact";
    const PREFIX: &'static str = ContactId::PREFIX;
    const FIELDS: &'static [FieldDef] = &[
        FieldDef::new("account", "Account", FieldKind::Reference)
            .references("account")
            .found(),
        FieldDef::new("first_name", "First name", FieldKind::Text)
            .max_length(255)
            .personal(Personal::Identifying),
        FieldDef::new("last_name", "Last name", FieldKind::Text)
            .required()
            .found()
            .max_length(255)
            .personal(Personal::Identifying),
        FieldDef::new("email", "E-mail", FieldKind::Email)
            .found()
            .max_length(320)
            .personal(Personal::Identifying),
        FieldDef::new("phone", "Phone", FieldKind::Phone).personal(Personal::Identifying),
        FieldDef::new("mobile", "Mobile", FieldKind::Phone).personal(Personal::Identifying),
        FieldDef::new("title", "Title", FieldKind::Text).max_length(255),
        FieldDef::new("department", "Department", FieldKind::Text).max_length(255),
        FieldDef::new("is_primary", "Primary contact", FieldKind::Boolean),
        FieldDef::new("no_email", "No e-mail", FieldKind::Boolean),
        FieldDef::new("mailing_street", "Mailing street", FieldKind::Text)
            .group("mailing_address")
            .personal(Personal::Identifying),
        FieldDef::new("mailing_city", "Mailing city", FieldKind::Text)
            .group("mailing_address")
            .personal(Personal::Identifying),
        FieldDef::new("mailing_state", "Mailing state", FieldKind::Text)
            .group("mailing_address")
            .personal(Personal::Identifying),
        FieldDef::new(
            "mailing_postal_code",
            "Mailing postal code",
            FieldKind::Text,
        )
        .group("mailing_address")
        .personal(Personal::Identifying),
        FieldDef::new("mailing_country", "Mailing country", FieldKind::Text)
            .group("mailing_address")
            .personal(Personal::Identifying),
    ];

    async fn load(tx: &mut Tx, ids: &[EntityId]) -> Result<Vec<Entity>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"
            select e.id, version,
                   account, first_name, last_name, email, phone, mobile, title, department,
                   is_primary, no_email, mailing_street, mailing_city, mailing_state,
                   mailing_postal_code, mailing_country,
                   custom as "custom: Json<Custom>",
                   provenance as "provenance: Json<Provenance>",
                   created_at, updated_at, removed_at
            from unnest($1::uuid[]) as wanted (id)
            cross join lateral (
                select * from contacts where id = wanted.id for update offset 0
            ) e
            "#,
            &ids,
        )
        .fetch_all(tx.conn())
        .await?;
        let entities = rows.into_iter().map(|row| {
            let mut values = entity_values(row.custom.0);
            values.put("account", row.account);
            values.put("first_name", row.first_name);
            values.put(
                "last_name",
                Some(row.last_name).filter(|text| !text.is_empty()),
            );
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
                    account = excluded.account,
                    first_name = excluded.first_name,
                    last_name = excluded.last_name,
                    email = excluded.email,
                    phone = excluded.phone,
                    mobile = excluded.mobile,
                    title = excluded.title,
                    department = excluded.department,
                    is_primary = excluded.is_primary,
                    no_email = excluded.no_email,
                    mailing_street = excluded.mailing_street,
                    mailing_city = excluded.mailing_city,
                    mailing_state = excluded.mailing_state,
                    mailing_postal_code = excluded.mailing_postal_code,
                    mailing_country = excluded.mailing_country,
                    custom = excluded.custom,
                    provenance = excluded.provenance,
                    updated_at = excluded.updated_at,
                    removed_at = excluded.removed_at
                "
            ),
        })
    }

    fn sought(_field: &str, text: &str) -> Option<String> {
        lower(text)
    }

    async fn find(
        tx: &mut Tx,
        field: &str,
        texts: &[String],
    ) -> Result<Vec<(String, EntityId)>, StoreError> {
        match field {
            "email" => find!(tx, texts, "contacts", "email_key", "wanted.text"),
            "last_name" => find!(tx, texts, "contacts", "last_name_key", "wanted.text"),
            "account" => find!(tx, texts, "contacts", "account", "wanted.text::uuid"),
            _ => Err(StoreError::NotFound(format!("look-up by {field}"))),
        }
    }
}
