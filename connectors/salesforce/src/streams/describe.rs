//! What the org says about an object, asked once and remembered for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use connector_sdk::{
    ConnectorError, ErrorKind, FieldType, Http, Result, Stream, StreamField, StreamName,
};
use serde::Deserialize;

use super::{OBJECTS, Object};
use crate::client::{Call, Client};

/// A field that comes back (a permission given again) is seen after this long.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// An object as the org describes it to the hub's user.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) stream: Stream,
    /// The same as the hub compares it.
    pub(crate) told: Arc<connector_sdk::Described>,
    /// Fields that were asked for and are not there, warned about.
    missed: Mutex<BTreeSet<String>>,
    fields: BTreeMap<String, Known>,
    /// `Owner` of `Owner.Name`.
    relations: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    kind: FieldType,
    /// Made of other fields; bulk queries do not take it.
    compound: bool,
}

impl Described {
    /// The type of a field, `None` if the user does not see it. Fields of related records
    /// (`Owner.Name`) are texts, whatever they are over there: their object is not described.
    pub(crate) fn kind(&self, field: &str) -> Option<FieldType> {
        match field.split_once('.') {
            Some((relation, _)) => {
                let related = self.relations.iter().any(|known| known == relation);
                related.then_some(FieldType::Text)
            }
            None => self.fields.get(field).map(|known| known.kind),
        }
    }

    pub(crate) fn is_compound(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|known| known.compound)
    }

    /// Warns once of mapped fields that are left out of the records.
    pub(crate) fn warn_of(&self, missing: &[String]) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.iter().all(|field| missed.contains(field)) {
            return;
        }
        missed.extend(missing.iter().cloned());
        tracing::warn!(
            stream = self.stream.name.as_str(),
            fields = missing.join(", "),
            "mapped fields do not exist or are hidden from the hub's user, they are left out"
        );
    }

    pub(crate) fn field(&self, name: &str) -> Option<&StreamField> {
        self.stream.fields.iter().find(|field| field.name == name)
    }
}

/// The descriptions of one connection.
#[derive(Default)]
pub(crate) struct Descriptions {
    known: Mutex<HashMap<&'static str, (SystemTime, Arc<Described>)>>,
}

impl Descriptions {
    /// What is remembered and still fresh; no request.
    pub(crate) fn remembered(&self, object: &Object, http: &Http) -> Option<Arc<Described>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, described) = known.get(object.name)?;
        let age = http.now().duration_since(*asked).unwrap_or_default();
        (age < FRESH).then(|| Arc::clone(described))
    }

    pub(crate) async fn get(&self, object: &Object, org: &Client) -> Result<Arc<Described>> {
        match self.remembered(object, org.http()) {
            Some(described) => Ok(described),
            None => self.ask(object, org).await,
        }
    }

    /// After a description turned out to be no longer true.
    pub(crate) fn forget(&self, object: &Object) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(object.name);
    }

    /// Asks anew, whatever is remembered.
    pub(crate) async fn ask(&self, object: &Object, org: &Client) -> Result<Arc<Described>> {
        let path = org.data(&format!("/sobjects/{}/describe", object.name));
        let answer: Answer = match org.send(Call::get(path)).await {
            Ok(reply) => reply.json()?,
            Err(error) if error.kind == ErrorKind::Gone => {
                return Err(ConnectorError::config(format!(
                    "the hub's user does not see {}",
                    object.name
                ))
                .with_source(error));
            }
            Err(error) => return Err(error),
        };
        let described = Arc::new(answer.into_described(object)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(object.name, (org.http().now(), Arc::clone(&described)));
        Ok(described)
    }
}

