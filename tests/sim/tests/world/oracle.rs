//! What must hold when a world has come to rest.
// long: what must hold is one list, and all of it reads the same rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use connector_sdk::Value;
use engine::catalogue::{Catalogue, Empty, same};
use engine::entity::Entity;
use engine::ids::{ConflictId, EntityId};
use engine::mapping::Values;
use engine::provenance::By;
use engine::store::plans;
use sqlx::types::{Json, Uuid};

use super::World;
use super::peer::{FIELDS, HUB_ID, Known, PARENT, token};
use super::plan::Rules;

/// Open conflicts: id, version, kind.
pub(crate) async fn open_conflicts(world: &World<'_>) -> Result<Vec<(ConflictId, i64, String)>> {
    let rows: Vec<(Uuid, i64, String)> = sqlx::query_as(
        "select id, version, kind from conflicts where tenant_id = $1 and state = 'open' order by id",
    )
    .bind(world.tenant.0)
    .fetch_all(&world.server.pool)
    .await?;
    let open = rows
        .into_iter()
        .map(|(id, version, kind)| (ConflictId(id), version, kind));
    Ok(open.collect())
}

/// Connection, key, entity, base; whether it is removed, into which it was merged, whether it waits, is let alone.
type Stored = (
    Uuid,
    String,
    Uuid,
    Json<Values>,
    bool,
    Option<String>,
    bool,
    bool,
);

/// A record as the hub knows it.
struct Row {
    peer: usize,
    key: String,
    entity: EntityId,
    base: Values,
    is_removed: bool,
    /// It lives on inside this one.
    merged_into: Option<String>,
    is_waiting: bool,
    /// Somebody decided that its entity stays removed: it stays over there, by itself.
    is_let_alone: bool,
}

struct Conflict {
    entity: EntityId,
    peer: usize,
    group: String,
    kind: String,
    is_open: bool,
    fields: serde_json::Value,
}

struct Write {
    peer: usize,
    entity: EntityId,
    state: String,
    fields: Vec<String>,
}

/// Everything that is left.
struct Left {
    catalogue: Catalogue,
    rows: Vec<Row>,
    entities: BTreeMap<EntityId, Entity>,
    conflicts: Vec<Conflict>,
    writes: Vec<Write>,
    /// Fields that are frozen: system, entity, field.
    frozen: Vec<(usize, EntityId, String)>,
    /// Questions about records: system, key, whether a person is asked still.
    asked: Vec<(usize, String, bool)>,
    /// Entities that a person gave a record, or took one from.
    said: BTreeSet<EntityId>,
    /// Values that history, conflicts, writes or held records tell of.
    told: BTreeSet<String>,
}

/// Says what is wrong; returns how many conflicts there were.
pub(crate) async fn look(world: &mut World<'_>) -> Result<usize> {
    let left = left(world).await?;
    let mut wrong = Vec::new();
    edits_are_findable(world, &left, &mut wrong);
    records_are_known(world, &left, &mut wrong);
    linked_records_agree(world, &left, &mut wrong);
    bases_were_held(world, &left, &mut wrong);
    values_have_origins(world, &left, &mut wrong);
    writes_have_ended(world, &left, &mut wrong);
    conflicts_are_with_people(world, &left, &mut wrong);
    nothing_comes_back(world, &mut wrong).await?;
    canaries_keep_their_limits(world, &mut wrong).await?;
    gaps_are_closed(world, &mut wrong).await?;
    twins_are_one(world, &left, &mut wrong);
    merges_are_followed(world, &left, &mut wrong);
    world.wrong.extend(wrong);
    Ok(left.conflicts.len())
}

