//! What people change: edits of entities, answers to conflicts. Both are ordinary changes of the
//! hub's side: they carry their origin, and every linked system is owed the new values.

use std::collections::BTreeSet;
use std::sync::Arc;

use connector_sdk::Value;

use super::context::{Invalid, Neighbourhood, SyncError};
use super::effects::{Effects, writes_field};
use super::outbox;
use crate::catalogue::{Empty, Field, FieldKind, same, typed};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConflictId, ConnectionId, EntityId, UserId};
use crate::mapping::Values;
use crate::merge::{Choice, Conflict, ConflictField, ResolveError, Resolved, Rule};
use crate::provenance::{By, Origin, Why};
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::{StoreError, Tx, conflicts, records};

/// What an edit did.
#[derive(Debug)]
pub struct Edited {
    pub entity: Entity,
    /// Streams that now have writes pending: somebody should push them.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Sets fields of an entity on behalf of a person. Fields that keep their value cost nothing.
///
/// # Errors
/// [`StoreError::NotFound`] inside [`SyncError::Store`], [`SyncError::Stale`] when it is past
/// `expected_version`, [`SyncError::Invalid`] with every value that cannot be taken.
pub async fn edit(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    expected_version: i64,
    fields: Values,
    user: UserId,
) -> Result<Edited, SyncError> {
    let around = Neighbourhood::of(tx, tables, kind, None).await?;
    let missing = || StoreError::NotFound(format!("{kind} {id}"));
    let entity = around
        .kind
        .load(tx, &[id])
        .await?
        .pop()
        .ok_or_else(missing)?;
    if entity.removed_at.is_some() {
        return Err(missing().into());
    }
    if entity.version != expected_version {
        return Err(SyncError::Stale {
            entity: format!("{kind} {id}"),
        });
    }
    set(tx, &around, entity, fields, user, "edited").await
}

/// Makes an entity on behalf of a person.
///
/// # Errors
/// [`SyncError::Invalid`] with every value that cannot be taken or is missing.
pub async fn create(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    fields: Values,
    user: UserId,
) -> Result<Edited, SyncError> {
    create_as(tx, tables, (kind, EntityId::fresh()), fields, user).await
}

/// [`create`] with a fresh id that the caller made, for what has to name the entity beforehand.
///
/// # Errors
/// As [`create`].
pub async fn create_as(
    tx: &mut Tx,
    tables: &CoreTables,
    (kind, id): (&str, EntityId),
    fields: Values,
    user: UserId,
) -> Result<Edited, SyncError> {
    let around = Neighbourhood::of(tx, tables, kind, None).await?;
    let missing: Vec<Invalid> = around
        .catalogue
        .fields()
        .iter()
        .filter(|field| field.required && !fields.contains_key(&field.name))
        .map(|field| Invalid {
            field: field.name.clone(),
            reason: "must be given".to_owned(),
        })
        .collect();
    if !missing.is_empty() {
        return Err(SyncError::Invalid(missing));
    }
    let entity = Entity::new(id, tx.now());
    set(tx, &around, entity, fields, user, "edited").await
}

async fn set(
    tx: &mut Tx,
    around: &Neighbourhood,
    mut entity: Entity,
    fields: Values,
    user: UserId,
    kind: &'static str,
) -> Result<Edited, SyncError> {
    let fields = checked(around, fields)?;
    let origin = Origin {
        at: tx.now(),
        by: By::User { user },
        why: None,
    };
    let (mut log, mut moved) = (Vec::new(), BTreeSet::new());
    for (field, new) in fields {
        let old = entity.value(&field.name);
        if same(field, &old, &new, Empty::Null) && old.is_null() == new.is_null() && old == new {
            continue;
        }
        let was = entity.provenance.of(&field.name).cloned();
        entity.provenance.set(&field.name, &origin);
        if new.is_null() {
            entity.values.remove(&field.name);
        } else {
            entity.values.insert(field.name.clone(), new.clone());
        }
        moved.insert(field.name.clone());
        let name = field.name.clone();
        log.push(FieldChange {
            field: name,
            old,
            new,
            why: None,
            lost: None,
            kept: None,
            was,
        });
    }
    let is_new = entity.version == 0;
    let mut effects = Effects::default();
    if moved.is_empty() && !is_new {
        return Ok(Edited {
            entity,
            owed: BTreeSet::new(),
        });
    }
    if !is_new {
        conflicts::add_edits(tx, entity.id, &log).await?;
        effects.log(Change {
            entity: around.kind.name,
            entity_id: entity.id,
            kind,
            fields: log,
        });
    } else {
        for stream in around
            .streams
            .iter()
            .filter(|stream| stream.plan.mapping.create)
        {
            effects.owe(stream, around.kind.name, entity.id, moved.iter().cloned());
        }
    }
    effects.touch(entity.clone(), moved);
    let actor = Actor {
        user: Some(user),
        ..Actor::default()
    };
    let stored = effects.store(tx, around, None, actor).await?;
    entity.version += 1;
    entity.updated_at = tx.now();
    Ok(Edited {
        entity,
        owed: stored.owed,
    })
}

/// The values in their fields' types, or everything that is wrong with them.
fn checked(around: &Neighbourhood, fields: Values) -> Result<Vec<(&Field, Value)>, SyncError> {
    let (mut taken, mut invalid) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        match check(around, &name, value) {
            Ok(pair) => taken.push(pair),
            Err(reason) => invalid.push(Invalid {
                field: name,
                reason,
            }),
        }
    }
    if invalid.is_empty() {
        Ok(taken)
    } else {
        Err(SyncError::Invalid(invalid))
    }
}

