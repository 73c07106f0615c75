//! A query checked against the table of fields, and run.

use std::collections::HashSet;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::super::clock::{parse_date, parse_datetime};
use super::super::ids::Id;
use super::super::schema::{Field, FieldType, Object};
use super::super::store::{Row, Store, Value};
use super::super::values::{compare, parse_time};
use super::SoqlError;
use super::filter::{Test, key, pattern};
use super::parse::{Expr, Literal, Name, Operator, Query, parse};

const MAX_OFFSET: usize = 2000;

/// A field of the object, or of the record that a relationship of it points to.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) field: Arc<Field>,
    /// The reference on our side and the table it leads to.
    pub(crate) via: Option<(Arc<Field>, usize)>,
}

impl Column {
    /// The row that holds the field: this one or the one pointed to.
    pub(crate) fn owner<'a>(&self, store: &'a Store, row: &'a Arc<Row>) -> Option<&'a Arc<Row>> {
        match &self.via {
            None => Some(row),
            Some((reference, table)) => store.tables[*table].get(reference.read(row).as_id()?),
        }
    }

    pub(crate) fn read(&self, store: &Store, row: &Arc<Row>) -> Value {
        self.owner(store, row)
            .map_or(Value::Null, |owner| self.field.read(owner))
    }
}

/// A query ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) table: usize,
    pub(crate) columns: Vec<Column>,
    pub(crate) count: bool,
    pub(crate) offset: usize,
    filter: Option<Test>,
    order: Vec<(Column, bool, bool)>,
    limit: Option<usize>,
}

impl Plan {
    /// Reads and checks a query.
    pub(crate) fn new(store: &Store, text: &str) -> Result<Self, SoqlError> {
        let query: Query = parse(text)?;
        let Some(table) = store.table(&query.object.text) else {
            let message = format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, \
                 be sure to append the '__c' after the entity name. Please reference your WSDL or \
                 the describe call for the appropriate names.",
                query.object.text
            );
            return Err(SoqlError::at(
                text,
                query.object.at,
                "INVALID_TYPE",
                &message,
            ));
        };
        let checker = Checker { store, table, text };
        let columns = query
            .fields
            .iter()
            .map(|name| checker.column(name))
            .collect::<Result<Vec<_>, _>>()?;
        let filter = query
            .filter
            .as_ref()
            .map(|filter| checker.test(filter))
            .transpose()?;
        let mut order = vec![];
        for by in &query.order {
            let column = checker.column(&by.field)?;
            checker.usable(&by.field, &column, "sorted")?;
            order.push((column, by.descending, by.nulls_last));
        }
        if query.offset > MAX_OFFSET {
            let message = format!("Maximum SOQL offset allowed is {MAX_OFFSET}");
            return Err(SoqlError {
                code: "NUMBER_OUTSIDE_VALID_RANGE",
                message: format!("{message} in {text}").chars().take(1000).collect(),
            });
        }
        let Query {
            count,
            offset,
            limit,
            ..
        } = query;
        Ok(Self {
            table,
            columns,
            count,
            offset,
            filter,
            order,
            limit,
        })
    }

    /// The object whose rows it finds.
    pub(crate) fn object<'s>(&self, store: &'s Store) -> &'s Object {
        &store.tables[self.table].object
    }

    /// The rows the query finds now, in order.
    pub(crate) fn run(&self, store: &Store, with_deleted: bool) -> Vec<Arc<Row>> {
        let table = &store.tables[self.table];
        let wanted = |row: &&Arc<Row>| {
            (with_deleted || row.deleted.is_none())
                && self.filter.as_ref().is_none_or(|test| test.met(store, row))
        };
        let mut rows: Vec<Arc<Row>> = match self.filter.as_ref().and_then(Test::ids) {
            Some(mut ids) => {
                ids.sort_unstable();
                ids.iter()
                    .filter_map(|id| table.get(*id))
                    .filter(wanted)
                    .cloned()
                    .collect()
            }
            None => table.rows().filter(wanted).cloned().collect(),
        };
        if !self.order.is_empty() {
            rows.sort_by(|a, b| self.compare(store, a, b));
        }
        let end = self
            .limit
            .map_or(rows.len(), |limit| limit.saturating_add(self.offset));
        rows.truncate(end);
        rows.drain(..self.offset.min(rows.len()));
        rows
    }

    /// Such a query is read by Bulk in one piece.
    pub(crate) fn sorted_or_limited(&self) -> bool {
        !self.order.is_empty() || self.limit.is_some()
    }

    fn compare(&self, store: &Store, a: &Arc<Row>, b: &Arc<Row>) -> std::cmp::Ordering {
        for (column, descending, nulls_last) in &self.order {
            let (a, b) = (column.read(store, a), column.read(store, b));
            let order = match (a.is_null(), b.is_null()) {
                (false, false) if *descending => compare(&b, &a),
                (false, false) => compare(&a, &b),
                (a, b) if *nulls_last => a.cmp(&b),
                (a, b) => b.cmp(&a),
            };
            if order.is_ne() {
                return order;
            }
        }
        a.id.cmp(&b.id)
    }
}

