//! Writing rows (what may be written is in `checks`): one writer is one request's transaction, with what it did kept for undoing.

mod checks;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::errors::RowError;
use super::faults::Faults;
use super::ids::Id;
use super::schema::{Default as FieldDefault, Field, Object};
use super::store::{Deleted, Row, Store, Value};
use super::values;

use checks::lock_of;

pub(crate) type Fields = Map<String, Json>;

/// Which record an upsert found.
pub(crate) enum Upserted {
    Created(Id),
    Updated(Id),
    /// The external id is not unique here; nothing was written.
    Several(Vec<Id>),
}

/// Accounts written lately: by which request, when. Feeds `lock_window_ms`.
pub(crate) type Recent = HashMap<Id, (u64, i64)>;

/// What stood in a row's place: table, id, the row if there was one.
pub(crate) type Undo = (usize, Id, Option<Arc<Row>>);

pub(crate) struct Writer<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) faults: &'a mut Faults,
    pub(crate) recent: &'a mut Recent,
    /// Milliseconds; stamps are cut to whole seconds.
    pub(crate) now: i64,
    pub(crate) user: Id,
    pub(crate) request: u64,
    /// Through the API: validation rules, flows and locks apply.
    pub(crate) api: bool,
    pub(crate) allow_duplicates: bool,
    /// The rows become visible only now, if set.
    pub(crate) commit_at: Option<i64>,
    pub(crate) undo: Vec<Undo>,
}