async fn left(world: &World<'_>) -> Result<Left> {
    let pool = &world.server.pool;
    let tenant = world.tenant.0;
    let peer_of = |connection: Uuid| {
        let found = world
            .connections
            .iter()
            .position(|known| known.0 == connection);
        found.unwrap_or(usize::MAX)
    };
    let rows: Vec<Stored> = sqlx::query_as(
        "select connection_id, key, entity_id, base::jsonb, removed_at is not null,
                removal -> 'how' ->> 'key',
                unresolved is not null, coalesce(removal ? 'removed_here', false)
         from records where tenant_id = $1 order by connection_id, key",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let rows: Vec<Row> = rows
        .into_iter()
        .map(
            |(connection, key, entity, base, is_removed, merged_into, is_waiting, is_let_alone)| {
                Row {
                    peer: peer_of(connection),
                    key,
                    entity: EntityId(entity),
                    base: base.0,
                    is_removed,
                    merged_into,
                    is_waiting,
                    is_let_alone,
                }
            },
        )
        .collect();
    let conflicts: Vec<(Uuid, Uuid, String, String, String, Json<serde_json::Value>)> =
        sqlx::query_as(
            "select entity_id, connection_id, field_group, kind, state, fields
             from conflicts where tenant_id = $1 order by id",
        )
        .bind(tenant)
        .fetch_all(pool)
        .await?;
    let conflicts: Vec<Conflict> = conflicts
        .into_iter()
        .map(
            |(entity, connection, group, kind, state, fields)| Conflict {
                entity: EntityId(entity),
                peer: peer_of(connection),
                group,
                kind,
                is_open: state == "open",
                fields: fields.0,
            },
        )
        .collect();
    let writes: Vec<(Uuid, Uuid, String, Vec<String>)> = sqlx::query_as(
        "select connection_id, entity_id, state, fields from writes where tenant_id = $1 order by id",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let frozen: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
        "select connection_id, entity_id, field from rewrites
         where tenant_id = $1 and frozen_at is not null",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let frozen = frozen
        .into_iter()
        .map(|(connection, entity, field)| (peer_of(connection), EntityId(entity), field));
    let frozen = frozen.collect();
    let told: Vec<Json<serde_json::Value>> = sqlx::query_scalar(
        "select fields from changes where tenant_id = $1
         union all select fields from conflicts where tenant_id = $1
         union all select sent from writes where tenant_id = $1 and sent is not null
         union all select raw::jsonb from matches where tenant_id = $1",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let said: Vec<Uuid> = sqlx::query_scalar(
        "select unnest(array[entity_id, coalesce(from_entity, entity_id)]) from link_events
         where tenant_id = $1 and method = 'person'",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let asked: Vec<(Uuid, String, bool)> = sqlx::query_as(
        "select connection_id, key, state = 'open' from matches where tenant_id = $1",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await?;
    let asked = asked
        .into_iter()
        .map(|(connection, key, is_open)| (peer_of(connection), key, is_open));
    let asked = asked.collect();
    let mut tokens = BTreeSet::new();
    for told in &told {
        collect(&told.0, &mut tokens);
    }
    let ids: BTreeSet<EntityId> = rows
        .iter()
        .map(|row| row.entity)
        .chain(world.entities.iter().copied())
        .collect();
    let ids: Vec<EntityId> = ids.into_iter().collect();
    let kind = world.server.tables.kind("account")?;
    let mut tx = world.begin().await?;
    let entities = kind.load(&mut tx, &ids).await?;
    let catalogue = plans::catalogue(&mut tx, &kind).await?;
    tx.commit().await?;
    Ok(Left {
        catalogue,
        rows,
        entities: entities
            .into_iter()
            .map(|entity| (entity.id, entity))
            .collect(),
        conflicts,
        asked,
        said: said.into_iter().map(EntityId).collect(),
        frozen,
        writes: writes
            .into_iter()
            .map(|(connection, entity, state, fields)| Write {
                peer: peer_of(connection),
                entity: EntityId(entity),
                state,
                fields,
            })
            .collect(),
        told: tokens,
    })
}

/// The tokens of all values in a document.
fn collect(json: &serde_json::Value, tokens: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::Array(values) => values.iter().for_each(|one| collect(one, tokens)),
        serde_json::Value::Object(values) => values.values().for_each(|one| collect(one, tokens)),
        serde_json::Value::String(_) | serde_json::Value::Number(_) => {
            let value = serde_json::from_value::<Value>(json.clone()).unwrap_or_default();
            tokens.extend(token(&value));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
    }
}

impl Left {
    fn is_same(&self, field: usize, one: &Value, other: &Value) -> bool {
        let rule = self
            .catalogue
            .field(FIELDS[field].0)
            .expect("fields are the catalogue's");
        same(rule, one, other, Empty::Null)
    }

    fn group(&self, field: usize) -> &str {
        let name = FIELDS[field].0;
        let rule = self
            .catalogue
            .field(name)
            .expect("fields are the catalogue's");
        rule.group.as_deref().unwrap_or(name)
    }

    fn group_of(&self, name: &str) -> &str {
        let field = FIELDS.iter().position(|(core, _)| *core == name);
        self.group(field.expect("fields are the catalogue's"))
    }

    fn row_of(&self, peer: usize, entity: EntityId) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.peer == peer && row.entity == entity && !row.is_removed)
    }

    /// The systems of whose record of an entity a person is asked whether it goes.
    fn removals_asked(&self, entity: EntityId) -> impl Iterator<Item = usize> + '_ {
        let open = self.conflicts.iter().filter(move |conflict| {
            conflict.is_open && conflict.kind == "delete" && conflict.entity == entity
        });
        open.map(|conflict| conflict.peer)
    }

    /// Whether a person is asked whose a record is.
    fn is_asked(&self, peer: usize, key: &str) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|(place, asked, is_open)| *is_open && *place == peer && asked == key)
    }

    /// Whether somebody has been told that a field of a record is not in step.
    fn is_excused(&self, row: &Row, field: usize) -> bool {
        let name = FIELDS[field].0;
        let in_conflict = self.conflicts.iter().any(|conflict| {
            conflict.is_open
                && conflict.entity == row.entity
                && conflict.peer == row.peer
                && (conflict.kind == "delete" || conflict.group == self.group(field))
        });
        let has_failed = self.writes.iter().any(|write| {
            write.state == "failed"
                && write.entity == row.entity
                && write.peer == row.peer
                && write.fields.iter().any(|field| field == name)
        });
        let is_frozen = self.frozen.iter().any(|(peer, entity, frozen)| {
            *peer == row.peer && *entity == row.entity && self.group_of(frozen) == self.group(field)
        });
        in_conflict || has_failed || is_frozen
    }
}

