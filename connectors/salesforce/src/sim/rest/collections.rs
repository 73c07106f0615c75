//! Up to 200 rows in one request, each with its own result.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors::{ApiError, RowError};
use super::super::ids::Id;
use super::super::state::State;
use super::super::writes::{Fields, Upserted, Writer};
use super::rows::{key_field, record, select};
use super::{Call, Reply, method_not_allowed, table};

const MAX_ROWS: usize = 200;
const MAX_RETRIEVED: usize = 2000;
/// Runs of one object in a request.
const MAX_CHUNKS: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    all_or_none: bool,
    records: Vec<Fields>,
}

#[derive(Deserialize)]
struct Retrieve {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// One row of the request, made ready.
struct Item {
    table: usize,
    /// For update and delete; an error when it cannot be an id.
    id: Option<Result<Id, RowError>>,
    fields: Fields,
}

pub(super) fn serve(state: &mut State, call: &Call<'_>, rest: &[&str]) -> Result<Reply, ApiError> {
    match (call.method.as_str(), rest) {
        ("POST", [object]) => retrieve(state, call, object),
        ("POST" | "PATCH", []) => {
            let body: Body = call.json()?;
            let items = items(state, body.records, *call.method == Method::PATCH)?;
            let create = *call.method == Method::POST;
            run(
                state,
                call,
                items,
                body.all_or_none,
                move |writer, item| match &item.id {
                    None if create => writer.insert(item.table, &item.fields).map(|id| (id, None)),
                    None => Err(RowError::new(
                        "MISSING_ARGUMENT",
                        "Id not specified in an update call",
                    )),
                    Some(id) => {
                        let id = id.clone()?;
                        writer
                            .update(item.table, id, &item.fields)
                            .map(|()| (id, None))
                    }
                },
            )
        }
        ("PATCH", [object, key]) => upsert(state, call, object, key),
        ("DELETE", []) => delete(state, call),
        _ => Err(method_not_allowed(call)),
    }
}

/// Checks the request as a whole and takes the records apart.
fn items(state: &State, records: Vec<Fields>, with_ids: bool) -> Result<Vec<Item>, ApiError> {
    check_size(records.len())?;
    let mut items: Vec<Item> = Vec::with_capacity(records.len());
    let mut chunks = 0;
    for mut fields in records {
        let kind = fields
            .get("attributes")
            .and_then(|attributes| attributes["type"].as_str());
        let Some(kind) = kind else {
            let message = "Must send type attribute for every record";
            return Err(ApiError::new(400, "INVALID_INPUT", message));
        };
        let table = state.store.table(kind).ok_or_else(|| {
            let message = format!("sObject type '{kind}' is not supported.");
            ApiError::new(400, "INVALID_TYPE", message)
        })?;
        chunks += usize::from(items.last().is_none_or(|last| last.table != table));
        let id = if with_ids { take_id(&mut fields) } else { None };
        items.push(Item { table, id, fields });
    }
    if chunks > MAX_CHUNKS {
        let message = format!("Cannot process more than {MAX_CHUNKS} chunks per operation.");
        return Err(ApiError::new(400, "INVALID_INPUT", message));
    }
    Ok(items)
}

fn check_size(rows: usize) -> Result<(), ApiError> {
    if rows <= MAX_ROWS {
        return Ok(());
    }
    let message = format!("record limit reached. cannot submit more than {MAX_ROWS} records");
    Err(ApiError::new(400, "EXCEEDED_MAX_ROWS", message))
}

fn take_id(fields: &mut Fields) -> Option<Result<Id, RowError>> {
    let key = fields
        .keys()
        .find(|key| key.eq_ignore_ascii_case("id"))?
        .clone();
    let id = fields.remove(&key)?;
    Some(parse_id(id.as_str().unwrap_or_default()))
}

fn parse_id(text: &str) -> Result<Id, RowError> {
    Id::parse(text.trim())
        .ok_or_else(|| RowError::new("MALFORMED_ID", format!("malformed id {text}")).on("Id"))
}

fn upsert(state: &mut State, call: &Call<'_>, object: &str, key: &str) -> Result<Reply, ApiError> {
    let wanted = table(state, object)?;
    let key = key_field(state, wanted, key)?;
    let body: Body = call.json()?;
    let items = items(state, body.records, false)?;
    if items.iter().any(|item| item.table != wanted) {
        let message = format!("all records must be of type {object}");
        return Err(ApiError::new(400, "INVALID_TYPE", message));
    }
    run(state, call, items, body.all_or_none, |writer, item| {
        let found = item
            .fields
            .keys()
            .find(|name| name.eq_ignore_ascii_case(&key.name))
            .cloned();
        let value = found
            .and_then(|name| item.fields.remove(&name))
            .unwrap_or_default();
        let value = match &value {
            Json::String(text) if !text.is_empty() => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => {
                let message = format!("{} not specified", key.name);
                return Err(RowError::new("MISSING_ARGUMENT", message));
            }
        };
        match writer.upsert(item.table, &key, &value, &item.fields, false)? {
            Upserted::Created(id) => Ok((id, Some(true))),
            Upserted::Updated(id) => Ok((id, Some(false))),
            Upserted::Several(_) => {
                let message = format!(
                    "{}: more than one record found for external id field",
                    key.name
                );
                Err(RowError::new("DUPLICATE_EXTERNAL_ID", message))
            }
        }
    })
}

fn delete(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let ids: Vec<&str> = call.param("ids").unwrap_or_default().split(',').collect();
    check_size(ids.len())?;
    let all_or_none = call.param("allOrNone").is_some_and(|flag| flag == "true");
    let mut items = vec![];
    for text in ids {
        let id = parse_id(text);
        let table = id
            .as_ref()
            .ok()
            .and_then(|id| state.store.table_of(*id))
            .unwrap_or_default();
        items.push(Item {
            table,
            id: Some(id),
            fields: Fields::new(),
        });
    }
    run(state, call, items, all_or_none, |writer, item| {
        let id = item.id.clone().unwrap_or_else(|| parse_id(""))?;
        writer.delete(item.table, id).map(|()| (id, None))
    })
}

/// Writes row by row and reports each; with `all_or_none` a failure undoes them all.
fn run(
    state: &mut State,
    call: &Call<'_>,
    mut items: Vec<Item>,
    all_or_none: bool,
    mut write: impl FnMut(&mut Writer<'_>, &mut Item) -> Result<(Id, Option<bool>), RowError>,
) -> Result<Reply, ApiError> {
    let allow_duplicates = call.allow_duplicates();
    let mut outcomes = Vec::with_capacity(items.len());
    let mut writer = state.client_writer(call.user, allow_duplicates);
    for item in &mut items {
        // A failing row leaves nothing behind, whatever it had begun.
        let kept = std::mem::take(&mut writer.undo);
        let outcome = write(&mut writer, item);
        if outcome.is_err() {
            writer.roll_back();
        }
        let mut undo = kept;
        undo.append(&mut writer.undo);
        writer.undo = undo;
        outcomes.push(outcome.map_err(in_collection));
    }
    let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    if all_or_none && written < outcomes.len() {
        writer.roll_back();
        for (outcome, item) in outcomes.iter_mut().zip(&items) {
            if outcome.is_ok() {
                let code = "ALL_OR_NONE_OPERATION_ROLLED_BACK";
                let message = "Record rolled back because not all records were valid and the \
                               request was using AllOrNone header";
                // Updates and deletes keep their id in the answer, creates have none.
                let id = item.id.as_ref().and_then(|id| id.as_ref().ok().copied());
                *outcome = Err((RowError::new(code, message), id));
            }
        }
    } else {
        let undo = std::mem::take(&mut writer.undo);
        state.remember(undo);
        state.writes += written as u64;
    }
    let results: Vec<Json> = outcomes.iter().map(result).collect();
    Ok(Reply::json(200, &Json::Array(results)))
}

type Outcome = Result<(Id, Option<bool>), (RowError, Option<Id>)>;

/// What a single row answers 404 with is a cross reference here.
fn in_collection(error: RowError) -> (RowError, Option<Id>) {
    if error.code == "NOT_FOUND" {
        return (
            RowError::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
            None,
        );
    }
    (error, None)
}

fn result(outcome: &Outcome) -> Json {
    let (id, success, errors, created) = match outcome {
        Ok((id, created)) => (Some(*id), true, json!([]), *created),
        Err((error, id)) => (*id, false, json!([error.in_collection()]), None),
    };
    let mut result = json!({"success": success, "errors": errors});
    if let Some(id) = id {
        result["id"] = Json::from(id.to_string());
    }
    if let Some(created) = created {
        result["created"] = Json::from(created);
    }
    result
}

/// `POST /composite/sobjects/{object}` with ids and fields: records in place, `null` where missing.
fn retrieve(state: &State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let body: Retrieve = call.json()?;
    if body.ids.len() > MAX_RETRIEVED {
        let message =
            format!("record limit reached. cannot submit more than {MAX_RETRIEVED} records");
        return Err(ApiError::new(400, "EXCEEDED_MAX_ROWS", message));
    }
    let names: Vec<&str> = body.fields.iter().map(String::as_str).collect();
    let fields = select(state, table, &names)?;
    let is_shown = state.faults.shows(&state.store.tables[table].object);
    let records: Vec<String> = body
        .ids
        .iter()
        .map(|id| {
            let row = Id::parse(id).and_then(|id| state.store.tables[table].get(id));
            match row.filter(|row| is_shown && row.deleted.is_none()) {
                Some(row) => record(&state.store, call, table, &fields, row),
                None => "null".to_owned(),
            }
        })
        .collect();
    Ok(Reply::text(200, format!("[{}]", records.join(","))))
}
