//! A mapping, applied: record → patch, entity → fields.

use std::collections::BTreeSet;

use connector_sdk::{Fields, Record, Value};

use super::row::{RemotePath, Row};
use super::{Expression, FieldFailure, Mapping, NullPolicy, Patch, Reference, Taken, Values};
use crate::catalogue::{Catalogue, Empty, Field, FieldKind, same, typed};

/// Why a mapping could not be applied at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// [`Mapping::check`] would have said so.
    #[error("the mapping names core field {core}, which {entity} does not have")]
    UnknownField { core: String, entity: String },
    #[error("the mapping is for {expected}, the fields are those of {found}")]
    WrongEntity { expected: String, found: String },
    #[error("field {core} has no way out: its `in` has no inverse")]
    NoWayOut { core: String },
    /// Values the system cannot be given; none of the fields was mapped.
    #[error("{} of the fields cannot be mapped, the first: {}", .0.len(), first(.0))]
    Fields(Vec<FieldFailure>),
}

fn first(failures: &[FieldFailure]) -> String {
    failures
        .first()
        .map(FieldFailure::to_string)
        .unwrap_or_default()
}

impl Mapping {
    /// What a record says, in the entity's terms. A field whose value cannot be mapped is in
    /// [`Patch::failed`] and harms no other; one the record lacks is in neither.
    ///
    /// # Errors
    /// The mapping does not fit the catalogue.
    pub fn inbound(&self, catalogue: &Catalogue, record: &Record) -> Result<Patch, MapError> {
        self.check_entity(catalogue)?;
        let mut patch = Patch {
            key: record.key.clone(),
            version: record.version.clone(),
            changed_at: record.changed_at,
            taken: self.takes(record),
            ..Patch::default()
        };
        for row in self.rows.iter().filter(|row| row.direction.reads()) {
            let field = self.field(catalogue, &row.core)?;
            match read(row, field, record) {
                Ok(None) => {}
                Ok(Some(Value::Text(key)))
                    if row.reference.is_some() && field.kind == FieldKind::Reference =>
                {
                    let stream = row.reference.clone().unwrap_or_else(|| self.stream.clone());
                    patch
                        .references
                        .insert(row.core.clone(), Reference { stream, key });
                }
                Ok(Some(value)) => {
                    patch.values.insert(row.core.clone(), value);
                }
                Err(failure) => patch.failed.push(*failure),
            }
        }
        Ok(patch)
    }

    /// Whether a record is to be taken at all.
    fn takes(&self, record: &Record) -> Taken {
        let Some(filter) = &self.filter else {
            return Taken::Yes;
        };
        match filter.holds(&record.fields) {
            Ok(Some(true)) => Taken::Yes,
            Ok(Some(false)) => Taken::No,
            Ok(None) => Taken::Unknown,
            Err(error) => {
                let names = fields_of(filter);
                Taken::Failed(FieldFailure::of_expression("where", &names, &error))
            }
        }
    }

    /// The remote fields that carry the core fields `only`, from the entity's `values` (a value
    /// that is not in there is null). Fields the mapping does not write are passed over.
    ///
    /// # Errors
    /// A value the system cannot be given; the mapping does not fit the catalogue.
    pub fn outbound(
        &self,
        catalogue: &Catalogue,
        values: &Values,
        only: &BTreeSet<String>,
    ) -> Result<Fields, MapError> {
        self.check_entity(catalogue)?;
        let mut fields = Fields::new();
        let mut failures = Vec::new();
        let writing = self.rows.iter().filter(|row| row.direction.writes());
        for row in writing.filter(|row| only.contains(&row.core)) {
            self.field(catalogue, &row.core)?;
            let pipe = row.outbound.as_ref().ok_or_else(|| MapError::NoWayOut {
                core: row.core.clone(),
            })?;
            let value = values.get(&row.core).cloned().unwrap_or_default();
            match pipe.apply(value) {
                Ok(value) => {
                    for path in &row.remote {
                        fields.insert(path.name.clone(), value.clone());
                    }
                }
                Err(error) => {
                    failures.push(FieldFailure::of_transform(&row.core, &names(row), &error));
                }
            }
        }
        if failures.is_empty() {
            Ok(fields)
        } else {
            Err(MapError::Fields(failures))
        }
    }

    /// Core fields whose condition does not hold for a record with these fields: they are neither read
    /// from it nor written to it. What is not known to hold does not.
    pub fn withheld(&self, fields: &Fields) -> BTreeSet<String> {
        self.by_condition(fields, |holds| holds != Some(true))
    }

    /// Core fields whose condition certainly does not hold for a record that is to be made of these
    /// fields. What only the system knows of it cannot be asked yet.
    pub fn refused(&self, fields: &Fields) -> BTreeSet<String> {
        self.by_condition(fields, |holds| holds == Some(false))
    }

    fn by_condition(
        &self,
        fields: &Fields,
        is_out: impl Fn(Option<bool>) -> bool,
    ) -> BTreeSet<String> {
        let rows = self.rows.iter();
        let out = rows.filter(|row| {
            let when = row.when.as_ref();
            // One that cannot be computed says nothing.
            when.is_some_and(|when| is_out(when.holds(fields).unwrap_or(None)))
        });
        out.map(|row| row.core.clone()).collect()
    }

