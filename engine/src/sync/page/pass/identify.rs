//! Whose a record is that is not linked yet: by the hub's id that it holds, by what was said of it, by a
//! strong key; what only looks like an entity that is here waits for a person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use connector_sdk::{Tombstone, Value};

use super::{Incoming, Pass};
use crate::catalogue::{Empty, same};
use crate::entity::{Kind, LookUp};
use crate::ids::{EntityId, UserId};
use crate::likeness::{self, Agreement, Evidence, Likeness};
use crate::mapping::Values;
use crate::store::link_events::{Made, Method};
use crate::store::matches::{Candidate, Held, Said, Why};
use crate::store::records::Linked;
use crate::store::{StoreError, Tx, doubts, matches, records};

/// A question that answered itself: the record's key, and what it is linked with.
pub(in crate::sync::page) type Answered = (String, Option<(EntityId, Method)>);

/// Candidates that a question names at most.
const MOST_CANDIDATES: usize = 10;

/// What was found for a record before its entities were loaded.
#[derive(Default)]
pub(super) struct Sought {
    said: Option<Said>,
    /// Entities that have the value of a strong key, by field.
    strong: Vec<(String, EntityId)>,
    /// Entities that may be like it.
    alike: Vec<EntityId>,
    /// What it is looked up by: field, colon, text.
    keys: Vec<String>,
}

impl Sought {
    /// All that have to be loaded.
    pub(super) fn entities(&self) -> impl Iterator<Item = EntityId> + '_ {
        let said = match self.said {
            Some(Said::Same { entity, .. }) => Some(entity),
            _ => None,
        };
        let strong = self.strong.iter().map(|(_, id)| *id);
        strong.chain(self.alike.iter().copied()).chain(said)
    }
}

/// How a record comes to an entity.
pub(super) struct Linking {
    pub(super) method: Method,
    likeness: Likeness,
    by: Option<UserId>,
    from: Option<EntityId>,
    /// What is agreed of it already.
    pub(super) base: Option<Values>,
}

/// What is known of the entities that records may be.
struct Candidates {
    /// Entities all of whose records are of this stream: two of one system are two.
    own: BTreeSet<EntityId>,
    being_made: BTreeSet<EntityId>,
    /// Their record of this stream goes with this page.
    going: BTreeSet<EntityId>,
}

impl Candidates {
    fn is_any_going(&self, possible: &[Candidate]) -> bool {
        let mut possible = possible.iter();
        possible.any(|one| self.going.contains(&one.entity_id))
    }
}

/// What becomes of a record that is not linked.
enum Verdict {
    Is(EntityId, Linking),
    /// One of its own.
    New,
    Held(Why, Vec<Candidate>),
    /// A newer one is held already.
    Behind,
    /// It may be one whose record goes with this very page: seen once that has gone.
    Later,
}

impl Pass {
    /// Looks up who the records that are not linked may be.
    pub(in crate::sync::page) async fn seek(
        &mut self,
        tx: &mut Tx,
        incoming: &mut [Incoming],
    ) -> Result<(), StoreError> {
        let is_open = |record: &&mut Incoming| record.linked.is_none() && !record.is_left;
        let mut open: Vec<&mut Incoming> = incoming.iter_mut().filter(is_open).collect();
        if open.is_empty() {
            return Ok(());
        }
        let plan = &self.stream.plan;
        let link = &plan.mapping.link;
        let kind = &self.around.kind;
        if link.looks() {
            // Taken before, but for what was unlinked since.
            matches::in_turn(tx, kind.name).await?;
        }
        let keys: Vec<String> = open.iter().map(|record| record.patch.key.clone()).collect();
        let mut said = matches::said(tx, plan.connection, &plan.stream, &keys).await?;
        for record in &mut open {
            record.sought.said = said.remove(&record.patch.key);
            // A record that was moved still holds the hub's id of the entity it was moved from.
            if matches!(
                record.sought.said,
                Some(Said::Same { .. } | Said::Different)
            ) {
                record.named = None;
            }
        }
        open.retain(|record| {
            let is_asked = matches!(record.sought.said, None | Some(Said::Open { .. }));
            is_asked && record.named.is_none()
        });
        for field in &link.strong {
            let found = find(tx, kind, LookUp::Whole, field, &mut open).await?;
            for (record, ids) in open.iter_mut().zip(found) {
                let named = ids.into_iter().map(|id| (field.clone(), id));
                record.sought.strong.extend(named);
            }
        }
        if let Some(field) = link.similar.first() {
            open.retain(|record| record.sought.strong.is_empty());
            let found = find(tx, kind, LookUp::Part, field, &mut open).await?;
            for (record, ids) in open.iter_mut().zip(found) {
                record.sought.alike = ids;
            }
        }
        Ok(())
    }

