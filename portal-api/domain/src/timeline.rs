//! What happened to an entity, in one order: merges, edits, writes, conflicts, links.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId, RunId, UserId};
use engine::sdk::Value;
use engine::store::changes::Kept;
use engine::store::keyset::{After, Slice, instant, instant_text};
use engine::store::{connections, plans};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use crate::{entities, show, users};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Created,
    Merged,
    Edited,
    Written,
    WriteFailed,
    ConflictOpened,
    ConflictResolved,
    Removed,
    Unlinked,
    Restored,
    Undone,
    UndoKept,
    Linked,
    /// Another record became this one, or this one another.
    Joined,
    /// A link came from another record, or what this one points at became another.
    Relinked,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Happened {
    pub id: String,
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub title: String,
    pub who: String,
    pub connection_id: Option<ConnectionId>,
    pub run_id: Option<RunId>,
    pub changes: Vec<FieldChange>,
}

/// One field that changed.
#[derive(Clone, Debug)]
pub struct FieldChange {
    pub field: String,
    pub label: String,
    pub old: Json,
    pub new: Json,
}

/// A row of the union, whatever its table.
struct Row {
    at: DateTime<Utc>,
    id: Uuid,
    kind: String,
    connection_id: Option<ConnectionId>,
    run_id: Option<RunId>,
    user_id: Option<UserId>,
    fields: Option<Json>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct StoredChange {
    field: String,
    #[serde(default)]
    old: Value,
    #[serde(default)]
    new: Value,
    #[serde(default)]
    lost: Option<Value>,
    #[serde(default)]
    kept: Option<Kept>,
}

/// A page of an entity's history, newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn read(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Happened>, StoreError> {
    entities::stored(tx, kind, id).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let rows = rows(tx, kind, id, limit, after).await?;
    let slice = Slice::cut(rows, limit, |last| After {
        value: instant_text(last.at),
        id: last.id,
    });
    let names = Names::of(tx, &slice.items).await?;
    let items = slice
        .items
        .into_iter()
        .map(|row| tell(row, &names, &catalogue));
    Ok(Slice {
        items: items.collect(),
        next: slice.next,
        total: None,
    })
}

