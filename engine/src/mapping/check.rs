//! Does a mapping fit what both sides have?

use std::collections::BTreeMap;

use connector_sdk::{FieldType, Stream, StreamField};
use serde::Serialize;

use super::check_expressions::unknown_fields;
use super::check_tables::unfit_tables;
use super::inverse::{invert, narrows};
use super::place::{Place, closest};
use super::row::{RemotePath, Row};
use super::shape::{Shape, shape_of};
use super::{Direction, Mapping, Policy, Side};
use crate::catalogue::{Catalogue, Field, FieldKind};

/// Something a mapping does wrong, or may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MappingProblem {
    #[serde(flatten)]
    pub place: Place,
    pub severity: Severity,
    /// The core field of the row, where it is about one.
    pub core: Option<String>,
    pub kind: ProblemKind,
    /// For people.
    pub message: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Works, but values may not do what one expects.
    Warning,
    /// Must not be published.
    Error,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    WrongEntity,
    /// Nothing is looked up by a field that `[link]` names.
    NotFoundBy,
    WrongStream,
    UnknownCoreField,
    UnknownRemoteField,
    /// A value changes its kind or is cut on the way.
    TypeLoss,
    /// The pipe cannot take what the field holds.
    TypeMismatch,
    RequiredUnmapped,
    WrittenTwice,
    OwnerContradiction,
    MissingInverse,
    /// The way out changes values that the hub would keep.
    NotKept,
    ReadOnlyRemote,
    /// Rows of one group do not say the same.
    MixedGroup,
    /// The policy cannot choose between values of the kind.
    PolicyDoesNotFit,
    ReferenceUnmarked,
}

impl std::fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

pub(super) fn check(
    mapping: &Mapping,
    catalogue: &Catalogue,
    stream: Option<&Stream>,
) -> Vec<MappingProblem> {
    let mut check = Check {
        mapping,
        catalogue,
        stream,
        found: Vec::new(),
    };
    check.whole();
    for row in &mapping.rows {
        check.row(row);
    }
    check.twice();
    check.groups();
    check.found.extend(unfit_tables(mapping, catalogue, stream));
    if let Some(stream) = stream {
        check.found.extend(unknown_fields(mapping, stream));
    }
    if let Some(stream) = stream {
        check.required(stream);
    }
    check
        .found
        .sort_by_key(|problem| (problem.place, problem.kind));
    check.found
}

struct Check<'m> {
    mapping: &'m Mapping,
    catalogue: &'m Catalogue,
    stream: Option<&'m Stream>,
    found: Vec<MappingProblem>,
}

impl<'m> Check<'m> {
    fn add(&mut self, row: Option<&Row>, severity: Severity, kind: ProblemKind, message: String) {
        let place = row.map_or(Place { line: 1, column: 1 }, |row| row.place);
        let core = row.map(|row| row.core.clone());
        self.found.push(MappingProblem {
            place,
            severity,
            core,
            kind,
            message,
        });
    }

    /// Something is wrong with the mapping as a whole.
    fn refuse(&mut self, kind: ProblemKind, message: String) {
        self.add(None, Severity::Error, kind, message);
    }

    fn error(&mut self, row: &Row, kind: ProblemKind, message: String) {
        self.add(Some(row), Severity::Error, kind, message);
    }

    fn warn(&mut self, row: &Row, kind: ProblemKind, message: String) {
        self.add(Some(row), Severity::Warning, kind, message);
    }

    fn whole(&mut self) {
        let mapping = self.mapping;
        if mapping.entity != self.catalogue.kind() {
            let (wanted, found) = (&mapping.entity, self.catalogue.kind());
            let message = format!("the mapping is for {wanted}, the fields are those of {found}");
            self.refuse(ProblemKind::WrongEntity, message);
        }
        if let Some(stream) = self.stream.filter(|stream| stream.name != mapping.stream) {
            let message = format!(
                "the mapping is for {}, not for {}",
                mapping.stream, stream.name
            );
            self.refuse(ProblemKind::WrongStream, message);
        }
        let link = &mapping.link;
        let named = link.strong.iter().chain(&link.similar).chain(&link.parent);
        for name in named {
            if mapping.row(name).is_none() {
                let message = format!("`[link]` names {name}, which no field of the mapping is");
                self.refuse(ProblemKind::UnknownCoreField, message);
            }
        }
        // A field the hub does not have is named by its row.
        let is_slow = |name: &&String| {
            let field = self.catalogue.field(name);
            field.is_some_and(|field| !field.is_found)
        };
        let sought = link.strong.iter().chain(link.similar.first());
        for name in sought.filter(is_slow) {
            let message =
                format!("`[link]` names {name}, by which nothing is found quickly enough");
            self.refuse(ProblemKind::NotFoundBy, message);
        }
        if let Some(stream) = self.stream {
            let paths: Vec<RemotePath> = mapping
                .constants
                .keys()
                .map(|key| RemotePath::new(key))
                .collect();
            for path in paths {
                if remote_field(stream, &path).is_none() {
                    let message = format!(
                        "`[constants]` names {}, which {} does not have",
                        path.name, stream.name
                    );
                    self.refuse(ProblemKind::UnknownRemoteField, message);
                }
            }
        }
    }

