//! HTTP around the state: reads a request, takes the lock for as long as the work needs, answers.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::clock::http_date;
use super::errors::ApiError;
use super::faults::{Answer, LimitHeader};
use super::oauth::{self, Form};
use super::rest::{Call, CsvPage, Payload, Reply, dispatch, kind, version, versions};
use super::state::{Shared, State, lock};
use super::{control, soap};

/// An ingest upload may be 150 MB.
const MAX_BODY: usize = 160 * 1024 * 1024;

/// Bytes of an address before it is refused with 414.
const MAX_URL: usize = 16_384;

/// A request, read.
struct Incoming {
    method: Method,
    path: Vec<String>,
    query: Form,
    headers: HeaderMap,
    body: Bytes,
    host: String,
}

/// What to do with the reply.
enum Delivery {
    Whole,
    Cut,
    Hang(Duration),
    /// Whole, after a while.
    Late(Duration),
}

/// The one handler.
pub(crate) async fn entry(
    Extract(shared): Extract<Shared>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    if parts.uri.to_string().len() > MAX_URL {
        let error = ApiError::new(414, "URI_TOO_LONG", "request URI is too long");
        return Ok(respond(&shared, error.into(), &Delivery::Whole, None));
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let error = ApiError::new(
            413,
            "REQUEST_TOO_LARGE",
            "request body too large or cut off",
        );
        return Ok(respond(&shared, error.into(), &Delivery::Whole, None));
    };
    let path = parts
        .uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty());
    let incoming = Incoming {
        path: path
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect(),
        query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        host: header(&parts.headers, "host")
            .unwrap_or("localhost")
            .to_owned(),
        method: parts.method,
        headers: parts.headers,
        body,
    };
    let (reply, delivery, limits) = serve(&shared, &incoming);
    if let Delivery::Hang(time) | Delivery::Late(time) = delivery {
        tokio::time::sleep(time).await;
    }
    Ok(respond(&shared, reply, &delivery, limits))
}

