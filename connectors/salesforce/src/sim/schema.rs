//! Objects and fields as data. Describe, validation, normalisation and the query checks all read
//! this table; nothing else in the simulator knows an object by name.

use serde::{Deserialize, Serialize};

use super::store::{Row, Value};

/// A field's type, as describe names it in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Id,
    Reference,
    String,
    TextArea,
    Email,
    Phone,
    Url,
    Picklist,
    MultiPicklist,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Time,
    Address,
}

impl FieldType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference => "reference",
            Self::String => "string",
            Self::TextArea => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Address => "address",
        }
    }

    pub(crate) fn soap(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            Self::Time => "xsd:time",
            Self::Address => "urn:address",
            _ => "xsd:string",
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Double | Self::Currency | Self::Percent
        )
    }

    pub(crate) fn is_text(self) -> bool {
        use FieldType as T;
        matches!(self, T::String | T::TextArea | T::Email | T::Phone | T::Url)
            || matches!(self, T::Picklist | T::MultiPicklist)
    }
}

/// One value of a picklist.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PickValue {
    pub value: String,
    pub active: bool,
}

/// What an absent field gets on create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Default {
    Nothing,
    False,
    /// The user who creates the row, as in `OwnerId`.
    Caller,
}

/// A silent change that the organisation makes to what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    Lower,
    Upper,
    /// Keep digits and a leading plus only.
    Digits,
    /// Cut text to the field's length instead of refusing it.
    Truncate,
}

/// Where a field's value is found in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    Slot(usize),
    Id,
    IsDeleted,
    CreatedDate,
    CreatedById,
    LastModifiedDate,
    LastModifiedById,
    SystemModstamp,
    /// Parts in the order street, city, state, postal code, country, latitude, longitude.
    Address([usize; 7]),
    /// Texts joined by spaces: salutation, first and last name.
    Joined(Vec<usize>),
    /// True when the text in the slot is one of these.
    OneOf(usize, Vec<String>),
}

/// One field of an object. Build with [`Field::new`] and the setters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub label: String,
    pub kind: FieldType,
    /// Characters, for text.
    pub length: usize,
    /// Digits in all, for numbers.
    pub precision: u32,
    /// Digits after the point, for numbers.
    pub scale: u32,
    pub nillable: bool,
    pub createable: bool,
    pub updateable: bool,
    pub default: Default,
    pub external_id: bool,
    pub unique: bool,
    pub case_sensitive: bool,
    pub picklist: Vec<PickValue>,
    pub restricted: bool,
    pub reference_to: Option<String>,
    /// `Owner` of `OwnerId`; `CSM__r` of `CSM__c`.
    pub relationship: Option<String>,
    /// Deleting the parent deletes this row.
    pub cascade_delete: bool,
    /// Part of this compound field.
    pub compound: Option<String>,
    pub normalise: Option<Normalise>,
    /// Hidden from the caller by permission: as if it did not exist.
    pub hidden: bool,
    pub(crate) source: Source,
}

impl Field {
    /// A nullable, writable field of this type with the usual length or digits.
    pub fn new(name: &str, kind: FieldType) -> Self {
        let (length, precision, scale) = match kind {
            FieldType::Id | FieldType::Reference => (18, 0, 0),
            FieldType::TextArea => (255, 0, 0),
            FieldType::Email => (80, 0, 0),
            FieldType::Phone => (40, 0, 0),
            FieldType::MultiPicklist => (4099, 0, 0),
            FieldType::String | FieldType::Url | FieldType::Picklist => (255, 0, 0),
            FieldType::Int => (0, 8, 0),
            FieldType::Double | FieldType::Currency | FieldType::Percent => (0, 18, 2),
            _ => (0, 0, 0),
        };
        Self {
            name: name.to_owned(),
            label: label(name),
            kind,
            length,
            precision,
            scale,
            nillable: kind != FieldType::Boolean,
            createable: true,
            updateable: true,
            default: match kind {
                FieldType::Boolean => Default::False,
                _ => Default::Nothing,
            },
            external_id: false,
            unique: false,
            case_sensitive: false,
            picklist: vec![],
            restricted: false,
            reference_to: None,
            relationship: None,
            cascade_delete: false,
            compound: None,
            normalise: None,
            hidden: false,
            source: Source::Slot(usize::MAX),
        }
    }

    #[must_use]
    pub fn length(mut self, characters: usize) -> Self {
        self.length = characters;
        self
    }

    #[must_use]
    pub fn digits(mut self, precision: u32, scale: u32) -> Self {
        (self.precision, self.scale) = (precision, scale);
        self
    }

    #[must_use]
    pub fn required(mut self) -> Self {
        self.nillable = false;
        self
    }

    #[must_use]
    pub fn read_only(mut self) -> Self {
        (self.createable, self.updateable) = (false, false);
        self
    }

    /// Unique, or not: two records with one value make an upsert answer 300.
    #[must_use]
    pub fn external_id(mut self, unique: bool) -> Self {
        (self.external_id, self.unique) = (true, unique);
        self
    }

    #[must_use]
    pub fn values(mut self, values: &[&str], restricted: bool) -> Self {
        self.picklist = values
            .iter()
            .map(|value| PickValue {
                value: (*value).to_owned(),
                active: true,
            })
            .collect();
        self.restricted = restricted;
        self
    }

    /// Points at another object; the relationship's name follows from the field's.
    #[must_use]
    pub fn to(mut self, object: &str) -> Self {
        self.reference_to = Some(object.to_owned());
        self.relationship = Some(match self.name.strip_suffix("__c") {
            Some(stem) => format!("{stem}__r"),
            None => self
                .name
                .strip_suffix("Id")
                .unwrap_or(&self.name)
                .to_owned(),
        });
        self
    }