fn check<'a>(
    around: &'a Neighbourhood,
    name: &str,
    value: Value,
) -> Result<(&'a Field, Value), String> {
    let field = around
        .catalogue
        .field(name)
        .ok_or_else(|| "is not a field".to_owned())?;
    let value = typed(field, value).map_err(|error| error.to_string())?;
    let is_empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    if field.required && is_empty {
        return Err("must not be empty".to_owned());
    }
    let value = if is_empty { Value::Null } else { value };
    if field.kind == FieldKind::Reference
        && value
            .as_str()
            .is_some_and(|text| uuid::Uuid::try_parse(text).is_err())
    {
        return Err("is not an id".to_owned());
    }
    Ok((field, value))
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The hub's values stand.
    Core,
    /// The system's values stand; for a removal: let it go.
    Remote,
    /// What was last agreed.
    Base,
    Values(Values),
}

impl Answer {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Remote => "remote",
            Self::Base => "base",
            Self::Values(_) => "value",
        }
    }
}

/// Decides an open conflict.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`] or [`StoreError::Conflict`] (resolved already)
/// inside [`SyncError::Store`]; [`SyncError::Invalid`] for values that do not fit.
pub async fn resolve(
    tx: &mut Tx,
    tables: &CoreTables,
    id: ConflictId,
    version: i64,
    answer: &Answer,
    note: Option<&str>,
    user: UserId,
) -> Result<Edited, SyncError> {
    // Entities before questions about them, as pages and edits take them.
    let (kind, entity_id) = conflicts::entity_of(tx, id).await?;
    let entity = tables.kind(&kind)?.load(tx, &[entity_id]).await?.pop();
    let open = conflicts::take(tx, id, version).await?;
    if open.entity_id != entity_id {
        return Err(StoreError::Stale(format!("conflict {id}")).into());
    }
    let entity = entity.ok_or_else(|| StoreError::NotFound(format!("{kind} {entity_id}")))?;
    let needed = Some((open.connection, open.stream.as_str()));
    let around = Neighbourhood::of(tx, tables, &kind, needed).await?;
    let stream = around.stream(open.connection, &open.stream)?;
    let edited = if open.kind == "delete" {
        super::remove::decide(tx, &around, entity, answer, &open, user).await?
    } else {
        let conflict = as_conflict(&open, &entity);
        let choice = match answer {
            Answer::Core => Choice::Core,
            Answer::Remote => Choice::Remote,
            Answer::Base => Choice::Values(base_values(&open)),
            Answer::Values(values) => Choice::Values(values.clone()),
        };
        let resolved = conflict.resolve(&stream.rules, &choice).map_err(invalid)?;
        decide_fields(tx, &around, entity, resolved, &open, user).await?
    };
    conflicts::resolve(tx, id, answer.as_str(), note, user).await?;
    Ok(edited)
}

