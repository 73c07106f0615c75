//! Mappings as people work on them: what is to be said about a text, what may be stored, and what a
//! version has to pass before it is in force ([`publish()`]).

mod approvals;
mod fixtures;
mod publish;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::ConnectionId;
use engine::mapping::{Direction, Mapping, MappingProblem, NullPolicy, Row, Severity};
use engine::store::mappings::{self, Author, MappingRow};
use engine::store::{connections, plans, streams};
use engine::{StoreError, Tx};

pub use approvals::{ask_approval, decide_approval, text_hash};
pub use fixtures::{Broken, Checked, Pinned, check_fixtures, pin};
pub(crate) use publish::around as publish_around;
pub use publish::{
    Order, REMAP_WORKFLOW, Refused, RemapInput, needs_reading, publish, remap, roll_back,
};

/// The mappings that come with the hub, by system and stream.
#[derive(Clone, Debug, Default)]
pub struct Shipped(Arc<BTreeMap<(String, String), String>>);

impl Shipped {
    /// Of texts that were checked when they were written; one that does not parse is left out.
    pub fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let named = texts.into_iter().filter_map(|text| {
            let mapping = Mapping::parse(&text)
                .inspect_err(|error| tracing::error!(%error, "shipped mapping does not parse"))
                .ok()?;
            Some(((mapping.system, mapping.stream.0), text))
        });
        Self(Arc::new(named.collect()))
    }

    pub fn get(&self, system: &str, stream: &str) -> Option<&str> {
        self.0
            .get(&(system.to_owned(), stream.to_owned()))
            .map(String::as_str)
    }
}

/// Something a mapping's text does wrong, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1, as are columns.
    pub line: u32,
    pub column: u32,
    pub severity: Severity,
    /// The core field it is about.
    pub core: Option<String>,
    pub message: String,
}

impl From<MappingProblem> for Problem {
    fn from(problem: MappingProblem) -> Self {
        Self {
            line: problem.place.line,
            column: problem.place.column,
            severity: problem.severity,
            core: problem.core,
            message: problem.message,
        }
    }
}

/// What is to be said about a mapping's text.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    pub problems: Vec<Problem>,
    /// Empty where the text does not parse.
    pub rows: Vec<ReviewedRow>,
    parses: bool,
}

impl Reviewed {
    /// The review of a text that may be stored: a draft must parse, what is published must also
    /// fit both sides.
    ///
    /// # Errors
    /// The problems that are in the way.
    pub fn accepted(self, publish: bool) -> Result<Self, Vec<Problem>> {
        let is_fit = self
            .problems
            .iter()
            .all(|problem| problem.severity != Severity::Error);
        if self.parses && (is_fit || !publish) {
            return Ok(self);
        }
        let in_the_way = |problem: &Problem| problem.severity == Severity::Error;
        Err(self.problems.into_iter().filter(in_the_way).collect())
    }
}

/// A row of a mapping, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedRow {
    pub core: String,
    pub core_label: String,
    pub core_type: String,
    pub remote: Vec<String>,
    pub direction: Direction,
    pub policy: String,
    pub write: String,
    /// Computes the value, as written.
    pub value: Option<String>,
    /// The record says the field only where this holds, as written.
    pub when: Option<String>,
    pub group: Option<String>,
    pub null: String,
    pub inbound: Option<String>,
    pub outbound: Option<String>,
    pub line: u32,
}

