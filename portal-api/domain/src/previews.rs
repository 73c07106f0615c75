//! Previews of mappings as people ask for them and read them.

use std::collections::BTreeMap;

use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId, PreviewId, UserId};
use engine::mapping::FieldFailure;
use engine::merge::{Decision, Names};
use engine::outcomes::{Act, Outcome, Owed};
use engine::sdk::SystemEntry;
use engine::store::keyset::{After, Slice};
use engine::store::link_events::Method;
use engine::store::mappings::{self, MappingRow};
use engine::store::previews::{self, NewPreview, Preview, PreviewRow, RowQuery};
use engine::store::runs::{self, NewRun, StartOptions};
use engine::store::{connections, plans};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::mappings::{Refused, publish_around, review};
use crate::show;

/// Name of the workflow that makes a preview.
pub const PREVIEW_WORKFLOW: &str = "preview_mapping";

/// Most records that a preview reads again from the system.
pub const MOST_LIVE: i32 = 100;

/// Previews of one mapping that are kept; those that something was published by stay.
const KEPT: i64 = 10;

/// Input of [`PREVIEW_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewInput {
    pub preview: PreviewId,
}

/// Starts a preview of a version.
///
/// # Errors
/// [`Refused::Text`] for one that does not fit; [`Refused::Blocked`] for the version in force.
pub async fn start(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    version: i32,
    sample: i32,
    by: UserId,
) -> Result<Preview, Refused> {
    let row = mappings::version(tx, mapping.id, version).await?;
    if mapping.published_version == Some(version) {
        let message = format!("version {version} is in force: there is nothing to preview");
        return Err(Refused::Blocked(message));
    }
    let (connection, stream) = (mapping.connection_id, mapping.stream.as_str());
    let reviewed = review(tx, tables, connection, stream, &row.body).await?;
    reviewed.accepted(true).map_err(Refused::Text)?;
    let around = publish_around(tx, tables, mapping, &row).await?;
    let id = PreviewId::fresh();
    let input = PreviewInput { preview: id };
    let options = StartOptions {
        // Somebody sits before it.
        priority: 10,
        trigger: "preview".to_owned(),
        connection_id: Some(connection),
        stream: Some(stream.to_owned()),
        ..StartOptions::default()
    };
    let new = NewRun::named(PREVIEW_WORKFLOW, &input, options)?;
    let run = runs::start(tx, new).await?.id();
    let preview = NewPreview {
        id,
        mapping: mapping.id,
        version,
        against: mapping.published_version,
        around: &around,
        run,
        sample: sample.clamp(0, MOST_LIVE),
        asked_by: by,
    };
    previews::insert(tx, &preview, KEPT).await?;
    Ok(previews::get(tx, mapping.id, id).await?)
}

/// What a preview would write to one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    pub connection: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub writes: u64,
    /// As many rows as the system takes go into one.
    pub calls: u64,
}

/// What the writes of a preview come to in calls.
///
/// # Errors
/// [`StoreError`].
pub async fn cost(
    tx: &mut Tx,
    systems: &[&SystemEntry],
    owed: &[Owed],
) -> Result<Vec<Cost>, StoreError> {
    let mut costs = Vec::with_capacity(owed.len());
    for owed in owed {
        let connection = connections::get(tx, owed.connection).await?;
        let system = systems.iter().find(|one| one.spec.id == connection.system);
        let batch = system.map_or(1, |system| system.write_batch.max(1));
        costs.push(Cost {
            connection: owed.connection,
            connection_name: connection.name,
            stream: owed.stream.clone(),
            writes: owed.writes,
            calls: owed.writes.div_ceil(u64::try_from(batch).unwrap_or(1)),
        });
    }
    Ok(costs)
}

/// One record of a preview, for people.
#[derive(Clone, Debug)]
pub struct Shown {
    pub number: i64,
    pub key: String,
    /// As it is shown: `acc_…`; `None` for one that would be made.
    pub id: Option<String>,
    pub act: Act,
    /// What links it to an entity that it was not linked with.
    pub link: Option<Method>,
    pub live: bool,
    pub fields: Vec<FieldDiff>,
    pub conflicts: Vec<GroupConflict>,
    pub failed: Vec<FieldFailure>,
    /// Core fields that the record's system would be given.
    pub written: Vec<String>,
    /// Core fields whose value changes on the way out and back in.
    pub not_kept: Vec<String>,
    /// Core fields that wait for another record.
    pub waiting: Vec<String>,
    /// A removal that a person has to decide.
    pub asks: bool,
}