    /// Whether a core value survives the way out and back in. What does not is changed by the peer's
    /// next read; the mapping editor names such values. Fields that do not go both ways keep
    /// everything.
    ///
    /// # Errors
    /// As [`Mapping::outbound`]; a value that cannot come back in counts as not kept.
    pub fn keeps(
        &self,
        catalogue: &Catalogue,
        core: &str,
        value: &Value,
    ) -> Result<bool, MapError> {
        let Some(row) = self.row(core) else {
            return Ok(true);
        };
        if !(row.direction.reads() && row.direction.writes()) {
            return Ok(true);
        }
        let field = self.field(catalogue, core)?;
        let values = Values::from([(core.to_owned(), value.clone())]);
        let fields = self.outbound(catalogue, &values, &BTreeSet::from([core.to_owned()]))?;
        let record = Record {
            key: String::new(),
            version: None,
            changed_at: None,
            fields,
        };
        // Whether a condition held is not for what comes back to say.
        Ok(match take(row, field, raw(row, &record)) {
            Ok(Some(back)) => same(field, value, &back, row.empty),
            // A null that the mapping ignores comes back as silence.
            Ok(None) => same(field, value, &Value::Null, row.empty),
            Err(_not_kept) => false,
        })
    }

    fn check_entity(&self, catalogue: &Catalogue) -> Result<(), MapError> {
        if self.entity == catalogue.kind() {
            return Ok(());
        }
        let (expected, found) = (self.entity.clone(), catalogue.kind().to_owned());
        Err(MapError::WrongEntity { expected, found })
    }

    fn field<'c>(&self, catalogue: &'c Catalogue, core: &str) -> Result<&'c Field, MapError> {
        catalogue.field(core).ok_or_else(|| MapError::UnknownField {
            core: core.to_owned(),
            entity: self.entity.clone(),
        })
    }
}

/// The typed value of a row's field; None when the record does not say it.
fn read(row: &Row, field: &Field, record: &Record) -> Result<Option<Value>, Box<FieldFailure>> {
    let failed = |error| {
        let failure = FieldFailure::of_expression(&row.core, &names(row), &error);
        Box::new(failure)
    };
    if let Some(when) = &row.when
        && when.holds(&record.fields).map_err(failed)? != Some(true)
    {
        return Ok(None);
    }
    let found = match &row.value {
        Some(value) => value.value(&record.fields).map_err(failed)?,
        None => raw(row, record),
    };
    take(row, field, found)
}

/// What a row makes of what was found in a record.
fn take(row: &Row, field: &Field, raw: Option<Value>) -> Result<Option<Value>, Box<FieldFailure>> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let raw = if is_empty(&raw) && row.empty == Empty::Null {
        Value::Null
    } else {
        raw
    };
    let value = row
        .inbound
        .apply(raw)
        .map_err(|error| Box::new(FieldFailure::of_transform(&row.core, &names(row), &error)))?;
    let value = if is_empty(&value) && row.empty == Empty::Null {
        Value::Null
    } else {
        value
    };
    let value = typed(field, value)
        .map_err(|error| Box::new(FieldFailure::of_type(&row.core, &names(row), &error)))?;
    let ignored = value.is_null() && row.null == NullPolicy::Ignore;
    Ok((!ignored).then_some(value))
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.is_empty())
}

fn fields_of(expression: &Expression) -> String {
    let fields = expression.fields();
    let names: Vec<&str> = fields.iter().map(|path| path.name.as_str()).collect();
    names.join(" + ")
}

fn names(row: &Row) -> String {
    let names: Vec<&str> = row.remote.iter().map(|path| path.name.as_str()).collect();
    names.join(" + ")
}

/// What the record holds for a row. Several remote fields make a list, and only when the record
/// says all of them: a value made of some would be invented.
fn raw(row: &Row, record: &Record) -> Option<Value> {
    match row.remote.as_slice() {
        [path] => look_up(path, &record.fields).cloned(),
        paths => {
            let values: Option<Vec<Value>> = paths
                .iter()
                .map(|path| look_up(path, &record.fields).cloned())
                .collect();
            let values = values?;
            let is_null = values.iter().all(Value::is_null);
            Some(if is_null {
                Value::Null
            } else {
                Value::List(values)
            })
        }
    }
}

/// A dotted name is a field of that very name or a way through compound values; a null on the way
/// makes the end null.
pub(super) fn look_up<'r>(path: &RemotePath, fields: &'r Fields) -> Option<&'r Value> {
    if let Some(value) = fields.get(&path.name) {
        return Some(value);
    }
    let (first, rest) = path.parts.split_first()?;
    let mut value = fields.get(first).filter(|_| !rest.is_empty())?;
    for part in rest {
        match value {
            Value::Map(values) => value = values.get(part)?,
            Value::Null => return Some(value),
            _ => return None,
        }
    }
    Some(value)
}