/// The streams the hub's user sees, described.
pub(crate) async fn discover(org: &Client, known: &Descriptions) -> Result<Vec<Stream>> {
    #[derive(Deserialize)]
    struct List {
        sobjects: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let list: List = org.send(Call::get(org.data("/sobjects"))).await?.json()?;
    let mut streams = Vec::new();
    for object in OBJECTS {
        if list.sobjects.iter().any(|named| named.name == object.name) {
            streams.push(known.ask(object, org).await?.stream.clone());
        }
    }
    Ok(streams)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    label: String,
    createable: bool,
    updateable: bool,
    deletable: bool,
    fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    scale: u32,
    #[serde(default)]
    nillable: bool,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    deprecated_and_hidden: bool,
    #[serde(default)]
    picklist_values: Vec<Choice>,
    #[serde(default)]
    reference_to: Vec<String>,
    relationship_name: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    value: String,
    #[serde(default)]
    active: bool,
}

fn field_type(kind: &str) -> FieldType {
    match kind {
        "string" | "encryptedstring" => FieldType::Text,
        "textarea" => FieldType::LongText,
        "int" | "long" => FieldType::Integer,
        "double" | "currency" | "percent" => FieldType::Decimal,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "datetime" => FieldType::Instant,
        "email" => FieldType::Email,
        "phone" => FieldType::Phone,
        "url" => FieldType::Url,
        "picklist" | "combobox" => FieldType::Choice,
        "multipicklist" => FieldType::Choices,
        "id" | "reference" => FieldType::Reference,
        _ => FieldType::Other,
    }
}

impl Field {
    fn into_stream_field(self) -> StreamField {
        let kind = field_type(&self.kind);
        let active = self
            .picklist_values
            .into_iter()
            .filter(|choice| choice.active);
        StreamField {
            kind,
            nullable: self.nillable,
            can_create: self.createable,
            can_update: self.updateable,
            required: self.createable && !self.nillable && !self.defaulted_on_create,
            max_length: (self.length > 0).then_some(self.length),
            scale: (kind == FieldType::Decimal).then_some(self.scale),
            choices: active.map(|choice| choice.value).collect(),
            references: self.reference_to.into_iter().map(StreamName).collect(),
            custom: self.custom,
            name: self.name,
            label: self.label,
        }
    }
}

impl Answer {
    fn into_described(self, object: &Object) -> Result<Described> {
        let visible = |field: &Field| !field.deprecated_and_hidden;
        let shown: Vec<Field> = self.fields.into_iter().filter(visible).collect();
        let known = shown.iter().map(|field| {
            let compound = matches!(field.kind.as_str(), "address" | "location");
            let known = Known {
                kind: field_type(&field.kind),
                compound,
            };
            (field.name.clone(), known)
        });
        let fields = known.collect();
        let relations = shown
            .iter()
            .filter_map(|field| field.relationship_name.clone());
        let relations = relations.collect();
        let stream = Stream {
            name: object.name.into(),
            label: self.label,
            key_field: "Id".to_owned(),
            can_create: self.createable,
            can_update: self.updateable,
            can_delete: self.deletable,
            fields: shown.into_iter().map(Field::into_stream_field).collect(),
        };
        Ok(Described {
            fields,
            relations,
            missed: Mutex::default(),
            told: Arc::new(connector_sdk::Described::of(stream.clone())?),
            stream,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn account() -> Described {
        let field = |name: &str, kind: &str| {
            serde_json::json!({
                "name": name, "label": name, "type": kind, "nillable": name != "Name",
                "createable": name != "Id", "updateable": name != "Id",
            })
        };
        let answer = serde_json::json!({
            "label": "Account", "createable": true, "updateable": true, "deletable": true,
            "fields": [
                field("Id", "id"), field("Name", "string"), field("AnnualRevenue", "currency"),
                field("Products__c", "multipicklist"), field("Active__c", "boolean"),
                field("BillingAddress", "address"), field("LastSeen__c", "datetime"),
                field("Founded__c", "date"), field("Description", "textarea"),
                {"name": "OwnerId", "label": "Owner", "type": "reference",
                 "relationshipName": "Owner", "referenceTo": ["User"], "createable": true,
                 "nillable": false, "defaultedOnCreate": true},
            ],
        });
        let answer: Answer = serde_json::from_value(answer).unwrap();
        answer.into_described(&OBJECTS[0]).unwrap()
    }

    #[test]
    fn a_field_is_required_when_nothing_else_fills_it() {
        let described = account();
        let required = |name: &str| described.field(name).unwrap().required;
        assert!(required("Name") && !required("OwnerId") && !required("AnnualRevenue"));
    }

    #[test]
    fn hidden_fields_are_unknown_and_related_ones_are_known_by_their_relation() {
        let described = account();
        assert_eq!(described.kind("AnnualRevenue"), Some(FieldType::Decimal));
        assert_eq!(described.kind("Owner.Name"), Some(FieldType::Text));
        assert_eq!(described.kind("Parent.Name"), None);
        assert_eq!(described.kind("Gone__c"), None);
        assert!(described.is_compound("BillingAddress"));
    }
}
