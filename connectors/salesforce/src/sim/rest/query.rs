//! Queries in pages. A cursor holds the rows as they were when the query started.

use std::sync::Arc;

use super::super::errors::ApiError;
use super::super::ids::Id;
use super::super::soql::{Column, Plan, SoqlError};
use super::super::state::State;
use super::super::store::{Row, Store};
use super::super::values::{push_json, push_json_text};
use super::{Call, Reply};

/// A query's rows, to be read page by page.
pub(crate) struct Cursor {
    plan: Arc<Plan>,
    rows: Arc<Vec<Arc<Row>>>,
    page: usize,
    pub(crate) born: i64,
}

impl From<SoqlError> for ApiError {
    fn from(error: SoqlError) -> Self {
        Self::new(400, error.code, error.message)
    }
}

/// `GET /query?q=` and `GET /queryAll?q=`.
pub(super) fn start(
    state: &mut State,
    call: &Call<'_>,
    with_deleted: bool,
) -> Result<Reply, ApiError> {
    let text = call.param("q").ok_or_else(|| {
        ApiError::new(400, "MALFORMED_QUERY", "A query string has to be specified")
    })?;
    let plan = Plan::new(&state.store, text)?;
    let rows = match state.faults.shows(plan.object(&state.store)) {
        true => plan.run(&state.store, with_deleted),
        false => vec![],
    };
    if plan.count {
        let body = format!(r#"{{"totalSize":{},"done":true,"records":[]}}"#, rows.len());
        return Ok(Reply::text(200, body));
    }
    let page = page_size(call).min(state.options.page_size).max(1);
    let now = state.clock.now_ms();
    state.forget_old(now);
    let id = Id::new(*b"0r8", state.next_serial());
    let cursor = Cursor {
        plan: Arc::new(plan),
        rows: Arc::new(rows),
        page,
        born: now,
    };
    let reply = page_of(state, call, id, &cursor, 0);
    if cursor.rows.len() > page || state.faults.short_pages {
        state.cursors.insert(id, cursor);
    }
    Ok(reply)
}

/// `GET /query/{locator}`; anything after a `?` is ignored, as some clients repeat `q` there.
pub(super) fn more(state: &mut State, call: &Call<'_>, locator: &str) -> Result<Reply, ApiError> {
    let gone = || ApiError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let now = state.clock.now_ms();
    state.forget_old(now);
    let (id, offset) = locator.rsplit_once('-').ok_or_else(gone)?;
    let id = Id::parse(id).ok_or_else(gone)?;
    let offset: usize = offset.parse().ok().ok_or_else(gone)?;
    let cursor = state.cursors.get(&id).ok_or_else(gone)?;
    if offset > cursor.rows.len() {
        return Err(gone());
    }
    Ok(page_of(state, call, id, cursor, offset))
}

/// The page size a client asks for: `Sforce-Query-Options: batchSize=500`, 200 to 2000.
fn page_size(call: &Call<'_>) -> usize {
    call.header("sforce-query-options")
        .and_then(|options| options.split(['=', ',', ';']).nth(1))
        .and_then(|size| size.trim().parse::<usize>().ok())
        .map_or(2000, |size| size.clamp(200, 2000))
}

fn page_of(state: &State, call: &Call<'_>, id: Id, cursor: &Cursor, offset: usize) -> Reply {
    let mut length = cursor.page;
    if state.faults.short_pages {
        length = 1 + (offset * 7 + 13) % length.div_ceil(2);
    }
    let end = (offset + length).min(cursor.rows.len());
    let done = end >= cursor.rows.len();
    let mut total = cursor.rows.len();
    if state.faults.drifting_total {
        total += offset / length.max(1);
    }
    let mut out = format!(r#"{{"totalSize":{total},"done":{done},"#);
    if !done {
        // Also for queryAll the link says `query`.
        out.push_str(&format!(
            r#""nextRecordsUrl":"{}/query/{id}-{end}","#,
            call.root()
        ));
    }
    out.push_str("\"records\":[");
    let layout = Layout::new(&cursor.plan.columns);
    for (at, row) in cursor.rows[offset..end].iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        layout.push_record(&mut out, &state.store, &call.root(), cursor.plan.table, row);
    }
    out.push_str("]}");
    Reply::text(200, out)
}

/// Columns grouped as JSON nests them: own fields, and one object per relationship.
pub(super) struct Layout<'a> {
    groups: Vec<Vec<&'a Column>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(columns: &'a [Column]) -> Self {
        let mut groups: Vec<Vec<&Column>> = vec![];
        for column in columns {
            let relation = |c: &Column| c.via.as_ref().map(|(field, _)| field.name.clone());
            let group = groups
                .iter_mut()
                .find(|group| group[0].via.is_some() && relation(group[0]) == relation(column));
            match group {
                Some(group) => group.push(column),
                None => groups.push(vec![column]),
            }
        }
        Self { groups }
    }

    pub(super) fn push_record(
        &self,
        out: &mut String,
        store: &Store,
        root: &str,
        table: usize,
        row: &Arc<Row>,
    ) {
        push_attributes(out, root, &store.tables[table].object.name, row.id);
        for group in &self.groups {
            let first = group[0];
            out.push(',');
            let Some((reference, parent)) = &first.via else {
                push_json_text(out, &first.field.name);
                out.push(':');
                push_json(out, &first.field, row);
                continue;
            };
            push_json_text(out, reference.relationship.as_deref().unwrap_or_default());
            out.push(':');
            let Some(owner) = first.owner(store, row) else {
                out.push_str("null");
                continue;
            };
            push_attributes(out, root, &store.tables[*parent].object.name, owner.id);
            for column in group {
                out.push(',');
                push_json_text(out, &column.field.name);
                out.push(':');
                push_json(out, &column.field, owner);
            }
            out.push('}');
        }
        out.push('}');
    }
}

/// `{"attributes":{..}`, the opening of every record.
pub(super) fn push_attributes(out: &mut String, root: &str, object: &str, id: Id) {
    out.push_str("{\"attributes\":{\"type\":\"");
    out.push_str(object);
    out.push_str("\",\"url\":\"");
    out.push_str(root);
    out.push_str("/sobjects/");
    out.push_str(object);
    out.push('/');
    id.push_to(out);
    out.push_str("\"}");
}
