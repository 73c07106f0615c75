//! Versions of things as entity tags (RFC 9110): reading gives one, editing needs it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::{ApiError, Slug};

/// The version that the caller read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        read(&parts.headers)?.map(Self).ok_or_else(|| {
            ApiError::new(
                Slug::PreconditionRequired,
                "send If-Match with the ETag of what you read",
            )
        })
    }
}

/// As [`IfMatch`], where a thing may be made as well as changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaybeIfMatch(pub(crate) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeIfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        read(&parts.headers).map(Self)
    }
}

/// A tag that is not one of ours matches nothing; versions start at 1.
const NO_VERSION: i64 = -1;

fn read(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" || text.contains(',') {
        return Err(ApiError::new(
            Slug::PreconditionRequired,
            "If-Match must name the one version you read",
        ));
    }
    let version = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(|digits| digits.parse().ok());
    Ok(Some(version.unwrap_or(NO_VERSION)))
}

/// The version of a thing that keeps none: the same for the same values, by whichever process.
pub(crate) fn version_of(set: &impl Serialize) -> i64 {
    let text = serde_json::to_vec(set).expect("values of our own are JSON");
    let digest = Sha256::digest(&text);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // Not negative: no tag of others reads as one.
    i64::from_be_bytes(first) & i64::MAX
}

/// A thing as the interface shows it, for the audit trail.
pub(crate) fn shown(thing: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(thing).expect("values of our own are JSON")
}

/// A body with the version it shows.
pub(crate) struct Tagged<T>(pub(crate) i64, pub(crate) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        (StatusCode::OK, self.headers(), axum::Json(self.1)).into_response()
    }
}

impl<T> Tagged<T> {
    fn headers(&self) -> HeaderMap {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0));
        HeaderMap::from_iter([(
            header::ETAG,
            tag.expect("digits and quotes are a header value"),
        )])
    }
}

/// A body that was made just now: 201 with its version.
pub(crate) struct Created<T>(pub(crate) i64, pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = Tagged(self.0, self.1).into_response();
        *response.status_mut() = StatusCode::CREATED;
        response
    }
}
