//! One page on its way through: mapped, resolved, loaded, merged, stored.

mod batches;
mod carried;
mod identify;
mod lack;
mod references;
mod rewritten;
mod taken;

use self::batches::row;
pub(super) use self::identify::Answered;
use self::identify::{Linking, Sought};
pub(in crate::sync) use self::rewritten::counts as rewrite_counts;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{Gap, Tombstone};

use super::ahead::{Item, Mapped, named};
use super::guard::Room;
use super::watch::Watch;
use super::{Counts, Origin};
use crate::entity::{Entity, Stored};
use crate::ids::{EntityId, RunId};
use crate::mapping::{Patch, Values};
use crate::merge::{self, Context, MergeInput, Merged};
use crate::provenance::By;
use crate::store::approvals::Kind;
use crate::store::changes::{Change as Logged, FieldChange};
use crate::store::conflicts;
use crate::store::link_events;
use crate::store::matches::Held;
use crate::store::records::{self, Linked, Row, Snapshot, Unresolved};
use crate::store::rewrites::Written;
use crate::store::withheld::Withheld;
use crate::store::{Tx, echoes};
use crate::sync::context::{Neighbourhood, Stream, SyncError, merge_context};
use crate::sync::effects::{Beside, Effects, changed, is_heard_of};
use crate::sync::identity::FollowInput;

/// A record on its way through.
pub(super) struct Incoming {
    pub(super) patch: Patch,
    /// Outside of the mapping's condition by now: only its snapshot is kept up.
    is_left: bool,
    pub(super) snapshot: Snapshot,
    /// Whether its key has a row.
    stored: Stored,
    pub(super) linked: Option<Linked>,
    /// The entity that the record itself names as its own, by the hub's id.
    named: Option<EntityId>,
    /// The entity it is merged into; one that is not loaded is made.
    pub(super) entity_id: EntityId,
    unresolved: Option<Unresolved>,
    /// What names it, where neither a link nor the hub's id does.
    sought: Sought,
    /// How it comes to an entity that it was not linked with before.
    link: Option<Linking>,
}

impl Incoming {
    /// The entity of a record that was removed and is back.
    fn returning(&self) -> Option<EntityId> {
        let linked = self.linked.as_ref().filter(|linked| linked.is_removed())?;
        Some(linked.entity_id)
    }

    /// The record as a change that is withheld.
    pub(super) fn withheld(
        &self,
        kind: Kind,
        entity: &'static str,
        fields: Option<Vec<FieldChange>>,
    ) -> Withheld {
        Withheld {
            key: self.patch.key.clone(),
            kind,
            entity,
            entity_id: (kind != Kind::Create).then_some(self.entity_id),
            fields,
            change: self.snapshot.raw.clone(),
        }
    }
}

/// One page being worked on.
pub(super) struct Pass {
    pub(super) around: Arc<Neighbourhood>,
    pub(super) stream: Arc<Stream>,
    run: RunId,
    /// Whether other streams hold entities of this kind.
    has_others: bool,
    pub(super) entities: HashMap<EntityId, Entity>,
    echoes: HashMap<EntityId, Vec<merge::Echo>>,
    open: HashMap<EntityId, Vec<String>>,
    /// Fields that are frozen, and the writes of the last minutes, which a change may be the answer to.
    frozen: HashMap<EntityId, BTreeSet<String>>,
    written: HashMap<EntityId, Vec<Written>>,
    /// Entities that have a record in this stream, the page's own links included.
    claimed: BTreeSet<EntityId>,
    /// Records that wait for a person to say whose they are.
    pub(super) held: Vec<Held>,
    /// What our own writes carried whose answers are not here yet, by attempt.
    carried: HashMap<EntityId, Vec<Values>>,
    pub(super) made: Made,
    pub(super) counts: Counts,
    /// How many values may be written over.
    pub(super) room: Room,
    /// Told what becomes of each record, where somebody wants to know.
    pub(super) watch: Option<Watch>,
    /// Where its page comes from.
    pub(super) origin: Origin,
    /// Records that may be shown as they were before such a write, or before something else that is
    /// known of them.
    pub(super) in_doubt: Vec<Gap>,
}

