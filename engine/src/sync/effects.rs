//! Everything a transaction will write about one kind of entity, gathered in memory and stored in
//! one statement per table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::Value;

use super::context::{Neighbourhood, Stream, SyncError};
use crate::catalogue::same;
use crate::entity::{Entity, Kind};
use crate::ids::{ConnectionId, EntityId};
use crate::mapping::{Patch, Values};
use crate::merge::{Decision, FieldRule, Merged, Rule, Rules};
use crate::provenance::{By, Origin, Why};
use crate::store::changes::{self, Actor, Change, FieldChange};
use crate::store::conflicts::{self, Opened, Sides};
use crate::store::rewrites::{self, Rewrite};
use crate::store::writes::{self, Cause, Intent, Op};
use crate::store::{Statement, StoreError, Tx, echoes, records};

/// Entities that one transaction tells watchers of one by one; whoever watches a larger page reads
/// its run's progress.
pub(super) const MOST_NEWS: usize = 50;

/// The group of a conflict that is about the record as a whole.
pub(super) const RECORD: &str = "record";

/// Changes to entities and what they owe to systems.
#[derive(Default)]
pub(super) struct Effects {
    /// Entities to store, in the order they were touched.
    entities: Vec<Entity>,
    touched: HashMap<EntityId, usize>,
    changes: Vec<Change>,
    /// Core fields that changed, to be passed on to other systems.
    moved: BTreeMap<EntityId, BTreeSet<String>>,
    intents: Vec<Intent>,
}

/// What storing a page or an edit did, beyond the rows it came for.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Streams that now have writes pending.
    pub(super) owed: BTreeSet<(ConnectionId, String)>,
}

/// [`Effects`] with the statements for its entities made.
pub(super) struct Ready {
    save: Vec<Statement>,
    effects: Effects,
}

impl Ready {
    /// See [`Effects::store`].
    pub(super) async fn store(
        self,
        tx: &mut Tx,
        around: &Neighbourhood,
        source: Option<(ConnectionId, &str)>,
        actor: Actor,
    ) -> Result<Stored, SyncError> {
        let Self { save, effects } = self;
        effects.store_with(tx, save, around, source, actor).await
    }
}

impl Effects {
    /// Applies a merge's field changes to the entity, with their origins.
    pub(super) fn change(
        entity: &mut Entity,
        rules: &Rules,
        merged: &Merged,
        at: DateTime<Utc>,
        by: By,
    ) -> Vec<FieldChange> {
        let is_new = entity.version == 0;
        let mut log = Vec::new();
        let mut origins: Vec<(*const Decision, Origin)> = Vec::new();
        for change in &merged.changes {
            let decision = merged.decision(rules, &change.field);
            let place = decision.map_or(std::ptr::null(), std::ptr::from_ref);
            let known = origins.iter().position(|(known, _)| *known == place);
            let origin = known.unwrap_or_else(|| {
                let why = decision.map(|decision| Why {
                    rule: decision.rule.clone(),
                    winner: decision.winner,
                });
                origins.push((place, Origin { at, by, why }));
                origins.len() - 1
            });
            let was = entity.provenance.of(&change.field).cloned();
            entity.provenance.set(&change.field, &origins[origin].1);
            if change.new.is_null() {
                entity.values.remove(&*change.field);
            } else {
                entity
                    .values
                    .insert(change.field.to_string(), change.new.clone());
            }
            if !is_new {
                log.push(FieldChange {
                    field: change.field.to_string(),
                    old: change.old.clone(),
                    new: change.new.clone(),
                    why: origins[origin].1.why.clone(),
                    lost: decision.and_then(|decision| decision.lost.get(&change.field).cloned()),
                    kept: None,
                    was,
                });
            }
        }
        log
    }

    /// Values that lost although nothing changed here: the core stood, and says against what.
    pub(super) fn losses(merged: &Merged) -> Vec<FieldChange> {
        let changed: BTreeSet<&str> = merged.changes.iter().map(|change| &*change.field).collect();
        let mut log = Vec::new();
        for decision in &merged.decisions {
            for (field, lost) in &decision.lost {
                if !changed.contains(&**field) {
                    log.push(FieldChange {
                        field: field.to_string(),
                        old: connector_sdk::Value::Null,
                        new: connector_sdk::Value::Null,
                        why: Some(Why {
                            rule: decision.rule.clone(),
                            winner: decision.winner,
                        }),
                        lost: Some(lost.clone()),
                        kept: None,
                        was: None,
                    });
                }
            }
        }
        log
    }

