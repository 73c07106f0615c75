//! The fields of entities, built-in and the tenant's own.

mod classify;
mod create;
mod list;

use engine::catalogue::{CUSTOM_PREFIX, Field, FieldKind, Personal};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(classify::classify))
}

/// A field of an entity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Field)]
pub(crate) struct FieldView {
    /// What mappings and edits name it: `billing_city`, `custom.region`.
    name: String,
    label: String,
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeName)]
    kind: FieldKind,
    group: Option<String>,
    required: bool,
    custom: bool,
    /// Digits after the point, for numbers.
    scale: Option<u32>,
    max_length: Option<u32>,
    choices: Vec<String>,
    /// The kind of entity a reference points at.
    references: Option<String>,
    /// How close it is to a person.
    #[schema(value_type = PersonalName)]
    personal: Personal,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = FieldPersonal)]
#[expect(dead_code, reason = "describes the names of classes")]
pub(crate) enum PersonalName {
    No,
    Identifying,
    Sensitive,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = FieldType)]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum FieldTypeName {
    Text,
    LongText,
    Integer,
    Decimal,
    Currency,
    Boolean,
    Date,
    Instant,
    Email,
    Phone,
    Url,
    Choice,
    Choices,
    Reference,
    User,
}

impl From<&Field> for FieldView {
    fn from(field: &Field) -> Self {
        Self {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: field.kind,
            group: field.group.clone(),
            required: field.required,
            custom: field.name.starts_with(CUSTOM_PREFIX),
            scale: field.scale,
            max_length: field.max_length,
            choices: field.choices.clone(),
            references: field.references.clone(),
            personal: field.personal,
        }
    }
}
