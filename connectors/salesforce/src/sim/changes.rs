//! Changes from inside the organisation: rows written by another user, the table of fields edited.
//! Used by the library and by `/__control`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::control::id_of;
use super::errors::RowError;
use super::ids::Id;
use super::rest::record_text;
use super::schema::{Field, PickValue};
use super::state::State;
use super::store::{Row, Value};
use super::values::convert;
use super::writes::{Fields, not_found};

fn table(state: &State, object: &str) -> Result<usize, RowError> {
    state.store.table(object).ok_or_else(|| {
        RowError::new(
            "INVALID_TYPE",
            format!("sObject type '{object}' is not supported"),
        )
    })
}

/// A record with all its visible fields, also one from the recycle bin.
pub(crate) fn get(state: &State, object: &str, id: &str) -> Result<Json, RowError> {
    let table = table(state, object)?;
    let row = state.store.tables[table]
        .get(id_of(id)?)
        .ok_or_else(not_found)?;
    Ok(record(state, table, row))
}

pub(crate) fn record(state: &State, table: usize, row: &Row) -> Json {
    let object = &state.store.tables[table].object;
    let fields: Vec<&Field> = object.fields.iter().filter(|field| !field.hidden).collect();
    let text = record_text(&state.store, "/services/data/v62.0", table, &fields, row);
    serde_json::from_str(&text).expect("records are written as JSON")
}

/// Live records whose field shows this JSON value.
pub(crate) fn find(
    state: &State,
    object: &str,
    field: &str,
    value: &Json,
) -> Result<Vec<Json>, RowError> {
    let table = table(state, object)?;
    let object = &state.store.tables[table].object;
    let unknown = || RowError::new("INVALID_FIELD", format!("No such column '{field}'"));
    let field = object.field(field).ok_or_else(unknown)?;
    let wanted = super::values::read(field, value)?;
    let rows = state.store.tables[table].rows();
    let found = rows.filter(|row| row.deleted.is_none() && field.read(row) == wanted);
    Ok(found.map(|row| record(state, table, row)).collect())
}

pub(crate) fn insert(state: &mut State, object: &str, fields: &Fields) -> Result<Id, RowError> {
    let table = table(state, object)?;
    state.as_other_user(|writer| writer.insert(table, fields))
}

pub(crate) fn update(
    state: &mut State,
    object: &str,
    id: &str,
    fields: &Fields,
) -> Result<Id, RowError> {
    let (table, id) = (table(state, object)?, id_of(id)?);
    state.as_other_user(|writer| writer.update(table, id, fields).map(|()| id))
}

pub(crate) fn delete(state: &mut State, object: &str, id: &str) -> Result<Id, RowError> {
    let (table, id) = (table(state, object)?, id_of(id)?);
    state.as_other_user(|writer| writer.delete(table, id).map(|()| id))
}

pub(crate) fn undelete(state: &mut State, object: &str, id: &str) -> Result<Id, RowError> {
    let (table, id) = (table(state, object)?, id_of(id)?);
    state.as_other_user(|writer| writer.undelete(table, id).map(|()| id))
}

pub(crate) fn merge(
    state: &mut State,
    object: &str,
    winner: &str,
    loser: &str,
) -> Result<Id, RowError> {
    let (table, winner, loser) = (table(state, object)?, id_of(winner)?, id_of(loser)?);
    state.as_other_user(|writer| writer.merge(table, winner, loser).map(|()| winner))
}

/// Empties one record out of the recycle bin; only the delete log still knows it.
pub(crate) fn purge(state: &mut State, object: &str, id: &str) -> Result<Id, RowError> {
    let (table, id) = (table(state, object)?, id_of(id)?);
    let row = state.store.tables[table].get(id).ok_or_else(not_found)?;
    if row.deleted.is_none() {
        return Err(RowError::new(
            "INVALID_OPERATION",
            "only a deleted record can be purged",
        ));
    }
    state.store.tables[table].put(id, None);
    Ok(id)
}

