//! Records of which it is not sure whose they are, as people decide them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId, MatchId, RunId, UserId};
use engine::likeness::{Agreement, Evidence};
use engine::sdk::{Fields, Record, Value};
use engine::store::keyset::{After, Slice, instant, instant_text};
use engine::store::matches::{Candidate, Why};
use engine::store::plans;
use engine::sync::{identity, outbox};
use engine::{StoreError, Tx};
use serde_json::Value as Json;
use sqlx::types::{Json as Column, Uuid};
use sqlx::{FromRow, QueryBuilder};

use crate::entities::{self, Refusal};
use crate::show;

/// Which questions a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct MatchQuery {
    /// open, same, different or gone
    pub state: Option<&'static str>,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    pub why: Option<Why>,
    pub entity: Option<String>,
}

/// A record that waited, or waits, for a person to say whose it is.
#[derive(Clone, Debug)]
pub struct MatchView {
    pub id: MatchId,
    pub version: i64,
    pub entity: String,
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub key: String,
    pub why: String,
    /// Why it waits, in a sentence.
    pub sentence: &'static str,
    pub state: String,
    /// The likeliest first.
    pub candidates: Vec<CandidateView>,
    pub opened_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    pub run_id: RunId,
    pub answer: Option<AnswerView>,
}

/// A record here that it may be.
#[derive(Clone, Debug)]
pub struct CandidateView {
    pub id: EntityId,
    /// Empty for one that is not here any more.
    pub name: String,
    /// It has another record in the stream.
    pub is_taken: bool,
    pub score: i32,
    pub evidence: Vec<EvidenceView>,
}

/// What one field said when they were compared.
#[derive(Clone, Debug)]
pub struct EvidenceView {
    pub field: String,
    pub label: String,
    pub here: Json,
    pub there: Json,
    pub agreement: Agreement,
    pub weight: i32,
    /// In words.
    pub sentence: String,
}

/// What was said of it.
#[derive(Clone, Debug)]
pub struct AnswerView {
    /// Whose it is; `None` for one of its own.
    pub entity_id: Option<EntityId>,
    pub entity_name: String,
    /// What that rests on; `None` where none was like it any more.
    pub method: Option<String>,
    /// Name of the person; `None` where nobody had to say it.
    pub by: Option<String>,
    pub at: DateTime<Utc>,
    pub note: Option<String>,
}

/// A field of the record beside those of its candidates.
#[derive(Clone, Debug)]
pub struct FieldView {
    pub name: String,
    pub label: String,
    /// What the record says.
    pub there: Json,
    /// What the candidates that are here have now.
    pub here: BTreeMap<String, Json>,
}

#[derive(FromRow)]
struct Row {
    id: MatchId,
    version: i64,
    entity: String,
    connection_id: ConnectionId,
    connection_name: Option<String>,
    stream: String,
    key: String,
    why: String,
    state: String,
    candidates: Column<Vec<Candidate>>,
    opened_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    run_id: RunId,
    entity_id: Option<EntityId>,
    method: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    decided_by: Option<String>,
    note: Option<String>,
}

/// Links that people moved are noted in the same table, without candidates: nobody was asked.
const ASKED: &str = " from matches m where m.candidate_ids <> '{}'";

fn select() -> QueryBuilder<sqlx::Postgres> {
    let mut sql = QueryBuilder::new(
        "select m.id, m.version, m.entity, m.connection_id, \
         (select name from connections where id = m.connection_id) as connection_name, m.stream, \
         m.key, m.why, m.state, m.candidates, m.opened_at, m.seen_at, m.run_id, m.entity_id, \
         m.method, m.decided_at, (select name from users where id = m.decided_by) as decided_by, \
         m.note",
    );
    sql.push(ASKED);
    sql
}