    /// Takes an entity over for storing; `moved` are the fields other systems should hear of.
    pub(super) fn touch(&mut self, mut entity: Entity, moved: BTreeSet<String>) {
        entity.provenance.compact();
        if !moved.is_empty() {
            self.moved.entry(entity.id).or_default().extend(moved);
        }
        match self.touched.get(&entity.id) {
            Some(&at) => self.entities[at] = entity,
            None => {
                self.touched.insert(entity.id, self.entities.len());
                self.entities.push(entity);
            }
        }
    }

    pub(super) fn log(&mut self, change: Change) {
        if !change.fields.is_empty() || !["merged", "kept"].contains(&change.kind) {
            self.changes.push(change);
        }
    }

    /// Owes a system the named fields of an entity.
    pub(super) fn owe(
        &mut self,
        stream: &Stream,
        entity: &'static str,
        entity_id: EntityId,
        fields: impl IntoIterator<Item = String>,
    ) {
        self.intents.push(Intent {
            connection: stream.plan.connection,
            stream: stream.plan.stream.clone(),
            entity,
            entity_id,
            op: Op::Upsert,
            fields: fields.into_iter().collect(),
        });
    }

    /// Owes a system the deletion of an entity's record.
    pub(super) fn owe_deletion(
        &mut self,
        stream: &Stream,
        entity: &'static str,
        entity_id: EntityId,
    ) {
        self.intents.push(Intent {
            connection: stream.plan.connection,
            stream: stream.plan.stream.clone(),
            entity,
            entity_id,
            op: Op::Delete,
            fields: Vec::new(),
        });
    }

    /// Gets everything ready to be stored at the time `now` of the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn ready(self, kind: &Kind, now: DateTime<Utc>) -> Result<Ready, StoreError> {
        let save = kind.save(&self.entities, now)?;
        Ok(Ready {
            save,
            effects: self,
        })
    }

    /// Stores everything. Fields that moved are owed to every linked stream that writes them,
    /// other than `source`, whose own debt is among the intents already.
    pub(super) async fn store(
        self,
        tx: &mut Tx,
        around: &Neighbourhood,
        source: Option<(ConnectionId, &str)>,
        actor: Actor,
    ) -> Result<Stored, SyncError> {
        let ready = self.ready(&around.kind, tx.now())?;
        ready.store(tx, around, source, actor).await
    }

    async fn store_with(
        mut self,
        tx: &mut Tx,
        save: Vec<Statement>,
        around: &Neighbourhood,
        source: Option<(ConnectionId, &str)>,
        actor: Actor,
    ) -> Result<Stored, SyncError> {
        self.pass_on(tx, around, source).await?;
        for statement in save {
            statement.execute(tx).await?;
        }
        if self.entities.len() <= MOST_NEWS {
            for entity in &self.entities {
                tx.changed(around.kind.name, around.kind.shown(entity.id));
            }
        }
        changes::log(tx, actor, &self.changes).await?;
        let cause = Cause {
            run: actor.run,
            user: actor.user,
        };
        writes::enqueue(tx, &self.intents, cause).await?;
        let owed = self
            .intents
            .into_iter()
            .map(|intent| (intent.connection, intent.stream));
        Ok(Stored {
            owed: owed.collect(),
        })
    }

    /// The writes that storing this would owe, by stream: how many entities each would be given.
    pub(super) async fn owed(
        mut self,
        tx: &mut Tx,
        around: &Neighbourhood,
        source: Option<(ConnectionId, &str)>,
    ) -> Result<BTreeMap<(ConnectionId, String), u64>, SyncError> {
        self.pass_on(tx, around, source).await?;
        let mut entities: BTreeMap<(ConnectionId, String), BTreeSet<EntityId>> = BTreeMap::new();
        for intent in self.intents {
            let stream = entities.entry((intent.connection, intent.stream));
            stream.or_default().insert(intent.entity_id);
        }
        let count = |(stream, ids): (_, BTreeSet<EntityId>)| (stream, ids.len() as u64);
        Ok(entities.into_iter().map(count).collect())
    }

    async fn pass_on(
        &mut self,
        tx: &mut Tx,
        around: &Neighbourhood,
        source: Option<(ConnectionId, &str)>,
    ) -> Result<(), SyncError> {
        let is_source =
            |stream: &Stream| source.is_some_and(|(connection, name)| stream.is(connection, name));
        let others: Vec<&Arc<Stream>> = around
            .streams
            .iter()
            .filter(|stream| !is_source(stream))
            .collect();
        if others.is_empty() || self.moved.is_empty() {
            return Ok(());
        }
        let moved: Vec<EntityId> = self.moved.keys().copied().collect();
        for link in records::links(tx, &moved).await? {
            let Some(stream) = others
                .iter()
                .find(|stream| stream.is(link.connection, &link.stream))
            else {
                continue;
            };
            let fields: Vec<String> = self.moved[&link.entity_id]
                .iter()
                .filter(|field| writes_field(&stream.rules, field))
                .cloned()
                .collect();
            if !fields.is_empty() {
                self.owe(stream, around.kind.name, link.entity_id, fields);
            }
        }
        Ok(())
    }
}

