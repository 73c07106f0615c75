//! One row at a time.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::super::clock::{http_date, parse_http_date};
use super::super::errors::{ApiError, RowError};
use super::super::ids::Id;
use super::super::schema::Field;
use super::super::state::State;
use super::super::store::{Row, Store};
use super::super::values::{push_json, push_json_text};
use super::super::writes::{Fields, Upserted, Writer};
use super::query::push_attributes;
use super::{Call, Reply, method_not_allowed, table};

/// `POST /sobjects/{object}`.
pub(super) fn create(state: &mut State, call: &Call<'_>, object: &str) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let fields: Fields = call.json()?;
    let id = write(state, call, |writer| writer.insert(table, &fields))?;
    let location = format!("{}/sobjects/{object}/{id}", call.root());
    let body = json!({"id": id.to_string(), "success": true, "errors": []});
    Ok(Reply::json(201, &body).with("location", location))
}

/// `GET`, `PATCH`, `DELETE` on `/sobjects/{object}/{id}`.
pub(super) fn by_id(
    state: &mut State,
    call: &Call<'_>,
    object: &str,
    id: &str,
) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let id = Id::parse(id).ok_or_else(|| {
        let message =
            format!("Provided external ID field does not exist or is not accessible: {id}");
        ApiError::new(404, "NOT_FOUND", message)
    })?;
    row(state, call, table, id)
}

/// `GET`, `PATCH` (upsert), `DELETE` on `/sobjects/{object}/{externalIdField}/{value}`.
pub(super) fn by_key(
    state: &mut State,
    call: &Call<'_>,
    object: &str,
    key: &str,
    value: &str,
) -> Result<Reply, ApiError> {
    let table = table(state, object)?;
    let key = key_field(state, table, key)?;
    if call.method == Method::PATCH {
        return upsert(state, call, table, &key, value);
    }
    let matches = match key.slot() {
        Some(slot) => state.store.tables[table].lookup(slot, value).to_vec(),
        None => Id::parse(value).into_iter().collect(),
    };
    match matches.as_slice() {
        [id] => row(state, call, table, *id),
        [] => Err(ApiError::not_found()),
        several => Ok(multiple_choices(state, call, table, several)),
    }
}

/// The field a path names as key: an external id, or `Id`.
pub(super) fn key_field(state: &State, table: usize, name: &str) -> Result<Field, ApiError> {
    let field = state.store.tables[table].object.field(name);
    let key = field.filter(|field| field.external_id || field.name == "Id");
    key.cloned().ok_or_else(|| {
        let message =
            format!("Provided external ID field does not exist or is not accessible: {name}");
        ApiError::new(404, "NOT_FOUND", message)
    })
}

fn upsert(
    state: &mut State,
    call: &Call<'_>,
    table: usize,
    key: &Field,
    value: &str,
) -> Result<Reply, ApiError> {
    let fields: Fields = call.json()?;
    if fields
        .keys()
        .any(|name| name.eq_ignore_ascii_case(&key.name))
    {
        let message = format!(
            "The {} field should not be specified in the sobject data.",
            key.name
        );
        return Err(ApiError::new(400, "INVALID_FIELD", message));
    }
    let update_only = call.param("updateOnly") == Some("true");
    let done = write(state, call, |writer| {
        writer.upsert(table, key, value, &fields, update_only)
    })?;
    let (id, created) = match done {
        Upserted::Created(id) => (id, true),
        Upserted::Updated(id) => (id, false),
        Upserted::Several(ids) => {
            state.writes -= 1;
            return Ok(multiple_choices(state, call, table, &ids));
        }
    };
    // Before 46.0 an update answered 204 without a body.
    let old = call
        .version
        .parse::<f32>()
        .is_ok_and(|version| version < 46.0);
    if old && !created {
        return Ok(Reply::empty(204));
    }
    let body = json!({"id": id.to_string(), "success": true, "errors": [], "created": created});
    Ok(Reply::json(if created { 201 } else { 200 }, &body))
}

fn multiple_choices(state: &State, call: &Call<'_>, table: usize, ids: &[Id]) -> Reply {
    let name = &state.store.tables[table].object.name;
    let links: Vec<Json> = ids
        .iter()
        .map(|id| Json::from(format!("{}/sobjects/{name}/{id}", call.root())))
        .collect();
    Reply::json(300, &Json::Array(links))
}