impl Writer<'_> {
    fn stamp(&self) -> i64 {
        self.now.div_euclid(1000) * 1000
    }

    /// Creates a row.
    pub(crate) fn insert(&mut self, table: usize, fields: &Fields) -> Result<Id, RowError> {
        let changes = self.read_fields(table, fields, true)?;
        let object = &self.store.tables[table].object;
        let mut values = vec![Value::Null; object.slots()];
        for field in &object.fields {
            let Some(slot) = field.slot() else { continue };
            values[slot] = match field.default {
                FieldDefault::Nothing => Value::Null,
                FieldDefault::False => Value::Bool(false),
                FieldDefault::Caller => Value::Id(self.user),
            };
        }
        let stamp = self.stamp();
        let mut row = Row {
            id: Id::new(object.prefix, 0),
            created: stamp,
            created_by: self.user,
            modified: stamp,
            modified_by: self.user,
            stamp,
            deleted: None,
            values: values.into_boxed_slice(),
        };
        for (slot, value) in changes {
            row.set(slot, value);
        }
        self.check(table, None, &mut row, fields)?;
        row.id = self.store.tables[table].next_id();
        let id = row.id;
        self.put(table, row);
        Ok(id)
    }

    /// Changes the named fields of a row.
    pub(crate) fn update(&mut self, table: usize, id: Id, fields: &Fields) -> Result<(), RowError> {
        let old = self.live(table, id)?;
        let changes = self.read_fields(table, fields, false)?;
        let mut row = Row::clone(&old);
        for (slot, value) in changes {
            row.set(slot, value);
        }
        row.modified = self.stamp();
        row.modified_by = self.user;
        row.stamp = row.modified;
        self.check(table, Some(id), &mut row, fields)?;
        self.put(table, row);
        Ok(())
    }

    /// Puts a row into the recycle bin, and with it the rows that hang on it.
    pub(crate) fn delete(&mut self, table: usize, id: Id) -> Result<(), RowError> {
        let old = self.live(table, id)?;
        if !self.store.tables[table].object.deletable {
            let message = "entity type cannot be deleted";
            return Err(RowError::new(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                message,
            ));
        }
        self.check_locks(table, id, &old)?;
        self.bin(table, &old);
        for (child, slot) in self.cascading(table) {
            let orphans: Vec<Arc<Row>> = self.store.tables[child]
                .rows()
                .filter(|row| row.deleted.is_none() && row.value(slot).as_id() == Some(id))
                .cloned()
                .collect();
            for orphan in orphans {
                self.bin(child, &orphan);
            }
        }
        Ok(())
    }

    /// Updates the row whose external id has this value, or creates it.
    pub(crate) fn upsert(
        &mut self,
        table: usize,
        key: &Field,
        value: &str,
        fields: &Fields,
        update_only: bool,
    ) -> Result<Upserted, RowError> {
        let matches = match key.slot() {
            Some(slot) => self.store.tables[table].lookup(slot, value).to_vec(),
            None => Id::parse(value).into_iter().collect(),
        };
        match matches.as_slice() {
            [id] => self
                .update(table, *id, fields)
                .map(|()| Upserted::Updated(*id)),
            [] if update_only => Err(not_found()),
            [] => {
                let mut fields = fields.clone();
                fields.insert(key.name.clone(), Json::from(value));
                self.insert(table, &fields).map(Upserted::Created)
            }
            several => Ok(Upserted::Several(several.to_vec())),
        }
    }

    /// Takes a row out of the recycle bin.
    pub(crate) fn undelete(&mut self, table: usize, id: Id) -> Result<(), RowError> {
        let old = self.store.tables[table]
            .get(id)
            .cloned()
            .ok_or_else(not_found)?;
        let mut row = Row::clone(&old);
        row.deleted = None;
        row.stamp = self.stamp();
        row.modified = row.stamp;
        row.modified_by = self.user;
        self.store.delete_log.retain(|entry| entry.id != id);
        self.put(table, row);
        Ok(())
    }

    /// Merges `loser` into `winner`: children move, the loser goes into the bin with a pointer.
    pub(crate) fn merge(&mut self, table: usize, winner: Id, loser: Id) -> Result<(), RowError> {
        let survivor = self.live(table, winner)?;
        let old = self.live(table, loser)?;
        let stamp = self.stamp();
        for (child, slot) in self.cascading(table) {
            let moving: Vec<Arc<Row>> = self.store.tables[child]
                .rows()
                .filter(|row| row.deleted.is_none() && row.value(slot).as_id() == Some(loser))
                .cloned()
                .collect();
            for old in moving {
                let mut row = Row::clone(&old);
                row.set(slot, Value::Id(winner));
                row.stamp = stamp;
                self.put(child, row);
            }
        }
        let mut gone = Row::clone(&old);
        let slot = self.store.tables[table].object.slot_of("MasterRecordId");
        if slot != usize::MAX {
            gone.set(slot, Value::Id(winner));
        }
        self.bin(table, &gone);
        let mut row = Row::clone(&survivor);
        (row.stamp, row.modified, row.modified_by) = (stamp, stamp, self.user);
        self.put(table, row);
        Ok(())
    }

    /// Restores everything this writer wrote.
    pub(crate) fn roll_back(&mut self) {
        while let Some((table, id, old)) = self.undo.pop() {
            if old.as_ref().is_none_or(|old| old.deleted.is_none()) {
                self.store.delete_log.retain(|entry| entry.id != id);
            }
            self.store.tables[table].put(id, old);
        }
    }

    /// The row, if it is neither unknown nor deleted.
    pub(crate) fn live(&self, table: usize, id: Id) -> Result<Arc<Row>, RowError> {
        // Another user sees what that user wrote and has not committed; the API does not.
        let open = self.store.uncommitted(id).filter(|_| !self.api);
        match open.or_else(|| self.store.tables[table].get(id)) {
            Some(row) if row.deleted.is_none() => Ok(Arc::clone(row)),
            Some(_) => Err(RowError::new("ENTITY_IS_DELETED", "entity is deleted")),
            None => Err(not_found()),
        }
    }

    fn bin(&mut self, table: usize, old: &Row) {
        let mut row = old.clone();
        row.deleted = Some(self.now);
        row.stamp = self.stamp();
        row.modified = row.stamp;
        row.modified_by = self.user;
        self.store.delete_log.push_back(Deleted {
            table,
            id: row.id,
            at: self.stamp(),
        });
        self.put(table, row);
    }

    /// Tables and slots of fields through which deleting a row of `table` deletes others.
    fn cascading(&self, table: usize) -> Vec<(usize, usize)> {
        let name = &self.store.tables[table].object.name;
        let mut found = vec![];
        for (child, other) in self.store.tables.iter().enumerate() {
            let fields = other.object.fields.iter().filter(|f| f.cascade_delete);
            let to_us = fields.filter(|f| f.reference_to.as_ref() == Some(name));
            found.extend(to_us.filter_map(|f| f.slot()).map(|slot| (child, slot)));
        }
        found
    }

    fn put(&mut self, table: usize, row: Row) {
        if self.api && self.faults.lock_window_ms.is_some() {
            self.recent.insert(
                lock_of(&self.store.tables[table].object, &row),
                (self.request, self.now),
            );
        }
        let id = row.id;
        match self.commit_at {
            Some(at) => self.store.put_later(table, Arc::new(row), at),
            None => {
                self.store.supersede(id);
                let old = self.store.tables[table].put(id, Some(Arc::new(row)));
                self.undo.push((table, id, old));
            }
        }
    }

    /// Reads the body's fields into slots and values.
    fn read_fields(
        &self,
        table: usize,
        fields: &Fields,
        create: bool,
    ) -> Result<Vec<(usize, Value)>, RowError> {
        let object = &self.store.tables[table].object;
        let mut changes = Vec::with_capacity(fields.len());
        for (name, json) in fields {
            if name == "attributes" {
                continue;
            }
            let Some(field) = object.field(name) else {
                changes.push(self.read_relationship(object, name, json)?);
                continue;
            };
            if name.eq_ignore_ascii_case("Id") {
                let message = "The Id field should not be specified in the sobject data.";
                return Err(RowError::new("INVALID_FIELD", message));
            }
            let slot = field.slot().filter(|_| match create {
                true => field.createable,
                false => field.updateable,
            });
            let slot = slot.ok_or_else(|| values::not_writeable(&field.name))?;
            let value = values::read(field, json)?;
            self.check_reference(field, &value)?;
            changes.push((slot, value));
        }
        Ok(changes)
    }

    /// `{"Account": {"Hub_Id__c": "x"}}`: the parent named by its external id.
    fn read_relationship(
        &self,
        object: &Object,
        name: &str,
        json: &Json,
    ) -> Result<(usize, Value), RowError> {
        let unknown = || {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            RowError::new("INVALID_FIELD", message).on(name)
        };
        let field = object.relationship(name).ok_or_else(unknown)?;
        let slot = field
            .slot()
            .filter(|_| field.updateable)
            .ok_or_else(unknown)?;
        let parent = field
            .reference_to
            .as_deref()
            .and_then(|to| self.store.table(to));
        let parent = &self.store.tables[parent.ok_or_else(unknown)?];
        let named = json
            .as_object()
            .and_then(|o| o.iter().find(|(key, _)| *key != "attributes"));
        let (key, value) = named.ok_or_else(unknown)?;
        let key = parent
            .object
            .field(key)
            .filter(|key| key.external_id)
            .ok_or_else(unknown)?;
        let key_slot = key.slot().ok_or_else(unknown)?;
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match parent.lookup(key_slot, &value) {
            [id] => Ok((slot, Value::Id(*id))),
            _ => {
                let message = format!(
                    "Foreign key external ID: {value} not found for field {} in entity {}",
                    key.name, parent.object.name
                );
                Err(RowError::new("INVALID_FIELD", message))
            }
        }
    }

    fn check_reference(&self, field: &Field, value: &Value) -> Result<(), RowError> {
        let (Some(id), Some(to)) = (value.as_id(), field.reference_to.as_deref()) else {
            return Ok(());
        };
        let Some(parent) = self.store.table(to) else {
            return Ok(());
        };
        let parent = &self.store.tables[parent];
        if id.prefix() != parent.object.prefix {
            let message = format!("{}: id value of incorrect type: {id}", field.label);
            return Err(RowError::new("FIELD_INTEGRITY_EXCEPTION", message).on(&field.name));
        }
        match parent.get(id) {
            Some(row) if row.deleted.is_none() => Ok(()),
            _ => {
                let error =
                    RowError::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
                Err(error.on(&field.name))
            }
        }
    }
}

pub(crate) fn not_found() -> RowError {
    RowError::new("NOT_FOUND", "The requested resource does not exist")
}