/// What a feed did not say has been found out.
async fn gaps_are_closed(world: &World<'_>, wrong: &mut Vec<String>) -> Result<()> {
    let open: i64 =
        sqlx::query_scalar("select count(*) from gaps where tenant_id = $1 and closed_at is null")
            .bind(world.tenant.0)
            .fetch_one(&world.server.pool)
            .await?;
    if open > 0 {
        wrong.push(format!("open gap: {open} of them at rest"));
    }
    Ok(())
}

/// Every acknowledged edit is current, superseded by a later one, or told of somewhere.
fn edits_are_findable(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    let mut current: BTreeSet<String> = left
        .entities
        .values()
        .flat_map(|entity| entity.values.values())
        .filter_map(token)
        .collect();
    for peer in &world.peers {
        let state = peer.state();
        let values = state
            .records
            .values()
            .flat_map(|known| known.fields().values());
        current.extend(values.filter_map(token));
    }
    let is_found = |token: &String| current.contains(token) || left.told.contains(token);
    for (place, peer) in world.peers.iter().enumerate() {
        let state = peer.state();
        for edit in &state.edits {
            let Some(token) = token(&edit.value) else {
                continue;
            };
            let is_superseded = state.edits.iter().any(|later| {
                later.number > edit.number && later.key == edit.key && later.field == edit.field
            });
            let is_gone = state.records[&edit.key].is_gone();
            if !is_found(&token) && !is_superseded && !is_gone {
                let field = FIELDS[edit.field].1;
                wrong.push(format!(
                    "lost edit: {place}/{} {field} to {token}",
                    edit.key
                ));
            }
        }
    }
    for edit in &world.edits {
        let Some(token) = token(&edit.value) else {
            continue;
        };
        let (name, field) = (world.name(edit.entity), FIELDS[edit.field].0);
        if !is_found(&token) {
            wrong.push(format!("lost edit: {name} {field} to {token}"));
        }
        let entity = &left.entities[&edit.entity];
        let is_last = self::token(&entity.value(field)).as_ref() == Some(&token);
        let was_agreed = |row: &Row| {
            row.entity == edit.entity
                && row.base.get(field).and_then(self::token) == Some(token.clone())
        };
        let was_told = left.conflicts.iter().any(|conflict| {
            let mut tokens = BTreeSet::new();
            collect(&conflict.fields, &mut tokens);
            conflict.entity == edit.entity && tokens.contains(&token)
        });
        let mut rows = left.rows.iter().filter(|row| row.entity == edit.entity);
        let was_deleted =
            rows.clone().next().is_some() && !rows.any(|row| row.merged_into.is_some());
        if entity.removed_at.is_some()
            && is_last
            && was_deleted
            && !left.rows.iter().any(was_agreed)
            && !was_told
        {
            wrong.push(format!("removed edit: {name} {field} to {token}"));
        }
    }
}

