//! Bulk API 2.0 query jobs. A job takes its snapshot when it is created; its pages are written as
//! they are read.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::clock::rest_datetime;
use super::super::errors::ApiError;
use super::super::ids::Id;
use super::super::soql::Plan;
use super::super::state::State;
use super::super::store::Row;
use super::bulk_csv::CsvPage;
use super::ingest::Ingest;
use super::{Call, Payload, Reply, method_not_allowed};

/// Rows of a result page when the client names no size.
const DEFAULT_PAGE: usize = 50_000;

/// A Bulk job, of either direction.
pub(crate) struct Job {
    pub(crate) created: i64,
    pub(crate) user: Id,
    /// Of the creating call; results must be read with the same.
    pub(crate) version: String,
    pub(crate) state: JobState,
    /// Polls that still answer `InProgress`.
    pub(crate) waits: u32,
    pub(crate) delimiter: Delimiter,
    pub(crate) crlf: bool,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Query {
        plan: Arc<Plan>,
        rows: Arc<Vec<Arc<Row>>>,
        with_deleted: bool,
    },
    Ingest(Box<Ingest>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl JobState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }
}

/// What stands between two cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Delimiter {
    #[default]
    Comma,
    Tab,
    Semicolon,
    Pipe,
    Caret,
    Backquote,
}

impl Delimiter {
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Tab => '\t',
            Self::Semicolon => ';',
            Self::Pipe => '|',
            Self::Caret => '^',
            Self::Backquote => '`',
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "COMMA",
            Self::Tab => "TAB",
            Self::Semicolon => "SEMICOLON",
            Self::Pipe => "PIPE",
            Self::Caret => "CARET",
            Self::Backquote => "BACKQUOTE",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewQuery {
    operation: String,
    query: String,
    #[serde(default)]
    column_delimiter: Delimiter,
    #[serde(default)]
    line_ending: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

/// `PATCH {"state": "Aborted"}`.
#[derive(Deserialize)]
pub(super) struct NewState {
    pub(super) state: String,
}

pub(super) fn serve(state: &mut State, call: &Call<'_>, rest: &[&str]) -> Result<Reply, ApiError> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(state, call),
        ("GET", []) => Ok(list(state, call, true)),
        ("GET", [id]) => {
            let id = find(state, id, true)?;
            poll(state, id);
            Ok(Reply::json(200, &info(state, call, id)))
        }
        ("PATCH", [id]) => {
            let id = find(state, id, true)?;
            abort(state, call, id)?;
            Ok(Reply::json(200, &info(state, call, id)))
        }
        ("DELETE", [id]) => {
            let id = find(state, id, true)?;
            state.jobs.remove(&id);
            Ok(Reply::empty(204))
        }
        ("GET", [id, "results"]) => results(state, call, id),
        _ => Err(method_not_allowed(call)),
    }
}

fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let new: NewQuery = call.json()?;
    let with_deleted = match new.operation.as_str() {
        "query" => false,
        "queryAll" => true,
        other => return Err(api_error(format!("operation {other} is not supported"))),
    };
    if new
        .content_type
        .as_deref()
        .is_some_and(|kind| kind != "CSV")
    {
        return Err(api_error("contentType must be CSV"));
    }
    let plan = Plan::new(&state.store, &new.query)?;
    if plan
        .columns
        .iter()
        .any(|column| column.field.kind.name() == "address")
    {
        return Err(api_error(
            "Selecting compound data not supported in Bulk Query",
        ));
    }
    if plan.count || plan.offset > 0 {
        return Err(api_error(
            "COUNT() and OFFSET are not supported by the Bulk API",
        ));
    }
    let now = state.clock.now_ms();
    state.forget_old(now);
    let is_shown = state.faults.shows(plan.object(&state.store));
    let rows = match state.faults.bulk.empty || !is_shown {
        true => vec![],
        false => plan.run(&state.store, with_deleted),
    };
    let id = Id::new(*b"750", state.next_serial());
    let job = Job {
        created: now,
        user: call.user,
        version: call.version.to_owned(),
        state: JobState::UploadComplete,
        waits: state.faults.bulk.in_progress_polls,
        delimiter: new.column_delimiter,
        crlf: new.line_ending.as_deref() == Some("CRLF"),
        work: Work::Query {
            plan: Arc::new(plan),
            rows: Arc::new(rows),
            with_deleted,
        },
    };
    state.jobs.insert(id, job);
    Ok(Reply::json(200, &info(state, call, id)))
}

pub(super) fn api_error(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "API_ERROR", message)
}

/// The job of this id and direction.
pub(super) fn find(state: &State, id: &str, query: bool) -> Result<Id, ApiError> {
    let id = Id::parse(id).filter(|id| {
        state
            .jobs
            .get(id)
            .is_some_and(|job| matches!(job.work, Work::Query { .. }) == query)
    });
    id.ok_or_else(ApiError::not_found)
}