/// A field that gets another value.
#[derive(Clone, Debug)]
pub struct FieldDiff {
    pub field: String,
    pub label: String,
    pub before: Json,
    pub after: Json,
    pub reason: Option<String>,
    pub lost: Option<Json>,
}

/// A group of fields that a person has to decide.
#[derive(Clone, Debug)]
pub struct GroupConflict {
    pub group: String,
    pub reason: Option<String>,
    pub fields: Vec<ConflictSides>,
}

/// The three sides of a field under conflict.
#[derive(Clone, Debug)]
pub struct ConflictSides {
    pub field: String,
    pub label: String,
    pub base: Option<Json>,
    pub core: Json,
    pub remote: Json,
}

/// Records of a preview as people read them, from behind number `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn rows(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    preview: PreviewId,
    query: RowQuery,
    after: i64,
    limit: i64,
) -> Result<Slice<Shown>, StoreError> {
    let rows = previews::rows(tx, preview, query, after, limit + 1).await?;
    let peer = connections::get(tx, mapping.connection_id).await?.name;
    let kind = tables.kind(&mapping.entity)?;
    let catalogue = plans::catalogue(tx, &kind).await?;
    let teller = Teller {
        peer: &peer,
        kind: kind.name,
        catalogue: &catalogue,
    };
    let tell = |row: PreviewRow| teller.tell(row.number, row.live, row.entity_id, row.outcome);
    let shown = rows.into_iter().map(tell).collect();
    Ok(Slice::cut(shown, limit, |row: &Shown| After {
        value: row.number.to_string(),
        id: preview.0,
    }))
}

/// Tells outcomes to people.
pub(crate) struct Teller<'a> {
    pub(crate) peer: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) catalogue: &'a Catalogue,
}

impl Teller<'_> {
    pub(crate) fn tell(
        &self,
        number: i64,
        live: bool,
        id: Option<EntityId>,
        outcome: Outcome,
    ) -> Shown {
        let (mut fields, mut conflicts, mut written) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(merged) = outcome.merged {
            let decisions: BTreeMap<&str, &Decision> = merged
                .decisions
                .iter()
                .filter_map(|decision| Some((decision.group.as_deref()?, decision)))
                .collect();
            let whole = merged.decisions.iter().find(|one| one.group.is_none());
            for change in &merged.changes {
                let field = &*change.field;
                let known = self.catalogue.field(field);
                let group = outcome.groups.get(field).map_or(field, String::as_str);
                let decision = decisions.get(group).copied().or(whole);
                fields.push(FieldDiff {
                    field: field.to_owned(),
                    label: self.label(field),
                    before: show::value(known, &change.old),
                    after: show::value(known, &change.new),
                    reason: decision.map(|decision| self.sentence(decision, field)),
                    lost: decision
                        .and_then(|decision| decision.lost.get(field))
                        .map(|lost| show::value(known, lost)),
                });
            }
            for conflict in &merged.conflicts {
                let group = &*conflict.group;
                let decision = decisions.get(group);
                conflicts.push(GroupConflict {
                    reason: decision.map(|decision| self.sentence(decision, group)),
                    group: group.to_owned(),
                    fields: conflict
                        .fields
                        .iter()
                        .map(|field| {
                            let known = self.catalogue.field(&field.field);
                            ConflictSides {
                                field: field.field.to_string(),
                                label: self.label(&field.field),
                                base: field.base.as_ref().map(|base| show::value(known, base)),
                                core: show::value(known, &field.core),
                                remote: show::value(known, &field.remote),
                            }
                        })
                        .collect(),
                });
            }
            written.extend(merged.push);
        }
        Shown {
            number,
            key: outcome.key,
            id: id.map(|id| show::id(self.kind, id)),
            act: outcome.act,
            link: outcome.link,
            live,
            fields,
            conflicts,
            failed: outcome.failed,
            written,
            not_kept: outcome.not_kept.into_iter().collect(),
            waiting: outcome.waiting.into_iter().collect(),
            asks: outcome.asks,
        }
    }

    pub(crate) fn label(&self, field: &str) -> String {
        let known = self.catalogue.field(field);
        known.map_or_else(|| field.to_owned(), |known| known.label.clone())
    }

    fn sentence(&self, decision: &Decision, subject: &str) -> String {
        decision.sentence(&Names {
            hub: "the hub",
            peer: self.peer,
            subject: &self.label(subject),
        })
    }
}