/// What is there is linked, and what is gone is not.
fn records_are_known(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for (place, peer) in world.peers.iter().enumerate() {
        for (key, known) in &peer.state().records {
            let row = left
                .rows
                .iter()
                .find(|row| row.peer == place && row.key == *key);
            match (known.is_gone(), row) {
                (false, None) if left.is_asked(place, key) => {}
                (false, None) => wrong.push(format!("unknown: {place}/{key}")),
                (false, Some(row)) if row.is_removed && !row.is_let_alone => {
                    wrong.push(format!("known as gone: {place}/{key}"));
                }
                (true, Some(row)) if !row.is_removed => {
                    wrong.push(format!("gone unheard: {place}/{key}"));
                }
                _ => {}
            }
        }
    }
}

/// Linked records agree under policy.
fn linked_records_agree(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for row in left.rows.iter().filter(|row| !row.is_removed) {
        let entity = &left.entities[&row.entity];
        if entity.removed_at.is_some() {
            continue;
        }
        let state = world.peers[row.peer].state();
        let Some(known) = state.records.get(&row.key).filter(|known| !known.is_gone()) else {
            continue;
        };
        for (field, (name, remote)) in FIELDS.into_iter().enumerate() {
            let there = known.fields().get(remote).cloned().unwrap_or_default();
            let here = entity.value(name);
            let agree = if field == PARENT {
                let target = there.as_str().and_then(|key| state.records.get(key));
                target.is_some_and(Known::is_gone) || parents_agree(left, row, &here, &there)
            } else {
                left.is_same(field, &here, &there)
            };
            // An owner who has never held a value erases none: it is not put there, nor taken away.
            let owners = match state.habits.rules {
                Rules::Ask => None,
                Rules::OwnsIndustry => Some(&there),
                Rules::HubOwns => Some(&here),
            };
            let is_owned = name == "industry"
                && owners.is_some_and(Value::is_null)
                && row.base.get(name).is_none_or(Value::is_null);
            if left.is_excused(row, field) || is_owned {
                continue;
            }
            let who = format!("{} and {}/{}", world.name(row.entity), row.peer, row.key);
            if !agree {
                wrong.push(format!(
                    "disagreement: {who} on {name}: {here:?}, {there:?}"
                ));
            } else if field != PARENT {
                let base = row.base.get(name).cloned().unwrap_or_default();
                if !left.is_same(field, &base, &there) {
                    wrong.push(format!(
                        "base behind: {who} agree on {name}, their base is {base:?}"
                    ));
                }
            }
        }
    }
}

/// Whether a reference points at the same on both sides, or one side cannot point there.
fn parents_agree(left: &Left, row: &Row, here: &Value, there: &Value) -> bool {
    let parent = here
        .as_str()
        .and_then(|text| Uuid::try_parse(text).ok())
        .map(EntityId);
    match (parent, there.as_str()) {
        (None, None) => true,
        (Some(parent), Some(key)) => {
            let target = left.row_of(row.peer, parent);
            target.is_none_or(|target| target.key == key) || row.is_waiting
        }
        (Some(parent), None) => left.row_of(row.peer, parent).is_none(),
        (None, Some(_)) => row.is_waiting,
    }
}

/// The base moves only on agreement: each of its values was held over there.
fn bases_were_held(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for row in &left.rows {
        let state = world.peers[row.peer].state();
        let Some(known) = state.records.get(&row.key) else {
            continue;
        };
        for (name, remote) in &FIELDS[..PARENT] {
            let Some(token) = row.base.get(*name).and_then(token) else {
                continue;
            };
            if !was_held(known, remote, &token) {
                let (peer, key) = (row.peer, &row.key);
                wrong.push(format!("base never held: {peer}/{key} {name}: {token}"));
            }
        }
    }
}

fn was_held(known: &Known, remote: &str, wanted: &str) -> bool {
    let ever = known.ever.get(remote);
    ever.is_some_and(|ever| {
        ever.iter()
            .any(|value| token(value).as_deref() == Some(wanted))
    })
}

