//! The REST and Bulk API below `/services/data`: one request in, one reply out, no I/O.
//!
//! [`dispatch`] serves requests and the parts of composite requests alike.

pub(crate) mod bulk;
mod bulk_csv;
mod collections;
mod composite;
mod describe;
mod ingest;
pub(crate) mod query;
mod replication;
mod rows;

use axum::http::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub(crate) use bulk_csv::CsvPage;
pub(crate) use rows::record_text;

use super::errors::ApiError;
use super::ids::Id;
use super::state::State;

/// The oldest and the newest API version served.
const VERSIONS: (u32, u32) = (41, 67);

/// One request, its path split and decoded.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// `62.0`.
    pub(crate) version: &'a str,
    /// What follows the version.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(String, String)],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) user: Id,
}

impl Call<'_> {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON of this shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(self.body).map_err(|error| ApiError::json(error.to_string()))
    }

    pub(crate) fn root(&self) -> String {
        format!("/services/data/v{}", self.version)
    }

    pub(crate) fn allow_duplicates(&self) -> bool {
        self.header("sforce-duplicate-rule-header")
            .is_some_and(|h| {
                h.to_ascii_lowercase()
                    .replace(' ', "")
                    .contains("allowsave=true")
            })
    }
}

pub(crate) enum Payload {
    Empty,
    Json(String),
    Csv(CsvPage),
    /// Content type and text.
    Text(&'static str, String),
}

/// What goes back, but for the headers every answer has.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::text(status, body.to_string())
    }

    /// JSON that is already written.
    pub(crate) fn text(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![],
            payload: Payload::Json(body),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: vec![],
            payload: Payload::Empty,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self::json(error.status, &error.body())
    }
}

/// `v62.0` → `62.0`, if served.
pub(crate) fn version(segment: &str) -> Result<&str, ApiError> {
    let number = segment.strip_prefix('v').ok_or_else(ApiError::not_found)?;
    let major = number
        .strip_suffix(".0")
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < VERSIONS.0 => Err(ApiError::new(
            410,
            "UNSUPPORTED_API_VERSION",
            "API version is retired",
        )),
        Some(major) if major <= VERSIONS.1 => Ok(number),
        _ => Err(ApiError::not_found()),
    }
}

/// `GET /services/data/`: needs no session.
pub(crate) fn versions() -> Reply {
    let seasons = ["Winter", "Spring", "Summer"];
    let entries: Vec<Json> = (VERSIONS.0..=VERSIONS.1)
        .map(|major| {
            // 65.0 is Winter '26; three releases a year.
            let (season, year) = (seasons[(major + 1) as usize % 3], 26 + (major + 1) / 3 - 22);
            serde_json::json!({"label": format!("{season} '{year}"),
                "url": format!("/services/data/v{major}.0"), "version": format!("{major}.0")})
        })
        .collect();
    Reply::json(200, &Json::Array(entries))
}

/// The name under which a request is counted and faults find it.
pub(crate) fn kind(method: &Method, path: &[&str]) -> &'static str {
    match (method.as_str(), path) {
        (_, ["query" | "queryAll", _]) => "query_more",
        (_, ["query"]) => "query",
        (_, ["queryAll"]) => "query_all",
        (_, ["limits"]) => "limits",
        (_, ["sobjects"]) => "describe_global",
        ("GET", ["sobjects", _] | ["sobjects", _, "describe"]) => "describe",
        (_, ["sobjects", _, "updated"]) => "updated",
        (_, ["sobjects", _, "deleted"]) => "deleted",
        ("POST", ["sobjects", _]) => "row_create",
        ("GET", ["sobjects", ..]) => "row_get",
        ("PATCH", ["sobjects", _, _]) => "row_update",
        ("PATCH", ["sobjects", ..]) => "row_upsert",
        ("DELETE", ["sobjects", ..]) => "row_delete",
        ("POST", ["composite", "sobjects", _]) => "collection_get",
        (_, ["composite", "sobjects", ..]) => "collection",
        (_, ["composite", "batch"]) => "batch",
        (_, ["composite"]) => "composite",
        (_, ["jobs", "query", _, "results"]) => "bulk_results",
        (_, ["jobs", "query", ..]) => "bulk_query",
        (_, ["jobs", "ingest", ..]) => "bulk_ingest",
        _ => "other",
    }
}

/// Serves one request of a caller who is let in.
pub(crate) fn dispatch(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    match (call.method.as_str(), call.path) {
        ("GET", []) => Ok(resources(call)),
        ("GET", ["limits"]) => Ok(limits(state)),
        ("GET", ["sobjects"]) => describe::global(state, call),
        ("GET", ["sobjects", object]) => describe::basic(state, call, object),
        ("GET", ["sobjects", object, "describe"]) => describe::full(state, call, object),
        ("GET", ["sobjects", object, "updated"]) => replication::updated(state, call, object),
        ("GET", ["sobjects", object, "deleted"]) => replication::deleted(state, call, object),
        ("POST", ["sobjects", object]) => rows::create(state, call, object),
        (_, ["sobjects", object, id]) => rows::by_id(state, call, object, id),
        (_, ["sobjects", object, key, value]) => rows::by_key(state, call, object, key, value),
        ("GET", ["query"]) => query::start(state, call, false),
        ("GET", ["queryAll"]) => query::start(state, call, true),
        ("GET", ["query" | "queryAll", locator]) => query::more(state, call, locator),
        ("POST", ["composite"]) => composite::composite(state, call),
        ("POST", ["composite", "batch"]) => composite::batch(state, call),
        (_, ["composite", "sobjects", rest @ ..]) => collections::serve(state, call, rest),
        (_, ["jobs", "query", rest @ ..]) => bulk::serve(state, call, rest),
        (_, ["jobs", "ingest", rest @ ..]) => ingest::serve(state, call, rest),
        _ => Err(ApiError::not_found()),
    }
}

/// The object's place in the store, or the API's 404.
pub(crate) fn table(state: &State, object: &str) -> Result<usize, ApiError> {
    state.store.table(object).ok_or_else(ApiError::not_found)
}

pub(crate) fn method_not_allowed(call: &Call<'_>) -> ApiError {
    let message = format!("HTTP Method '{}' not allowed", call.method);
    ApiError::new(405, "METHOD_NOT_ALLOWED", message)
}

fn resources(call: &Call<'_>) -> Reply {
    let root = call.root();
    let mut all = serde_json::Map::new();
    for name in [
        "sobjects",
        "query",
        "queryAll",
        "limits",
        "composite",
        "jobs",
    ] {
        all.insert(name.to_owned(), Json::from(format!("{root}/{name}")));
    }
    Reply::json(200, &Json::Object(all))
}

fn limits(state: &State) -> Reply {
    let daily = state.options.daily_limit;
    let jobs = state.jobs.len() as u64;
    Reply::json(
        200,
        &serde_json::json!({
            "DailyApiRequests": {"Max": daily, "Remaining": daily.saturating_sub(state.api_usage)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000_u64.saturating_sub(jobs)},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DataStorageMB": {"Max": 1024, "Remaining": 900},
        }),
    )
}
