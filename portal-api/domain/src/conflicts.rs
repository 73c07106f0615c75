//! Conflicts as people decide them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::{ConflictId, ConnectionId, EntityId, RunId, UserId};
use engine::sdk::Value;
use engine::store::conflicts::Sides;
use engine::store::keyset::{After, Slice, instant, instant_text};
use engine::store::plans;
use engine::sync::edit;
use engine::{StoreError, Tx};
use serde_json::Value as Json;
use sqlx::types::Json as Column;
use sqlx::{FromRow, QueryBuilder};

use crate::entities::{self, Refusal};
use crate::show;

/// Which conflicts a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct ConflictQuery {
    pub is_open: Option<bool>,
    pub entity: Option<String>,
    pub connection_id: Option<ConnectionId>,
}

/// A conflict as it is shown.
#[derive(Clone, Debug)]
pub struct ConflictView {
    pub id: ConflictId,
    pub version: i64,
    pub entity: String,
    pub entity_id: EntityId,
    pub entity_name: String,
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub group: String,
    pub kind: String,
    pub fields: Vec<SidesView>,
    pub opened_at: DateTime<Utc>,
    pub run_id: Option<RunId>,
    pub state: String,
    pub resolution: Option<ResolutionView>,
}

/// The three sides of a field.
#[derive(Clone, Debug)]
pub struct SidesView {
    pub name: String,
    pub label: String,
    pub base: Option<Json>,
    pub core: Json,
    pub remote: Json,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct ResolutionView {
    pub choice: String,
    pub by: Option<String>,
    pub at: DateTime<Utc>,
    pub note: Option<String>,
}

/// What a person chose.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    Core,
    Remote,
    Base,
    Values(BTreeMap<String, Value>),
}

/// What a person answers to a conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub choice: Choice,
    pub note: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: ConflictId,
    version: i64,
    entity: String,
    entity_id: EntityId,
    entity_name: Option<String>,
    connection_id: ConnectionId,
    connection_name: Option<String>,
    stream: String,
    field_group: String,
    kind: String,
    fields: Column<BTreeMap<String, Sides>>,
    opened_at: DateTime<Utc>,
    run_id: Option<RunId>,
    state: String,
    choice: Option<String>,
    note: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
    resolved_by: Option<String>,
}

fn select() -> QueryBuilder<sqlx::Postgres> {
    QueryBuilder::new(
        "select c.id, c.version, c.entity, c.entity_id, \
         coalesce(a.name, concat_ws(' ', p.first_name, p.last_name)) as entity_name, \
         c.connection_id, con.name as connection_name, c.stream, c.field_group, c.kind, c.fields, \
         c.opened_at, c.run_id, c.state, c.choice, c.note, c.resolved_at, u.name as resolved_by \
         from conflicts c \
         left join connections con on con.id = c.connection_id \
         left join accounts a on c.entity = 'account' and a.id = c.entity_id \
         left join contacts p on c.entity = 'contact' and p.id = c.entity_id \
         left join users u on u.id = c.resolved_by \
         where true",
    )
}

/// A page of conflicts, newest first; the total is counted for the first page only.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    tables: &CoreTables,
    query: &ConflictQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<ConflictView>, StoreError> {
    let mut sql = select();
    filter(&mut sql, query);
    if let Some(after) = after {
        sql.push(" and (c.opened_at, c.id) < (")
            .push_bind(instant(&after.value)?)
            .push(", ")
            .push_bind(after.id)
            .push(")");
    }
    sql.push(" order by c.opened_at desc, c.id desc limit ")
        .push_bind(limit + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let total = match after {
        Some(_) => None,
        None => {
            let mut count = QueryBuilder::new("select count(*) from conflicts c where true");
            filter(&mut count, query);
            Some(count.build_query_scalar().fetch_one(tx.conn()).await?)
        }
    };
    let slice = Slice::cut(rows, limit, |last| After {
        value: instant_text(last.opened_at),
        id: last.id.0,
    });
    let catalogues = catalogues(tx, tables, &slice.items).await?;
    let items = slice.items.into_iter().map(|row| view(row, &catalogues));
    Ok(Slice {
        items: items.collect(),
        next: slice.next,
        total,
    })
}

fn filter(sql: &mut QueryBuilder<sqlx::Postgres>, query: &ConflictQuery) {
    if let Some(is_open) = query.is_open {
        sql.push(" and c.state = ")
            .push_bind(if is_open { "open" } else { "resolved" });
    }
    if let Some(entity) = &query.entity {
        sql.push(" and c.entity = ").push_bind(entity.clone());
    }
    if let Some(connection) = query.connection_id {
        sql.push(" and c.connection_id = ").push_bind(connection.0);
    }
}

/// One conflict.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(
    tx: &mut Tx,
    tables: &CoreTables,
    id: ConflictId,
) -> Result<ConflictView, StoreError> {
    let mut sql = select();
    sql.push(" and c.id = ").push_bind(id.0);
    let row: Option<Row> = sql.build_query_as().fetch_optional(tx.conn()).await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("conflict {id}")))?;
    let catalogues = catalogues(tx, tables, std::slice::from_ref(&row)).await?;
    Ok(view(row, &catalogues))
}