/// Every value of the core names who set it, and by which rule.
fn values_have_origins(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for entity in left.entities.values() {
        for field in entity.values.keys() {
            let name = world.name(entity.id);
            match entity.provenance.of(field) {
                None => wrong.push(format!("no origin: {name} {field}")),
                Some(origin) => {
                    let by_rule = matches!(origin.by, By::Connection { .. });
                    if by_rule && origin.why.is_none() {
                        wrong.push(format!("no reason: {name} {field}"));
                    }
                }
            }
        }
    }
}

/// Nothing is left to send, but what points at a record that is not over there.
fn writes_have_ended(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for write in &left.writes {
        if !["pending", "sending"].contains(&write.state.as_str()) {
            continue;
        }
        let entity = &left.entities[&write.entity];
        let parent = entity.value(FIELDS[PARENT].0);
        let parent = parent.as_str().and_then(|text| Uuid::try_parse(text).ok());
        let waits =
            parent.is_some_and(|parent| left.row_of(write.peer, EntityId(parent)).is_none());
        let names_parent = write.fields.iter().any(|field| field == FIELDS[PARENT].0);
        let is_create = left.row_of(write.peer, write.entity).is_none();
        let is_asked = left
            .asked
            .iter()
            .any(|(peer, _, is_open)| *is_open && *peer == write.peer);
        if !(waits && (names_parent || is_create) || is_create && is_asked) {
            let (name, peer) = (world.name(write.entity), write.peer);
            wrong.push(format!(
                "unended write: of {name} to {peer}, {}",
                write.state
            ));
        }
    }
}

/// A conflict is with somebody's value over there, never with what we wrote ourselves.
fn conflicts_are_with_people(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for conflict in left
        .conflicts
        .iter()
        .filter(|conflict| conflict.kind == "edit")
    {
        let Some(state) = world.peers.get(conflict.peer).map(|peer| peer.state()) else {
            continue;
        };
        let mut theirs: BTreeSet<String> = state
            .edits
            .iter()
            .filter_map(|edit| token(&edit.value))
            .collect();
        // What another entity was given may meet this one's, where somebody said that it is the same.
        if left.said.contains(&conflict.entity) {
            theirs.extend(world.edits.iter().filter_map(|edit| token(&edit.value)));
        }
        let mut remote = BTreeSet::new();
        let mut is_empty = false;
        for sides in conflict
            .fields
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.values())
        {
            collect(&sides["remote"], &mut remote);
            is_empty |= sides["remote"].is_null();
        }
        if !is_empty && !remote.is_empty() && !remote.iter().any(|token| theirs.contains(token)) {
            let (name, group) = (world.name(conflict.entity), &conflict.group);
            wrong.push(format!(
                "own conflict: {name} on {group} with our own write: {remote:?}"
            ));
        }
    }
}

/// Records that were made to be the same, and were not renamed, are one entity, or a person was asked.
fn twins_are_one(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for twin in &world.twins {
        let name = |(peer, key): &(usize, String)| {
            let state = world.peers[*peer].state();
            let known = state.records.get(key).filter(|known| !known.is_gone())?;
            let mut ever = known
                .ever
                .get("Name")?
                .iter()
                .filter(|name| !name.is_null());
            let only = ever.next()?.as_str()?.trim().to_lowercase();
            let row = left
                .rows
                .iter()
                .find(|row| row.peer == *peer && row.key == *key)?;
            let entity = &left.entities[&row.entity];
            (ever.next().is_none() && entity.removed_at.is_none()).then_some((only, row.entity))
        };
        let (Some(one), Some(other)) = (name(&twin.one), name(&twin.other)) else {
            continue;
        };
        let was_asked = left.asked.iter().any(|(peer, key, _)| {
            (*peer, key) == (twin.one.0, &twin.one.1)
                || (*peer, key) == (twin.other.0, &twin.other.1)
        });
        // Each system holds one record of an entity: what has one is nobody else's twin, nor what may
        // be given one again, as soon as a person has said so.
        let has_one = |peer: usize, entity: EntityId| {
            left.row_of(peer, entity).is_some()
                || left.removals_asked(entity).any(|asked| asked == peer)
        };
        let has_another = has_one(twin.one.0, other.1) || has_one(twin.other.0, one.1);
        if one.0 == other.0 && one.1 != other.1 && !was_asked && !has_another {
            wrong.push(format!("twins apart: {:?} and {:?}", twin.one, twin.other));
        }
    }
}

