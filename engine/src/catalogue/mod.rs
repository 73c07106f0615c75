//! What an entity is made of: its fields, their kinds, and when two values of a field are the same.
//!
//! Pure data and functions. Which fields an account has is said by the crate that owns accounts
//! ([`FieldDef`]) and by a tenant's custom fields; nothing here knows a business noun or a system.

mod canonical;
mod field;
mod typed;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use canonical::{Fingerprint, canonical, canonical_with, fingerprint, is_form_of, same};
pub use field::{Field, FieldDef, FieldKind, Personal};
pub use typed::{MAX_CHOICES, MAX_TEXT_BYTES, TypeError, typed};
pub(crate) use typed::{found, parse_date, parse_instant};

/// What the names of custom fields start with.
pub const CUSTOM_PREFIX: &str = "custom.";

/// What an empty text means for a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// The same as null: most systems cannot tell them apart.
    #[default]
    Null,
    /// A value of its own.
    Value,
}

/// The fields of one kind of entity, custom ones included; names are unique.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Catalogue {
    kind: String,
    fields: Vec<Field>,
    places: HashMap<String, usize>,
}

/// Why a set of fields is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("field {name} is there twice")]
    Twice { name: String },
    #[error("field name {name:?} is not made of lower-case letters, digits and underscores")]
    BadName { name: String },
    #[error("field {name} is a reference that names no kind of entity")]
    NoTarget { name: String },
}

#[derive(Serialize, Deserialize)]
struct Form {
    kind: String,
    fields: Vec<Field>,
}

impl Catalogue {
    /// A catalogue of `kind` (`account`).
    ///
    /// # Errors
    /// A name that is there twice or is no name, a reference without a target.
    pub fn new(kind: impl Into<String>, fields: Vec<Field>) -> Result<Self, CatalogueError> {
        let mut places = HashMap::with_capacity(fields.len());
        for (place, field) in fields.iter().enumerate() {
            if !is_name(&field.name) {
                return Err(CatalogueError::BadName {
                    name: field.name.clone(),
                });
            }
            if field.kind == FieldKind::Reference && field.references.is_none() {
                return Err(CatalogueError::NoTarget {
                    name: field.name.clone(),
                });
            }
            if places.insert(field.name.clone(), place).is_some() {
                return Err(CatalogueError::Twice {
                    name: field.name.clone(),
                });
            }
        }
        Ok(Self {
            kind: kind.into(),
            fields,
            places,
        })
    }

    /// The built-in fields of a kind with a tenant's own (named `custom.<key>`) behind them.
    ///
    /// # Errors
    /// As [`Catalogue::new`].
    pub fn of(
        kind: impl Into<String>,
        built_in: &[FieldDef],
        custom: impl IntoIterator<Item = Field>,
    ) -> Result<Self, CatalogueError> {
        let fields = built_in.iter().map(Field::from).chain(custom).collect();
        Self::new(kind, fields)
    }

    /// The kind of entity: `account`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// All fields, in the order they are shown.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.places.get(name).map(|place| &self.fields[*place])
    }
}

impl TryFrom<Form> for Catalogue {
    type Error = CatalogueError;

    fn try_from(form: Form) -> Result<Self, CatalogueError> {
        Self::new(form.kind, form.fields)
    }
}

impl From<Catalogue> for Form {
    fn from(catalogue: Catalogue) -> Self {
        Self {
            kind: catalogue.kind,
            fields: catalogue.fields,
        }
    }
}

fn is_name(name: &str) -> bool {
    let key = name.strip_prefix(CUSTOM_PREFIX).unwrap_or(name);
    let mut chars = key.chars();
    key.len() <= 80
        && chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_survives_json_and_refuses_a_name_twice() {
        let fields = [FieldDef::new("name", "Name", FieldKind::Text).required()];
        let custom = Field::new("custom.region", "Region", FieldKind::Choice);
        let catalogue = Catalogue::of("account", &fields, [custom.clone()]).unwrap();
        let json = serde_json::to_string(&catalogue).unwrap();
        assert_eq!(serde_json::from_str::<Catalogue>(&json).unwrap(), catalogue);
        assert_eq!(catalogue.field("custom.region"), Some(&custom));
        assert_eq!(catalogue.field("region"), None);

        let twice = Catalogue::of("account", &fields, [Field::from(&fields[0])]);
        assert_eq!(
            twice,
            Err(CatalogueError::Twice {
                name: "name".to_owned()
            })
        );
    }

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for name in ["", "Name", "1st", "a b", "custom.", "a.b", "naïve"] {
            let field = Field::new(name, "x", FieldKind::Text);
            let refused = Catalogue::new("account", vec![field]);
            assert!(
                matches!(refused, Err(CatalogueError::BadName { .. })),
                "{name}"
            );
        }
    }
}