/// A page of questions, newest first; the total is counted for the first page only.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    tables: &CoreTables,
    query: &MatchQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<MatchView>, StoreError> {
    let mut sql = select();
    filter(&mut sql, query);
    if let Some(after) = after {
        sql.push(" and (m.opened_at, m.id) < (")
            .push_bind(instant(&after.value)?)
            .push(", ")
            .push_bind(after.id)
            .push(")");
    }
    sql.push(" order by m.opened_at desc, m.id desc limit ")
        .push_bind(limit + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let total = match after {
        Some(_) => None,
        None => {
            let mut count = QueryBuilder::new("select count(*)");
            count.push(ASKED);
            filter(&mut count, query);
            Some(count.build_query_scalar().fetch_one(tx.conn()).await?)
        }
    };
    let slice = Slice::cut(rows, limit, |last| After {
        value: instant_text(last.opened_at),
        id: last.id.0,
    });
    Ok(Slice {
        items: views(tx, tables, slice.items).await?,
        next: slice.next,
        total,
    })
}

fn filter(sql: &mut QueryBuilder<sqlx::Postgres>, query: &MatchQuery) {
    if let Some(state) = query.state {
        sql.push(" and m.state = ").push_bind(state);
    }
    if let Some(connection) = query.connection_id {
        sql.push(" and m.connection_id = ").push_bind(connection.0);
    }
    if let Some(stream) = &query.stream {
        sql.push(" and m.stream = ").push_bind(stream.clone());
    }
    if let Some(why) = query.why {
        sql.push(" and m.why = ").push_bind(why.as_str());
    }
    if let Some(entity) = &query.entity {
        sql.push(" and m.entity = ").push_bind(entity.clone());
    }
}

/// One question.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, tables: &CoreTables, id: MatchId) -> Result<MatchView, StoreError> {
    let mut sql = select();
    sql.push(" and m.id = ").push_bind(id.0);
    let row: Option<Row> = sql.build_query_as().fetch_optional(tx.conn()).await?;
    let mut views = views(tx, tables, Vec::from_iter(row)).await?;
    let missing = || StoreError::NotFound(format!("match {id}"));
    views.pop().ok_or_else(missing)
}

/// The record's values, by the mapping in force, beside those of the candidates that are here; empty
/// where the stream is not mapped any more.
///
/// # Errors
/// [`StoreError`].
pub async fn fields(
    tx: &mut Tx,
    tables: &CoreTables,
    view: &MatchView,
) -> Result<Vec<FieldView>, StoreError> {
    let Some(plan) = plans::of_stream(tx, view.connection_id, &view.stream).await? else {
        return Ok(Vec::new());
    };
    let raw = sqlx::query_scalar!(
        r#"select raw as "raw: Column<Fields>" from matches where id = $1"#,
        view.id.0,
    )
    .fetch_one(tx.conn())
    .await?;
    let record = Record {
        key: view.key.clone(),
        version: None,
        changed_at: None,
        fields: raw.0,
    };
    let catalogue = plans::catalogue(tx, &tables.kind(&view.entity)?).await?;
    let Ok(patch) = plan.mapping.inbound(&catalogue, &record) else {
        return Ok(Vec::new());
    };
    let mut here = Vec::new();
    for candidate in &view.candidates {
        match entities::stored(tx, &view.entity, candidate.id).await {
            Ok(stored) => here.push((show::id(&view.entity, candidate.id), stored.values)),
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let field = |field: &engine::catalogue::Field| {
        let key = || patch.references.get(&field.name).map(|to| to.key.clone());
        let there = match patch.values.get(&field.name) {
            Some(value) => show::value(Some(field), value),
            None => Json::String(key()?),
        };
        let ours = |(id, values): &(String, engine::mapping::Values)| {
            let value = values.get(&field.name).unwrap_or(&Value::Null);
            (id.clone(), show::value(Some(field), value))
        };
        Some(FieldView {
            name: field.name.clone(),
            label: field.label.clone(),
            there,
            here: here.iter().map(ours).collect(),
        })
    };
    Ok(catalogue.fields().iter().filter_map(field).collect())
}

async fn views(
    tx: &mut Tx,
    tables: &CoreTables,
    rows: Vec<Row>,
) -> Result<Vec<MatchView>, StoreError> {
    let mut catalogues: HashMap<String, Catalogue> = HashMap::new();
    let mut ids = Vec::new();
    for row in &rows {
        if !catalogues.contains_key(&row.entity) {
            let catalogue = plans::catalogue(tx, &tables.kind(&row.entity)?).await?;
            catalogues.insert(row.entity.clone(), catalogue);
        }
        ids.extend(row.candidates.0.iter().map(|one| one.entity_id.0));
        ids.extend(row.entity_id.map(|id| id.0));
    }
    let names = names(tx, &ids).await?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| view(row, &catalogues, &names)).collect())
}

