//! The first half of a sign-in through a provider: what is noted, and where the browser goes.

use std::collections::BTreeMap;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::providers::Provider;
use domain::providers::attempts::{self, Attempt, LONGEST, Purpose};
use domain::sessions::Token;
use engine::ids::{AttemptId, SessionId, TenantId, UserId};
use identity::oidc::{OidcError, Wish};

use super::{as_oidc, as_saml, fresh, redirect_uri, saml_of, seal};
use crate::error::{ApiError, Slug};
use crate::portal::Portal;

/// Holds the secret of the browser that began; it never leaves the browser by another way.
const BROWSER: &str = "syncline_sso";

/// A sign-in to begin.
pub(crate) struct Beginning {
    pub(crate) tenant: TenantId,
    pub(crate) purpose: Purpose,
    pub(crate) user: Option<UserId>,
    /// Of a step-up.
    pub(crate) session: Option<SessionId>,
    /// Where this browser reaches the hub.
    pub(crate) origin: String,
    /// Where to go on in the console.
    pub(crate) next: String,
}

/// Notes a sign-in and says where the browser goes; the headers tie it to this browser.
pub(crate) async fn begin(
    portal: &Portal,
    provider: &Provider,
    beginning: Beginning,
    headers: &HeaderMap,
) -> Result<(HeaderMap, String), ApiError> {
    let (state, browser) = (fresh()?, browser(headers).map_or_else(fresh, Ok)?);
    let mut attempt = Attempt {
        tenant: beginning.tenant,
        id: AttemptId::fresh(),
        provider: provider.id,
        purpose: beginning.purpose,
        user: beginning.user,
        session: beginning.session,
        config_version: provider.config_version,
        secrets: None,
        request_id: None,
        origin: beginning.origin,
        next: beginning.next,
        outcome: None,
        browser_hash: browser.hash(),
        begun_at: portal.store.clock().now(),
    };
    // Whoever shows who they are again does so there, whatever the provider remembers.
    let anew = attempt.purpose == Purpose::StepUp;
    let url = if let Some(spoken) = as_oidc(portal, provider)? {
        let (nonce, verifier) = (fresh()?, fresh()?);
        let redirect_uri = redirect_uri(&attempt.origin);
        let wants_refresh = spoken.scopes.iter().any(|scope| scope == "offline_access");
        let wish = Wish {
            redirect_uri: &redirect_uri,
            state: state.expose(),
            nonce: nonce.expose(),
            verifier: verifier.expose(),
            prompt: match anew {
                true => Some("login"),
                // Without consent no refresh token is given (Core, 11).
                false => wants_refresh.then_some("consent"),
            },
            max_age: anew.then_some(0),
        };
        let url = portal.providers.oidc.authorization_url(&spoken, wish).await;
        let parts = BTreeMap::from([("nonce", nonce.expose()), ("verifier", verifier.expose())]);
        attempt.secrets = Some(seal(&portal.factors.vault, &attempt.owner(), &parts)?);
        url.map_err(|error| unreachable(&error))?.to_string()
    } else {
        let saml = saml_of(portal)?;
        let parties = as_saml(portal, provider, &attempt.origin)?
            .ok_or_else(|| ApiError::new(Slug::Internal, "the provider speaks nothing"))?;
        let relay_state = state.expose().to_owned();
        let begun = blocking(move || saml.begin(&parties, &relay_state, anew))
            .await?
            .map_err(|error| ApiError::new(Slug::PeerFailed, error.to_string()))?;
        attempt.request_id = Some(begun.request_id);
        begun.url
    };
    let mut tx = portal.store.begin(attempt.tenant).await?;
    let until = tx.now() + LONGEST;
    attempts::begin(&mut tx, &attempt, &state, until).await?;
    tx.commit().await?;
    Ok((cookie(&browser)?, url))
}

/// Ties what was begun to this browser.
pub(super) fn cookie(browser: &Token) -> Result<HeaderMap, ApiError> {
    let cookie = format!(
        "{BROWSER}={}; HttpOnly; SameSite=Lax; Path=/api/v1/; Max-Age={}",
        browser.expose(),
        LONGEST.num_seconds(),
    );
    let cookie = HeaderValue::from_str(&cookie)
        .map_err(|error| ApiError::internal("the sign-in cannot be begun", error))?;
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, cookie)]))
}

/// The secret of this browser, if it has one of our making.
pub(super) fn browser(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == BROWSER)
        .map(|(_, value)| value)
        .filter(|value| {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            value.len() == 43 && value.bytes().all(is_letter)
        })
        .map(Token::of)
}

/// A provider that does not do as it should, for whoever begins.
pub(super) fn unreachable(error: &OidcError) -> ApiError {
    tracing::warn!(%error, "an identity provider does not answer as it should");
    ApiError::new(
        Slug::PeerFailed,
        "the identity provider does not answer as it should",
    )
}

/// Runs what takes the processor for a while.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::internal("the work was cut short", error))
}

/// Where to go on: a path of the console, and of nothing else.
pub(crate) fn own_path(next: Option<&str>) -> Result<String, ApiError> {
    let Some(next) = next else {
        return Ok("/".to_owned());
    };
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/api/")
        && next.len() <= 500
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_own {
        Ok(next.to_owned())
    } else {
        Err(ApiError::invalid("/next", "this is no page of the console"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_the_console_only() {
        for good in ["/", "/runs?state=failed#x", "/accounts/acc_1"] {
            assert_eq!(own_path(Some(good)).unwrap(), good);
        }
        for bad in [
            "",
            "runs",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            "/api/v1/session",
            "javascript:alert(1)",
            "/ü",
        ] {
            assert!(own_path(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_secret_of_our_making_is_taken_from_the_browser() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(text));
            browser(&headers)
        };
        assert!(of("x=y").is_none());
        assert!(of("syncline_sso=short").is_none());
        assert!(of("a=b; syncline_sso=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeee").is_some());
        assert!(of("syncline_sso=aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\"ee").is_none());
    }
}
