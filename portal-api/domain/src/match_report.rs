//! How the records of a stream came to their entities, and what has to be looked at before the first
//! write to it.

use std::collections::BTreeMap;

use engine::StoreError;
use engine::Tx;
use engine::catalogue::FieldKind;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId};
use engine::store::{plans, streams};
use sqlx::QueryBuilder;
use sqlx::types::Uuid;

use crate::{free_mail, matches, show};

/// Duplicates that a report names.
const MOST_NAMED: i64 = 100;

/// See the module.
#[derive(Clone, Debug)]
pub struct MatchReport {
    pub entity: String,
    /// Living records of the stream by what their link rests on.
    pub by_method: BTreeMap<String, i64>,
    /// Open questions by why they are asked.
    pub by_why: BTreeMap<String, i64>,
    /// Whether entities without a record are made over there.
    pub creates: bool,
    /// Entities that have no record in the stream, and had none.
    pub without_record: i64,
    /// Values of strong keys that several entities have, those with the most first; 100 at most.
    pub duplicates: Vec<Duplicate>,
    /// All such values.
    pub duplicates_in_all: i64,
}

/// Entities with the same value of a strong key.
#[derive(Clone, Debug)]
pub struct Duplicate {
    pub field: String,
    pub label: String,
    /// In small letters.
    pub value: String,
    pub count: i64,
    /// Ten at most.
    pub entities: Vec<Named>,
}

/// An entity and its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// As shown: `acc_…`.
    pub id: String,
    pub name: String,
}

#[derive(sqlx::FromRow)]
struct Group {
    value: String,
    count: i64,
    ids: Vec<Uuid>,
    all_groups: i64,
}

/// The report on a stream.
///
/// # Errors
/// [`StoreError::NotFound`] for a stream that is not set up.
pub async fn of_stream(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
) -> Result<MatchReport, StoreError> {
    let row = streams::get(tx, connection, stream).await?;
    let by_method = sqlx::query!(
        r#"
        select link_method as method, count(*) as "count!"
        from records
        where connection_id = $1 and stream = $2 and removed_at is null
        group by link_method
        "#,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?;
    let by_why = sqlx::query!(
        r#"
        select why, count(*) as "count!"
        from matches
        where connection_id = $1 and stream = $2 and state = 'open'
        group by why
        "#,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?;
    let plan = plans::of_stream(tx, connection, stream).await?;
    let mapping = plan.map(|plan| plan.mapping);
    let mut report = MatchReport {
        by_method: by_method
            .into_iter()
            .map(|row| (row.method, row.count))
            .collect(),
        by_why: by_why.into_iter().map(|row| (row.why, row.count)).collect(),
        creates: mapping.as_ref().is_some_and(|mapping| mapping.create),
        without_record: without_record(tx, &row.entity, connection, stream).await?,
        duplicates: Vec::new(),
        duplicates_in_all: 0,
        entity: row.entity,
    };
    let catalogue = plans::catalogue(tx, &tables.kind(&report.entity)?).await?;
    for name in mapping.iter().flat_map(|mapping| &mapping.link.strong) {
        let field = catalogue.field(name).filter(|field| field.is_found);
        let Some(field) = field.filter(|field| field.kind != FieldKind::Reference) else {
            continue;
        };
        let groups = duplicates(tx, &report.entity, name).await?;
        report.duplicates_in_all += groups.first().map_or(0, |group| group.all_groups);
        for group in groups {
            let names = matches::names(tx, &group.ids).await?;
            let named = group.ids.iter().map(|id| Named {
                id: show::id(&report.entity, EntityId(*id)),
                name: names.get(&EntityId(*id)).cloned().unwrap_or_default(),
            });
            report.duplicates.push(Duplicate {
                field: name.clone(),
                label: field.label.clone(),
                value: group.value,
                count: group.count,
                entities: named.collect(),
            });
        }
    }
    report.duplicates.sort_by_key(|one| -one.count);
    report
        .duplicates
        .truncate(usize::try_from(MOST_NAMED).unwrap_or(usize::MAX));
    Ok(report)
}

/// The table of a kind.
fn table(entity: &str) -> Result<&'static str, StoreError> {
    match entity {
        "account" => Ok("accounts"),
        "contact" => Ok("contacts"),
        _ => Err(StoreError::NotFound(format!("kind {entity}"))),
    }
}

async fn without_record(
    tx: &mut Tx,
    entity: &str,
    connection: ConnectionId,
    stream: &str,
) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("select count(*) from ");
    sql.push(table(entity)?)
        .push(
            " e where e.removed_at is null and not exists (select from records r \
             where r.entity_id = e.id and r.connection_id = ",
        )
        .push_bind(connection.0)
        .push(" and r.stream = ")
        .push_bind(stream)
        .push(")");
    Ok(sql.build_query_scalar().fetch_one(tx.conn()).await?)
}

/// Values of a field that several entities have; `field` is a column of the kind's table.
async fn duplicates(tx: &mut Tx, entity: &str, field: &str) -> Result<Vec<Group>, StoreError> {
    // What anybody may have names nobody.
    let named_by_none: &[&str] = if field == "domain" {
        &free_mail::DOMAINS
    } else {
        &[]
    };
    let mut sql = QueryBuilder::new("select value, count(*) as count, ");
    sql.push("(array_agg(id order by id))[:10] as ids, count(*) over () as all_groups from (")
        .push(format!("select id, lower(btrim({field})) as value from "))
        .push(table(entity)?)
        .push(" where removed_at is null) e where value <> '' and value <> all(")
        .push_bind(named_by_none)
        .push(") group by value having count(*) > 1 order by count(*) desc, value limit ")
        .push_bind(MOST_NAMED);
    Ok(sql.build_query_as().fetch_all(tx.conn()).await?)
}