    #[must_use]
    pub(crate) fn cascade(mut self) -> Self {
        self.cascade_delete = true;
        self
    }

    #[must_use]
    pub(crate) fn owned_by_caller(mut self) -> Self {
        self.default = Default::Caller;
        self.required()
    }

    #[must_use]
    pub(crate) fn part_of(mut self, compound: &str) -> Self {
        self.compound = Some(compound.to_owned());
        self
    }

    #[must_use]
    pub(crate) fn derived(mut self, source: Source) -> Self {
        self.source = source;
        self.read_only()
    }

    pub(crate) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub(crate) fn indexed(&self) -> bool {
        self.external_id || self.unique
    }

    /// May stand in WHERE and ORDER BY.
    pub(crate) fn filterable(&self) -> bool {
        self.kind != FieldType::Address && (self.kind != FieldType::TextArea || self.length <= 255)
    }

    pub(crate) fn slot(&self) -> Option<usize> {
        match self.source {
            Source::Slot(slot) => Some(slot),
            _ => None,
        }
    }

    /// The field's value in a row; compound addresses have none here (see `render`).
    pub(crate) fn read(&self, row: &Row) -> Value {
        match &self.source {
            Source::Slot(slot) => row.value(*slot).clone(),
            Source::Id => Value::Id(row.id),
            Source::IsDeleted => Value::Bool(row.deleted.is_some()),
            Source::CreatedDate => Value::DateTime(row.created),
            Source::CreatedById => Value::Id(row.created_by),
            Source::LastModifiedDate => Value::DateTime(row.modified),
            Source::LastModifiedById => Value::Id(row.modified_by),
            Source::SystemModstamp => Value::DateTime(row.stamp),
            Source::Address(_) => Value::Null,
            Source::Joined(slots) => {
                let parts: Vec<&str> = slots
                    .iter()
                    .filter_map(|s| row.value(*s).as_text())
                    .collect();
                Value::text(&parts.join(" "))
            }
            Source::OneOf(slot, values) => {
                let text = row.value(*slot).as_text();
                Value::Bool(text.is_some_and(|text| values.iter().any(|value| value == text)))
            }
        }
    }
}

/// `AnnualRevenue` is labelled `Annual Revenue`, `Hub_Id__c` `Hub Id`.
fn label(name: &str) -> String {
    let stem = name.strip_suffix("__c").unwrap_or(name);
    let stem = stem
        .strip_suffix("Id")
        .filter(|s| !s.is_empty() && !s.ends_with('_'))
        .unwrap_or(stem);
    let mut out = String::new();
    let mut lower = false;
    for c in stem.chars() {
        if c == '_' {
            out.push(' ');
        } else {
            if c.is_uppercase() && lower {
                out.push(' ');
            }
            out.push(c);
        }
        lower = c.is_lowercase();
    }
    out
}

/// One object: its names, its abilities, its fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    pub name: String,
    pub label_plural: String,
    pub(crate) prefix: [u8; 3],
    /// Rows can be deleted (users cannot).
    pub deletable: bool,
    /// Row reads carry an `ETag` and honour `If-Match`.
    pub etag: bool,
    pub fields: Vec<Field>,
    slots: usize,
    /// When the table of fields last changed, milliseconds: the `Last-Modified` of describe.
    pub(crate) changed: i64,
}

impl Object {
    /// An object of these fields and the audit fields every object has.
    pub(crate) fn new(name: &str, plural: &str, prefix: [u8; 3], fields: Vec<Field>) -> Self {
        let mut object = Self {
            name: name.to_owned(),
            label_plural: plural.to_owned(),
            prefix,
            deletable: true,
            etag: false,
            fields: vec![],
            slots: 0,
            changed: 0,
        };
        let audit = |name, kind, source| Field::new(name, kind).required().derived(source);
        object.push(audit("Id", FieldType::Id, Source::Id));
        object.push(audit("IsDeleted", FieldType::Boolean, Source::IsDeleted));
        for field in fields {
            object.push(field);
        }
        use FieldType::{DateTime, Reference};
        object.push(audit("CreatedDate", DateTime, Source::CreatedDate));
        object.push(audit("CreatedById", Reference, Source::CreatedById).to("User"));
        object.push(audit(
            "LastModifiedDate",
            DateTime,
            Source::LastModifiedDate,
        ));
        object.push(audit("LastModifiedById", Reference, Source::LastModifiedById).to("User"));
        object.push(audit("SystemModstamp", DateTime, Source::SystemModstamp));
        object
    }

    /// Adds a field in a slot of its own.
    pub(crate) fn push(&mut self, mut field: Field) {
        if field.source == Source::Slot(usize::MAX) {
            field.source = Source::Slot(self.slots);
            self.slots += 1;
        }
        self.fields.push(field);
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Whether every field finds its value in a slot there is; a file may say otherwise.
    pub(crate) fn is_sound(&self) -> bool {
        self.fields.iter().all(|field| match &field.source {
            Source::Slot(slot) | Source::OneOf(slot, _) => *slot < self.slots,
            Source::Address(slots) => slots.iter().all(|slot| *slot < self.slots),
            Source::Joined(slots) => slots.iter().all(|slot| *slot < self.slots),
            _ => true,
        })
    }

    /// The field as the caller sees it: names fold case, hidden fields do not exist.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|f| !f.hidden && f.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn slot_of(&self, name: &str) -> usize {
        self.field(name).and_then(Field::slot).unwrap_or(usize::MAX)
    }

    pub(crate) fn relationship(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| {
            !f.hidden
                && f.relationship
                    .as_deref()
                    .is_some_and(|r| r.eq_ignore_ascii_case(name))
        })
    }
}
