//! An entity as it was at an earlier moment, and what changed between two of them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use engine::catalogue::{Empty, Field, FieldKind, same};
use engine::entity::{CoreTables, Entity};
use engine::ids::{ChangeId, EntityId, UserId};
use engine::past::{Past, moved};
use engine::provenance::{By, Origin};
use engine::sdk::Value;
use engine::store::history;
use engine::store::links::{self, LinkRow};
use engine::store::plans;
use engine::{StoreError, Tx};
use serde_json::Value as Json;

use crate::provenance::{OriginView, tell};
use crate::{show, users};

/// Changes that are read at a time.
const PART: i64 = 500;
/// Changes that are told of one field; all of them count.
const MOST_CAUSES: usize = 50;

/// An entity as it was.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// Of the entity as it is now.
    pub version: i64,
    pub at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    /// When it had been removed, if it had.
    pub removed_at: Option<DateTime<Utc>>,
    /// All fields of the kind; a removed entity's are as they were last.
    pub fields: Vec<FieldAsOf>,
}

/// A field as it was.
#[derive(Clone, Debug)]
pub struct FieldAsOf {
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub value: Json,
    pub origin: Option<OriginView>,
}

/// An entity as it was, in the core's own terms.
#[derive(Clone, Debug)]
pub struct Was {
    /// Of the entity as it is now.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    /// When it had been removed, if it had.
    pub removed_at: Option<DateTime<Utc>>,
    pub past: Past,
}

/// What became of an entity between two moments.
#[derive(Clone, Debug)]
pub struct Diff {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub removed_from: Option<DateTime<Utc>>,
    pub removed_to: Option<DateTime<Utc>>,
    /// The fields that differ.
    pub fields: Vec<FieldDiff>,
}

/// A field that was another at another moment.
#[derive(Clone, Debug)]
pub struct FieldDiff {
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub from: Json,
    pub to: Json,
    /// How often it was set in between.
    pub changes: u64,
    /// The newest of those, newest first.
    pub causes: Vec<Cause>,
}

/// One change of a field.
#[derive(Clone, Debug)]
pub struct Cause {
    pub id: ChangeId,
    pub at: DateTime<Utc>,
    /// `merged`, `edited`, `resolved`, `normalised`, `undone`.
    pub kind: String,
    pub old: Json,
    pub new: Json,
    /// Where the new value came from.
    pub origin: Option<OriginView>,
}

/// An entity as it was at a moment.
///
/// # Errors
/// [`StoreError::NotFound`], also when it had not been made by then.
pub async fn as_of(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    at: DateTime<Utc>,
) -> Result<AsOf, StoreError> {
    let Was {
        version,
        created_at,
        removed_at,
        past,
    } = was(tx, tables, kind, id, at).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let told = Told::of(tx, id, past.origins.values()).await?;
    let field = |field: &Field| FieldAsOf {
        name: field.name.clone(),
        label: field.label.clone(),
        kind: field.kind,
        value: shown(field, past.values.get(&field.name)),
        origin: told.tell(past.origins.get(&field.name), field),
    };
    Ok(AsOf {
        version,
        at,
        created_at,
        removed_at,
        fields: catalogue.fields().iter().map(field).collect(),
    })
}

/// As [`as_of`], for those who do not show it.
///
/// # Errors
/// As [`as_of`].
pub async fn was(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    at: DateTime<Utc>,
) -> Result<Was, StoreError> {
    let mut walk = Walk::begin(tx, tables, kind, id, at).await?;
    let end = walk.back_to(tx, at, |_, _| {}).await?;
    Ok(Was {
        version: walk.entity.version,
        created_at: walk.entity.created_at,
        removed_at: history::removed_before(tx, id, end).await?,
        past: walk.past,
    })
}