async fn rows(
    tx: &mut Tx,
    kind: &str,
    id: EntityId,
    limit: i64,
    after: Option<&After>,
) -> Result<Vec<Row>, StoreError> {
    let before = after.map(|after| instant(&after.value)).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"
        select at as "at!", id as "id!", kind as "kind!",
               connection_id as "connection_id: ConnectionId", run_id as "run_id: RunId",
               user_id as "user_id: UserId", fields, note
        from (
            select at, id, kind, connection_id, run_id, user_id, fields, null::text as note
            from changes
            where entity_id = $1
            union all
            select coalesce(settled_at, created_at), id,
                   case state when 'settled' then 'written' else 'write_failed' end,
                   connection_id, run_id, null, to_jsonb(fields), error ->> 'message'
            from writes
            where entity_id = $1 and state in ('settled', 'failed')
            union all
            select opened_at, id, 'conflict_opened', connection_id, run_id, null, fields,
                   field_group
            from conflicts
            where entity_id = $1
            union all
            select resolved_at, id, 'conflict_resolved', connection_id, null, resolved_by, null,
                   choice
            from conflicts
            where entity_id = $1 and resolved_at is not null
            union all
            -- Records have no id of their own; this one is as good, and always the same.
            select linked_at, md5(connection_id::text || stream || key)::uuid, 'linked',
                   connection_id, null, null, null, stream || ' ' || key
            from records r
            where entity_id = $1
              and not exists (
                  select from link_events e
                  where e.connection_id = r.connection_id and e.stream = r.stream
                    and e.key = r.key and e.entity_id = $1)
            union all
            select at, id, case when entity_id = $1 then 'link_' else 'left_' end || method,
                   connection_id, run_id, user_id,
                   (select jsonb_agg(jsonb_build_object('field', one ->> 'field', 'old', one -> 'here',
                                                        'new', one -> 'there'))
                    from jsonb_array_elements(evidence) as one),
                   stream || ' ' || key
            from link_events
            where entity_id = $1 or from_entity = $1
            union all
            select created_at, id, 'created', null, null, null, null, null
            from accounts
            where id = $1 and $2 = 'account'
            union all
            select created_at, id, 'created', null, null, null, null, null
            from contacts
            where id = $1 and $2 = 'contact'
        ) as happened
        where $4::timestamptz is null or (at, id) < ($4, $5)
        order by at desc, id desc
        limit $3::bigint + 1
        "#,
        id.0,
        kind,
        limit,
        before,
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// Who is who in the sentences.
struct Names {
    connections: HashMap<ConnectionId, String>,
    users: HashMap<UserId, String>,
}

impl Names {
    async fn of(tx: &mut Tx, rows: &[Row]) -> Result<Self, StoreError> {
        let peers: Vec<_> = rows.iter().filter_map(|row| row.connection_id).collect();
        let people: Vec<_> = rows.iter().filter_map(|row| row.user_id).collect();
        Ok(Self {
            connections: connections::names(tx, &peers).await?,
            users: users::names(tx, &people).await?,
        })
    }
}

fn tell(row: Row, names: &Names, catalogue: &Catalogue) -> Happened {
    let peer = row.connection_id.and_then(|id| names.connections.get(&id));
    let peer = peer.map_or("a system", String::as_str);
    let person = row
        .user_id
        .and_then(|id| names.users.get(&id))
        .map(String::as_str);
    let who = person
        .or(row.connection_id.map(|_| peer))
        .unwrap_or("the hub")
        .to_owned();
    let changes = changes(&row, catalogue);
    let labels: Vec<&str> = changes.iter().map(|change| change.label.as_str()).collect();
    let what = enumerate(&labels);
    let note = row.note.as_deref().unwrap_or_default();
    let (kind, title) = match row.kind.as_str() {
        "created" => (Kind::Created, "Created".to_owned()),
        "merged" | "normalised" => (Kind::Merged, format!("{peer} changed {what}")),
        "edited" => (Kind::Edited, format!("{who} changed {what}")),
        "resolved" if changes.is_empty() => (
            Kind::ConflictResolved,
            format!("{who} kept the core's value"),
        ),
        "resolved" => (Kind::ConflictResolved, format!("{who} decided {what}")),
        "undone" => (
            Kind::Undone,
            format!("{who} had a run undone: {what} put back"),
        ),
        "undo_kept" => (
            Kind::UndoKept,
            format!("Undoing a run left {what} as it is: {}", reasons(&row)),
        ),
        "removed" => (Kind::Removed, format!("Removed by {who}")),
        "unlinked" => (Kind::Unlinked, format!("Unlinked by {who}")),
        "restored" => (Kind::Restored, format!("Restored by {who}")),
        "written" => (Kind::Written, format!("{what} written to {peer}")),
        "write_failed" => (
            Kind::WriteFailed,
            format!("{what} not written to {peer}: {note}"),
        ),
        "conflict_opened" => (
            Kind::ConflictOpened,
            format!("Conflict with {peer} over {what}"),
        ),
        "conflict_resolved" => (Kind::ConflictResolved, format!("Conflict decided: {note}")),
        "joined" => (Kind::Joined, "Joined into another record".to_owned()),
        "kept" => (
            Kind::Joined,
            format!("The record that was joined into this one had another {what}"),
        ),
        "relinked" => (
            Kind::Relinked,
            format!("{what} was joined into another record, which it is now"),
        ),
        "linked" => (Kind::Linked, format!("Linked with {note} in {peer}")),
        "link_hub_id" => (
            Kind::Linked,
            format!("Linked with {note} in {peer}, which holds the hub's id"),
        ),
        "link_strong_key" => (
            Kind::Linked,
            format!("Linked with {note} in {peer} by {what}"),
        ),
        "link_person" => (
            Kind::Linked,
            format!("Linked with {note} in {peer} by {who}"),
        ),
        "link_merge" => (
            Kind::Relinked,
            format!("Linked with {note} in {peer}: two records became one"),
        ),
        "link_conversion" => (
            Kind::Relinked,
            format!("Linked with {note} in {peer}: its record became one of another stream"),
        ),
        "left_person" => (
            Kind::Unlinked,
            format!("{who} linked {note} in {peer} with another record"),
        ),
        "left_merge" | "left_conversion" => (
            Kind::Unlinked,
            format!("{note} in {peer} went to the record that this one became"),
        ),
        other => (Kind::Merged, other.to_owned()),
    };
    Happened {
        id: format!("{}_{}", row.kind, row.id.simple()),
        at: row.at,
        kind,
        title,
        who,
        connection_id: row.connection_id,
        run_id: row.run_id,
        changes,
    }
}

/// Why an undo left fields as they are, each reason once.
fn reasons(row: &Row) -> String {
    let stored = row.fields.as_ref().map(Vec::<StoredChange>::deserialize);
    let kept: BTreeSet<Kept> = stored
        .and_then(Result::ok)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|change| change.kept)
        .collect();
    let sentences: Vec<&str> = kept.into_iter().map(Kept::sentence).collect();
    sentences.join("; ")
}

/// Up to three by name, the rest by number.
fn enumerate(labels: &[&str]) -> String {
    match labels {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// The changed fields of a row: changes carry old and new, writes names only, conflicts sides.
fn changes(row: &Row, catalogue: &Catalogue) -> Vec<FieldChange> {
    let Some(fields) = &row.fields else {
        return Vec::new();
    };
    let change = |name: &str, old: &Value, new: &Value| {
        let field = catalogue.field(name);
        FieldChange {
            field: name.to_owned(),
            label: field.map_or_else(|| name.to_owned(), |field| field.label.clone()),
            old: show::value(field, old),
            new: show::value(field, new),
        }
    };
    match fields {
        Json::Array(values) => values
            .iter()
            .filter_map(|value| match value {
                Json::String(name) => Some(change(name, &Value::Null, &Value::Null)),
                other => {
                    let stored = StoredChange::deserialize(other).ok()?;
                    let old = stored.lost.filter(|_| row.kind == "kept");
                    Some(change(
                        &stored.field,
                        &old.unwrap_or(stored.old),
                        &stored.new,
                    ))
                }
            })
            .collect(),
        Json::Object(sides) => sides
            .iter()
            .map(|(name, sides)| {
                let side = |side: &str| Value::deserialize(&sides[side]).unwrap_or_default();
                change(name, &side("core"), &side("remote"))
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_fields_are_counted_and_few_are_named() {
        assert_eq!(enumerate(&["Phone"]), "Phone");
        assert_eq!(
            enumerate(&["Phone", "Name", "Tier"]),
            "Phone, Name and Tier"
        );
        assert_eq!(enumerate(&["A", "B", "C", "D"]), "A, B and 2 more");
    }
}