    /// Says whose they are, now that the entities are loaded; takes out what has to wait.
    pub(in crate::sync::page) async fn identify(
        &mut self,
        tx: &mut Tx,
        incoming: &mut Vec<Incoming>,
        gone: &[(Tombstone, Linked)],
    ) -> Result<(), StoreError> {
        let ids: BTreeSet<EntityId> = incoming
            .iter()
            .flat_map(|record| record.sought.entities())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<EntityId> = ids.into_iter().collect();
        let candidates = self.candidates(tx, &ids, gone).await?;
        let mut left = Vec::with_capacity(incoming.len());
        for mut record in incoming.drain(..) {
            if record.linked.is_some() || record.named.is_some() {
                left.push(record);
                continue;
            }
            match self.verdict(&record, &candidates) {
                Verdict::Is(id, link) => {
                    self.claimed.insert(id);
                    self.counts.linked += 1;
                    record.entity_id = id;
                    record.link = Some(link);
                    left.push(record);
                }
                Verdict::New => left.push(record),
                Verdict::Behind => self.counts.unchanged += 1,
                Verdict::Later => {
                    self.ask(&record.patch.key, record.patch.changed_at);
                }
                Verdict::Held(why, candidates) => {
                    let held = hold(record, why, candidates);
                    self.counts.held += 1;
                    if let Some(watch) = &mut self.watch {
                        watch.held(&held);
                    }
                    self.held.push(held);
                }
            }
        }
        *incoming = left;
        Ok(())
    }

    async fn candidates(
        &self,
        tx: &mut Tx,
        ids: &[EntityId],
        gone: &[(Tombstone, Linked)],
    ) -> Result<Candidates, StoreError> {
        let plan = &self.stream.plan;
        let (connection, stream) = (plan.connection, plan.stream.as_str());
        let mut own: BTreeMap<EntityId, bool> = BTreeMap::new();
        for link in records::links(tx, ids).await? {
            let is_here = self.stream.is(link.connection, &link.stream);
            *own.entry(link.entity_id).or_insert(true) &= is_here;
        }
        let own = own.into_iter().filter(|(_, own)| *own).map(|(id, _)| id);
        let being_made = doubts::being_made(tx, connection, stream, ids).await?;
        Ok(Candidates {
            own: own.collect(),
            being_made,
            going: gone.iter().map(|(_, linked)| linked.entity_id).collect(),
        })
    }

    fn verdict(&self, record: &Incoming, candidates: &Candidates) -> Verdict {
        let is_here = |id: &EntityId| {
            let entity = self.entities.get(id);
            entity.is_some_and(|entity| entity.removed_at.is_none())
        };
        match &record.sought.said {
            Some(Said::Same { entity, .. }) if !is_here(entity) => return Verdict::New,
            Some(Said::Same { entity, .. }) if candidates.going.contains(entity) => {
                return Verdict::Later;
            }
            Some(Said::Same { entity, .. }) if self.claimed.contains(entity) => {
                return Verdict::Held(Why::Taken, self.rated(record, [*entity].into_iter()));
            }
            Some(Said::Same {
                entity,
                method,
                by,
                from,
                base,
            }) => {
                let link = Linking {
                    method: *method,
                    likeness: self.likeness(record, *entity),
                    by: *by,
                    from: *from,
                    base: base.clone(),
                };
                return Verdict::Is(*entity, link);
            }
            Some(Said::Different) => return Verdict::New,
            Some(Said::Open { changed_at }) => {
                let is_behind = record.patch.changed_at.zip(*changed_at);
                if is_behind.is_some_and(|(this, seen)| this < seen) {
                    return Verdict::Behind;
                }
            }
            None => {}
        }
        let strong: BTreeSet<EntityId> = record
            .sought
            .strong
            .iter()
            .filter(|(field, id)| is_here(id) && self.has(*id, field, record))
            .map(|(_, id)| *id)
            .collect();
        if !strong.is_empty() {
            return self.by_strong(record, &strong, candidates);
        }
        let is_free = |id: &EntityId| !self.claimed.contains(id) || candidates.going.contains(id);
        let alike = record.sought.alike.iter();
        let alike = alike.filter(|id| is_here(id) && !candidates.own.contains(id) && is_free(id));
        let alike = self.rated(record, alike.copied());
        let possible: Vec<Candidate> = alike
            .into_iter()
            .filter(|one| one.likeness.score >= likeness::POSSIBLE)
            .collect();
        if possible.is_empty() {
            Verdict::New
        } else if candidates.is_any_going(&possible) {
            Verdict::Later
        } else {
            Verdict::Held(Why::Possible, possible)
        }
    }