/// Gives the first `count` live rows one stamp, as a system change does; says how many there were.
pub(crate) fn touch(
    state: &mut State,
    object: &str,
    count: usize,
    stamp: i64,
) -> Result<usize, RowError> {
    let table = table(state, object)?;
    let rows = state.store.tables[table]
        .rows()
        .filter(|row| row.deleted.is_none());
    let rows: Vec<Arc<Row>> = rows.take(count).cloned().collect();
    for old in &rows {
        let mut row = Row::clone(old);
        row.stamp = stamp.div_euclid(1000) * 1000;
        state.store.tables[table].put(row.id, Some(Arc::new(row)));
    }
    Ok(rows.len())
}

/// Forgets deletions before `starts`.
pub(crate) fn truncate_delete_log(state: &mut State, starts: i64) {
    state.store.truncate_delete_log(starts);
}

fn no_field(name: &str) -> RowError {
    RowError::new("INVALID_FIELD", format!("No such column '{name}'"))
}

pub(crate) fn add_field(state: &mut State, object: &str, field: Field) -> Result<(), RowError> {
    let at = table(state, object)?;
    let now = state.clock.now_ms();
    let table = &mut state.store.tables[at];
    if table.object.field(&field.name).is_some() {
        let message = format!("field {} exists already", field.name);
        return Err(RowError::new("DUPLICATE_DEVELOPER_NAME", message));
    }
    table.object.push(field);
    table.object.changed = now;
    table.rebuild_index();
    Ok(())
}

pub(crate) fn remove_field(state: &mut State, object: &str, name: &str) -> Result<(), RowError> {
    let at = table(state, object)?;
    let now = state.clock.now_ms();
    let table = &mut state.store.tables[at];
    let before = table.object.fields.len();
    table
        .object
        .fields
        .retain(|field| !field.name.eq_ignore_ascii_case(name));
    if table.object.fields.len() == before {
        return Err(no_field(name));
    }
    table.object.changed = now;
    table.rebuild_index();
    Ok(())
}

/// Takes a field from the caller's sight by permission, or gives it back.
pub(crate) fn hide_field(
    state: &mut State,
    object: &str,
    name: &str,
    hidden: bool,
) -> Result<(), RowError> {
    edit_field(state, object, name, |field| field.hidden = hidden)
}

pub(crate) fn edit_field(
    state: &mut State,
    object: &str,
    name: &str,
    edit: impl FnOnce(&mut Field),
) -> Result<(), RowError> {
    let at = table(state, object)?;
    let now = state.clock.now_ms();
    let table = &mut state.store.tables[at];
    let fields = &mut table.object.fields;
    let field = fields
        .iter_mut()
        .find(|field| field.name.eq_ignore_ascii_case(name));
    edit(field.ok_or_else(|| no_field(name))?);
    table.object.changed = now;
    // It may be a key now.
    table.rebuild_index();
    Ok(())
}

/// Gives a field another type; stored values are converted, those that do not fit become null.
/// The rows' stamps stay, as in a real organisation.
pub(crate) fn retype_field(state: &mut State, object: &str, new: Field) -> Result<(), RowError> {
    let at = table(state, object)?;
    let now = state.clock.now_ms();
    let table = &mut state.store.tables[at];
    let name = new.name.clone();
    let found = table
        .object
        .fields
        .iter_mut()
        .find(|f| f.name.eq_ignore_ascii_case(&name));
    let field = found.ok_or_else(|| no_field(&name))?;
    let slot = field.slot().ok_or_else(|| no_field(&name))?;
    let from = field.kind;
    let source = field.source.clone();
    *field = Field { source, ..new };
    let field = field.clone();
    table.object.changed = now;
    let rows: Vec<Arc<Row>> = table.rows().cloned().collect();
    for old in rows {
        let mut row = Row::clone(&old);
        let value: Value = convert(&field, from, row.value(slot));
        row.set(slot, value);
        table.put(row.id, Some(Arc::new(row)));
    }
    table.rebuild_index();
    Ok(())
}

impl Field {
    /// One more value in the picklist.
    pub fn add_value(&mut self, value: &str) {
        self.picklist.push(PickValue {
            value: value.to_owned(),
            active: true,
        });
    }
}
