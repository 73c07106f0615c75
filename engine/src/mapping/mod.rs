//! Which field of a record is which field of an entity, and how a value gets from one to the
//! other: the mapping language, read from text, checked, and applied. Pure.
//!
//! A mapping is TOML (`mappings/<system>/<stream>.toml`; a tenant's own versions are rows in the
//! same language). [`Mapping::parse`] reads it and reports every mistake with its place,
//! [`Mapping::check`] holds it against what both sides have, [`Mapping::inbound`] makes a [`Patch`]
//! of a record and [`Mapping::outbound`] makes fields of an entity. Who wins when both sides
//! moved is declared here and decided in [`crate::merge`].
//!
//! The language is total: a pipe is a bounded list of named functions (`transform`) without
//! loops, and a condition a bounded tree of comparisons ([`Expression`]), so a mapping cannot hang or
//! blow up, whatever the record holds.

mod apply;
mod check;
mod check_expressions;
mod check_tables;
mod date_format;
mod expression;
mod fixture;
mod inverse;
mod parse;
mod patch;
mod pipe;
mod place;
mod row;
mod shape;
mod toml_walk;
mod transform;
mod transform_text;

use std::collections::BTreeSet;

use connector_sdk::{Fields, Stream, StreamName};
use serde::Serialize;

use crate::catalogue::Catalogue;

pub use apply::MapError;
pub use check::{MappingProblem, ProblemKind, Severity};
pub use date_format::DateFormat;
pub use expression::{Expression, ExpressionError};
pub use fixture::{Difference, Expected, Said};
pub use patch::{FailReason, FieldFailure, Patch, Reference, Taken, Values};
pub use pipe::{Pipe, calls};
pub(crate) use place::closest;
pub use place::{MappingError, MappingErrors, Place};
pub use row::{
    DeletePolicy, Direction, FirstContact, Link, NullPolicy, Policy, RemotePath, Row, Side,
    WritePolicy,
};
pub use transform::{Table, Transform, TransformError};

/// Most rows of one mapping.
pub const MAX_ROWS: usize = 1000;

/// A mapping that parsed: every name in it that is the language's own is known. Whether the
/// fields exist is for [`Mapping::check`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mapping {
    /// The connector: `salesforce`.
    pub system: String,
    /// The system's name of the stream: `Account`.
    pub stream: StreamName,
    /// The kind of entity: `account`.
    pub entity: String,
    /// Who wins a field on which nothing was agreed yet.
    pub first_contact: FirstContact,
    /// What a record's removal over there does here.
    pub on_delete: DeletePolicy,
    /// Whether an entity that is made here is created over there; off unless it says so.
    pub create: bool,
    pub link: Link,
    /// Which records are taken; without it, all. The others stay out, and one that was taken before
    /// stands still: it is neither merged nor written.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expression>,
    /// One per core field, in the order of the text.
    pub rows: Vec<Row>,
    /// Remote fields that every create sets to the same value.
    pub constants: Fields,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// Everything that is wrong with the text, each with line and column.
    pub fn parse(text: &str) -> Result<Self, MappingErrors> {
        parse::parse(text)
    }

    /// Holds the mapping against the entity's fields and, where known, the stream's. A mapping
    /// with a problem of [`Severity::Error`] must not be published.
    pub fn check(&self, catalogue: &Catalogue, stream: Option<&Stream>) -> Vec<MappingProblem> {
        check::check(self, catalogue, stream)
    }

    /// The mapping without what requires a field the stream does not have: rows that say so, and
    /// the place for the hub's id. What pulls and
    /// pushes use; [`Mapping::check`] passes over such rows by itself.
    #[must_use]
    pub fn fitted(&self, stream: &Stream) -> Self {
        let mut fitted = self.clone();
        fitted.rows.retain(|row| row.applies_to(stream));
        let has = |name: &String| stream.fields.iter().any(|field| field.name == *name);
        fitted.link.hub_id = fitted.link.hub_id.filter(has);
        fitted
    }

    /// The mapping without the rows of these core fields, and without constants that the stream does not
    /// have: what is left of it while they stand still.
    #[must_use]
    pub fn without(&self, held: &BTreeSet<String>, stream: &Stream) -> Self {
        let mut left = self.clone();
        left.rows.retain(|row| !held.contains(&row.core));
        left.link.strong.retain(|name| !held.contains(name));
        left.link.similar.retain(|name| !held.contains(name));
        left.link.parent = left.link.parent.filter(|name| !held.contains(name));
        let has = |name: &String| stream.fields.iter().any(|field| field.name == *name);
        left.constants.retain(|name, _| has(name));
        left
    }

    /// The remote fields to ask the source for, each once, sorted. Dotted names (`Owner.Name`)
    /// reach into a related record.
    pub fn remote_fields(&self) -> Vec<String> {
        let inbound = self.rows.iter().filter(|row| row.direction.reads());
        let conditions = inbound
            .clone()
            .filter_map(|row| row.when.as_ref())
            .chain(&self.filter)
            .flat_map(Expression::fields);
        let names: BTreeSet<&str> = inbound
            .flat_map(|row| row.remote.iter())
            .chain(conditions)
            .map(|path| path.name.as_str())
            .chain([self.link.key.as_str()])
            .chain(self.link.hub_id.as_deref())
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The core fields the mapping names, in its order.
    pub fn core_fields(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.core.as_str())
    }

    /// Core fields that hold another entity's id here and another record's key over there, with
    /// the stream of that record. Who calls [`Mapping::outbound`] has put the key in the id's
    /// place; who merges has called [`Patch::resolve`].
    pub fn references(&self) -> impl Iterator<Item = (&str, &StreamName)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row.core.as_str(), row.reference.as_ref()?)))
    }

    /// The row of a core field.
    pub fn row(&self, core: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.core == core)
    }
}

#[cfg(test)]
mod tests;