    fn row(&mut self, row: &'m Row) {
        self.sides(row);
        let field = self.catalogue.field(&row.core);
        if field.is_none() {
            let names = self
                .catalogue
                .fields()
                .iter()
                .map(|field| field.name.as_str());
            let hint = closest(&row.core, names)
                .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            let message = format!("{} has no field {}{hint}", self.mapping.entity, row.core);
            self.error(row, ProblemKind::UnknownCoreField, message);
        }
        let stream = self.stream.filter(|stream| row.applies_to(stream));
        // What is computed has a kind of its own.
        if let Some(stream) = stream.filter(|_| row.value.is_none()) {
            for path in &row.remote {
                self.remote(row, path, stream, field);
            }
        }
        if let Some(field) = field {
            self.core(row, field);
        }
    }

    /// What a row says about ways and owners, before any schema is known.
    fn sides(&mut self, row: &Row) {
        if row.direction.writes()
            && row.outbound.is_none()
            && let Err(step) = invert(&row.inbound)
        {
            let message =
                format!("`{step}` has no way back; write `out`, or let the field only come in");
            self.error(row, ProblemKind::MissingInverse, message);
        }
        match (row.owner, row.direction) {
            (Some(Side::Core), Direction::In) => {
                let message = "the hub owns the field, but the field only comes in".to_owned();
                self.error(row, ProblemKind::OwnerContradiction, message);
            }
            (Some(Side::Remote), Direction::Out) => {
                let message = "the peer owns the field, but the field only goes out".to_owned();
                self.error(row, ProblemKind::OwnerContradiction, message);
            }
            _ => {}
        }
    }

    fn core(&mut self, row: &Row, field: &Field) {
        let fits = match row.policy {
            Policy::Union => field.kind == FieldKind::Choices,
            Policy::Append | Policy::TextMerge => field.kind == FieldKind::LongText,
            Policy::Max | Policy::Min => field.kind.is_ordered(),
            Policy::Newest | Policy::Ask => true,
        };
        if !fits {
            let message = format!(
                "the policy cannot choose between two values of {}",
                field.kind.noun()
            );
            self.error(row, ProblemKind::PolicyDoesNotFit, message);
        }
        if (field.kind == FieldKind::Reference) != row.reference.is_some() {
            let message = if row.reference.is_some() {
                format!(
                    "{} is {}, not a reference to another record",
                    row.core,
                    field.kind.noun()
                )
            } else {
                format!(
                    "{} is a reference: say the stream it points at with `reference`",
                    row.core
                )
            };
            self.error(row, ProblemKind::ReferenceUnmarked, message);
        }
        let case_blind = matches!(field.kind, FieldKind::Email | FieldKind::Url);
        if row.direction == Direction::Both
            && !row.outbound_written
            && let Some(step) = narrows(&row.inbound)
            && !(case_blind && step == "lower")
        {
            let message = format!(
                "values the hub holds otherwise than `{step}` makes them come back changed"
            );
            self.warn(row, ProblemKind::NotKept, message);
        }
    }

    fn remote(&mut self, row: &Row, path: &RemotePath, stream: &Stream, field: Option<&Field>) {
        let Some(remote) = remote_field(stream, path) else {
            // What lies behind a relation is described by another stream.
            if path.parts.len() > 1 {
                return;
            }
            let names = stream.fields.iter().map(|field| field.name.as_str());
            let hint = closest(&path.name, names)
                .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            let message = format!("{} has no field {}{hint}", stream.name, path.name);
            self.error(row, ProblemKind::UnknownRemoteField, message);
            return;
        };
        if row.direction.writes() && !remote.can_update {
            let message = format!(
                "{} cannot be written over there; the field only comes in",
                path.name
            );
            let kind = ProblemKind::ReadOnlyRemote;
            if row.direction == Direction::Out || row.owner == Some(Side::Core) {
                self.error(row, kind, message);
            } else {
                self.warn(row, kind, message);
            }
        }
        if let Some(field) = field {
            self.types(row, remote, field);
        }
    }

    /// Follows the kind of value through the pipe.
    fn types(&mut self, row: &Row, remote: &StreamField, field: &Field) {
        if row.direction.reads() {
            let start = if row.remote.len() > 1 {
                Shape::List
            } else {
                Shape::of_remote(remote.kind)
            };
            match shape_of(&row.inbound, start) {
                Err((step, found)) => {
                    let message = format!(
                        "`{step}` cannot take {}, which {} is by then",
                        found.noun(),
                        remote.name
                    );
                    self.error(row, ProblemKind::TypeMismatch, message);
                }
                Ok(shape) if !shape.may_be(field.kind) => {
                    let message = format!(
                        "{} arrives as {}, {} is {}",
                        remote.name,
                        shape.noun(),
                        field.name,
                        field.kind.noun()
                    );
                    self.error(row, ProblemKind::TypeMismatch, message);
                }
                Ok(_) => {}
            }
        }
        if let Some(out) = row.outbound.as_ref() {
            match shape_of(out, Shape::of_core(field.kind)) {
                Err((step, found)) => {
                    let message = format!("on the way out `{step}` cannot take {}", found.noun());
                    self.error(row, ProblemKind::TypeMismatch, message);
                }
                Ok(shape) if !shape.may_go_to(remote.kind) => {
                    let message = format!("{} would be given {}", remote.name, shape.noun());
                    self.error(row, ProblemKind::TypeMismatch, message);
                }
                Ok(_) => {}
            }
        }
        if let Some(message) = loss(row, remote, field) {
            self.warn(row, ProblemKind::TypeLoss, message);
        }
    }