struct Checker<'a> {
    store: &'a Store,
    table: usize,
    text: &'a str,
}

impl Checker<'_> {
    fn column(&self, name: &Name) -> Result<Column, SoqlError> {
        let object = &self.store.tables[self.table].object;
        // A name may repeat the object: `Account.Name` in a query from Account.
        let path = match name.text.split_once('.') {
            Some((first, rest)) if first.eq_ignore_ascii_case(&object.name) => rest,
            _ => &name.text,
        };
        let Some((relationship, field)) = path.split_once('.') else {
            let field = object
                .field(path)
                .ok_or_else(|| self.no_column(name, path, &object.name))?;
            return Ok(Column {
                field: Arc::new(field.clone()),
                via: None,
            });
        };
        let reference = object.relationship(relationship);
        let parent = reference
            .and_then(|reference| reference.reference_to.as_deref())
            .and_then(|to| self.store.table(to));
        let (Some(reference), Some(parent)) = (reference, parent) else {
            let message = format!(
                "Didn't understand relationship '{relationship}' in field path. If you are \
                 attempting to use a custom relationship, be sure to append the '__r' after the \
                 custom relationship name. Please reference your WSDL or the describe call for the \
                 appropriate names."
            );
            return Err(SoqlError::at(self.text, name.at, "INVALID_FIELD", &message));
        };
        let object = &self.store.tables[parent].object;
        let field = object
            .field(field)
            .ok_or_else(|| self.no_column(name, field, &object.name))?;
        let via = Some((Arc::new(reference.clone()), parent));
        Ok(Column {
            field: Arc::new(field.clone()),
            via,
        })
    }

    fn no_column(&self, name: &Name, field: &str, object: &str) -> SoqlError {
        let message = format!(
            "No such column '{field}' on entity '{object}'. If you are attempting to use a custom \
             field, be sure to append the '__c' after the custom field name. Please reference your \
             WSDL or the describe call for the appropriate names."
        );
        SoqlError::at(self.text, name.at, "INVALID_FIELD", &message)
    }

    /// Long texts and addresses can be selected but neither filtered nor sorted.
    fn usable(&self, name: &Name, column: &Column, what: &str) -> Result<(), SoqlError> {
        if column.field.filterable() {
            return Ok(());
        }
        let message = format!(
            "field '{}' can not be {what} in a query call",
            column.field.name
        );
        Err(SoqlError::at(self.text, name.at, "INVALID_FIELD", &message))
    }

    fn test(&self, expr: &Expr) -> Result<Test, SoqlError> {
        let all = |terms: &[Expr]| -> Result<Vec<Test>, SoqlError> {
            terms.iter().map(|term| self.test(term)).collect()
        };
        match expr {
            Expr::And(terms) => Ok(Test::And(all(terms)?)),
            Expr::Or(terms) => Ok(Test::Or(all(terms)?)),
            Expr::Not(term) => Ok(Test::Not(Box::new(self.test(term)?))),
            Expr::Test {
                field,
                operator,
                values,
            } => {
                let column = self.column(field)?;
                self.usable(field, &column, "filtered")?;
                self.simple(field, column, *operator, values)
            }
        }
    }

    fn simple(
        &self,
        name: &Name,
        column: Column,
        operator: Operator,
        literals: &[Literal],
    ) -> Result<Test, SoqlError> {
        let refuse = || {
            let message = format!("invalid operator on {} field", column.field.kind.name());
            SoqlError::at(
                self.text,
                name.at,
                "INVALID_QUERY_FILTER_OPERATOR",
                &message,
            )
        };
        let multi = column.field.kind == FieldType::MultiPicklist;
        match operator {
            Operator::Like => match literals {
                [Literal::Text(text)] if column.field.kind.is_text() => {
                    Ok(Test::Like(column, pattern(text)))
                }
                _ => Err(refuse()),
            },
            Operator::In | Operator::NotIn => {
                let mut keys = HashSet::new();
                for literal in literals {
                    keys.insert(key(&self.value(name, &column, literal)?));
                }
                Ok(Test::In(column, keys, operator == Operator::NotIn))
            }
            Operator::Includes | Operator::Excludes => {
                if !multi {
                    return Err(refuse());
                }
                let choices = literals.iter().map(|literal| match literal {
                    Literal::Text(text) => Ok(text.split(';').map(str::to_lowercase).collect()),
                    _ => Err(refuse()),
                });
                let choices = choices.collect::<Result<_, _>>()?;
                Ok(Test::Includes(
                    column,
                    choices,
                    operator == Operator::Excludes,
                ))
            }
            _ => {
                let value = literals.first().unwrap_or(&Literal::Null);
                let value = self.value(name, &column, value)?;
                Ok(Test::Compare(column, operator, value))
            }
        }
    }

    /// A literal as a value of the column's type.
    fn value(&self, name: &Name, column: &Column, literal: &Literal) -> Result<Value, SoqlError> {
        let kind = column.field.kind;
        let value = match literal {
            Literal::Null => Some(Value::Null),
            Literal::Bool(value) => (kind == FieldType::Boolean).then_some(Value::Bool(*value)),
            Literal::Text(text) => match kind {
                FieldType::Id | FieldType::Reference => match Id::parse(text) {
                    Some(id) => Some(Value::Id(id)),
                    None => {
                        let message = format!("invalid ID field: {text}");
                        let code = "INVALID_QUERY_FILTER_OPERATOR";
                        return Err(SoqlError::at(self.text, name.at, code, &message));
                    }
                },
                _ if kind.is_text() => Some(Value::text(text)),
                _ => None,
            },
            Literal::Bare(text) => match kind {
                FieldType::DateTime => parse_datetime(text)
                    .filter(|_| text.contains('T'))
                    .map(Value::DateTime),
                FieldType::Date => parse_date(text).map(Value::Date),
                FieldType::Time => parse_time(text).map(Value::Time),
                _ if kind.is_number() => {
                    let number = text.parse().or_else(|_| Decimal::from_scientific(text));
                    number.ok().map(Value::Num)
                }
                _ => None,
            },
        };
        value.ok_or_else(|| {
            let soap = kind
                .soap()
                .split_once(':')
                .map_or("string", |(_, name)| name);
            let quotes = if kind.is_text() {
                "should be"
            } else {
                "should not be"
            };
            let message = format!(
                "value of filter criterion for field '{}' must be of type {soap} and {quotes} \
                 enclosed in quotes",
                column.field.name
            );
            SoqlError::at(self.text, name.at, "INVALID_FIELD", &message)
        })
    }
}
