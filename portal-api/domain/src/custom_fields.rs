//! Fields that a tenant adds to accounts and contacts.

use std::collections::BTreeSet;

use engine::catalogue::{CUSTOM_PREFIX, Field, FieldKind, Personal};
use engine::entity::Kind;
use engine::store::audit::{self, Entry};
use engine::store::custom_fields::{self, CustomField};
use engine::store::plans;
use engine::{StoreError, Tx};
use serde_json::json;

const LONGEST_KEY: usize = 60;
const LONGEST_LABEL: usize = 120;
const MOST_FIELDS: usize = 500;
const MOST_CHOICES: usize = 500;
const LARGEST_SCALE: u32 = 12;

/// A field to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Without the prefix.
    pub key: String,
    pub label: String,
    pub kind: FieldKind,
    pub choices: Vec<String>,
    pub scale: Option<u32>,
    /// How close it is to a person.
    pub personal: Personal,
}

/// Why a field was not added.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{message}")]
    Invalid {
        place: &'static str,
        message: String,
    },
}

fn invalid(place: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        place,
        message: message.into(),
    }
}

/// Adds a field to a kind of entity.
///
/// # Errors
/// [`Refusal::Invalid`] with the part of the wish that is wrong; a taken key as
/// [`StoreError::Conflict`].
pub async fn create(tx: &mut Tx, kind: &Kind, wish: Wish) -> Result<Field, Refusal> {
    let wish = check(wish)?;
    let existing = custom_fields::list(tx, kind.name).await?;
    if existing.len() >= MOST_FIELDS {
        return Err(invalid(
            "key",
            format!("there are {MOST_FIELDS} fields already"),
        ));
    }
    let field = CustomField {
        key: wish.key,
        label: wish.label,
        kind: kind_name(wish.kind)?,
        scale: wish.scale.and_then(|scale| i32::try_from(scale).ok()),
        choices: wish.choices,
        personal: class(wish.personal).to_owned(),
    };
    custom_fields::insert(tx, kind.name, &field).await?;
    let name = format!("{CUSTOM_PREFIX}{}", field.key);
    let catalogue = plans::catalogue(tx, kind).await?;
    let added = catalogue.field(&name).cloned();
    added.ok_or_else(|| StoreError::NotFound(format!("field {name}")).into())
}

fn class(personal: Personal) -> &'static str {
    match personal {
        Personal::No => "no",
        Personal::Identifying => "identifying",
        Personal::Sensitive => "sensitive",
    }
}

/// Says anew how close a field of the tenant's own is to a person. From then on it is masked where
/// personal fields are and destroyed with the person; where it was not before, what the audit trail holds
/// of it is masked too.
///
/// # Errors
/// [`StoreError::NotFound`] for a field that is not there; [`StoreError::Conflict`] for one that is part
/// of the hub.
pub async fn classify(
    tx: &mut Tx,
    kind: &Kind,
    name: &str,
    personal: Personal,
) -> Result<Field, StoreError> {
    let known = plans::catalogue(tx, kind).await?;
    if known.field(name).is_none() {
        return Err(StoreError::NotFound(format!("field {name:?}")));
    }
    let Some(key) = name.strip_prefix(CUSTOM_PREFIX) else {
        let why = "this field is part of the hub, and so is how close it is to a person";
        return Err(StoreError::Conflict(why.to_owned()));
    };
    let before = custom_fields::set_personal(tx, kind.name, key, class(personal)).await?;
    if before == "no" && personal != Personal::No {
        audit::redact_field(tx, kind.name, name).await?;
    }
    tx.audit(
        Entry::new("classify_field", "field", format!("{}/{name}", kind.name))
            .before(json!({"personal": before}))
            .after(json!({"personal": class(personal)})),
    );
    let catalogue = plans::catalogue(tx, kind).await?;
    let field = catalogue.field(name).cloned();
    field.ok_or_else(|| StoreError::NotFound(format!("field {name:?}")))
}

