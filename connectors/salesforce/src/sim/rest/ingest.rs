//! Bulk API 2.0 ingest jobs: CSV in, one result line per row out.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors::{ApiError, RowError};
use super::super::ids::Id;
use super::super::schema::Field;
use super::super::state::State;
use super::super::store::Store;
use super::super::values::push_csv_text;
use super::super::writes::{Fields, Upserted};
use super::bulk::{
    Delimiter, Job, JobState, NewState, Work, abort, api_error, find, info, invalid_state, list,
    poll,
};
use super::rows::key_field;
use super::{Call, Payload, Reply, method_not_allowed};

/// Rows written per poll, so that the lock is never held for long.
const ROWS_PER_STEP: usize = 25_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    #[serde(rename = "hardDelete")]
    HardDelete,
}

/// The work of an ingest job.
pub(crate) struct Ingest {
    table: usize,
    operation: Operation,
    key: Option<Field>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// One per row done so far.
    results: Vec<Result<(Id, bool), RowError>>,
    uploaded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewIngest {
    object: String,
    operation: Operation,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    column_delimiter: Delimiter,
    #[serde(default)]
    line_ending: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

impl Ingest {
    pub(super) fn info(&self, call: &Call<'_>, store: &Store, id: Id) -> Json {
        let failed = self.results.iter().filter(|result| result.is_err()).count();
        let operation = match self.operation {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Upsert => "upsert",
            Operation::Delete => "delete",
            Operation::HardDelete => "hardDelete",
        };
        json!({
            "operation": operation, "object": store.tables[self.table].object.name,
            "jobType": "V2Ingest", "externalIdFieldName": self.key.as_ref().map(|key| &key.name),
            // Without a leading slash, as documented.
            "contentUrl": format!("services/data/v{}/jobs/ingest/{id}/batches", call.version),
            "numberRecordsProcessed": self.results.len(), "numberRecordsFailed": failed,
            "retries": 0, "totalProcessingTime": 120, "apiActiveProcessingTime": 60,
            "apexProcessingTime": 0,
        })
    }
}

pub(super) fn serve(state: &mut State, call: &Call<'_>, rest: &[&str]) -> Result<Reply, ApiError> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(state, call),
        ("GET", []) => Ok(list(state, call, false)),
        ("GET", [id]) => {
            let id = find(state, id, false)?;
            poll(state, id);
            Ok(Reply::json(200, &info(state, call, id)))
        }
        ("PUT", [id, "batches"]) => upload(state, call, id),
        ("PATCH", [id]) => change_state(state, call, id),
        ("DELETE", [id]) => {
            let id = find(state, id, false)?;
            state.jobs.remove(&id);
            Ok(Reply::empty(204))
        }
        ("GET", [id, what]) => results(state, id, what),
        _ => Err(method_not_allowed(call)),
    }
}

fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let new: NewIngest = call.json()?;
    let table = state.store.table(&new.object);
    let table = table.ok_or_else(|| {
        ApiError::new(
            400,
            "INVALIDENTITY",
            format!("{} is not supported by the Bulk API", new.object),
        )
    })?;
    if new
        .content_type
        .as_deref()
        .is_some_and(|kind| kind != "CSV")
    {
        return Err(api_error("contentType must be CSV"));
    }
    let key = match (new.operation, &new.external_id_field_name) {
        (Operation::Upsert, Some(name)) => Some(key_field(state, table, name)?),
        (Operation::Upsert, None) => {
            return Err(api_error("externalIdFieldName is required for upsert"));
        }
        _ => None,
    };
    let now = state.clock.now_ms();
    state.forget_old(now);
    let id = Id::new(*b"750", state.next_serial());
    let ingest = Ingest {
        table,
        operation: new.operation,
        key,
        header: vec![],
        rows: vec![],
        results: vec![],
        uploaded: false,
    };
    let job = Job {
        created: now,
        user: call.user,
        version: call.version.to_owned(),
        state: JobState::Open,
        waits: state.faults.bulk.in_progress_polls,
        delimiter: new.column_delimiter,
        crlf: new.line_ending.as_deref() == Some("CRLF"),
        work: Work::Ingest(Box::new(ingest)),
    };
    state.jobs.insert(id, job);
    Ok(Reply::json(200, &info(state, call, id)))
}

fn upload(state: &mut State, call: &Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let id = find(state, id, false)?;
    let job = state.jobs.get_mut(&id).ok_or_else(ApiError::not_found)?;
    let Work::Ingest(ingest) = &mut job.work else {
        return Err(ApiError::not_found());
    };
    if job.state != JobState::Open || ingest.uploaded {
        return Err(invalid_state("the job takes one upload while it is open"));
    }
    let delimiter = u8::try_from(job.delimiter.sign()).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(call.body);
    let bad = |error: csv::Error| ApiError::new(400, "InvalidBatch", error.to_string());
    ingest.header = reader
        .headers()
        .map_err(bad)?
        .iter()
        .map(str::to_owned)
        .collect();
    for record in reader.records() {
        ingest
            .rows
            .push(record.map_err(bad)?.iter().map(str::to_owned).collect());
    }
    ingest.uploaded = true;
    Ok(Reply::empty(201))
}

fn change_state(state: &mut State, call: &Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let id = find(state, id, false)?;
    let new: NewState = call.json()?;
    if new.state != "UploadComplete" {
        abort(state, call, id)?;
        return Ok(Reply::json(200, &info(state, call, id)));
    }
    let job = state.jobs.get_mut(&id).ok_or_else(ApiError::not_found)?;
    if job.state != JobState::Open {
        return Err(invalid_state("the job is not open"));
    }
    job.state = JobState::UploadComplete;
    Ok(Reply::json(200, &info(state, call, id)))
}

