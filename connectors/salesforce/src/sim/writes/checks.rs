//! What a row must be to be written: complete, unique, not locked, and as the organisation's rules
//! want it.

use serde_json::{Value as Json, json};

use super::super::errors::RowError;
use super::super::ids::Id;
use super::super::schema::{Field, Object};
use super::super::store::Row;
use super::super::values;
use super::{Fields, Writer};

impl Writer<'_> {
    /// Required fields, uniqueness, and the organisation's rules, on the row as it would be.
    pub(super) fn check(
        &mut self,
        table: usize,
        id: Option<Id>,
        row: &mut Row,
        fields: &Fields,
    ) -> Result<(), RowError> {
        self.check_required(table, row)?;
        self.check_unique(table, id, row)?;
        if self.api {
            if let Some(id) = id {
                self.check_converted(id)?;
                self.check_locks(table, id, row)?;
            } else {
                self.check_parent_lock(table, row)?;
            }
            self.check_rules(table, row)?;
            self.check_duplicates(table, id, row)?;
            self.run_flows(table, row, fields)?;
        }
        Ok(())
    }

    fn check_required(&self, table: usize, row: &Row) -> Result<(), RowError> {
        let object = &self.store.tables[table].object;
        let missing: Vec<String> = object
            .fields
            .iter()
            .filter(|f| !f.nillable && f.createable)
            .filter(|f| f.slot().is_some_and(|slot| row.value(slot).is_null()))
            .map(|f| f.name.clone())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        let mut error = RowError::new("REQUIRED_FIELD_MISSING", message);
        error.fields = missing;
        Err(error)
    }

    fn check_unique(&self, table: usize, id: Option<Id>, row: &Row) -> Result<(), RowError> {
        let table = &self.store.tables[table];
        for field in table.object.fields.iter().filter(|field| field.unique) {
            let Some(slot) = field.slot() else { continue };
            let Some(text) = row.value(slot).as_text() else {
                continue;
            };
            if let Some(other) = table
                .lookup(slot, text)
                .iter()
                .find(|other| Some(**other) != id)
            {
                let message = format!(
                    "duplicate value found: {} duplicates value on record with id: {}",
                    field.name,
                    other.short()
                );
                return Err(RowError::new("DUPLICATE_VALUE", message).on(&field.name));
            }
        }
        Ok(())
    }

    fn check_converted(&self, id: Id) -> Result<(), RowError> {
        let mut converted = self.faults.converted.iter();
        if converted.any(|converted| Id::parse(converted) == Some(id)) {
            let message = "cannot reference converted lead";
            return Err(RowError::new("CANNOT_UPDATE_CONVERTED_LEAD", message));
        }
        Ok(())
    }

    pub(super) fn check_locks(&mut self, table: usize, id: Id, row: &Row) -> Result<(), RowError> {
        if !self.api {
            return Ok(());
        }
        let name = &self.store.tables[table].object.name;
        let lock = self.faults.locks.iter_mut().find(|lock| {
            lock.times > 0
                && lock.object.eq_ignore_ascii_case(name)
                && lock
                    .id
                    .as_deref()
                    .is_none_or(|wanted| Id::parse(wanted) == Some(id))
        });
        if let Some(lock) = lock {
            lock.times -= 1;
            return Err(locked(id));
        }
        if self.store.uncommitted(id).is_some() {
            return Err(locked(id));
        }
        self.check_parent_lock(table, row)
    }

    fn check_parent_lock(&self, table: usize, row: &Row) -> Result<(), RowError> {
        let Some(window) = self.faults.lock_window_ms else {
            return Ok(());
        };
        let parent = lock_of(&self.store.tables[table].object, row);
        match self.recent.get(&parent) {
            Some((request, at)) if *request != self.request && self.now - at < window => {
                Err(locked(parent))
            }
            _ => Ok(()),
        }
    }

    fn check_rules(&self, table: usize, row: &Row) -> Result<(), RowError> {
        let object = &self.store.tables[table].object;
        let broken = self.faults.validations.iter().find(|rule| {
            rule.object.eq_ignore_ascii_case(&object.name)
                && rule.when.met(object, &rule.field, row)
        });
        match broken {
            Some(rule) => Err(
                RowError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", &rule.message).on(&rule.field),
            ),
            None => Ok(()),
        }
    }

    fn check_duplicates(&self, table: usize, id: Option<Id>, row: &Row) -> Result<(), RowError> {
        let table = &self.store.tables[table];
        for rule in &self.faults.duplicates {
            let slot = table.object.slot_of(&rule.field);
            let ours = rule.object.eq_ignore_ascii_case(&table.object.name);
            if !ours || (rule.allow_save && self.allow_duplicates) || row.value(slot).is_null() {
                continue;
            }
            let twins: Vec<Id> = table
                .rows()
                .filter(|other| other.deleted.is_none() && Some(other.id) != id)
                .filter(|other| values::compare(other.value(slot), row.value(slot)).is_eq())
                .map(|other| other.id)
                .collect();
            if !twins.is_empty() {
                return Err(duplicates(&table.object.name, rule.allow_save, &twins));
            }
        }
        Ok(())
    }

    fn run_flows(&mut self, table: usize, row: &mut Row, fields: &Fields) -> Result<(), RowError> {
        let object = &self.store.tables[table].object;
        for flow in self
            .faults
            .flows
            .iter()
            .filter(|f| f.object.eq_ignore_ascii_case(&object.name))
        {
            if flow
                .on_field
                .as_ref()
                .is_some_and(|on| !fields.contains_key(on))
            {
                continue;
            }
            let field = object.field(&flow.set_field).ok_or_else(|| {
                let message = format!("flow names an unknown field: {}", flow.set_field);
                RowError::new("CANNOT_EXECUTE_FLOW_TRIGGER", message)
            })?;
            if let Some(slot) = field.slot() {
                row.set(slot, values::read(field, &flow.value)?);
            }
        }
        Ok(())
    }
}

/// The record whose lock a write takes: the parent it hangs on, or itself.
pub(super) fn lock_of(object: &Object, row: &Row) -> Id {
    let parent = object
        .fields
        .iter()
        .filter(|f| f.cascade_delete)
        .find_map(Field::slot);
    parent
        .and_then(|slot| row.value(slot).as_id())
        .unwrap_or(row.id)
}

fn locked(id: Id) -> RowError {
    let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
    RowError::new("UNABLE_TO_LOCK_ROW", message)
}

fn duplicates(object: &str, allow_save: bool, twins: &[Id]) -> RowError {
    let mut error = RowError::new("DUPLICATES_DETECTED", "Use one of these records?");
    let records: Vec<Json> = twins
        .iter()
        .map(|id| {
            let attributes = json!({"type": object});
            json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0,
                   "record": {"attributes": attributes, "Id": id.to_string()}})
        })
        .collect();
    error.duplicates = Some(json!({
        "allowSave": allow_save,
        "duplicateRule": "Standard_Duplicate_Rule",
        "duplicateRuleEntityType": object,
        "errorMessage": "Use one of these records?",
        "matchResults": [{"entityType": object, "errors": [], "matchEngine": "ExactMatchEngine",
                          "matchRecords": records, "rule": "Standard_Match_Rule",
                          "size": records.len(), "success": true}],
    }));
    error
}
