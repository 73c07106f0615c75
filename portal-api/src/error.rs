//! What a caller is told when something does not work: one [`ApiError`], sent as RFC 9457
//! `application/problem+json`. A [`Slug`] never changes its meaning.

use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::entities::Refusal;
use domain::factors::FactorError;
use domain::mails::OutboxError;
use domain::tokens::TokensError;
use engine::StoreError;
use engine::peers::PeersError;
use serde::Serialize;
use utoipa::ToSchema;

/// The kinds of problem, by the last part of their `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slug {
    Unauthenticated,
    Forbidden,
    StepUpRequired,
    NotFound,
    MethodNotAllowed,
    InvalidBody,
    InvalidField,
    TooLarge,
    UnsupportedMediaType,
    PreconditionRequired,
    Stale,
    Conflict,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    Internal,
    PeerFailed,
}

impl Slug {
    pub const ALL: [Self; 17] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::StepUpRequired,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InvalidBody,
        Self::InvalidField,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::PreconditionRequired,
        Self::Stale,
        Self::Conflict,
        Self::QuotaExceeded,
        Self::RateLimited,
        Self::Unavailable,
        Self::Internal,
        Self::PeerFailed,
    ];

    pub fn as_str(self) -> &'static str {
        self.facts().0
    }

    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    pub fn title(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED, "Not signed in"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Not allowed"),
            Self::StepUpRequired => (
                "step-up-required",
                StatusCode::FORBIDDEN,
                "Show who you are again",
            ),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::InvalidBody => ("invalid-body", StatusCode::BAD_REQUEST, "Body is not JSON"),
            Self::InvalidField => (
                "invalid-field",
                StatusCode::UNPROCESSABLE_ENTITY,
                "A value is not valid",
            ),
            Self::TooLarge => (
                "too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Body is too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Body must be application/json",
            ),
            Self::PreconditionRequired => (
                "precondition-required",
                StatusCode::PRECONDITION_REQUIRED,
                "If-Match is missing",
            ),
            Self::Stale => (
                "stale",
                StatusCode::PRECONDITION_FAILED,
                "Changed meanwhile",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "Not possible as things are",
            ),
            Self::QuotaExceeded => (
                "quota-exceeded",
                StatusCode::FORBIDDEN,
                "The quota is used up",
            ),
            Self::RateLimited => (
                "rate-limited",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
            ),
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Temporarily not available",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on our side",
            ),
            Self::PeerFailed => ("peer-failed", StatusCode::BAD_GATEWAY, "A system refused"),
        }
    }
}

/// One value that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer into the body; for a query parameter `/` and its name.
    pub pointer: String,
    pub message: String,
    /// In a text such as a mapping, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl FieldProblem {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            line: None,
            column: None,
        }
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `/problems/` and a slug.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Id of the request, also in the log.
    pub instance: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// With `stale`: the thing as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub current: Option<serde_json::Value>,
    /// With `peer-failed`: who must act, as the connector says.
    #[serde(rename = "kind", skip_serializing_if = "Option::is_none")]
    pub peer_kind: Option<String>,
    /// With `peer-failed`: the system's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Why a request was refused or failed.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    slug: Slug,
    detail: String,
    errors: Vec<FieldProblem>,
    current: Option<serde_json::Value>,
    peer: Option<(String, Option<String>)>,
    retry_after_seconds: Option<u64>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    pub(crate) fn new(slug: Slug, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            slug,
            detail: detail.into(),
            errors: Vec::new(),
            current: None,
            peer: None,
            retry_after_seconds: None,
            source: None,
        }))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(Slug::Unauthenticated, "sign in first")
    }

    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Slug::NotFound, format!("{what} not found"))
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Slug::Forbidden, detail)
    }

    /// One value is not valid.
    pub(crate) fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_all(vec![FieldProblem::new(pointer, message)])
    }

    /// Several values are not valid; `problems` is not empty.
    pub(crate) fn invalid_all(problems: Vec<FieldProblem>) -> Self {
        let detail = problems
            .first()
            .map_or_else(String::new, |first| first.message.clone());
        let mut error = Self::new(Slug::InvalidField, detail);
        error.0.errors = problems;
        error
    }

    /// The thing moved on since the caller read it; `current` is how it is now.
    pub(crate) fn stale(current: &impl Serialize) -> Self {
        let mut error = Self::new(Slug::Stale, "it was changed since you read it");
        error.0.current = serde_json::to_value(current).ok();
        error
    }

    pub(crate) fn internal(detail: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Slug::Internal, detail).with_source(source)
    }

    #[must_use]
    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn slug(&self) -> Slug {
        self.0.slug
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            return Self::new(Slug::Unavailable, "the database does not answer just now")
                .with_retry_after(1)
                .with_source(error);
        }
        if error.is_bad_text() {
            return Self::invalid("", "text holds a character that cannot be stored")
                .with_source(error);
        }
        if error.is_out_of_scope() {
            return Self::not_found("what this is about").with_source(error);
        }
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Stale(what) => {
                Self::new(Slug::Stale, format!("{what} was changed since you read it"))
            }
            StoreError::Conflict(why) => Self::new(Slug::Conflict, why),
            error @ StoreError::OverQuota { .. } => {
                Self::new(Slug::QuotaExceeded, error.to_string())
            }
            StoreError::Duplicate(_) => Self::new(Slug::Conflict, error.to_string()),
            error @ StoreError::TooLarge { .. } => Self::new(Slug::TooLarge, error.to_string()),
            error @ StoreError::UnknownWorkflow { .. } => {
                Self::new(Slug::Conflict, error.to_string())
            }
            error => Self::internal("the request failed; it is in the log under its id", error),
        }
    }
}