fn pairs(text: &[u8]) -> Form {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn serve(shared: &Shared, incoming: &Incoming) -> (Reply, Delivery, Option<String>) {
    let mut state = lock(shared);
    state.settle();
    let path: Vec<&str> = incoming.path.iter().map(String::as_str).collect();
    let plain = |reply| (reply, Delivery::Whole, None);
    match path.as_slice() {
        ["services", "data"] => {
            state.count("versions");
            plain(versions())
        }
        ["services", "data", api, rest @ ..] => rest_api(&mut state, incoming, api, rest),
        ["__control", rest @ ..] => {
            plain(control::serve(&mut state, &incoming.method, rest, &incoming.body))
        }
        ["services", "oauth2", ..] | ["services", "Soap", "u", ..] | ["id", _, _] => {
            login(&mut state, incoming, &path)
        }
        // Bulk 1.0: clients that know it fall back to REST on this answer.
        ["services", "async", ..] => plain(Reply {
            status: 400,
            headers: vec![],
            payload: Payload::Json(
                r#"{"exceptionCode":"FeatureNotEnabled","exceptionMessage":"Async API not enabled"}"#
                    .to_owned(),
            ),
        }),
        _ => plain(ApiError::not_found().into()),
    }
}

fn base_url(state: &State, incoming: &Incoming) -> String {
    state
        .base_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", incoming.host))
}

fn login(
    state: &mut State,
    incoming: &Incoming,
    path: &[&str],
) -> (Reply, Delivery, Option<String>) {
    let base = base_url(state, incoming);
    let kind = match path {
        [.., "token"] => "token",
        [.., "authorize"] => "authorize",
        ["services", "Soap", ..] => "soap_login",
        _ => "login_other",
    };
    state.count(kind);
    let fault = state.faults.take_answer(kind);
    let (early, delivery, after) = apply(fault);
    if let Some(reply) = early {
        return (reply, delivery, None);
    }
    let mut form = pairs(&incoming.body);
    let bearer = header(&incoming.headers, "authorization").and_then(token_of);
    let reply = match (incoming.method.as_str(), path) {
        ("POST", [_, _, "token"]) => {
            oauth::token(state, &form, &incoming.headers, &incoming.host, &base)
        }
        ("GET", [_, _, "authorize"]) => oauth::authorize(state, &incoming.query, false),
        ("POST", [_, _, "authorize"]) => oauth::authorize(state, &form, true),
        (_, [_, _, "revoke"]) => {
            form.extend(incoming.query.iter().cloned());
            oauth::revoke(state, &form)
        }
        (_, [_, _, "userinfo"] | ["id", _, _]) => {
            oauth::user_info(state, bearer.unwrap_or_default(), &base)
        }
        ("POST", ["services", "Soap", "u", version, ..]) => soap::login(
            state,
            version,
            &String::from_utf8_lossy(&incoming.body),
            &base,
        ),
        _ => ApiError::not_found().into(),
    };
    (after.unwrap_or(reply), delivery, None)
}

/// `Bearer x` and the older `OAuth x`.
fn token_of(value: &str) -> Option<&str> {
    value
        .strip_prefix("Bearer ")
        .or_else(|| value.strip_prefix("OAuth "))
        .map(str::trim)
}

/// A fault as: an answer given instead of the work, how to deliver, an answer given after it.
fn apply(fault: Option<Answer>) -> (Option<Reply>, Delivery, Option<Reply>) {
    let error = |status: u16, code: &str, message: &str| -> Reply {
        ApiError::new(status, code, message).into()
    };
    match fault {
        None => (None, Delivery::Whole, None),
        Some(Answer::Error {
            status,
            code,
            message,
        }) => (Some(error(status, &code, &message)), Delivery::Whole, None),
        Some(Answer::ConcurrentLimit) => {
            let message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
            (
                Some(error(403, "REQUEST_LIMIT_EXCEEDED", message)),
                Delivery::Whole,
                None,
            )
        }
        Some(Answer::ErrorAfterCommit { status }) => {
            let message = "An unexpected error occurred. Please include this ErrorId if you contact \
                           support: 1234567890-12345 (-1234567890)";
            (
                None,
                Delivery::Whole,
                Some(error(status, "UNKNOWN_EXCEPTION", message)),
            )
        }
        Some(Answer::Html { status }) => {
            let text = "<html><head><title>Error</title></head><body><h1>We are down for \
                        maintenance.</h1></body></html>";
            let payload = Payload::Text("text/html;charset=UTF-8", text.to_owned());
            (
                Some(Reply {
                    status,
                    headers: vec![],
                    payload,
                }),
                Delivery::Whole,
                None,
            )
        }
        Some(Answer::Empty { status }) => (Some(Reply::empty(status)), Delivery::Whole, None),
        Some(Answer::Cut) => (None, Delivery::Cut, None),
        Some(Answer::Hang { ms }) => (
            Some(Reply::empty(504)),
            Delivery::Hang(Duration::from_millis(ms)),
            None,
        ),
        Some(Answer::Slow { ms }) => (None, Delivery::Late(Duration::from_millis(ms)), None),
    }
}

fn rest_api(
    state: &mut State,
    incoming: &Incoming,
    api: &str,
    rest: &[&str],
) -> (Reply, Delivery, Option<String>) {
    let kind = kind(&incoming.method, rest);
    state.count(kind);
    let fault = state.faults.take_answer(kind);
    let (early, delivery, after) = apply(fault);
    if let Some(reply) = early {
        let limits = limit_info(state);
        return (reply, delivery, limits);
    }
    let answered = admit(state, incoming).and_then(|user| {
        let call = Call {
            method: &incoming.method,
            version: version(api)?,
            path: rest,
            query: &incoming.query,
            headers: &incoming.headers,
            body: &incoming.body,
            user,
        };
        dispatch(state, &call)
    });
    let reply = answered.unwrap_or_else(Reply::from);
    let limits = limit_info(state);
    (after.unwrap_or(reply), delivery, limits)
}

/// Checks the session and the daily limit; counts the call.
fn admit(state: &mut State, incoming: &Incoming) -> Result<super::ids::Id, ApiError> {
    let expired = || ApiError::new(401, "INVALID_SESSION_ID", "Session expired or invalid");
    let now = state.clock.now_ms();
    let token = header(&incoming.headers, "authorization").and_then(token_of);
    let token = token.ok_or_else(expired)?;
    let (life, ttl) = (
        state.faults.expire_session_after,
        state.options.session_ttl_ms,
    );
    let session = state.logins.sessions.get_mut(token).ok_or_else(expired)?;
    let worn_out = life.is_some_and(|calls| session.calls >= calls);
    if worn_out || now - session.born > ttl {
        state.logins.sessions.remove(token);
        return Err(expired());
    }
    session.calls += 1;
    let user = session.user;
    state.api_usage += 1;
    if state.faults.daily_limit_reached || state.api_usage > state.options.daily_limit {
        let message = "TotalRequests Limit exceeded.";
        return Err(ApiError::new(403, "REQUEST_LIMIT_EXCEEDED", message));
    }
    Ok(user)
}

fn limit_info(state: &State) -> Option<String> {
    let (used, max) = (state.api_usage, state.options.daily_limit);
    let used = if state.faults.daily_limit_reached {
        max + 3
    } else {
        used
    };
    match state.faults.limit_header {
        LimitHeader::Plain => Some(format!("api-usage={used}/{max}")),
        LimitHeader::Bursts => Some(format!("api-usage={used}/{max}; api-bursts=1/750")),
        LimitHeader::PerApp => Some(format!(
            "api-usage={used}/{max}; per-app-api-usage=17/250(appName=hub)"
        )),
        LimitHeader::Absent => None,
    }
}

fn respond(
    shared: &Shared,
    reply: Reply,
    delivery: &Delivery,
    limits: Option<String>,
) -> Response<Body> {
    let (kind, text) = match reply.payload {
        Payload::Empty => (None, None),
        Payload::Json(text) => (Some("application/json;charset=UTF-8"), Some(text)),
        Payload::Text(kind, text) => (Some(kind), Some(text)),
        Payload::Csv(page) => {
            let body = match delivery {
                Delivery::Whole | Delivery::Late(_) => {
                    Body::from_stream(pieces(shared.clone(), page))
                }
                _ => broken(first_piece(shared, page)),
            };
            let mut response = Response::new(body);
            return finish(
                shared,
                &mut response,
                reply.status,
                "text/csv",
                reply.headers,
                limits,
            );
        }
    };
    let body = match (delivery, text) {
        (Delivery::Whole | Delivery::Late(_), None) => Body::empty(),
        (Delivery::Whole | Delivery::Late(_), Some(text)) => Body::from(text),
        (Delivery::Cut, text) => {
            let mut bytes = text.unwrap_or_default().into_bytes();
            bytes.truncate(bytes.len() / 2);
            broken(bytes)
        }
        (Delivery::Hang(_), _) => broken(vec![]),
    };
    let mut response = Response::new(body);
    finish(
        shared,
        &mut response,
        reply.status,
        kind.unwrap_or_default(),
        reply.headers,
        limits,
    )
}

fn finish(
    shared: &Shared,
    response: &mut Response<Body>,
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    limits: Option<String>,
) -> Response<Body> {
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let date = http_date(lock(shared).clock.now_ms());
    let own = [("date", Some(date)), ("sforce-limit-info", limits)];
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let kind = Some(("content-type", kind.to_owned())).filter(|(_, kind)| !kind.is_empty());
    for (name, value) in own.chain(kind).chain(headers) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    std::mem::take(response)
}

/// A page of a Bulk result, piece by piece, with the lock held for one piece at a time.
fn pieces(
    shared: Shared,
    page: CsvPage,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    futures::stream::unfold((shared, page), |(shared, mut page)| async move {
        let piece = page.piece(&lock(&shared).store);
        piece.map(|text| (Ok(Bytes::from(text)), (shared, page)))
    })
}

fn first_piece(shared: &Shared, mut page: CsvPage) -> Vec<u8> {
    let mut bytes = page
        .piece(&lock(shared).store)
        .unwrap_or_default()
        .into_bytes();
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A body that sends this much and then breaks the connection.
fn broken(bytes: Vec<u8>) -> Body {
    let cut = io::Error::new(io::ErrorKind::ConnectionAborted, "cut off by the simulator");
    Body::from_stream(futures::stream::iter([Ok(Bytes::from(bytes)), Err(cut)]))
}