/// Names of accounts and contacts that are here.
pub(crate) async fn names(
    tx: &mut Tx,
    ids: &[Uuid],
) -> Result<HashMap<EntityId, String>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id!: EntityId", name as "name!"
        from accounts where id = any($1) and removed_at is null
        union all
        select id, concat_ws(' ', first_name, last_name)
        from contacts where id = any($1) and removed_at is null
        "#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

fn view(
    row: Row,
    catalogues: &HashMap<String, Catalogue>,
    names: &HashMap<EntityId, String>,
) -> MatchView {
    let catalogue = catalogues.get(&row.entity);
    let name = |id: EntityId| names.get(&id).cloned().unwrap_or_default();
    let candidate = |one: Candidate| CandidateView {
        id: one.entity_id,
        name: name(one.entity_id),
        is_taken: one.is_taken,
        score: one.likeness.score,
        evidence: tell(catalogue, &one.likeness.evidence),
    };
    let answer = row.decided_at.filter(|_| row.state != "gone");
    MatchView {
        answer: answer.map(|at| AnswerView {
            entity_id: row.entity_id,
            entity_name: row.entity_id.map(name).unwrap_or_default(),
            method: row.method,
            by: row.decided_by,
            at,
            note: row.note,
        }),
        id: row.id,
        version: row.version,
        entity: row.entity,
        connection_id: row.connection_id,
        connection_name: row.connection_name.unwrap_or_default(),
        stream: row.stream,
        key: row.key,
        sentence: sentence(&row.why),
        why: row.why,
        state: row.state,
        candidates: row.candidates.0.into_iter().map(candidate).collect(),
        opened_at: row.opened_at,
        seen_at: row.seen_at,
        run_id: row.run_id,
    }
}

fn sentence(why: &str) -> &'static str {
    match why {
        "possible" => "It looks like a record that is here.",
        "ambiguous" => "Its key names several records that are here.",
        "taken" => "The record here that its key names has another one over there.",
        _ => "The record here that its key names is being created over there: it may be this one.",
    }
}

/// What fields said, as it is shown.
pub(crate) fn tell(catalogue: Option<&Catalogue>, evidence: &[Evidence]) -> Vec<EvidenceView> {
    let one = |one: &Evidence| {
        let field = catalogue.and_then(|catalogue| catalogue.field(&one.field));
        let label = field.map_or_else(|| one.field.clone(), |field| field.label.clone());
        let is = match one.agreement {
            Agreement::Same => "is the same",
            Agreement::Close => "is nearly the same",
            Agreement::Apart => "is different",
        };
        EvidenceView {
            sentence: format!("{label} {is}"),
            field: one.field.clone(),
            here: show::value(field, &one.here),
            there: show::value(field, &one.there),
            agreement: one.agreement,
            weight: one.weight,
            label,
        }
    };
    evidence.iter().map(one).collect()
}

/// Answers an open question on behalf of a person, and starts what that owes: the record is `entity`,
/// or one of its own.
///
/// # Errors
/// [`Refusal`]; one that is answered already, or whose entity has another record there, is a
/// [`StoreError::Conflict`].
pub async fn answer(
    tx: &mut Tx,
    tables: &CoreTables,
    (id, version): (MatchId, i64),
    entity: Option<EntityId>,
    note: Option<&str>,
    user: UserId,
) -> Result<(), Refusal> {
    let note = note.map(str::trim).filter(|note| !note.is_empty());
    let applied = identity::decide(tx, tables, (id, version), entity, note, user).await?;
    outbox::start_pushes(tx, &applied.owed, "match").await?;
    Ok(())
}