/// What became of an entity from one moment to a later one.
///
/// # Errors
/// As [`as_of`].
pub async fn diff(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Diff, StoreError> {
    let mut walk = Walk::begin(tx, tables, kind, id, from).await?;
    let end = walk.back_to(tx, to, |_, _| {}).await?;
    let removed_to = history::removed_before(tx, id, end).await?;
    let later = walk.past.clone();
    let mut causes: BTreeMap<String, Causes> = BTreeMap::new();
    let note = |past: &Past, change: &history::Logged| {
        for field in moved(change) {
            causes
                .entry(field.field.clone())
                .or_default()
                .note(past, change, field);
        }
    };
    let end = walk.back_to(tx, from, note).await?;
    let removed_from = history::removed_before(tx, id, end).await?;
    let earlier = walk.past;
    let differs = |field: &&Field| {
        let (old, new) = (
            earlier.values.get(&field.name),
            later.values.get(&field.name),
        );
        let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
        !same(field, old, new, Empty::Null)
    };
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let differing: Vec<&Field> = catalogue.fields().iter().filter(differs).collect();
    let noted = differing.iter().filter_map(|field| causes.get(&field.name));
    let origins = noted
        .flat_map(|causes| &causes.newest)
        .filter_map(|noted| noted.origin.as_ref());
    let told = Told::of(tx, id, origins).await?;
    let fields = differing.into_iter().map(|field| {
        let causes = causes.remove(&field.name).unwrap_or_default();
        FieldDiff {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: field.kind,
            from: shown(field, earlier.values.get(&field.name)),
            to: shown(field, later.values.get(&field.name)),
            changes: causes.count,
            causes: causes
                .newest
                .into_iter()
                .map(|noted| noted.cause(field, &told))
                .collect(),
        }
    });
    Ok(Diff {
        from,
        to,
        removed_from,
        removed_to,
        fields: fields.collect(),
    })
}

/// An entity whose changes are being taken back.
struct Walk {
    entity: Entity,
    past: Past,
    /// The oldest change that was taken back.
    reached: Option<ChangeId>,
}

impl Walk {
    /// The entity as it is now. Its row is locked, so that the log that is read next belongs to these
    /// very values.
    async fn begin(
        tx: &mut Tx,
        tables: &CoreTables,
        kind: &str,
        id: EntityId,
        earliest: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let kind = tables.kind(kind)?;
        let entity = kind.load(tx, &[id]).await?.pop();
        let entity = entity.ok_or_else(|| StoreError::NotFound(kind.shown(id)))?;
        if earliest < entity.created_at {
            return Err(StoreError::NotFound(format!(
                "{} as of {}, before it was made at {},",
                kind.shown(id),
                text(earliest),
                text(entity.created_at)
            )));
        }
        Ok(Self {
            past: Past::of(&entity),
            entity,
            reached: None,
        })
    }

    /// Takes back all that came later than a moment, each change shown to `note` first with what the
    /// entity was after it. Returns where the entity's future begins as of then.
    async fn back_to(
        &mut self,
        tx: &mut Tx,
        at: DateTime<Utc>,
        mut note: impl FnMut(&Past, &history::Logged),
    ) -> Result<Option<ChangeId>, StoreError> {
        let Some(first) = history::first_after(tx, self.entity.id, at).await? else {
            return Ok(None);
        };
        loop {
            let id = self.entity.id;
            let part = history::newest(tx, id, first, self.reached, PART).await?;
            let Some(last) = part.last() else {
                return Ok(Some(first));
            };
            self.reached = Some(last.id);
            for change in &part {
                note(&self.past, change);
                self.past.take_back(change);
            }
        }
    }
}

/// What set a field between two moments.
#[derive(Default)]
struct Causes {
    count: u64,
    newest: Vec<Noted>,
}

struct Noted {
    id: ChangeId,
    at: DateTime<Utc>,
    kind: String,
    old: Value,
    new: Value,
    origin: Option<Origin>,
}

impl Causes {
    fn note(
        &mut self,
        past: &Past,
        change: &history::Logged,
        field: &engine::store::changes::FieldChange,
    ) {
        self.count += 1;
        if self.newest.len() < MOST_CAUSES {
            self.newest.push(Noted {
                id: change.id,
                at: change.at,
                kind: change.kind.clone(),
                old: field.old.clone(),
                new: field.new.clone(),
                origin: past.origins.get(&field.field).cloned(),
            });
        }
    }
}

impl Noted {
    fn cause(self, field: &Field, told: &Told) -> Cause {
        Cause {
            id: self.id,
            at: self.at,
            kind: self.kind,
            old: show::value(Some(field), &self.old),
            new: show::value(Some(field), &self.new),
            origin: told.tell(self.origin.as_ref(), field),
        }
    }
}

/// What telling of origins needs: the systems and the people in them.
struct Told {
    links: Vec<LinkRow>,
    people: HashMap<UserId, String>,
}

impl Told {
    async fn of(
        tx: &mut Tx,
        id: EntityId,
        origins: impl Iterator<Item = &Origin>,
    ) -> Result<Self, StoreError> {
        let people: Vec<UserId> = origins
            .filter_map(|origin| match origin.by {
                By::User { user } | By::Undo { user, .. } => Some(user),
                By::Connection { .. } => None,
            })
            .collect();
        Ok(Self {
            links: links::of_entity(tx, id).await?,
            people: users::names(tx, &people).await?,
        })
    }

    fn tell(&self, origin: Option<&Origin>, field: &Field) -> Option<OriginView> {
        Some(tell(origin?, field, &self.links, &self.people))
    }
}

fn shown(field: &Field, value: Option<&Value>) -> Json {
    show::value(Some(field), value.unwrap_or(&Value::Null))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