fn row(state: &mut State, call: &Call<'_>, table: usize, id: Id) -> Result<Reply, ApiError> {
    match *call.method {
        Method::GET => read(state, call, table, id),
        Method::PATCH => {
            check_preconditions(state, call, table, id)?;
            let fields: Fields = call.json()?;
            write(state, call, |writer| writer.update(table, id, &fields))?;
            Ok(Reply::empty(204))
        }
        Method::DELETE => {
            write(state, call, |writer| writer.delete(table, id))?;
            Ok(Reply::empty(204))
        }
        _ => Err(method_not_allowed(call)),
    }
}

fn read(state: &mut State, call: &Call<'_>, table: usize, id: Id) -> Result<Reply, ApiError> {
    let row = state.client_writer(call.user, false).live(table, id)?;
    let object = &state.store.tables[table].object;
    let modified = call.header("if-modified-since").and_then(parse_http_date);
    if modified.is_some_and(|since| row.modified <= since) {
        return Ok(Reply::empty(304));
    }
    let fields: Vec<&Field> = match call.param("fields") {
        None => object.fields.iter().filter(|field| !field.hidden).collect(),
        Some(names) => select(state, table, &names.split(',').collect::<Vec<_>>())?,
    };
    let mut reply = Reply::text(200, record(&state.store, call, table, &fields, &row))
        .with("last-modified", http_date(row.modified));
    if object.etag {
        reply = reply.with("etag", etag(&row));
    }
    Ok(reply)
}

/// The named fields; an unknown name is the API's `INVALID_FIELD`.
pub(super) fn select<'a>(
    state: &'a State,
    table: usize,
    names: &[&str],
) -> Result<Vec<&'a Field>, ApiError> {
    let object = &state.store.tables[table].object;
    let find = |name: &&str| {
        let name = name.trim();
        object.field(name).ok_or_else(|| {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            ApiError::new(400, "INVALID_FIELD", message)
        })
    };
    names.iter().map(find).collect()
}

/// A record as JSON with these fields.
pub(super) fn record(
    store: &Store,
    call: &Call<'_>,
    table: usize,
    fields: &[&Field],
    row: &Row,
) -> String {
    record_text(store, &call.root(), table, fields, row)
}

/// A record as JSON text; `root` is `/services/data/v62.0`.
pub(crate) fn record_text(
    store: &Store,
    root: &str,
    table: usize,
    fields: &[&Field],
    row: &Row,
) -> String {
    let mut out = String::with_capacity(1024);
    push_attributes(&mut out, root, &store.tables[table].object.name, row.id);
    for field in fields {
        out.push(',');
        push_json_text(&mut out, &field.name);
        out.push(':');
        push_json(&mut out, field, row);
    }
    out.push('}');
    out
}

fn etag(row: &Row) -> String {
    format!("\"{:x}\"", row.stamp)
}

fn check_preconditions(
    state: &State,
    call: &Call<'_>,
    table: usize,
    id: Id,
) -> Result<(), ApiError> {
    let table = &state.store.tables[table];
    let Some(row) = table.get(id) else {
        return Ok(());
    };
    let changed = || {
        let message = "The record has changed since the given version";
        Err(ApiError::new(412, "PRECONDITION_FAILED", message))
    };
    let since = call.header("if-unmodified-since").and_then(parse_http_date);
    if since.is_some_and(|since| row.modified > since) {
        return changed();
    }
    let wanted = call.header("if-match").filter(|_| table.object.etag);
    if wanted.is_some_and(|tags| tags != "*" && !tags.split(',').any(|t| t.trim() == etag(row))) {
        return changed();
    }
    Ok(())
}

/// Runs one row's write as a transaction of its own.
fn write<T>(
    state: &mut State,
    call: &Call<'_>,
    change: impl FnOnce(&mut Writer<'_>) -> Result<T, RowError>,
) -> Result<T, ApiError> {
    let mut writer = state.client_writer(call.user, call.allow_duplicates());
    let done = change(&mut writer);
    if done.is_err() {
        writer.roll_back();
    }
    let undo = std::mem::take(&mut writer.undo);
    let done = done?;
    state.remember(undo);
    state.writes += 1;
    Ok(done)
}