fn kind_name(kind: FieldKind) -> Result<String, StoreError> {
    match serde_json::to_value(kind).map_err(StoreError::Encode)? {
        serde_json::Value::String(name) => Ok(name),
        other => Err(StoreError::corrupt("kind of a field", other.to_string())),
    }
}

fn check(mut wish: Wish) -> Result<Wish, Refusal> {
    let mut letters = wish.key.chars();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !begins || !goes_on || wish.key.len() > LONGEST_KEY {
        let message = format!(
            "key must be up to {LONGEST_KEY} lower-case letters, digits and underscores, beginning \
             with a letter"
        );
        return Err(invalid("key", message));
    }
    wish.label = wish.label.trim().to_owned();
    if wish.label.is_empty() || wish.label.chars().count() > LONGEST_LABEL {
        let message = format!("label must have 1 to {LONGEST_LABEL} characters");
        return Err(invalid("label", message));
    }
    if wish.kind == FieldKind::Reference {
        return Err(invalid("type", "a field of your own cannot be a reference"));
    }
    check_choices(&wish)?;
    let has_scale = matches!(wish.kind, FieldKind::Decimal | FieldKind::Currency);
    match wish.scale {
        Some(_) if !has_scale => Err(invalid("scale", "only decimals and amounts have a scale")),
        Some(scale) if scale > LARGEST_SCALE => Err(invalid(
            "scale",
            format!("scale must not be over {LARGEST_SCALE}"),
        )),
        _ => Ok(wish),
    }
}

fn check_choices(wish: &Wish) -> Result<(), Refusal> {
    let has_choices = matches!(wish.kind, FieldKind::Choice | FieldKind::Choices);
    if !has_choices && !wish.choices.is_empty() {
        return Err(invalid("choices", "only choices have choices"));
    }
    if has_choices && wish.choices.is_empty() {
        return Err(invalid("choices", "give at least one choice"));
    }
    if wish.choices.len() > MOST_CHOICES {
        return Err(invalid(
            "choices",
            format!("at most {MOST_CHOICES} choices can be given"),
        ));
    }
    let distinct: BTreeSet<_> = wish.choices.iter().map(|choice| choice.trim()).collect();
    if distinct.len() != wish.choices.len() || distinct.contains("") {
        return Err(invalid(
            "choices",
            "choices must differ and must not be empty",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(key: &str, kind: FieldKind) -> Wish {
        let label = "Label".to_owned();
        Wish {
            key: key.to_owned(),
            label,
            kind,
            choices: Vec::new(),
            scale: None,
            personal: Personal::No,
        }
    }

    fn refused(wish: Wish) -> &'static str {
        match check(wish) {
            Err(Refusal::Invalid { place, .. }) => place,
            other => panic!("should be refused: {other:?}"),
        }
    }

    #[test]
    fn a_plain_field_is_taken_and_a_malformed_one_names_what_is_wrong() {
        assert!(check(wish("region_2", FieldKind::Text)).is_ok());
        for key in ["", "2x", "Region", "a-b", &"x".repeat(61)] {
            assert_eq!(refused(wish(key, FieldKind::Text)), "key");
        }
        assert_eq!(refused(wish("x", FieldKind::Reference)), "type");
        assert_eq!(refused(wish("x", FieldKind::Choice)), "choices");
        let twice = vec!["a".to_owned(), "a ".to_owned()];
        assert_eq!(
            refused(Wish {
                choices: twice,
                ..wish("x", FieldKind::Choice)
            }),
            "choices"
        );
        assert_eq!(
            refused(Wish {
                scale: Some(2),
                ..wish("x", FieldKind::Text)
            }),
            "scale"
        );
        assert_eq!(
            refused(Wish {
                label: " ".to_owned(),
                ..wish("x", FieldKind::Text)
            }),
            "label"
        );
    }
}
