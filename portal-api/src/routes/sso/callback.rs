use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::providers::attempts::{self, Attempt};
use domain::providers::{Arrival, Provider};
use domain::sessions::Token;
use identity::oidc::{Claims, OidcError};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::land::{self, Landing, land, refuse};
use super::{
    COUNTED, ID_TOKEN, REFRESH_TOKEN, as_oidc, redirect_uri, refuse_flood, unknown, unseal,
};
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract::Query;
use crate::portal::Portal;

/// What a provider sends back; more than this may stand there.
#[derive(Deserialize)]
pub(crate) struct ProviderAnswer {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Ends a sign-in through OpenID Connect
///
/// Browsers come here from the identity provider. Pages go on to the console, or to its sign-in page
/// where nobody is let in; programs get a problem.
#[utoipa::path(
    get, path = "/sso/callback", operation_id = "sso_callback", tag = "sso",
    params(
        ("state" = Option<String>, Query), ("code" = Option<String>, Query),
        ("iss" = Option<String>, Query), ("error" = Option<String>, Query),
    ),
    responses(
        (status = 303, description = "Signed in or linked; the cookie is set"),
        (status = 200, description = "What came of a test sign-in"),
    ),
)]
pub(super) async fn callback(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    Query(answer): Query<ProviderAnswer>,
) -> Response {
    let result = come(&portal, &anyone, &headers, answer).await;
    land::answer(&portal, &anyone, &headers, result)
}

async fn come(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    answer: ProviderAnswer,
) -> Result<Response, ApiError> {
    refuse_flood(portal, anyone)?;
    let attempt = take(portal, anyone, answer.state.as_deref()).await?;
    let result = finish(portal, anyone, headers, &attempt, &answer).await;
    land::go_back(headers, &attempt, result)
}

async fn finish(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
    answer: &ProviderAnswer,
) -> Result<Response, ApiError> {
    land::check_browser(portal, anyone, headers, attempt).await?;
    let provider = land::provider_of(portal, anyone, attempt).await?;
    match ask(portal, attempt, &provider, answer).await {
        Ok(landing) => {
            land::check_fresh(portal, anyone, attempt, &landing.arrival).await?;
            land(portal, anyone, headers, attempt, &provider, landing).await
        }
        Err(Failed::Ours(error)) => Err(error),
        Err(Failed::Theirs(why)) => Err(refuse(portal, anyone, attempt, &why).await),
    }
}

/// The sign-in of a state, which is used up by this.
pub(super) async fn take(
    portal: &Portal,
    anyone: &Anyone,
    state: Option<&str>,
) -> Result<Attempt, ApiError> {
    let mut tx = portal.store.begin_system().await?;
    let attempt = match state {
        None => None,
        Some(state) => attempts::take(&mut tx, &Token::of(state)).await?,
    };
    tx.commit().await?;
    attempt.ok_or_else(|| {
        portal.throttle().failed(anyone.address, COUNTED);
        unknown()
    })
}

/// Why it is not known who came.
enum Failed {
    Ours(ApiError),
    /// For the audit trail.
    Theirs(String),
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Ours(error)
    }
}

impl From<OidcError> for Failed {
    fn from(error: OidcError) -> Self {
        Self::Theirs(error.to_string())
    }
}

async fn ask(
    portal: &Portal,
    attempt: &Attempt,
    provider: &Provider,
    answer: &ProviderAnswer,
) -> Result<Landing, Failed> {
    let oidc = &portal.providers.oidc;
    let Some(spoken) = as_oidc(portal, provider)? else {
        return Err(Failed::Theirs("the provider speaks SAML".to_owned()));
    };
    if !oidc.is_from(&spoken, answer.iss.as_deref()).await? {
        return Err(Failed::Theirs("the answer is of another issuer".to_owned()));
    }
    if let Some(code) = &answer.error {
        let code: String = code
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .take(64)
            .collect();
        return Err(Failed::Theirs(format!("the provider answers {code}")));
    }
    let Some(code) = &answer.code else {
        return Err(Failed::Theirs("the answer has no code".to_owned()));
    };
    let sealed = attempt.secrets.as_deref().unwrap_or_default();
    let secrets = unseal(&portal.factors.vault, &attempt.owner(), sealed)?;
    let (Some(nonce), Some(verifier)) = (secrets.get("nonce"), secrets.get("verifier")) else {
        return Err(ApiError::new(Slug::Internal, "the sign-in has no secrets").into());
    };
    let redirect_uri = redirect_uri(&attempt.origin);
    let tokens = oidc
        .exchange(&spoken, code, verifier.expose_secret(), &redirect_uri)
        .await?;
    let Some(id_token) = &tokens.id_token else {
        return Err(Failed::Theirs("the answer has no id token".to_owned()));
    };
    let claims = oidc
        .verify(
            &spoken,
            id_token.expose_secret(),
            Some(nonce.expose_secret()),
            Some(tokens.access_token.expose_secret()),
            portal.store.clock().now(),
        )
        .await?;
    let claims = with_user_info(portal, provider, &spoken, &tokens, claims).await?;
    let kept = [
        (ID_TOKEN, tokens.id_token.as_ref()),
        (REFRESH_TOKEN, tokens.refresh_token.as_ref()),
    ];
    Ok(Landing {
        arrival: provider.config.admission.of_claims(&claims),
        kept: kept
            .into_iter()
            .filter_map(|(name, token)| Some((name, token?.expose_secret().to_owned())))
            .collect(),
    })
}

/// What the id token leaves out is asked for. What it says counts more: it is signed.
async fn with_user_info(
    portal: &Portal,
    provider: &Provider,
    spoken: &identity::oidc::Provider,
    tokens: &identity::oidc::Answer,
    mut claims: Claims,
) -> Result<Claims, Failed> {
    let names = &provider.config.admission.attributes;
    let wanted = [&names.email, &names.name, &names.groups];
    if wanted.into_iter().all(|name| claims.contains_key(name)) {
        return Ok(claims);
    }
    let subject = claims
        .get("sub")
        .and_then(|sub| sub.as_str())
        .unwrap_or_default();
    let more = portal
        .providers
        .oidc
        .user_info(spoken, &tokens.access_token, subject)
        .await?
        .unwrap_or_default();
    // An address and the word that it was verified belong together.
    let has_email = claims.contains_key("email");
    for (name, value) in more {
        // How somebody signed in is said where it is signed, or not at all.
        let is_method = name == "amr" || name == "acr";
        if is_method || (name == "email_verified" && has_email) {
            continue;
        }
        claims.entry(name).or_insert(value);
    }
    Ok(claims)
}

/// Whom a sealed arrival speaks of.
pub(super) fn read_arrival(text: &str) -> Result<Arrival, ApiError> {
    serde_json::from_str(text)
        .map_err(|error| ApiError::internal("the sign-in cannot be read", error))
}