/// What merging made that has to be stored.
#[derive(Default)]
pub(super) struct Made {
    rows: Vec<Row>,
    /// Of records that have a row.
    known_rows: Vec<Row>,
    pub(super) removed: Vec<(String, serde_json::Value)>,
    pub(super) withheld: Vec<Withheld>,
    pub(super) effects: Effects,
    pub(super) beside: Beside,
    pub(super) links: Vec<link_events::Made>,
    pub(super) answered: Vec<Answered>,
    /// Records that went into others.
    pub(super) merges: Vec<FollowInput>,
}

impl Pass {
    pub(super) fn new(
        around: Arc<Neighbourhood>,
        stream: Arc<Stream>,
        run: RunId,
        watch: Option<Watch>,
    ) -> Self {
        Self {
            stream,
            run,
            has_others: around.streams.len() > 1,
            entities: HashMap::new(),
            echoes: HashMap::new(),
            open: HashMap::new(),
            frozen: HashMap::new(),
            written: HashMap::new(),
            claimed: BTreeSet::new(),
            held: Vec::new(),
            carried: HashMap::new(),
            made: Made::default(),
            counts: Counts::default(),
            room: Room::default(),
            watch,
            origin: Origin::Hub,
            in_doubt: Vec::new(),
            around,
        }
    }

    /// Whether an entity would be made of a record, once the entities are loaded.
    pub(super) fn is_new(&self, record: &Incoming) -> bool {
        !self.entities.contains_key(&record.entity_id)
    }