    /// Whose it is by a strong key: that of the only one who has it and has no record here yet.
    fn by_strong(
        &self,
        record: &Incoming,
        strong: &BTreeSet<EntityId>,
        candidates: &Candidates,
    ) -> Verdict {
        let theirs: Vec<EntityId> = strong.difference(&candidates.own).copied().collect();
        let Some(&first) = theirs.first() else {
            return Verdict::New;
        };
        if candidates.going.contains(&first) {
            return Verdict::Later;
        }
        let why = if strong.len() > 1 {
            Why::Ambiguous
        } else if self.claimed.contains(&first) {
            Why::Taken
        } else if candidates.being_made.contains(&first) {
            Why::BeingMade
        } else {
            let link = Linking {
                method: Method::StrongKey,
                likeness: self.likeness(record, first),
                by: None,
                from: None,
                base: None,
            };
            return Verdict::Is(first, link);
        };
        Verdict::Held(why, self.rated(record, theirs.into_iter()))
    }

    /// Whether an entity has the record's value of a field.
    fn has(&self, id: EntityId, field: &str, record: &Incoming) -> bool {
        let Some((entity, field)) = self
            .entities
            .get(&id)
            .zip(self.around.catalogue.field(field))
        else {
            return false;
        };
        let said = record.patch.values.get(&field.name);
        said.is_some_and(|said| {
            let here = entity.value(&field.name);
            let lower = |value: &Value| value.as_str().map(|text| text.trim().to_lowercase());
            same(field, &here, said, Empty::Null) || lower(&here) == lower(said)
        })
    }

    fn likeness(&self, record: &Incoming, id: EntityId) -> Likeness {
        let Some(entity) = self.entities.get(&id) else {
            return Likeness::default();
        };
        let link = &self.stream.plan.mapping.link;
        let catalogue = &self.around.catalogue;
        let (here, there) = (&entity.values, &record.patch.values);
        let mut likeness = likeness::compare(catalogue, &link.similar, here, there);
        let strong = link.strong.iter();
        for field in strong.filter(|field| !link.similar.contains(field)) {
            if let Some((ours, theirs)) = here.get(field).zip(there.get(field))
                && self.has(id, field, record)
            {
                likeness.score += likeness::STRONG;
                likeness.evidence.push(Evidence {
                    field: field.clone(),
                    here: ours.clone(),
                    there: theirs.clone(),
                    agreement: Agreement::Same,
                    weight: likeness::STRONG,
                });
            }
        }
        likeness
    }

    /// The likeliest first.
    fn rated(&self, record: &Incoming, ids: impl Iterator<Item = EntityId>) -> Vec<Candidate> {
        let mut rated: Vec<Candidate> = ids
            .map(|entity_id| Candidate {
                entity_id,
                is_taken: self.claimed.contains(&entity_id),
                likeness: self.likeness(record, entity_id),
            })
            .collect();
        rated.sort_by_key(|one| (one.is_taken, -one.likeness.score, one.entity_id));
        rated.truncate(MOST_CANDIDATES);
        rated
    }

    /// Notes how a record that is stored came to its entity, and what question that answers.
    pub(super) fn note_link(&mut self, record: &Incoming) {
        let link = record.link.as_ref();
        if matches!(record.sought.said, Some(Said::Open { .. })) {
            let is = link.map(|link| (record.entity_id, link.method));
            self.made.answered.push((record.patch.key.clone(), is));
        }
        let Some(link) = link else { return };
        self.made.links.push(Made {
            key: record.patch.key.clone(),
            entity_id: record.entity_id,
            from: link.from,
            method: link.method,
            evidence: link.likeness.evidence.clone(),
            score: Some(link.likeness.score),
            by: link.by,
        });
    }
}

/// The entities that each of the records is found to be by a field, in their order.
async fn find(
    tx: &mut Tx,
    kind: &Kind,
    by: LookUp,
    field: &str,
    open: &mut [&mut Incoming],
) -> Result<Vec<Vec<EntityId>>, StoreError> {
    let sought: Vec<Option<String>> = open
        .iter()
        .map(|record| kind.sought(by, field, record.patch.values.get(field)?))
        .collect();
    let texts: BTreeSet<String> = sought.iter().flatten().cloned().collect();
    let texts: Vec<String> = texts.into_iter().collect();
    let found: HashMap<String, Vec<EntityId>> = kind.find(tx, by, field, &texts).await?;
    let ids = sought.into_iter().zip(open).map(|(text, record)| {
        let Some(text) = text else { return Vec::new() };
        let value = record.patch.values.get(field);
        if let Some(part) = value.and_then(|value| kind.sought(LookUp::Part, field, value)) {
            record.sought.keys.push(format!("{field}:{part}"));
        }
        found.get(&text).cloned().unwrap_or_default()
    });
    Ok(ids.collect())
}

fn hold(record: Incoming, why: Why, candidates: Vec<Candidate>) -> Held {
    Held {
        key: record.patch.key,
        why,
        candidates,
        keys: record.sought.keys,
        raw: record.snapshot.raw,
        remote_version: record.patch.version,
        remote_changed_at: record.patch.changed_at,
    }
}
