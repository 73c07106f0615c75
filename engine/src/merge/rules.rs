//! A mapping's rules over a catalogue's fields, compiled: groups in order, fields with all that a
//! comparison needs.

use std::collections::HashMap;
use std::sync::Arc;

use connector_sdk::Stream;

use crate::catalogue::{Catalogue, Empty, Field};
use crate::mapping::{
    DeletePolicy, Direction, FirstContact, Mapping, MappingProblem, Policy, Row, Severity, Side,
    WritePolicy,
};

/// How entities of one kind are merged with records of one stream.
#[derive(Clone, Debug)]
pub struct Rules {
    groups: Vec<GroupRule>,
    by_field: HashMap<Arc<str>, usize>,
    pub(super) on_delete: DeletePolicy,
}

/// Fields that are decided together; most groups are a single field, named after it.
#[derive(Clone, Debug)]
pub struct GroupRule {
    pub name: Arc<str>,
    pub fields: Vec<FieldRule>,
    pub direction: Direction,
    pub owner: Option<Side>,
    pub policy: Policy,
    pub write: WritePolicy,
    pub first_contact: FirstContact,
}

/// One field of a group.
#[derive(Clone, Debug)]
pub struct FieldRule {
    pub name: Arc<str>,
    pub field: Field,
    pub empty: Empty,
}

impl Rules {
    /// Compiles a mapping's rules. With a `stream`, fields it cannot update only come in.
    ///
    /// # Errors
    /// What [`Mapping::check`] finds wrong with it, problems of [`Severity::Error`] only.
    pub fn new(
        mapping: &Mapping,
        catalogue: &Catalogue,
        stream: Option<&Stream>,
    ) -> Result<Self, Vec<MappingProblem>> {
        let mut problems = mapping.check(catalogue, stream);
        problems.retain(|problem| problem.severity == Severity::Error);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut rules = Self {
            groups: Vec::new(),
            by_field: HashMap::new(),
            on_delete: mapping.on_delete,
        };
        let applies = |row: &&Row| stream.is_none_or(|stream| row.applies_to(stream));
        for row in mapping.rows.iter().filter(applies) {
            if let Some(field) = catalogue.field(&row.core) {
                rules.add(mapping, row, field, stream);
            }
        }
        Ok(rules)
    }

    fn add(&mut self, mapping: &Mapping, row: &Row, field: &Field, stream: Option<&Stream>) {
        let name: Arc<str> = row.core.as_str().into();
        let direction = direction(row, stream);
        let rule = FieldRule {
            name: name.clone(),
            field: field.clone(),
            empty: row.empty,
        };
        let group = row.group_in(field).unwrap_or(&row.core);
        let known = self.groups.iter().position(|known| &*known.name == group);
        let place = known.unwrap_or_else(|| {
            self.groups.push(GroupRule {
                name: Arc::from(group),
                fields: Vec::new(),
                direction,
                owner: row.owner,
                policy: row.policy,
                write: row.write,
                first_contact: row.first_contact.unwrap_or(mapping.first_contact),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[place];
        // A group of which one field cannot be written cannot be written as a whole.
        if direction == Direction::In {
            group.direction = Direction::In;
        }
        group.fields.push(rule);
        self.by_field.insert(name, place);
    }

    /// All groups, in the mapping's order.
    pub fn groups(&self) -> &[GroupRule] {
        &self.groups
    }

    /// The group a core field is in.
    pub fn group_of(&self, field: &str) -> Option<&GroupRule> {
        self.by_field.get(field).map(|place| &self.groups[*place])
    }

    /// The group with this name.
    pub fn group(&self, name: &str) -> Option<&GroupRule> {
        self.groups.iter().find(|group| &*group.name == name)
    }

    /// The rule of one field.
    pub fn field(&self, name: &str) -> Option<&FieldRule> {
        self.group_of(name)?
            .fields
            .iter()
            .find(|field| &*field.name == name)
    }
}

/// What the system says of a field outweighs the mapping: a formula is not written, whoever asks.
fn direction(row: &Row, stream: Option<&Stream>) -> Direction {
    let read_only = stream.is_some_and(|stream| {
        row.remote.iter().any(|path| {
            stream
                .fields
                .iter()
                .any(|field| field.name == path.name && !field.can_update)
        })
    });
    if read_only && row.direction == Direction::Both {
        Direction::In
    } else {
        row.direction
    }
}