/// What went into another record that is there left nothing behind without a record, unless a person is
/// still to say whether it is to be given one again.
fn merges_are_followed(world: &World<'_>, left: &Left, wrong: &mut Vec<String>) {
    for row in &left.rows {
        let is_winner = |other: &Row| {
            other.peer == row.peer
                && Some(&other.key) == row.merged_into.as_ref()
                && !other.is_removed
        };
        let entity = &left.entities[&row.entity];
        let has_record = |other: &Row| other.entity == row.entity && !other.is_removed;
        if left.rows.iter().any(is_winner)
            && entity.removed_at.is_none()
            && !left.rows.iter().any(has_record)
            && left.removals_asked(row.entity).next().is_none()
        {
            let name = world.name(row.entity);
            wrong.push(format!("left behind: {name} of {}/{}", row.peer, row.key));
        }
    }
}

/// A canary that is beyond its limit is over.
async fn canaries_keep_their_limits(world: &World<'_>, wrong: &mut Vec<String>) -> Result<()> {
    let over: Vec<(i64, i64)> = sqlx::query_as(
        "select conflicts, most_conflicts from canaries
         where tenant_id = $1 and state = 'running'
           and (conflicts > most_conflicts or failures > most_failures or misses > most_misses)",
    )
    .bind(world.tenant.0)
    .fetch_all(&world.server.pool)
    .await?;
    for (conflicts, most) in over {
        wrong.push(format!(
            "canary goes on: {conflicts} conflicts, {most} are borne"
        ));
    }
    Ok(())
}

/// A value that was replaced here does not come back by itself: where only one side moved, it did not
/// move to what we wrote there earlier.
async fn nothing_comes_back(world: &World<'_>, wrong: &mut Vec<String>) -> Result<()> {
    // What somebody set there and somebody else here may go to and fro.
    let here: BTreeSet<String> = world
        .edits
        .iter()
        .filter_map(|edit| token(&edit.value))
        .collect();
    let twice: BTreeSet<String> = world
        .peers
        .iter()
        .flat_map(|peer| peer.state().edits.clone())
        .filter_map(|edit| token(&edit.value))
        .filter(|token| here.contains(token) || token == "t0")
        .collect();
    let rows: Vec<(Uuid, Json<serde_json::Value>)> = sqlx::query_as(
        "select entity_id, fields from changes where tenant_id = $1 order by at, id",
    )
    .bind(world.tenant.0)
    .fetch_all(&world.server.pool)
    .await?;
    let mut replaced: BTreeSet<(Uuid, String, String)> = BTreeSet::new();
    let mut history: BTreeMap<(Uuid, String), Vec<String>> = BTreeMap::new();
    for (entity, fields) in rows {
        for change in fields.0.as_array().into_iter().flatten() {
            let Some(field) = change["field"].as_str() else {
                continue;
            };
            let token_of = |side: &str| {
                let value = serde_json::from_value::<Value>(change[side].clone());
                value.ok().as_ref().and_then(token)
            };
            let (old, new) = (token_of("old"), token_of("new"));
            let place = |token: String| (entity, field.to_owned(), token);
            let so_far = history.entry((entity, field.to_owned())).or_default();
            so_far.push(format!("{old:?} to {new:?} by {}", change["why"]["rule"]));
            let by_itself = change["why"]["rule"] == "one_side_moved";
            if let Some(new) = new.clone()
                && by_itself
                && !twice.contains(&new)
                && old.as_ref() != Some(&new)
                && replaced.contains(&place(new.clone()))
            {
                let name = world.name(EntityId(entity));
                wrong.push(format!(
                    "came back: {name} {field} is {new} again: {so_far:?}"
                ));
            }
            if let Some(old) = old.filter(|old| Some(old) != new.as_ref()) {
                replaced.insert(place(old));
            }
        }
    }
    Ok(())
}

/// Records of a system by the hub's id they carry.
pub(crate) fn carriers(world: &World<'_>, peer: usize, entity: EntityId) -> usize {
    let hub_id = entity.0.to_string();
    let state = world.peers[peer].state();
    let carries =
        |known: &&Known| known.fields().get(HUB_ID).and_then(Value::as_str) == Some(&hub_id);
    state.records.values().filter(carries).count()
}