    /// Two rows that write one field fight over it for ever.
    fn twice(&mut self) {
        let mut cores: BTreeMap<&str, &Row> = BTreeMap::new();
        let mut remotes: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in &self.mapping.rows {
            if let Some(first) = cores.insert(&row.core, row) {
                let message = format!(
                    "core field {} is mapped twice, first at {}",
                    row.core, first.place
                );
                self.error(row, ProblemKind::WrittenTwice, message);
            }
            for path in row.remote.iter().filter(|_| row.direction.writes()) {
                if let Some(first) = remotes.insert(&path.name, row) {
                    let message = format!(
                        "remote field {} is written twice, first at {}",
                        path.name, first.place
                    );
                    self.error(row, ProblemKind::WrittenTwice, message);
                }
            }
        }
    }

    /// The group a row is decided in; a row alone is a group of its own.
    fn group(&self, row: &'m Row) -> &'m str {
        let field = self.catalogue.field(&row.core);
        field
            .map_or(row.group.as_deref(), |field| row.group_in(field))
            .unwrap_or(&row.core)
    }

    /// A group is one decision: its rows must not ask for different ones.
    fn groups(&mut self) {
        let mut groups: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in &self.mapping.rows {
            let group = self.group(row);
            let Some(first) = groups.get(group) else {
                groups.insert(group, row);
                continue;
            };
            if first.owner != row.owner {
                let message = format!("group {group} has another owner at {}", first.place);
                self.error(row, ProblemKind::OwnerContradiction, message);
            }
            let alike = first.policy == row.policy
                && first.direction == row.direction
                && first.first_contact == row.first_contact
                && first.write == row.write;
            if !alike {
                let message = format!(
                    "group {group} has another policy, direction, first contact or write at {}",
                    first.place
                );
                self.error(row, ProblemKind::MixedGroup, message);
            }
            if !matches!(row.policy, Policy::Newest | Policy::Ask) {
                let message = format!(
                    "group {group} has several fields; the policy chooses between single values"
                );
                self.error(row, ProblemKind::PolicyDoesNotFit, message);
            }
        }
    }

    /// Creates would fail for ever.
    fn required(&mut self, stream: &Stream) {
        if !stream.can_create {
            return;
        }
        for remote in stream
            .fields
            .iter()
            .filter(|field| field.required && field.can_create)
        {
            let given = self.mapping.constants.contains_key(&remote.name)
                || self.mapping.rows.iter().any(|row| {
                    row.direction.writes() && row.remote.iter().any(|path| path.name == remote.name)
                });
            if !given {
                let message = format!(
                    "{} requires {}, which nothing writes: records cannot be created there",
                    stream.name, remote.name
                );
                self.add(
                    None,
                    Severity::Warning,
                    ProblemKind::RequiredUnmapped,
                    message,
                );
            }
        }
    }
}

fn remote_field<'s>(stream: &'s Stream, path: &RemotePath) -> Option<&'s StreamField> {
    stream.fields.iter().find(|field| field.name == path.name)
}

/// What gets lost between two fields though their kinds fit.
fn loss(row: &Row, remote: &StreamField, field: &Field) -> Option<String> {
    let (name, core) = (&remote.name, &field.name);
    let is_plain = row.inbound.steps.is_empty();
    if row.direction.reads() && is_plain {
        match (remote.kind, field.kind) {
            (FieldType::Decimal, FieldKind::Integer) => {
                return Some(format!(
                    "{name} may have a fraction, {core} holds whole numbers"
                ));
            }
            (FieldType::LongText, FieldKind::Text) => {
                return Some(format!(
                    "{name} is long text with line breaks, {core} is one line"
                ));
            }
            _ => {}
        }
    }
    if row.direction.reads()
        && let (Some(theirs), Some(ours)) = (remote.scale, field.scale)
        && theirs > ours
        && field.kind != FieldKind::Instant
    {
        return Some(format!(
            "{name} has {theirs} digits after the point, {core} has {ours}"
        ));
    }
    if row.direction.writes()
        && let Some(theirs) = remote.max_length
        && field.max_length.is_none_or(|ours| ours > theirs)
        && matches!(
            field.kind,
            FieldKind::Text | FieldKind::LongText | FieldKind::Email | FieldKind::Url
        )
    {
        return Some(format!(
            "{name} holds {theirs} characters, {core} may hold more"
        ));
    }
    None
}
