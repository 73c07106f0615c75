//! Requests: the session, one renewal when it has expired, limits, and the server's clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use connector_sdk::{
    Backoff, ConnectorError, ErrorKind, Http, Reply, Result, Session, Tokens, Usage,
};
use http::Method;
use serde::Serialize;
use url::Url;

use crate::auth::Credentials;
use crate::errors;

/// Reads that the service failed are repeated at once a little; the rest is the engine's.
const READS: Backoff = Backoff {
    retries: 2,
    first: Duration::from_millis(500),
    longest: Duration::from_secs(2),
};

/// Names us in change events, so that others can tell our writes.
const CALL_OPTIONS: &str = "client=syncline";

/// One request below the org's address.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    accept: &'static str,
    body: Option<Bytes>,
    /// Whether sending it twice is the same as once.
    repeatable: bool,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            accept: "application/json",
            body: None,
            repeatable: true,
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        let mut call = Self::get(path);
        call.method = Method::DELETE;
        call.repeatable = false;
        call
    }

    /// A body by POST or PATCH.
    pub(crate) fn send(method: Method, path: impl Into<String>, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies have text keys only");
        let mut call = Self::get(path);
        call.method = method;
        call.body = Some(body.into());
        call.repeatable = false;
        call
    }

    /// For a POST that only reads.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn accept(mut self, kind: &'static str) -> Self {
        self.accept = kind;
        self
    }
}

/// The org as one connection sees it.
pub(crate) struct Client {
    http: Http,
    session: Session<Credentials>,
    api_version: String,
    seen: Mutex<Seen>,
}

/// What answers said by the way.
#[derive(Default)]
struct Seen {
    usage: Option<Usage>,
    server_time: Option<DateTime<Utc>>,
}

impl Client {
    pub(crate) fn new(http: Http, session: Session<Credentials>, api_version: String) -> Self {
        Self {
            http,
            session,
            api_version,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn session(&self) -> &Session<Credentials> {
        &self.session
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// `/services/data/v62.0` and the rest.
    pub(crate) fn data(&self, rest: &str) -> String {
        format!("/services/data/v{}{rest}", self.api_version)
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.seen().usage
    }

    /// The server's time as the last answer told it, failing answers included.
    ///
    /// # Errors
    /// `Transient` when no answer carried a date: our own clock is no replacement, it may be off
    /// by more than the overlap.
    pub(crate) fn server_time(&self) -> Result<DateTime<Utc>> {
        self.seen().server_time.ok_or_else(|| {
            ConnectorError::transient("no answer of the system carried its time (date header)")
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call and returns its good answer.
    ///
    /// # Errors
    /// By the table of [`errors`]. A write whose answer was lost, or that the service failed on,
    /// has `outcome_unknown` set.
    pub(crate) async fn send(&self, call: Call) -> Result<Reply> {
        if !call.repeatable {
            return self.attempt(&call).await;
        }
        // Cut and hung answers are not repeated here: they have cost their time already.
        let again = |error: &ConnectorError| {
            error.kind == ErrorKind::Transient
                && !error.outcome_unknown
                && matches!(
                    error.code.as_deref(),
                    None | Some("SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION")
                )
        };
        READS.retry(|| self.attempt(&call), again).await
    }

    async fn attempt(&self, call: &Call) -> Result<Reply> {
        let tokens = self.session.current().await?;
        let reply = self.exchange(call, &tokens).await?;
        if !session_expired(&reply) {
            return good(call, reply);
        }
        // The call was not served: the same one is sent again, a page's address included.
        let tokens = self.session.renewed(&tokens).await?;
        let reply = self.exchange(call, &tokens).await?;
        good(call, reply)
    }

    async fn exchange(&self, call: &Call, tokens: &Tokens) -> Result<Reply> {
        use secrecy::ExposeSecret;
        let instance = self.session.grant().instance(tokens)?;
        let url = resolve(&instance, &call.path)?;
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .bearer_auth(tokens.access_token.expose_secret())
            .header("accept", call.accept)
            .header("sforce-call-options", CALL_OPTIONS);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request
                .header("content-type", "application/json; charset=UTF-8")
                .body(body.clone());
        }
        let reply = self.http.send(request).await?;
        self.note(&reply);
        Ok(reply)
    }

    fn note(&self, reply: &Reply) {
        let usage = reply.header("sforce-limit-info").and_then(parse_usage);
        let date = reply
            .header("date")
            .and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        let mut seen = self.seen();
        seen.usage = usage.or(seen.usage);
        seen.server_time = date.map(|date| date.to_utc()).or(seen.server_time);
    }
}

/// Other codes of a 401 are not cured by a new session.
fn session_expired(reply: &Reply) -> bool {
    reply.status == 401 && errors::code_of(reply).as_deref() == Some("INVALID_SESSION_ID")
}

fn good(call: &Call, reply: Reply) -> Result<Reply> {
    if reply.status.is_success() {
        return Ok(reply);
    }
    let mut error = errors::of_reply(&reply);
    let unexplained = error.kind == ErrorKind::Transient && error.code.is_none();
    if !call.repeatable && (reply.status.is_server_error() || unexplained) {
        error.outcome_unknown = true;
    }
    Err(error)
}

/// An address below the org's, whether we made the path or the org gave it.
///
/// # Errors
/// `Config` when it leads elsewhere: our token goes nowhere else.
fn resolve(instance: &Url, path: &str) -> Result<Url> {
    let url = instance.join(path).map_err(|error| {
        ConnectorError::config("the system gave an address that is none").with_source(error)
    })?;
    if url.origin() != instance.origin() || !url.path().starts_with("/services/") {
        return Err(ConnectorError::config(
            "the system gave an address outside of the org",
        ));
    }
    Ok(url)
}

/// `api-usage=10018/100000; api-bursts=1/750`: by directive, others are ignored.
fn parse_usage(header: &str) -> Option<Usage> {
    let parts = header.split([';', ',']);
    let mut numbers = parts.filter_map(|part| part.trim().strip_prefix("api-usage="));
    let (used, limit) = numbers.next()?.split_once('/')?;
    Some(Usage {
        used: used.trim().parse().ok()?,
        limit: limit.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_by_directive_whatever_stands_beside_it() {
        let usage = Some(Usage {
            used: 18,
            limit: 5_000,
        });
        for header in [
            "api-usage=18/5000",
            "api-usage=18/5000; api-bursts=1/750",
            "per-app-api-usage=17/250(appName=hub); api-usage=18/5000",
            "api-usage=18/5000;per-app-api-usage=17/250(appName=hub)",
        ] {
            assert_eq!(parse_usage(header), usage, "{header}");
        }
        for header in ["", "api-usage=", "api-usage=x/y", "api-bursts=1/750"] {
            assert_eq!(parse_usage(header), None, "{header}");
        }
    }

    #[test]
    fn a_page_address_outside_of_the_org_is_refused() {
        let org = Url::parse("https://acme.my.salesforce.com").unwrap();
        assert!(resolve(&org, "/services/data/v62.0/query/0r8-2000").is_ok());
        for path in [
            "https://evil.example/services/data/v62.0/query/x",
            "//evil.example/services/data",
            "https://acme.my.salesforce.com:8443/services/data",
            "http://acme.my.salesforce.com/services/data",
            "/secur/logout.jsp",
        ] {
            assert_eq!(
                resolve(&org, path).unwrap_err().kind,
                ErrorKind::Config,
                "{path}"
            );
        }
    }
}
