mod absences;
mod checks;
mod errors;
mod expressions;
mod laws;
mod shipped;
mod tables;

use connector_sdk::{FieldType, Fields, Record, Stream, StreamField, Value};

use super::{Mapping, Patch};
use crate::catalogue::{Catalogue, Field, FieldDef, FieldKind};

/// The core fields of accounts that the shipped mappings are written for.
const ACCOUNT: &[FieldDef] = &[
    FieldDef::new("name", "Name", FieldKind::Text).required(),
    FieldDef::new("external_ref", "External reference", FieldKind::Text),
    FieldDef::new("industry", "Industry", FieldKind::Text),
    FieldDef::new("type", "Type", FieldKind::Text),
    FieldDef::new("phone", "Phone", FieldKind::Phone),
    FieldDef::new("website", "Website", FieldKind::Url),
    FieldDef::new("domain", "Domain", FieldKind::Text).found(),
    FieldDef::new("description", "Description", FieldKind::LongText),
    FieldDef::new("annual_revenue", "Annual revenue", FieldKind::Currency).scale(2),
    FieldDef::new("employees", "Employees", FieldKind::Integer),
    FieldDef::new("billing_street", "Street", FieldKind::Text).group("billing_address"),
    FieldDef::new("billing_city", "City", FieldKind::Text).group("billing_address"),
    FieldDef::new("billing_state", "State", FieldKind::Text).group("billing_address"),
    FieldDef::new("billing_postal_code", "Postal code", FieldKind::Text).group("billing_address"),
    FieldDef::new("billing_country", "Country", FieldKind::Text).group("billing_address"),
    FieldDef::new("tier", "Tier", FieldKind::Choice),
    FieldDef::new("csm_email", "CSM", FieldKind::Email),
    FieldDef::new("account_manager", "Account manager", FieldKind::Text),
    FieldDef::new("products", "Products", FieldKind::Choices),
    FieldDef::new("parent", "Parent", FieldKind::Reference).references("account"),
    FieldDef::new("founded", "Founded", FieldKind::Text),
];

const CONTACT: &[FieldDef] = &[
    FieldDef::new("account", "Account", FieldKind::Reference).references("account"),
    FieldDef::new("first_name", "First name", FieldKind::Text),
    FieldDef::new("last_name", "Last name", FieldKind::Text),
    FieldDef::new("email", "E-mail", FieldKind::Email).found(),
    FieldDef::new("phone", "Phone", FieldKind::Phone),
    FieldDef::new("mobile", "Mobile", FieldKind::Phone),
    FieldDef::new("title", "Title", FieldKind::Text),
    FieldDef::new("department", "Department", FieldKind::Text),
    FieldDef::new("is_primary", "Primary", FieldKind::Boolean),
    FieldDef::new("no_email", "No e-mail", FieldKind::Boolean),
    FieldDef::new("mailing_street", "Street", FieldKind::Text).group("mailing_address"),
    FieldDef::new("mailing_city", "City", FieldKind::Text).group("mailing_address"),
    FieldDef::new("mailing_state", "State", FieldKind::Text).group("mailing_address"),
    FieldDef::new("mailing_postal_code", "Postal code", FieldKind::Text).group("mailing_address"),
    FieldDef::new("mailing_country", "Country", FieldKind::Text).group("mailing_address"),
];

fn accounts() -> Catalogue {
    Catalogue::of("account", ACCOUNT, []).unwrap()
}

fn contacts() -> Catalogue {
    Catalogue::of("contact", CONTACT, []).unwrap()
}

/// A kind of entity with one field of each kind a test needs.
fn things() -> Catalogue {
    let fields = [
        ("name", FieldKind::Text),
        ("count", FieldKind::Integer),
        ("amount", FieldKind::Currency),
        ("tags", FieldKind::Choices),
        ("since", FieldKind::Date),
        ("seen", FieldKind::Instant),
        ("active", FieldKind::Boolean),
        ("email", FieldKind::Email),
        ("owner", FieldKind::Reference),
    ];
    let fields = fields.map(|(name, kind)| {
        let mut field = Field::new(name, name, kind);
        field.references = (kind == FieldKind::Reference).then(|| "thing".to_owned());
        field
    });
    Catalogue::new("thing", fields.to_vec()).unwrap()
}

/// A mapping of things with these rows and whatever follows them.
fn mapping(rows: &str) -> Mapping {
    Mapping::parse(&text(rows)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn text(rows: &str) -> String {
    format!(
        "system = \"peer\"\nstream = \"Thing\"\nentity = \"thing\"\n\n[link]\nkey = \"Id\"\n\n{rows}"
    )
}

fn record(fields: &[(&str, Value)]) -> Record {
    let fields: Fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Record {
        key: "001".to_owned(),
        version: None,
        changed_at: None,
        fields,
    }
}

fn patch(mapping: &Mapping, fields: &[(&str, Value)]) -> Patch {
    mapping.inbound(&things(), &record(fields)).unwrap()
}

fn stream_field(name: &str, kind: FieldType) -> StreamField {
    StreamField {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        nullable: true,
        can_create: true,
        can_update: true,
        required: false,
        max_length: None,
        scale: None,
        choices: Vec::new(),
        references: Vec::new(),
        custom: name.ends_with("__c"),
    }
}

fn stream(name: &str, fields: &[(&str, FieldType)]) -> Stream {
    Stream {
        name: name.into(),
        label: name.to_owned(),
        key_field: "Id".to_owned(),
        can_create: true,
        can_update: true,
        can_delete: true,
        fields: fields
            .iter()
            .map(|(name, kind)| stream_field(name, *kind))
            .collect(),
    }
}