fn invalid(error: ResolveError) -> SyncError {
    let field = match &error {
        ResolveError::NotInConflict { field }
        | ResolveError::NotMapped { field }
        | ResolveError::Value { field, .. } => field.clone(),
    };
    SyncError::Invalid(vec![Invalid {
        field,
        reason: error.to_string(),
    }])
}

fn base_values(open: &conflicts::Open) -> Values {
    let sides = open.fields.iter();
    sides
        .map(|(field, sides)| (field.clone(), sides.base.clone().unwrap_or_default()))
        .collect()
}

/// The conflict with the hub's values as they are now.
fn as_conflict(open: &conflicts::Open, entity: &Entity) -> Conflict {
    let fields = open.fields.iter().map(|(field, sides)| ConflictField {
        field: Arc::from(field.as_str()),
        base: sides.base.clone(),
        core: entity.value(field),
        remote: sides.remote.clone(),
    });
    Conflict {
        group: Arc::from(open.group.as_str()),
        rule: Rule::Ask,
        fields: fields.collect(),
    }
}

async fn decide_fields(
    tx: &mut Tx,
    around: &Neighbourhood,
    mut entity: Entity,
    resolved: Resolved,
    open: &conflicts::Open,
    user: UserId,
) -> Result<Edited, SyncError> {
    let why = Why {
        rule: resolved.decision.rule.clone(),
        winner: resolved.decision.winner,
    };
    let origin = Origin {
        at: tx.now(),
        by: By::User { user },
        why: Some(why.clone()),
    };
    let (mut log, mut moved) = (Vec::new(), BTreeSet::new());
    for change in resolved.changes {
        let field = change.field.to_string();
        let was = entity.provenance.of(&field).cloned();
        entity.provenance.set(&field, &origin);
        if change.new.is_null() {
            entity.values.remove(&field);
        } else {
            entity.values.insert(field.clone(), change.new.clone());
        }
        moved.insert(field.clone());
        let lost = resolved.decision.lost.get(&change.field).cloned();
        let (old, new, why) = (change.old, change.new, Some(why.clone()));
        log.push(FieldChange {
            field,
            old,
            new,
            why,
            lost,
            kept: None,
            was,
        });
    }
    let stream = around.stream(open.connection, &open.stream)?;
    let mut effects = Effects::default();
    effects.log(Change {
        entity: around.kind.name,
        entity_id: entity.id,
        kind: "resolved",
        fields: log,
    });
    // What was overwritten is not over there: whatever was decided is to be brought over.
    let is_there = open.kind != outbox::OVERWRITTEN;
    let push = if is_there {
        resolved.push
    } else {
        let writes = |field: &&String| writes_field(&stream.rules, field);
        open.fields.keys().filter(writes).cloned().collect()
    };
    if !push.is_empty() {
        effects.owe(stream, around.kind.name, entity.id, push);
    }
    let has_moved = !moved.is_empty();
    if has_moved {
        effects.touch(entity.clone(), moved);
    }
    let actor = Actor {
        user: Some(user),
        ..Actor::default()
    };
    let source = Some((open.connection, open.stream.as_str()));
    let stored = effects.store(tx, around, source, actor).await?;
    if is_there {
        let (name, key) = (&open.stream, &open.record_key);
        records::agree(tx, open.connection, name, key, &resolved.base).await?;
    }
    if has_moved {
        entity.version += 1;
        entity.updated_at = tx.now();
    }
    Ok(Edited {
        entity,
        owed: stored.owed,
    })
}