/// Whether a stream is given this core field.
pub(super) fn writes_field(rules: &Rules, field: &str) -> bool {
    rules
        .group_of(field)
        .is_some_and(|group| group.direction.writes())
}

/// Fields that the stream writes and that the core holds differently than was agreed.
pub(super) fn moved_on(stream: &Stream, entity: &Entity, base: &Values) -> Vec<String> {
    let groups = stream.rules.groups().iter();
    groups
        .filter(|group| group.direction.writes())
        .flat_map(|group| &group.fields)
        .filter(|rule| {
            let agreed = base.get(&*rule.name).unwrap_or(&Value::Null);
            !same(&rule.field, &entity.value(&rule.name), agreed, rule.empty)
        })
        .map(|rule| rule.name.to_string())
        .collect()
}

/// What merges with one stream's records leave beside the entities.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) conflicts: Vec<Opened>,
    pub(super) agreed: Vec<(EntityId, String)>,
    pub(super) seen: Vec<(EntityId, String, crate::catalogue::Fingerprint)>,
    /// What the system made of our writes.
    pub(super) rewrites: Vec<Rewrite>,
    /// The kind of the entities, where there are rewrites.
    pub(super) entity: &'static str,
}

impl Beside {
    /// Takes over the conflicts and echoes of a merge. `open` are the groups of the entity that
    /// have an open conflict and of which the record says something: those no longer in conflict
    /// have come to agree.
    pub(super) fn note(
        &mut self,
        entity: &'static str,
        entity_id: EntityId,
        patch: &Patch,
        merged: &Merged,
        echoes: &[crate::merge::Echo],
        open: &[&String],
    ) {
        let groups: BTreeSet<&str> = merged
            .conflicts
            .iter()
            .map(|conflict| &*conflict.group)
            .collect();
        self.agreed.extend(
            open.iter()
                .filter(|group| !groups.contains(group.as_str()))
                .map(|group| (entity_id, (*group).clone())),
        );
        for conflict in &merged.conflicts {
            let sides = conflict.fields.iter().map(|field| {
                let sides = Sides {
                    base: field.base.clone(),
                    core: field.core.clone(),
                    remote: field.remote.clone(),
                };
                (field.field.to_string(), sides)
            });
            self.conflicts.push(Opened {
                entity,
                entity_id,
                record_key: patch.key.clone(),
                group: conflict.group.to_string(),
                kind: "edit",
                fields: sides.collect(),
            });
        }
        for &place in merged.consumed.iter().chain(&merged.retired) {
            if let Some(echo) = echoes.get(place) {
                self.seen.push((entity_id, echo.field.clone(), echo.value));
            }
        }
    }

    pub(super) async fn store(
        self,
        tx: &mut Tx,
        connection: ConnectionId,
        stream: &str,
        run: Option<crate::ids::RunId>,
    ) -> Result<(), SyncError> {
        conflicts::open(tx, connection, stream, run, &self.conflicts).await?;
        conflicts::settle(tx, connection, stream, &self.agreed).await?;
        echoes::consume(tx, connection, &self.seen).await?;
        rewrites::note(tx, connection, stream, self.entity, run, &self.rewrites).await?;
        Ok(())
    }
}

/// Names of the fields a merge changed.
pub(super) fn changed(merged: &Merged) -> BTreeSet<String> {
    let name = |field: &Arc<str>| field.to_string();
    merged
        .changes
        .iter()
        .map(|change| name(&change.field))
        .collect()
}

/// Whether the record says what became of a group under conflict. One that is silent on it, or says
/// what cannot be taken, has not come to agree.
pub(super) fn is_heard_of(rules: &Rules, group: &str, patch: &Patch, merged: &Merged) -> bool {
    let Some(rule) = rules.group(group) else {
        return true;
    };
    let is_said = |field: &FieldRule| patch.values.contains_key(&*field.name);
    let is_undecided = merged.decisions.iter().any(|decision| {
        decision.group.as_ref() == Some(&rule.name)
            && matches!(
                decision.rule,
                Rule::Quarantined { .. }
                    | Rule::Frozen { .. }
                    | Rule::Waiting { .. }
                    | Rule::Incomplete
            )
    });
    rule.fields.iter().any(is_said) && !is_undecided
}
