//! Several requests in one: `composite` with references between them, and `batch` without.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors::ApiError;
use super::super::state::State;
use super::{Call, Payload, Reply, dispatch, version};

const MAX_PARTS: usize = 25;
const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";
const HALTED: &str = "Batch processing halted per request";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite {
    #[serde(default)]
    all_or_none: bool,
    composite_request: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: String,
    url: String,
    reference_id: String,
    #[serde(default)]
    body: Option<Json>,
    #[serde(default)]
    http_headers: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(default)]
    halt_on_error: bool,
    batch_requests: Vec<BatchPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchPart {
    method: String,
    url: String,
    #[serde(default)]
    rich_input: Option<Json>,
}

/// `POST /composite`.
pub(super) fn composite(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request: Composite = call.json()?;
    check_count(request.composite_request.len())?;
    state.open_transaction();
    let writes = state.writes;
    let mut answers: HashMap<String, Json> = HashMap::new();
    let mut responses: Vec<Json> = vec![];
    let mut failed = false;
    for part in &request.composite_request {
        let (status, headers, body) = if failed && request.all_or_none {
            halted("PROCESSING_HALTED", ROLLED_BACK)
        } else {
            match resolved(part, &answers) {
                Ok((url, body)) => {
                    let reply = run(
                        state,
                        call,
                        &part.method,
                        &url,
                        body.as_ref(),
                        &part.http_headers,
                    );
                    taken_apart(reply)
                }
                Err(error) => (error.status, json!({}), error.body()),
            }
        };
        failed |= status >= 300 && status != 304;
        answers.insert(part.reference_id.clone(), body.clone());
        responses.push(
            json!({"body": body, "httpHeaders": headers, "httpStatusCode": status,
                              "referenceId": part.reference_id}),
        );
    }
    let undo = failed && request.all_or_none;
    state.close_transaction(undo);
    if undo {
        state.writes = writes;
        for response in &mut responses {
            if response["httpStatusCode"]
                .as_u64()
                .is_some_and(|status| status < 300)
            {
                let (status, headers, body) = halted("PROCESSING_HALTED", ROLLED_BACK);
                response["body"] = body;
                response["httpHeaders"] = headers;
                response["httpStatusCode"] = Json::from(status);
            }
        }
    }
    Ok(Reply::json(200, &json!({"compositeResponse": responses})))
}

/// `POST /composite/batch`.
pub(super) fn batch(state: &mut State, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request: Batch = call.json()?;
    check_count(request.batch_requests.len())?;
    let mut results: Vec<Json> = vec![];
    let mut failed = false;
    for part in &request.batch_requests {
        let (status, _, body) = if failed && request.halt_on_error {
            let (_, headers, body) = halted("BATCH_PROCESSING_HALTED", HALTED);
            (412, headers, body)
        } else {
            let headers = HashMap::new();
            taken_apart(run(
                state,
                call,
                &part.method,
                &part.url,
                part.rich_input.as_ref(),
                &headers,
            ))
        };
        failed |= status >= 400;
        results.push(json!({"statusCode": status, "result": body}));
    }
    Ok(Reply::json(
        200,
        &json!({"hasErrors": failed, "results": results}),
    ))
}

fn check_count(parts: usize) -> Result<(), ApiError> {
    if parts <= MAX_PARTS {
        return Ok(());
    }
    let message = format!("Limit of {MAX_PARTS} subrequests exceeded");
    Err(ApiError::new(400, "LIMIT_EXCEEDED", message))
}

fn halted(code: &str, message: &str) -> (u16, Json, Json) {
    (400, json!({}), ApiError::new(400, code, message).body())
}

/// Status, headers and body of a reply, as a part of the outer answer.
fn taken_apart(reply: Reply) -> (u16, Json, Json) {
    let headers = reply.headers.iter().map(|(name, value)| {
        // `Location` is written with a capital in this place.
        let mut name = (*name).to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        (name, Json::from(value.as_str()))
    });
    let headers = Json::Object(headers.collect());
    let body = match reply.payload {
        Payload::Json(text) => serde_json::from_str(&text).unwrap_or(Json::Null),
        Payload::Text(_, text) => Json::from(text),
        Payload::Empty | Payload::Csv(_) => Json::Null,
    };
    (reply.status, headers, body)
}

/// Runs one part as a request of the same caller. Both `v62.0/..` and `/services/data/v62.0/..`.
fn run(
    state: &mut State,
    outer: &Call<'_>,
    method: &str,
    url: &str,
    body: Option<&Json>,
    headers: &HashMap<String, String>,
) -> Reply {
    let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else {
        return ApiError::new(400, "INVALID_HTTP_METHOD", "unknown method").into();
    };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("services/data/").unwrap_or(path);
    let decoded: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let Some((first, rest)) = segments.split_first() else {
        return ApiError::not_found().into();
    };
    let version = match version(first) {
        Ok(version) => version,
        Err(error) => return error.into(),
    };
    if matches!(rest, ["composite"] | ["composite", "batch"] | ["jobs", ..]) {
        return ApiError::new(400, "INVALID_INPUT", "not allowed as a subrequest").into();
    }
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let mut all: HeaderMap = outer.headers.clone();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            all.insert(name, value);
        }
    }
    let body = body.map(Json::to_string).unwrap_or_default();
    let call = Call {
        method: &method,
        version,
        path: rest,
        query: &query,
        headers: &all,
        body: body.as_bytes(),
        user: outer.user,
    };
    dispatch(state, &call).unwrap_or_else(Reply::from)
}

/// Fills `@{ref.path}` in address and body from earlier answers.
fn resolved(
    part: &Part,
    answers: &HashMap<String, Json>,
) -> Result<(String, Option<Json>), ApiError> {
    let url = filled(&part.url, answers)?;
    let body = part
        .body
        .as_ref()
        .map(|body| fill_json(body, answers))
        .transpose()?;
    Ok((url, body))
}

fn fill_json(json: &Json, answers: &HashMap<String, Json>) -> Result<Json, ApiError> {
    Ok(match json {
        Json::String(text) => Json::String(filled(text, answers)?),
        Json::Array(items) => items
            .iter()
            .map(|item| fill_json(item, answers))
            .collect::<Result<_, _>>()?,
        Json::Object(fields) => {
            let fill =
                |(key, value): (&String, &Json)| Ok((key.clone(), fill_json(value, answers)?));
            Json::Object(fields.iter().map(fill).collect::<Result<_, ApiError>>()?)
        }
        other => other.clone(),
    })
}

fn filled(text: &str, answers: &HashMap<String, Json>) -> Result<String, ApiError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("@{") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        out.push_str(&rest[..start]);
        let path = &rest[start + 2..start + length];
        let value = look_up(path, answers).ok_or_else(|| {
            let message = format!("Invalid reference specified. No value for {path} found");
            ApiError::new(400, "PROCESSING_HALTED", message)
        })?;
        out.push_str(&value);
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// `query.records[0].Id` in the answer called `query`.
fn look_up(path: &str, answers: &HashMap<String, Json>) -> Option<String> {
    let (name, path) = path.split_once('.')?;
    let mut at = answers.get(name)?;
    for step in path.split('.') {
        let (key, index) = match step.split_once('[') {
            Some((key, index)) => (
                key,
                Some(index.trim_end_matches(']').parse::<usize>().ok()?),
            ),
            None => (step, None),
        };
        at = at.get(key)?;
        if let Some(index) = index {
            at = at.get(index)?;
        }
    }
    match at {
        Json::String(text) => Some(text.clone()),
        Json::Null => None,
        other => Some(other.to_string()),
    }
}
