//! Where each value of an entity came from, and what every side holds.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use engine::catalogue::{Catalogue, Empty, Field, FieldKind, same};
use engine::entity::CoreTables;
use engine::ids::{ConflictId, ConnectionId, EntityId, RunId, UserId};
use engine::mapping::Values;
use engine::merge::{Decision, Names};
use engine::provenance::{By, Origin, Why};
use engine::sdk::Value;
use engine::store::links::{self, LinkRow};
use engine::store::plans;
use engine::{StoreError, Tx};
use serde::Serialize;
use serde_json::Value as Json;

use crate::{entities, show, users};

/// An entity's values with their origins.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Records that are still there.
    pub links: Vec<LinkRow>,
    pub fields: Vec<ProvenanceField>,
}

/// One field of an entity.
#[derive(Clone, Debug)]
pub struct ProvenanceField {
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub group: Option<String>,
    pub value: Json,
    pub origin: Option<OriginView>,
    /// One per link, in their order.
    pub sides: Vec<SideView>,
    pub conflict_id: Option<ConflictId>,
    pub agrees: bool,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    Connection,
    User,
    Rule,
}

/// Who set a value, when, and why it stands.
#[derive(Clone, Debug)]
pub struct OriginView {
    pub kind: OriginKind,
    pub connection_id: Option<ConnectionId>,
    pub user: Option<String>,
    pub run_id: Option<RunId>,
    pub mapping_version: Option<i32>,
    pub at: DateTime<Utc>,
    pub rule: Option<String>,
    pub sentence: String,
}

/// Where a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteState {
    Pending,
    Sending,
    Failed,
    /// It may have arrived; it will be looked up before it is sent again.
    Unknown,
}

/// What one system holds of a field.
#[derive(Clone, Debug)]
pub struct SideView {
    pub connection_id: ConnectionId,
    /// `None` where the mapping does not bring the field from there.
    pub value: Option<Json>,
    pub base: Option<Json>,
    pub at: Option<DateTime<Utc>>,
    pub write_state: Option<WriteState>,
    pub error: Option<String>,
}

/// Everything known about where an entity's values come from.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn read(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
) -> Result<Provenance, StoreError> {
    let stored = entities::stored(tx, kind, id).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let mut links = links::of_entity(tx, id).await?;
    links.retain(|link| link.removed_at.is_none());
    let sides = sides(tx, kind, &catalogue, &links).await?;
    let people = people(tx, &stored.provenance, &catalogue).await?;
    let writes = writes(tx, id).await?;
    let conflicts = conflicts(tx, id).await?;
    let fields = catalogue.fields().iter().map(|field| {
        let value = stored.values.get(&field.name).cloned().unwrap_or_default();
        let origin = stored.provenance.of(&field.name);
        let shown = links
            .iter()
            .zip(&sides)
            .map(|(link, values)| side(field, link, values.get(&field.name), &writes));
        let agrees = sides
            .iter()
            .filter_map(|values| values.get(&field.name))
            .all(|there| same(field, &value, there, Empty::Null));
        ProvenanceField {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: field.kind,
            group: field.group.clone(),
            origin: origin.map(|origin| tell(origin, field, &links, &people)),
            sides: shown.collect(),
            conflict_id: conflicts.get(&field.name).copied(),
            agrees,
            value: show::value(Some(field), &value),
        }
    });
    let fields = fields.collect();
    Ok(Provenance { links, fields })
}

/// What each link's system holds, in the core's terms: its snapshot through its mapping.
async fn sides(
    tx: &mut Tx,
    kind: &str,
    catalogue: &Catalogue,
    links: &[LinkRow],
) -> Result<Vec<Values>, StoreError> {
    let plans = plans::of_entity(tx, kind).await?;
    let side = |link: &LinkRow| {
        let plan = plans
            .iter()
            .find(|plan| plan.connection == link.connection_id && plan.stream == link.stream);
        let patch = plan.and_then(|plan| plan.mapping.inbound(catalogue, &link.record).ok());
        let Some(patch) = patch else {
            return Values::new();
        };
        // A reference is known by the entity it was resolved to.
        let resolved = patch
            .references
            .keys()
            .filter_map(|name| Some((name.clone(), link.base.get(name)?.clone())));
        let mut values: Values = resolved.collect();
        values.extend(patch.values);
        values
    };
    Ok(links.iter().map(side).collect())
}