impl From<OutboxError> for ApiError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            OutboxError::Vault(_) => Self::internal("the mail cannot be sealed", error),
        }
    }
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Store(error) => error.into(),
            error => Self::internal("the second factor cannot be read or made", error),
        }
    }
}

impl From<TokensError> for ApiError {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Store(error) => error.into(),
            error => Self::internal("tokens cannot be made", error),
        }
    }
}

impl From<PeersError> for ApiError {
    fn from(error: PeersError) -> Self {
        match error {
            PeersError::Store(error) => error.into(),
            PeersError::UnknownSystem(_) => Self::invalid("/system", error.to_string()),
            PeersError::BadConfig(error) => Self::invalid("/config", error.to_string()),
            PeersError::Vault(_) => {
                Self::internal("credentials of this connection cannot be opened", error)
            }
            PeersError::Peer(error) => {
                let mut problem = Self::new(Slug::PeerFailed, error.to_string());
                problem.0.peer = Some((engine::peers::kind_name(error.kind), error.code.clone()));
                problem.with_source(error)
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Stale => Self::new(Slug::Stale, "it was changed since you read it"),
            Refusal::Blocked(why) => Self::new(Slug::Conflict, why),
            Refusal::Invalid(problems) => Self::invalid_all(
                problems
                    .into_iter()
                    .map(|(field, reason)| {
                        let pointer = format!("/fields/{}", escape(&field));
                        FieldProblem::new(pointer, format!("{field} {reason}"))
                    })
                    .collect(),
            ),
        }
    }
}

/// A name as one token of a JSON pointer (RFC 6901).
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Left in the response for the frame, which knows the request's id and writes the body.
#[derive(Clone)]
pub(crate) struct Pending(pub(crate) Problem);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Inner {
            slug,
            detail,
            errors,
            current,
            peer,
            retry_after_seconds,
            source,
        } = *self.0;
        if slug == Slug::Internal {
            tracing::error!(error = source.as_deref().map(chain), "{detail}");
        } else if let Some(source) = source {
            tracing::debug!(problem = slug.as_str(), error = chain(&*source), "{detail}");
        }
        let (peer_kind, code) = peer.map_or((None, None), |(kind, code)| (Some(kind), code));
        let problem = Problem {
            kind: format!("/problems/{}", slug.as_str()),
            title: slug.title().to_owned(),
            status: slug.status().as_u16(),
            detail,
            instance: String::new(),
            errors,
            current,
            peer_kind,
            code,
        };
        let mut response = slug.status().into_response();
        if let Some(seconds) = retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Pending(problem));
        response
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_has_its_status_for_ever() {
        let listed: Vec<_> = Slug::ALL
            .iter()
            .map(|slug| (slug.as_str(), slug.status().as_u16()))
            .collect();
        assert_eq!(
            listed,
            [
                ("unauthenticated", 401),
                ("forbidden", 403),
                ("step-up-required", 403),
                ("not-found", 404),
                ("method-not-allowed", 405),
                ("invalid-body", 400),
                ("invalid-field", 422),
                ("too-large", 413),
                ("unsupported-media-type", 415),
                ("precondition-required", 428),
                ("stale", 412),
                ("conflict", 409),
                ("quota-exceeded", 403),
                ("rate-limited", 429),
                ("unavailable", 503),
                ("internal", 500),
                ("peer-failed", 502),
            ]
        );
    }

    #[test]
    fn a_pointer_escapes_what_would_end_it() {
        assert_eq!(escape("a/b~c"), "a~1b~0c");
    }
}