/// Reads a text and holds it against the stream's and the entity's fields.
///
/// # Errors
/// [`StoreError::NotFound`] for a stream that is not set up on the connection. Mistakes in the text
/// are part of the answer.
pub async fn review(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    text: &str,
) -> Result<Reviewed, StoreError> {
    let setup = streams::get(tx, connection, stream).await?;
    let system = connections::get(tx, connection).await?.system;
    let description = streams::description(tx, connection, stream).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(&setup.entity)?).await?;
    let mapping = match Mapping::parse(text) {
        Ok(mapping) => mapping,
        Err(errors) => {
            let problems = errors.0.into_iter().map(|error| Problem {
                line: error.place.line,
                column: error.place.column,
                severity: Severity::Error,
                core: None,
                message: error.message,
            });
            return Ok(Reviewed {
                problems: problems.collect(),
                ..Reviewed::default()
            });
        }
    };
    let checked = mapping.check(&catalogue, description.as_ref());
    let mut problems: Vec<Problem> = checked.into_iter().map(Problem::from).collect();
    if mapping.system != system {
        problems.insert(0, elsewhere(format!("this is a {system} connection")));
    }
    if mapping.stream.as_str() != stream {
        problems.insert(0, elsewhere(format!("this is stream {stream}")));
    }
    let rows = mapping
        .rows
        .iter()
        .map(|row| show(row, &catalogue))
        .collect();
    Ok(Reviewed {
        problems,
        rows,
        parses: true,
    })
}

/// The mapping is written for another place than it is put to.
fn elsewhere(message: String) -> Problem {
    Problem {
        line: 1,
        column: 1,
        severity: Severity::Error,
        core: None,
        message,
    }
}

fn show(row: &Row, catalogue: &Catalogue) -> ReviewedRow {
    let field = catalogue.field(&row.core);
    let pipe = |pipe: &engine::mapping::Pipe| (!pipe.steps.is_empty()).then(|| pipe.to_string());
    ReviewedRow {
        core: row.core.clone(),
        core_label: field.map_or_else(|| row.core.clone(), |field| field.label.clone()),
        core_type: field.map_or_else(String::new, |field| snake(&field.kind)),
        remote: row.remote.iter().map(|path| path.name.clone()).collect(),
        direction: row.direction,
        policy: match &row.owner {
            Some(side) => format!("owner {}", snake(side)),
            None => snake(&row.policy),
        },
        write: snake(&row.write),
        value: row.value.as_ref().map(ToString::to_string),
        when: row.when.as_ref().map(ToString::to_string),
        group: row.group.clone(),
        null: match row.null {
            NullPolicy::Clear => "clear",
            NullPolicy::Ignore => "ignore",
        }
        .to_owned(),
        inbound: pipe(&row.inbound),
        outbound: row.outbound.as_ref().and_then(pipe),
        line: row.place.line,
    }
}

/// A unit variant as it is written in mappings and answers.
fn snake(variant: &impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// How many fields a mapping's text maps; none where it does not parse.
pub fn count_fields(text: &str) -> usize {
    Mapping::parse(text).map_or(0, |mapping| mapping.rows.len())
}

/// Stores the first version of a stream's mapping, as a draft.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Conflict`] when the stream has one.
pub async fn create(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    text: &str,
    author: Author<'_>,
) -> Result<MappingRow, StoreError> {
    let entity = streams::get(tx, connection, stream).await?.entity;
    let id = mappings::insert(tx, connection, stream, &entity, text, author, false).await?;
    tx.changed("mapping", id);
    mappings::get(tx, id).await
}

/// Gives a stream that was just set up the mapping that comes with the hub, if there is one that
/// fits its entity.
///
/// # Errors
/// [`StoreError`].
pub async fn adopt_shipped(
    tx: &mut Tx,
    shipped: &Shipped,
    connection: ConnectionId,
    stream: &str,
) -> Result<(), StoreError> {
    let system = connections::get(tx, connection).await?.system;
    let setup = streams::get(tx, connection, stream).await?;
    let Some(text) = shipped.get(&system, stream) else {
        return Ok(());
    };
    let fits = Mapping::parse(text).is_ok_and(|mapping| mapping.entity == setup.entity);
    if fits && setup.mapping_id.is_none() {
        let author = Author::named("Syncline");
        let entity = &setup.entity;
        let id = mappings::insert(tx, connection, stream, entity, text, author, true).await?;
        tx.changed("mapping", id);
        crate::streams::follow(tx, connection, stream).await?;
    }
    Ok(())
}
