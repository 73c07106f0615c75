//! What a system says of a stream, made comparable: sorted, without doubles, within bounds, with a
//! mark that changes when any of it does.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{ConnectorError, FieldType, Result, Stream, StreamField};

/// Most fields of one stream.
pub const MAX_FIELDS: usize = 10_000;
/// Most choices of all fields of one stream together.
pub const MAX_CHOICES: usize = 100_000;
/// Longest name of a field or a choice, in bytes.
const MAX_NAME: usize = 1_000;

/// A stream as its system describes it by now.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub stream: Stream,
    /// Equal for equal descriptions, in whatever order the system gave them: hexadecimal digits.
    pub mark: String,
}

impl Described {
    /// Brings a description into its comparable form. A field that is described twice, and not in the
    /// same way, is of a type that nobody knows ([`FieldType::Other`]): neither word can be believed.
    ///
    /// # Errors
    /// `Config` for a description without a name or beyond the bounds.
    pub fn of(mut stream: Stream) -> Result<Self> {
        let name = stream.name.0.clone();
        let fields = stream.fields.len();
        let choices: usize = stream.fields.iter().map(|field| field.choices.len()).sum();
        if fields > MAX_FIELDS || choices > MAX_CHOICES {
            return Err(ConnectorError::config(format!(
                "{name} is described with {fields} fields and {choices} choices, at most \
                 {MAX_FIELDS} and {MAX_CHOICES} are taken"
            )));
        }
        let mut known: BTreeMap<String, StreamField> = BTreeMap::new();
        for mut field in std::mem::take(&mut stream.fields) {
            let is_odd = |text: &String| text.len() > MAX_NAME || text.contains('\0');
            if field.name.is_empty() || is_odd(&field.name) || field.choices.iter().any(is_odd) {
                return Err(ConnectorError::config(format!(
                    "{name} is described with a field or a choice whose name cannot be taken"
                )));
            }
            field.label = field.label.replace('\0', "");
            match known.get_mut(&field.name) {
                Some(first) if *first == field => {}
                Some(first) => {
                    first.kind = FieldType::Other;
                    first.choices.clear();
                }
                None => {
                    known.insert(field.name.clone(), field);
                }
            }
        }
        stream.label = stream.label.replace('\0', "");
        stream.fields = known.into_values().collect();
        let json = serde_json::to_vec(&stream).map_err(|error| {
            ConnectorError::config(format!("description of {name} is no JSON")).with_source(error)
        })?;
        let mark = Sha256::digest(&json)[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self { stream, mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldType) -> StreamField {
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
            custom: false,
        }
    }

    fn stream(fields: Vec<StreamField>) -> Stream {
        Stream {
            name: "Account".into(),
            label: "Account".to_owned(),
            key_field: "Id".to_owned(),
            can_create: true,
            can_update: true,
            can_delete: true,
            fields,
        }
    }

    #[test]
    fn the_mark_follows_what_is_described_and_not_its_order() {
        let (one, other) = (field("A", FieldType::Text), field("B", FieldType::Date));
        let there = Described::of(stream(vec![one.clone(), other.clone()])).unwrap();
        let back = Described::of(stream(vec![other, one.clone()])).unwrap();
        assert_eq!(there, back);
        let changed = Described::of(stream(vec![one, field("B", FieldType::Text)])).unwrap();
        assert_ne!(there.mark, changed.mark);
    }

    #[test]
    fn a_field_described_twice_is_believed_only_when_both_say_the_same() {
        let twice = |kind| {
            let fields = vec![field("A", FieldType::Text), field("A", kind)];
            Described::of(stream(fields)).unwrap().stream.fields
        };
        assert_eq!(twice(FieldType::Text), [field("A", FieldType::Text)]);
        assert_eq!(twice(FieldType::Date), [field("A", FieldType::Other)]);
    }

    #[test]
    fn a_description_without_end_or_with_odd_names_is_refused() {
        let many = |count| (0..count).map(|at| field(&format!("F{at}"), FieldType::Text));
        assert!(Described::of(stream(many(MAX_FIELDS).collect())).is_ok());
        let error = Described::of(stream(many(MAX_FIELDS + 1).collect())).unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::Config);
        for name in ["", "a\0b", &"x".repeat(2_000)] {
            assert!(Described::of(stream(vec![field(name, FieldType::Text)])).is_err());
        }
        let mut choice = field("A", FieldType::Choice);
        choice.choices = vec!["x".to_owned(); MAX_CHOICES + 1];
        assert!(Described::of(stream(vec![choice])).is_err());
    }
}
