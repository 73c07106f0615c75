//! Extractors whose refusals are problems: JSON bodies, query strings, paths.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::caller::Asked;
use crate::error::{ApiError, FieldProblem, Slug, escape};

/// A JSON body, or the problem that says where it is wrong.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                Slug::UnsupportedMediaType,
                "send the body as application/json",
            ));
        }
        let asked = request.extensions().get::<Asked>().cloned();
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    ApiError::new(
                        Slug::TooLarge,
                        "the body is larger than this operation takes",
                    )
                } else {
                    ApiError::new(Slug::InvalidBody, "the body ended early")
                }
            })?;
        let value = parse(&body)?;
        if let Some(Asked(asked)) = asked
            && let Ok(json) = serde_json::from_slice(&body)
        {
            asked.get_or_init(|| json);
        }
        Ok(Self(value))
    }
}

fn is_json(headers: &axum::http::HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads a body; a wrong type is told apart from what is no JSON at all.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    refuse_nul(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() {
            ApiError::invalid(pointer, without_position(&error))
        } else {
            malformed(&error)
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let detail = format!(
        "the body is not JSON: {}, line {} column {}",
        without_position(error),
        error.line(),
        error.column()
    );
    ApiError::new(Slug::InvalidBody, detail)
}

/// serde's words without ` at line 1 column 2`.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Postgres stores no NUL; JSON can only carry one escaped.
fn refuse_nul(body: &[u8]) -> Result<(), ApiError> {
    if !body
        .windows(6)
        .any(|window| window.eq_ignore_ascii_case(br"\u0000"))
    {
        return Ok(());
    }
    let Ok(value) = serde_json::from_slice(body) else {
        return Ok(()); // the real parse says what is wrong
    };
    match find_nul(&value, String::new()) {
        Some(pointer) => Err(ApiError::invalid(pointer, "text holds a NUL character")),
        None => Ok(()),
    }
}

fn find_nul(value: &serde_json::Value, at: String) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.contains('\0').then_some(at),
        serde_json::Value::Array(values) => values
            .iter()
            .enumerate()
            .find_map(|(index, value)| find_nul(value, format!("{at}/{index}"))),
        serde_json::Value::Object(values) => values.iter().find_map(|(key, value)| {
            if key.contains('\0') {
                return Some(at.clone());
            }
            find_nul(value, format!("{at}/{}", escape(key)))
        }),
        _ => None,
    }
}

/// A form, as identity providers and the browsers they send write it. What it holds is noted nowhere.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let form = axum::Form::<T>::from_request(request, state).await;
        form.map(|form| Self(form.0))
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
                    Slug::TooLarge,
                    "the body is larger than this operation takes",
                ),
                StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::new(
                    Slug::UnsupportedMediaType,
                    "send the body as application/x-www-form-urlencoded",
                ),
                _ => ApiError::invalid("", "the form lacks a field, or is none"),
            })
    }
}

/// A query string; unknown and malformed parameters are refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let found = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let value = found.map_err(|rejection| {
            // axum's words: `Failed to deserialize query string: limit: invalid digit`.
            let text = rejection.body_text();
            let text = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, rest)| rest);
            let (pointer, message) = match text.split_once(": ") {
                Some((name, message)) if !name.contains(' ') => (format!("/{name}"), message),
                _ => (String::new(), text),
            };
            ApiError::invalid_all(vec![FieldProblem::new(pointer, message)])
        })?;
        Ok(Self(value.0))
    }
}

/// The variables of a path. What is no id of the wanted kind names nothing: 404.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|_no_such_id| {
            // The path as it was asked for: inside of a nested router it is cut.
            let asked = parts.extensions.get::<OriginalUri>();
            ApiError::not_found(asked.map_or(parts.uri.path(), |asked| asked.0.path()))
        })
    }
}

/// Of a field that may be null: tells null from what is left out.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is tested")]
        list: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its parsing is tested")]
        count: u8,
    }

    fn refusal(body: &str) -> crate::error::Problem {
        use axum::response::IntoResponse;
        let response = parse::<Body>(body.as_bytes()).unwrap_err().into_response();
        response
            .extensions()
            .get::<crate::error::Pending>()
            .unwrap()
            .0
            .clone()
    }

    #[test]
    fn a_wrong_type_is_pointed_at() {
        let problem = refusal(r#"{"list":[{"count":1},{"count":"x"}]}"#);
        assert_eq!(problem.status, 422);
        assert_eq!(problem.errors[0].pointer, "/list/1/count");
    }

    #[test]
    fn an_unknown_field_is_named() {
        let problem = refusal(r#"{"list":[{"cuont":1}]}"#);
        assert_eq!(problem.errors[0].pointer, "/list/0/cuont");
        assert!(
            problem.detail.contains("unknown field"),
            "{}",
            problem.detail
        );
    }

    #[test]
    fn what_is_no_json_says_where_it_stops_being_one() {
        for body in ["", "{", "nope", "{\"list\":[]} extra", "[1,]"] {
            let problem = refusal(body);
            let expected = if body == "[1,]" { 422 } else { 400 };
            assert_eq!(problem.status, expected, "{body}: {}", problem.detail);
        }
    }

    #[test]
    fn a_nul_is_refused_where_it_stands() {
        let problem = refusal(r#"{"list":[{"count":"a\u0000"}]}"#);
        assert_eq!(problem.errors[0].pointer, "/list/0/count");
        assert!(problem.detail.contains("NUL"));
    }
}
