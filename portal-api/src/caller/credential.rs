//! What a request shows to say who asks: a key, an access token, or a session's cookie.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use domain::keys;
use domain::sessions::{Credential, Token};

use super::COOKIE_NAME;

/// What the request shows: a key before a cookie.
pub(super) fn credential(headers: &HeaderMap) -> Option<Credential> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return token(headers).map(Credential::Cookie);
    };
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let secret = secret.trim();
    if secret.starts_with(keys::PREFIX) {
        return Some(Credential::Key(Token::of(secret)));
    }
    let is_signed = secret.bytes().filter(|byte| *byte == b'.').count() == 2;
    is_signed.then(|| Credential::Access(Token::of(secret)))
}

/// The session's token in the request's cookies.
pub(crate) fn token(headers: &HeaderMap) -> Option<Token> {
    cookie_of(headers, COOKIE_NAME)
}

/// The token in the cookie of this name.
pub(crate) fn cookie_of(headers: &HeaderMap, wanted: &str) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| Token::of(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert!(token(&headers).is_none());
        headers.append(
            COOKIE,
            "theme=dark; syncline_session=abc; x=y".parse().unwrap(),
        );
        assert_eq!(token(&headers).unwrap().expose(), "abc");
    }
}