/// Lets a job get on: each poll is a step.
pub(super) fn poll(state: &mut State, id: Id) {
    let fail = state.faults.bulk.fail;
    let Some(job) = state.jobs.get_mut(&id) else {
        return;
    };
    if !matches!(job.state, JobState::UploadComplete | JobState::InProgress) {
        return;
    }
    if job.waits > 0 {
        job.waits -= 1;
        job.state = JobState::InProgress;
    } else if fail {
        job.state = JobState::Failed;
    } else if matches!(job.work, Work::Query { .. }) {
        job.state = JobState::JobComplete;
    } else {
        super::ingest::work_on(state, id);
    }
}

/// `PATCH` with the state `Aborted`.
pub(super) fn abort(state: &mut State, call: &Call<'_>, id: Id) -> Result<(), ApiError> {
    let new: NewState = call.json()?;
    let job = state.jobs.get_mut(&id).ok_or_else(ApiError::not_found)?;
    match new.state.as_str() {
        "Aborted" if job.state != JobState::JobComplete => {
            job.state = JobState::Aborted;
            Ok(())
        }
        other => Err(invalid_state(format!("job cannot go to state {other}"))),
    }
}

pub(super) fn invalid_state(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "INVALIDJOBSTATE", message)
}

pub(super) fn list(state: &State, call: &Call<'_>, queries: bool) -> Reply {
    let of_kind = |job: &Job| matches!(job.work, Work::Query { .. }) == queries;
    let mut ids: Vec<Id> = state
        .jobs
        .iter()
        .filter(|(_, job)| of_kind(job))
        .map(|(id, _)| *id)
        .collect();
    ids.sort_unstable();
    let records: Vec<Json> = ids.iter().map(|id| info(state, call, *id)).collect();
    Reply::json(
        200,
        &json!({"done": true, "records": records, "nextRecordsUrl": null}),
    )
}

/// A job as its owner sees it.
pub(super) fn info(state: &State, call: &Call<'_>, id: Id) -> Json {
    let Some(job) = state.jobs.get(&id) else {
        return Json::Null;
    };
    let version: f64 = job.version.parse().unwrap_or(0.0);
    let mut info = json!({
        "id": id.to_string(), "createdById": job.user.to_string(),
        "createdDate": rest_datetime(job.created),
        "systemModstamp": rest_datetime(state.clock.now_ms().max(job.created)),
        "state": job.state.name(), "concurrencyMode": "Parallel", "contentType": "CSV",
        "apiVersion": version, "lineEnding": if job.crlf { "CRLF" } else { "LF" },
        "columnDelimiter": job.delimiter.name(),
    });
    let extra = match &job.work {
        Work::Query {
            plan,
            rows,
            with_deleted,
        } => {
            let done = job.state == JobState::JobComplete;
            json!({
                "operation": if *with_deleted { "queryAll" } else { "query" },
                "object": state.store.tables[plan.table].object.name, "jobType": "V2Query",
                "numberRecordsProcessed": if done { rows.len() } else { 0 }, "retries": 0,
                "totalProcessingTime": 120, "isPkChunkingSupported": !plan.sorted_or_limited(),
            })
        }
        Work::Ingest(ingest) => ingest.info(call, &state.store, id),
    };
    if let (Json::Object(info), Json::Object(extra)) = (&mut info, extra) {
        info.extend(extra);
    }
    info
}

/// `GET /jobs/query/{id}/results?maxRecords=&locator=`.
fn results(state: &mut State, call: &Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let id = find(state, id, true)?;
    let job = state.jobs.get(&id).ok_or_else(ApiError::not_found)?;
    if job.version != call.version {
        let message = format!("results must be read with API version {}", job.version);
        return Err(ApiError::new(409, "API_ERROR", message));
    }
    if job.state != JobState::JobComplete {
        return Err(invalid_state("job is not complete"));
    }
    let Work::Query { plan, rows, .. } = &job.work else {
        return Err(ApiError::not_found());
    };
    let start = match call.param("locator") {
        None | Some("") => 0,
        Some(text) => locator_offset(text)
            .filter(|offset| *offset < rows.len())
            .ok_or_else(|| ApiError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))?,
    };
    let asked = call
        .param("maxRecords")
        .map(str::parse::<usize>)
        .transpose();
    let asked = asked.map_err(|_err| api_error("maxRecords must be a number"))?;
    let length = asked
        .unwrap_or(DEFAULT_PAGE)
        .clamp(1, state.options.bulk_page_cap.max(1));
    let end = start.saturating_add(length).min(rows.len());
    let locator = if end < rows.len() {
        locator(end)
    } else {
        "null".to_owned()
    };
    let page = CsvPage {
        plan: Arc::clone(plan),
        rows: Arc::clone(rows),
        next: start,
        end,
        delimiter: job.delimiter.sign(),
        line: if job.crlf { "\r\n" } else { "\n" },
        repeat_header: state
            .faults
            .bulk
            .repeat_header_every
            .filter(|every| *every > 0),
        header: true,
    };
    let reply = Reply {
        status: 200,
        headers: vec![],
        payload: Payload::Csv(page),
    };
    Ok(reply
        .with("sforce-locator", locator)
        .with("sforce-numberofrecords", (end - start).to_string()))
}

/// Opaque to clients: base64, as the real one looks.
fn locator(offset: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(format!("row-{offset}"))
}

fn locator_offset(text: &str) -> Option<usize> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(text)
        .ok()?;
    std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("row-")?
        .parse()
        .ok()
}