    pub(super) fn kind(&self) -> &'static str {
        self.around.kind.name
    }

    /// How many fields a record can change.
    pub(super) fn fields(&self) -> usize {
        self.stream.plan.mapping.rows.len()
    }

    /// Maps what changed, where that was not done ahead; drops what comes again unchanged.
    pub(super) fn map(
        &mut self,
        records: Vec<Item>,
        linked: &HashMap<String, Linked>,
    ) -> Result<Vec<Incoming>, SyncError> {
        let stream = Arc::clone(&self.stream);
        let plan = &stream.plan;
        let mut incoming = Vec::with_capacity(records.len());
        for item in records {
            let known = linked.get(item.key());
            if !item.is_removal() && known.is_some_and(|known| known.kept_out) {
                self.counts.excluded += 1;
                if let Some(watch) = &mut self.watch {
                    watch.excluded(item.key(), None);
                }
                continue;
            }
            if known.is_some_and(|known| self.leaves(&item, known)) {
                continue;
            }
            if known.is_some_and(|known| item.is_behind(known, self.origin)) {
                self.counts.unchanged += 1;
                continue;
            }
            let is_same = |snapshot: &Snapshot| {
                known.is_some_and(|known| {
                    !known.is_removed()
                        && known.unresolved.is_none()
                        && known.mapping_version == plan.mark()
                        && known.content_hash == snapshot.content_hash
                })
            };
            let mapped = match item {
                Item::Delete(_) => continue,
                Item::Mapped(mapped) => (!is_same(&mapped.snapshot)).then_some(*mapped),
                Item::Record(record) => {
                    if self.lacks_parts(&record, known) {
                        self.ask(&record.key, record.changed_at);
                        continue;
                    }
                    let snapshot = records::snapshot(&record.fields)?;
                    if is_same(&snapshot) {
                        None
                    } else {
                        let patch = plan
                            .mapping
                            .inbound(&self.around.catalogue, &record)
                            .map_err(|source| SyncError::Map {
                                stream: plan.stream.clone(),
                                source,
                            })?;
                        let named = named(&plan.mapping, &record.fields);
                        Some(Mapped {
                            snapshot,
                            patch,
                            named,
                        })
                    }
                }
            };
            let Some(mapped) = mapped else {
                self.counts.unchanged += 1;
                continue;
            };
            if let Some(known) = known
                && known.content_hash != mapped.snapshot.content_hash
                && self.is_in_doubt(known, mapped.patch.changed_at)
            {
                self.ask(&mapped.patch.key, mapped.patch.changed_at);
                continue;
            }
            let Some((patch, is_left)) = self.taken(mapped.patch, known) else {
                continue;
            };
            if !patch.failed.is_empty() {
                self.counts.failed += 1;
            }
            incoming.push(Incoming {
                patch,
                is_left,
                snapshot: mapped.snapshot,
                stored: match known {
                    Some(_) => Stored::Perhaps,
                    None => Stored::Never,
                },
                linked: known.cloned(),
                named: mapped.named.filter(|_| known.is_none()),
                entity_id: EntityId::fresh(),
                unresolved: None,
                sought: Sought::default(),
                link: None,
            });
        }
        Ok(incoming)
    }

    /// Reads the entities that are known, and what is under way about them.
    pub(super) async fn load(
        &mut self,
        tx: &mut Tx,
        incoming: &mut [Incoming],
        gone: &[(Tombstone, Linked)],
    ) -> Result<(), SyncError> {
        let (connection, stream) = (self.stream.plan.connection, &self.stream.plan.stream);
        let wanted: BTreeSet<EntityId> = incoming
            .iter()
            .filter_map(|record| record.named.or_else(|| record.returning()))
            .chain(incoming.iter().flat_map(|record| record.sought.entities()))
            .collect();
        let wanted: Vec<EntityId> = wanted.into_iter().collect();
        let taken: BTreeSet<EntityId> = if wanted.is_empty() {
            BTreeSet::new()
        } else {
            records::by_entities(tx, connection, stream, &wanted)
                .await?
                .into_keys()
                .collect()
        };
        // One record of this stream per entity: a copied hub id makes no second link.
        self.claimed = taken;
        let claimed = &mut self.claimed;
        for record in incoming.iter_mut() {
            record.named = record.named.filter(|id| claimed.insert(*id));
            if record.returning().is_some_and(|id| !claimed.insert(id)) {
                record.linked = None;
            }
        }
        let ids: BTreeSet<EntityId> = incoming
            .iter()
            .filter_map(|record| record.linked.as_ref().map(|linked| linked.entity_id))
            .chain(incoming.iter().filter_map(|record| record.named))
            .chain(incoming.iter().flat_map(|record| record.sought.entities()))
            .chain(gone.iter().map(|(_, linked)| linked.entity_id))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<EntityId> = ids.into_iter().collect();
        let entities = self.around.kind.load(tx, &ids).await?;
        self.entities = entities
            .into_iter()
            .map(|entity| (entity.id, entity))
            .collect();
        self.echoes = echoes::expected(tx, connection, &ids).await?;
        self.open = conflicts::open_groups(tx, connection, stream, &ids).await?;
        self.load_rewrites(tx, incoming, &ids).await?;
        self.load_carried(tx, incoming).await?;
        for record in incoming {
            let linked = record.linked.as_ref().map(|linked| linked.entity_id);
            if let Some(id) = linked.or(record.named)
                && self.entities.contains_key(&id)
            {
                record.entity_id = id;
            }
        }
        Ok(())
    }

    /// Merges one record into its entity, or makes one of it.
    fn merge(&mut self, record: Incoming, now: DateTime<Utc>) {
        if record.is_left {
            return self.leave(record);
        }
        let core = self.entities.get(&record.entity_id).cloned();
        // What another record of the entity is still to show says nothing about this one.
        let is_moved = record.link.is_some();
        let echoes = core
            .as_ref()
            .filter(|_| !is_moved)
            .and_then(|core| self.echoes.get(&core.id))
            .cloned()
            .unwrap_or_default();
        let context = core
            .as_ref()
            .map(|core| {
                let frozen = self.frozen.get(&core.id).cloned().unwrap_or_default();
                Context {
                    shows_writes: self.shows_writes(record.linked.as_ref()),
                    ..merge_context(core, echoes.clone(), frozen)
                }
            })
            .unwrap_or_default();
        let agreed = self.agreed(&record, core.as_ref());
        let merged = merge::merge(&MergeInput {
            rules: &self.stream.rules,
            base: agreed.as_deref(),
            core: core.as_ref().map(|core| &core.values),
            patch: &record.patch,
            context: &context,
        });
        let is_new = core.is_none();
        if !is_new && !self.room.takes(&merged) {
            self.withhold(&record, &merged);
            return;
        }
        let was_removed = record
            .linked
            .as_ref()
            .is_some_and(|linked| linked.is_removed());
        let is_removed_here = core
            .as_ref()
            .is_some_and(|core| core.removed_at.is_some() && !was_removed);
        if is_removed_here && !merged.changes.is_empty() {
            self.edited_but_removed(&record, &merged);
            if record.linked.is_none() {
                // The answer is about a record that has to be known as the entity's.
                let base = agreed.map(Cow::into_owned).unwrap_or_default();
                self.keep(record, base);
            }
            return;
        }
        let mut entity = core.unwrap_or_else(|| Entity::new(record.entity_id, now));
        let by = By::Connection {
            connection: self.stream.plan.connection,
            run: self.run,
            mapping_version: self.stream.plan.mapping_version,
            changed_at: record.patch.changed_at,
        };
        let log = Effects::change(&mut entity, &self.stream.rules, &merged, now, by);
        self.count(is_new, &merged);
        if let Some(watch) = &mut self.watch {
            let fields = (&*self.stream, &self.around.catalogue);
            let known = (!is_new).then_some(&entity);
            let link = record.link.as_ref().map(|link| link.method);
            watch.merged(fields, &record.patch, known, &entity.values, &merged, link);
        }
        let open = self.open.get(&entity.id).into_iter().flatten();
        let open: Vec<&String> = open
            .filter(|group| is_heard_of(&self.stream.rules, group, &record.patch, &merged))
            .collect();
        let kind = self.around.kind.name;
        self.made
            .beside
            .note(kind, entity.id, &record.patch, &merged, &echoes, &open);
        self.note_rewrites(entity.id, &record.patch, &merged);
        let restored = entity.removed_at.is_some() && was_removed;
        if restored {
            entity.removed_at = None;
            self.log(&entity, "restored", Vec::new());
        }
        let id = entity.id;
        if !log.is_empty() {
            self.log(&entity, "merged", log);
        }
        let losses = Effects::losses(&merged);
        if !losses.is_empty() {
            self.log(&entity, "kept", losses);
        }
        if !merged.push.is_empty() {
            self.made
                .effects
                .owe(&self.stream, kind, id, merged.push.iter().cloned());
        }
        if is_new || restored || !merged.changes.is_empty() {
            let mut moved = BTreeSet::new();
            if self.has_others {
                moved = changed(&merged);
                // What was owed while it was gone was let go.
                moved.extend(self.around.field_names().filter(|_| restored));
            }
            self.made.effects.touch(entity, moved);
        }
        self.keep(record, merged.base);
    }

    /// Has a record stored as its entity's, with what is agreed of it.
    fn keep(&mut self, record: Incoming, base: Values) {
        self.note_link(&record);
        let rows = match record.stored {
            Stored::Never => &mut self.made.rows,
            Stored::Perhaps => &mut self.made.known_rows,
        };
        rows.push(row(record, base, self.origin));
    }

    pub(super) fn log(&mut self, entity: &Entity, kind: &'static str, fields: Vec<FieldChange>) {
        self.made.effects.log(Logged {
            entity: self.around.kind.name,
            entity_id: entity.id,
            kind,
            fields,
        });
    }

    fn count(&mut self, is_new: bool, merged: &Merged) {
        self.counts.conflicts += merged.conflicts.len() as u64;
        if is_new {
            self.counts.created += 1;
        } else if merged.changes.is_empty() {
            self.counts.unchanged += 1;
        } else {
            self.counts.updated += 1;
        }
    }
}