fn side(
    field: &Field,
    link: &LinkRow,
    value: Option<&Value>,
    writes: &HashMap<(ConnectionId, String, String), LastWrite>,
) -> SideView {
    let place = (link.connection_id, link.stream.clone(), field.name.clone());
    let write = writes.get(&place);
    SideView {
        connection_id: link.connection_id,
        value: value.map(|value| show::value(Some(field), value)),
        base: link
            .base
            .get(&field.name)
            .map(|base| show::value(Some(field), base)),
        at: link.record.changed_at,
        write_state: write.map(|write| write.state),
        error: write.and_then(|write| write.error.clone()),
    }
}

struct LastWrite {
    state: WriteState,
    error: Option<String>,
}

/// The last write of each field to each place, where it has not settled.
async fn writes(
    tx: &mut Tx,
    id: EntityId,
) -> Result<HashMap<(ConnectionId, String, String), LastWrite>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select distinct on (connection_id, stream, field)
               connection_id as "connection: ConnectionId", stream, field as "field!", state,
               look_first, error ->> 'message' as message
        from writes, unnest(fields) as field
        where entity_id = $1 and state <> 'superseded'
        order by connection_id, stream, field, created_at desc, id desc
        "#,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let open = rows.into_iter().filter_map(|row| {
        let state = match row.state.as_str() {
            "pending" if row.look_first => WriteState::Unknown,
            "pending" | "withheld" => WriteState::Pending,
            "sending" => WriteState::Sending,
            "failed" => WriteState::Failed,
            _ => return None,
        };
        Some((
            (row.connection, row.stream, row.field),
            LastWrite {
                state,
                error: row.message,
            },
        ))
    });
    Ok(open.collect())
}

/// The open conflict of each field.
async fn conflicts(tx: &mut Tx, id: EntityId) -> Result<BTreeMap<String, ConflictId>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: ConflictId", field as "field!"
        from conflicts, jsonb_object_keys(fields) as field
        where entity_id = $1 and state = 'open'
        order by opened_at
        "#,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.field, row.id)).collect())
}

async fn people(
    tx: &mut Tx,
    provenance: &engine::provenance::Provenance,
    catalogue: &Catalogue,
) -> Result<HashMap<UserId, String>, StoreError> {
    let ids: Vec<UserId> = catalogue
        .fields()
        .iter()
        .filter_map(|field| match provenance.of(&field.name)?.by {
            By::User { user } | By::Undo { user, .. } => Some(user),
            By::Connection { .. } => None,
        })
        .collect();
    users::names(tx, &ids).await
}

pub(crate) fn tell(
    origin: &Origin,
    field: &Field,
    links: &[LinkRow],
    people: &HashMap<UserId, String>,
) -> OriginView {
    let mut view = OriginView {
        kind: OriginKind::User,
        connection_id: None,
        user: None,
        run_id: None,
        mapping_version: None,
        at: origin.at,
        rule: origin.why.as_ref().and_then(rule_name),
        sentence: String::new(),
    };
    match origin.by {
        By::User { user } => {
            let name = people.get(&user).map_or("somebody", String::as_str);
            view.user = Some(name.to_owned());
            let did = if origin.why.is_some() {
                "decided"
            } else {
                "set"
            };
            view.sentence = format!("{name} {did} {} in the hub.", field.label);
        }
        By::Undo { run, user, .. } => {
            let name = people.get(&user).map_or("somebody", String::as_str);
            view.user = Some(name.to_owned());
            view.run_id = Some(run);
            view.sentence = format!(
                "{name} had a run undone, which put {} back to what it was before.",
                field.label
            );
        }
        By::Connection {
            connection,
            run,
            mapping_version,
            ..
        } => {
            let link = links.iter().find(|link| link.connection_id == connection);
            let peer = link.map_or("the system", |link| link.connection_name.as_str());
            view.kind = OriginKind::Connection;
            view.connection_id = Some(connection);
            view.run_id = Some(run);
            view.mapping_version = Some(mapping_version);
            view.sentence = match &origin.why {
                Some(why) => reason(why, peer, &field.label),
                None => format!("{peer} brought {}.", field.label),
            };
        }
    }
    view
}

/// The sentence of a merge's decision.
fn reason(why: &Why, peer: &str, subject: &str) -> String {
    let decision = Decision {
        group: None,
        rule: why.rule.clone(),
        winner: why.winner,
        lost: BTreeMap::new(),
    };
    decision.sentence(&Names {
        hub: "the hub",
        peer,
        subject,
    })
}

fn rule_name(why: &Why) -> Option<String> {
    let json = serde_json::to_value(&why.rule).ok()?;
    Some(json.get("rule")?.as_str()?.to_owned())
}
