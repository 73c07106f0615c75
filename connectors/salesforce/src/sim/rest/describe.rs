//! What objects and fields there are.

use serde_json::{Value as Json, json};

use super::super::clock::{http_date, parse_http_date};
use super::super::errors::ApiError;
use super::super::schema::{Default as FieldDefault, Field, FieldType, Object};
use super::super::state::State;
use super::{Call, Reply, table};

/// `GET /sobjects`.
pub(super) fn global(state: &State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let changed = state
        .store
        .tables
        .iter()
        .map(|table| table.object.changed)
        .max()
        .unwrap_or(0);
    if unchanged_since(call, changed) {
        return Ok(Reply::empty(304));
    }
    let objects: Vec<Json> = state
        .store
        .tables
        .iter()
        .map(|table| summary(call, &table.object))
        .collect();
    let body = json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects});
    Ok(Reply::json(200, &body).with("last-modified", http_date(changed)))
}

/// `GET /sobjects/{object}`.
pub(super) fn basic(state: &State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let object = &state.store.tables[table(state, object)?].object;
    Ok(Reply::json(
        200,
        &json!({"objectDescribe": summary(call, object), "recentItems": []}),
    ))
}

/// `GET /sobjects/{object}/describe`.
pub(super) fn full(state: &State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let object = &state.store.tables[table(state, object)?].object;
    if unchanged_since(call, object.changed) {
        return Ok(Reply::empty(304));
    }
    let mut body = summary(call, object);
    let visible = object.fields.iter().filter(|field| !field.hidden);
    body["fields"] = visible.map(field).collect();
    body["childRelationships"] = Json::Array(children(state, object));
    body["recordTypeInfos"] = json!([{"active": true, "available": true,
        "defaultRecordTypeMapping": true, "developerName": "Master", "master": true,
        "name": "Master", "recordTypeId": "012000000000000AAA", "urls": {}}]);
    body["supportedScopes"] = json!([{"label": "All records", "name": "everything"}]);
    body["actionOverrides"] = json!([]);
    body["namedLayoutInfos"] = json!([]);
    Ok(Reply::json(200, &body).with("last-modified", http_date(object.changed)))
}

fn unchanged_since(call: &Call<'_>, changed: i64) -> bool {
    let since = call.header("if-modified-since").and_then(parse_http_date);
    since.is_some_and(|since| changed.div_euclid(1000) * 1000 <= since)
}

fn children(state: &State, object: &Object) -> Vec<Json> {
    let mut found = vec![];
    for child in &state.store.tables {
        let child = &child.object;
        for field in child
            .fields
            .iter()
            .filter(|f| f.slot().is_some() && !f.hidden)
        {
            if field.reference_to.as_deref() == Some(&object.name) {
                let named = field.cascade_delete.then(|| child.label_plural.clone());
                found.push(
                    json!({"cascadeDelete": field.cascade_delete, "childSObject": child.name,
                    "deprecatedAndHidden": false, "field": field.name, "junctionIdListNames": [],
                    "junctionReferenceTo": [], "relationshipName": named,
                    "restrictedDelete": false}),
                );
            }
        }
    }
    found
}

fn summary(call: &Call<'_>, object: &Object) -> Json {
    let url = format!("{}/sobjects/{}", call.root(), object.name);
    let prefix: String = object.prefix.iter().copied().map(char::from).collect();
    json!({
        "activateable": false, "associateEntityType": null, "associateParentEntity": null,
        "createable": true, "custom": object.name.ends_with("__c"), "customSetting": false,
        "deepCloneable": false, "deletable": object.deletable, "deprecatedAndHidden": false,
        "feedEnabled": true, "hasSubtypes": false, "isInterface": false, "isSubtype": false,
        "keyPrefix": prefix, "label": object.name, "labelPlural": object.label_plural,
        "layoutable": true, "mergeable": object.etag, "mruEnabled": true, "name": object.name,
        "queryable": true, "replicateable": true, "retrieveable": true, "searchable": true,
        "triggerable": true, "undeletable": object.deletable, "updateable": true,
        "urls": {"sobject": url, "describe": format!("{url}/describe"),
                 "rowTemplate": format!("{url}/{{ID}}")},
    })
}

fn field(field: &Field) -> Json {
    let kind = field.kind;
    let picks: Vec<Json> = field
        .picklist
        .iter()
        .map(|pick| {
            json!({"active": pick.active, "defaultValue": false, "label": pick.value,
                   "validFor": null, "value": pick.value})
        })
        .collect();
    // Describe counts digits of integers apart and bytes as three per character.
    let (digits, precision) = match kind {
        FieldType::Int => (field.precision, 0),
        _ => (0, field.precision),
    };
    let default = (field.default == FieldDefault::False).then_some(false);
    let mut described = json!({
        "byteLength": if kind.is_text() { field.length * 3 } else { field.length },
        "cascadeDelete": field.cascade_delete, "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound, "createable": field.createable,
        "custom": field.custom(), "defaultValue": default,
        "defaultedOnCreate": field.default != FieldDefault::Nothing || audit(field),
        "digits": digits, "externalId": field.external_id, "filterable": field.filterable(),
        "groupable": field.filterable(),
        "idLookup": field.external_id || kind == FieldType::Id, "label": field.label,
        "length": field.length, "name": field.name, "nameField": field.name == "Name",
        "nillable": field.nillable, "permissionable": field.nillable && field.createable,
        "picklistValues": picks, "precision": precision,
        "referenceTo": field.reference_to.iter().collect::<Vec<_>>(),
        "relationshipName": field.relationship, "restrictedPicklist": field.restricted,
        "scale": field.scale, "soapType": kind.soap(), "sortable": field.filterable(),
        "type": kind.name(), "unique": field.unique, "updateable": field.updateable,
    });
    for name in NEVER {
        described[name] = Json::Bool(false);
    }
    for name in EMPTY {
        described[name] = Json::Null;
    }
    described
}

/// What no field here is or has, though describe says so of each.
const NEVER: [&str; 17] = [
    "aggregatable",
    "aiPredictionField",
    "autoNumber",
    "calculated",
    "dependentPicklist",
    "deprecatedAndHidden",
    "displayLocationInDecimal",
    "encrypted",
    "formulaTreatNullNumberAsZero",
    "highScaleNumber",
    "htmlFormatted",
    "namePointing",
    "polymorphicForeignKey",
    "queryByDistance",
    "restrictedDelete",
    "searchPrefilterable",
    "writeRequiresMasterRead",
];
const EMPTY: [&str; 9] = [
    "calculatedFormula",
    "controllerName",
    "defaultValueFormula",
    "extraTypeInfo",
    "filteredLookupInfo",
    "inlineHelpText",
    "mask",
    "maskType",
    "referenceTargetField",
];

/// Filled by the system, so never missing on create.
fn audit(field: &Field) -> bool {
    !field.createable && !field.nillable
}
