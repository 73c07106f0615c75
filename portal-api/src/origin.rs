//! Requests that change something must come from our own pages, or from no page at all: a cookie
//! travels with every request a browser makes, whoever made it (cross-site request forgery).

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let is_checked = !request.method().is_safe() && !is_for_providers(request.uri().path());
    // HTTP/2 names the host in the first line.
    let authority = request.uri().authority().map(|host| host.as_str());
    if is_checked && !is_ours(request.headers(), authority) {
        return ApiError::forbidden("the request does not come from this site").into_response();
    }
    next.run(request).await
}

/// Where browsers bring the signed answers of identity providers, from the providers' pages. What
/// comes there is read without any cookie.
fn is_for_providers(path: &str) -> bool {
    path.strip_prefix("/api/v1/sso/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_provider, operation)| ["acs", "slo"].contains(&operation))
}

fn is_ours(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // No browser adds a key by itself. From which sites it may come is the tenant's to say.
    if headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(header::COOKIE) {
        return true;
    }
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN) {
        Some(origin) => {
            let host = text(header::HOST).or(authority).unwrap_or_default();
            let named = origin.split_once("://").map(|(_scheme, host)| host);
            named.is_some_and(|named| named.eq_ignore_ascii_case(host))
        }
        // No browser: it carries a cookie only where somebody put it there by hand.
        None => !headers.contains_key(header::COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn only_the_answers_of_providers_may_come_from_elsewhere() {
        assert!(is_for_providers("/api/v1/sso/idp_1/acs"));
        assert!(is_for_providers("/api/v1/sso/idp_1/slo"));
        for other in [
            "/api/v1/sso/idp_1/start",
            "/api/v1/sso/acs",
            "/api/v1/sso/a/b/acs",
            "/acs",
        ] {
            assert!(!is_for_providers(other), "{other}");
        }
    }

    #[test]
    fn only_our_own_pages_and_programs_without_a_cookie_may_change_things() {
        let cookie = ("cookie", "syncline_session=x");
        let host = ("host", "hub.example:8080");
        for (given, expected) in [
            (vec![], true),
            (vec![cookie], false),
            (vec![cookie, ("sec-fetch-site", "same-origin")], true),
            (vec![cookie, ("sec-fetch-site", "none")], true),
            (vec![cookie, ("sec-fetch-site", "same-site")], false),
            (vec![cookie, ("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (
                vec![cookie, host, ("origin", "http://hub.example:8080")],
                true,
            ),
            (vec![cookie, host, ("origin", "http://evil.example")], false),
            (vec![cookie, host, ("origin", "null")], false),
            (vec![host, ("origin", "https://evil.example")], false),
            (
                vec![
                    ("authorization", "Bearer slk_x"),
                    ("sec-fetch-site", "cross-site"),
                ],
                true,
            ),
            (
                vec![
                    cookie,
                    ("authorization", "Bearer slk_x"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
        ] {
            assert_eq!(is_ours(&headers(&given), None), expected, "{given:?}");
        }
        let over_h2 = headers(&[cookie, ("origin", "https://hub.example:8080")]);
        assert!(is_ours(&over_h2, Some("hub.example:8080")));
        assert!(!is_ours(&over_h2, Some("evil.example")));
    }
}