async fn catalogues(
    tx: &mut Tx,
    tables: &CoreTables,
    rows: &[Row],
) -> Result<HashMap<String, Catalogue>, StoreError> {
    let mut found = HashMap::new();
    for row in rows {
        if !found.contains_key(&row.entity) {
            let catalogue = plans::catalogue(tx, &tables.kind(&row.entity)?).await?;
            found.insert(row.entity.clone(), catalogue);
        }
    }
    Ok(found)
}

fn view(row: Row, catalogues: &HashMap<String, Catalogue>) -> ConflictView {
    let catalogue = catalogues.get(&row.entity);
    let sides = |(name, sides): (String, Sides)| {
        let field = catalogue.and_then(|catalogue| catalogue.field(&name));
        SidesView {
            label: field.map_or_else(|| name.clone(), |field| field.label.clone()),
            base: sides.base.map(|base| show::value(field, &base)),
            core: show::value(field, &sides.core),
            remote: show::value(field, &sides.remote),
            name,
        }
    };
    let resolution = row
        .choice
        .zip(row.resolved_at)
        .map(|(choice, at)| ResolutionView {
            choice,
            by: row.resolved_by,
            at,
            note: row.note,
        });
    ConflictView {
        id: row.id,
        version: row.version,
        entity: row.entity,
        entity_id: row.entity_id,
        entity_name: row.entity_name.unwrap_or_default(),
        connection_id: row.connection_id,
        connection_name: row.connection_name.unwrap_or_default(),
        stream: row.stream,
        group: row.field_group,
        kind: row.kind,
        fields: row.fields.0.into_iter().map(sides).collect(),
        opened_at: row.opened_at,
        run_id: row.run_id,
        state: row.state,
        resolution,
    }
}

/// Decides an open conflict on behalf of a person, and starts what that owes.
///
/// # Errors
/// [`Refusal`]; one that is resolved already is a [`StoreError::Conflict`].
pub async fn resolve(
    tx: &mut Tx,
    tables: &CoreTables,
    id: ConflictId,
    version: i64,
    answer: Answer,
    user: UserId,
) -> Result<(), Refusal> {
    let current = get(tx, tables, id).await?;
    let choice = match answer.choice {
        Choice::Core => edit::Answer::Core,
        Choice::Remote => edit::Answer::Remote,
        Choice::Base => edit::Answer::Base,
        Choice::Values(values) => {
            let catalogue = plans::catalogue(tx, &tables.kind(&current.entity)?).await?;
            edit::Answer::Values(taken(&catalogue, values)?)
        }
    };
    let note = answer
        .note
        .as_deref()
        .map(str::trim)
        .filter(|note| !note.is_empty());
    let edited = edit::resolve(tx, tables, id, version, &choice, note, user).await?;
    entities::announce(tx, &current.entity, &edited).await?;
    tx.changed("conflict", id);
    Ok(())
}

fn taken(
    catalogue: &Catalogue,
    values: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut taken = BTreeMap::new();
    for (name, value) in values {
        match entities::read(catalogue, &name, value) {
            Ok(value) => drop(taken.insert(name, value)),
            Err(reason) => return Err(Refusal::Invalid(vec![(name, reason)])),
        }
    }
    Ok(taken)
}