/// Writes the next rows of a job; completes it when none is left.
pub(super) fn work_on(state: &mut State, id: Id) {
    let Some(mut job) = state.jobs.remove(&id) else {
        return;
    };
    if let Work::Ingest(ingest) = &mut job.work {
        job.state = JobState::InProgress;
        let from = ingest.results.len();
        let to = (from + ROWS_PER_STEP).min(ingest.rows.len());
        let mut writer = state.client_writer(job.user, false);
        for at in from..to {
            writer.undo.clear();
            let result = write_row(&mut writer, ingest, at);
            if result.is_err() {
                writer.roll_back();
            }
            ingest.results.push(result);
        }
        state.writes += ingest.results[from..]
            .iter()
            .filter(|result| result.is_ok())
            .count() as u64;
        if to == ingest.rows.len() {
            job.state = JobState::JobComplete;
        }
    }
    state.jobs.insert(id, job);
}

fn write_row(
    writer: &mut super::super::writes::Writer<'_>,
    ingest: &Ingest,
    at: usize,
) -> Result<(Id, bool), RowError> {
    let cells = &ingest.rows[at];
    if cells.len() != ingest.header.len() {
        let message = format!(
            "The number of columns {} does not match the header",
            cells.len()
        );
        return Err(RowError::new("INVALID_CSV_ROW", message));
    }
    let mut fields = Fields::new();
    let mut id = None;
    let mut key_value = None;
    for (name, cell) in ingest.header.iter().zip(cells) {
        // An empty cell leaves the field as it is; `#N/A` makes it null.
        if cell.is_empty() {
            continue;
        }
        let value = if cell == "#N/A" {
            Json::Null
        } else {
            Json::from(cell.as_str())
        };
        if name.eq_ignore_ascii_case("Id") {
            id = Some(cell.as_str());
        } else if ingest
            .key
            .as_ref()
            .is_some_and(|key| key.name.eq_ignore_ascii_case(name))
        {
            key_value = Some(cell.as_str());
        } else if let Some((relationship, key)) = name.split_once('.') {
            fields.insert(relationship.to_owned(), json!({key: value}));
        } else {
            fields.insert(name.clone(), value);
        }
    }
    let own_id = || {
        let id = id.ok_or_else(|| RowError::new("MISSING_ARGUMENT", "Id not specified"))?;
        Id::parse(id)
            .ok_or_else(|| RowError::new("MALFORMED_ID", format!("malformed id {id}")).on("Id"))
    };
    let table = ingest.table;
    match (ingest.operation, &ingest.key) {
        (Operation::Insert, _) => writer.insert(table, &fields).map(|id| (id, true)),
        (Operation::Update, _) => {
            let id = own_id()?;
            writer.update(table, id, &fields).map(|()| (id, false))
        }
        (Operation::Delete, _) => {
            let id = own_id()?;
            writer.delete(table, id).map(|()| (id, false))
        }
        (Operation::HardDelete, _) => {
            let id = own_id()?;
            writer.delete(table, id)?;
            writer.store.tables[table].put(id, None);
            Ok((id, false))
        }
        (Operation::Upsert, None) => Err(RowError::new("MISSING_ARGUMENT", "no key field")),
        (Operation::Upsert, Some(key)) => {
            let value = if key.name == "Id" { id } else { key_value };
            let value = value.ok_or_else(|| {
                RowError::new("MISSING_ARGUMENT", format!("{} not specified", key.name))
            })?;
            match writer.upsert(table, key, value, &fields, key.name == "Id")? {
                Upserted::Created(id) => Ok((id, true)),
                Upserted::Updated(id) => Ok((id, false)),
                Upserted::Several(_) => {
                    let message = format!(
                        "{}: more than one record found for external id field",
                        key.name
                    );
                    Err(RowError::new("DUPLICATE_EXTERNAL_ID", message))
                }
            }
        }
    }
}

/// `successfulResults`, `failedResults`, `unprocessedrecords`.
fn results(state: &State, id: &str, what: &str) -> Result<Reply, ApiError> {
    let id = find(state, id, false)?;
    let job = state.jobs.get(&id).ok_or_else(ApiError::not_found)?;
    let Work::Ingest(ingest) = &job.work else {
        return Err(ApiError::not_found());
    };
    let delimiter = job.delimiter.sign();
    let line = if job.crlf { "\r\n" } else { "\n" };
    let first: &[&str] = match what {
        "successfulResults" => &["sf__Id", "sf__Created"],
        "failedResults" => &["sf__Id", "sf__Error"],
        "unprocessedrecords" => &[],
        _ => return Err(ApiError::not_found()),
    };
    let mut out = String::new();
    let header = ingest.header.iter().map(String::as_str);
    push_line(
        &mut out,
        first.iter().copied().chain(header),
        delimiter,
        line,
    );
    for (at, cells) in ingest.rows.iter().enumerate() {
        let own: Vec<String> = match (what, ingest.results.get(at)) {
            ("successfulResults", Some(Ok((id, created)))) => {
                vec![id.to_string(), created.to_string()]
            }
            ("failedResults", Some(Err(error))) => vec![String::new(), error.in_bulk()],
            ("unprocessedrecords", None) => vec![],
            _ => continue,
        };
        let all = own.iter().chain(cells).map(String::as_str);
        push_line(&mut out, all, delimiter, line);
    }
    Ok(Reply {
        status: 200,
        headers: vec![],
        payload: Payload::Text("text/csv", out),
    })
}

fn push_line<'a>(
    out: &mut String,
    cells: impl Iterator<Item = &'a str>,
    delimiter: char,
    line: &str,
) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(delimiter);
        }
        out.push('"');
        push_csv_text(out, cell);
        out.push('"');
    }
    out.push_str(line);
}
