//! One field of an entity.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a field holds. The comment says how it travels in a [`connector_sdk::Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Text, one line.
    Text,
    /// Text with line breaks.
    LongText,
    /// Number without a fraction, within 64 bits.
    Integer,
    /// Number, compared at the field's scale.
    Decimal,
    /// Number, compared at the field's scale.
    Currency,
    Boolean,
    /// Text `2026-05-01`.
    Date,
    /// Text in RFC 3339, UTC: `2026-05-01T22:51:36Z`.
    Instant,
    /// Text.
    Email,
    /// Text as people write it; compared by its digits.
    Phone,
    /// Text, with or without a scheme.
    Url,
    /// Text, one of the field's choices.
    Choice,
    /// List of texts out of the field's choices; order means nothing.
    Choices,
    /// Text: the id of another entity.
    Reference,
    /// Text: the id of a person who works with the hub.
    User,
}

impl FieldKind {
    /// How the kind is called in sentences: `a date`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::LongText => "long text",
            Self::Integer => "a whole number",
            Self::Decimal => "a number",
            Self::Currency => "an amount",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Instant => "a date with time",
            Self::Email => "an e-mail address",
            Self::Phone => "a phone number",
            Self::Url => "a web address",
            Self::Choice => "a choice",
            Self::Choices => "a list of choices",
            Self::Reference => "a reference",
            Self::User => "a user",
        }
    }

    /// Whether an empty text can be a value of this kind.
    pub fn holds_empty_text(self) -> bool {
        matches!(self, Self::Text | Self::LongText)
    }

    /// Whether it makes sense to ask which of two values is the greater one.
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Integer | Self::Decimal | Self::Currency | Self::Date | Self::Instant
        )
    }
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

/// How close a value is to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Personal {
    /// Says nothing about a person.
    #[default]
    No,
    /// Names or reaches a person: hidden in exports and logs, erased with them.
    Identifying,
    /// Must be shown only to those who may see it.
    Sensitive,
}

/// One field of a kind of entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Unique in its catalogue: `billing_city`, `custom.region`.
    pub name: String,
    /// For people: `Billing city`.
    pub label: String,
    pub kind: FieldKind,
    /// Fields of one group are shown, and by default decided, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// Digits after the point for numbers, of the second for instants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// Longest text in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What a choice may be; empty means anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The kind of entity a reference points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    #[serde(default)]
    pub personal: Personal,
    /// Whether entities are found quickly by their value: what a record can be linked by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_found: bool,
}

impl Field {
    /// A field with nothing but a name, a label and a kind.
    pub fn new(name: impl Into<String>, label: impl Into<String>, kind: FieldKind) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            kind,
            group: None,
            required: false,
            scale: None,
            max_length: None,
            choices: Vec::new(),
            references: None,
            personal: Personal::No,
            is_found: false,
        }
    }
}

/// A built-in field, written as a constant:
/// `FieldDef::new("name", "Name", FieldKind::Text).required()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDef {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: FieldKind,
    pub group: Option<&'static str>,
    pub required: bool,
    pub scale: Option<u32>,
    pub max_length: Option<u32>,
    pub choices: &'static [&'static str],
    pub references: Option<&'static str>,
    pub personal: Personal,
    pub is_found: bool,
}

impl FieldDef {
    pub const fn new(name: &'static str, label: &'static str, kind: FieldKind) -> Self {
        Self {
            name,
            label,
            kind,
            group: None,
            required: false,
            scale: None,
            max_length: None,
            choices: &[],
            references: None,
            personal: Personal::No,
            is_found: false,
        }
    }

    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    #[must_use]
    pub const fn group(mut self, group: &'static str) -> Self {
        self.group = Some(group);
        self
    }

    #[must_use]
    pub const fn scale(mut self, digits: u32) -> Self {
        self.scale = Some(digits);
        self
    }

    #[must_use]
    pub const fn max_length(mut self, characters: u32) -> Self {
        self.max_length = Some(characters);
        self
    }

    #[must_use]
    pub const fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    #[must_use]
    pub const fn references(mut self, kind: &'static str) -> Self {
        self.references = Some(kind);
        self
    }

    #[must_use]
    pub const fn personal(mut self, personal: Personal) -> Self {
        self.personal = personal;
        self
    }

    /// Entities are found quickly by it: the kind's table answers `find` for the field.
    #[must_use]
    pub const fn found(mut self) -> Self {
        self.is_found = true;
        self
    }
}

impl From<&FieldDef> for Field {
    fn from(def: &FieldDef) -> Self {
        Self {
            name: def.name.to_owned(),
            label: def.label.to_owned(),
            kind: def.kind,
            group: def.group.map(str::to_owned),
            required: def.required,
            scale: def.scale,
            max_length: def.max_length,
            choices: def
                .choices
                .iter()
                .map(|&choice| choice.to_owned())
                .collect(),
            references: def.references.map(str::to_owned),
            personal: def.personal,
            is_found: def.is_found,
        }
    }
}
