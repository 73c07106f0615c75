//! Asking a provider: where the browser goes, what a code and a refresh token give.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connector_sdk::Reply;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{Claims, Discovery, Oidc, OidcError, Provider};

/// What a sign-in is begun with.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    pub state: &'a str,
    pub nonce: &'a str,
    /// What the hub keeps until the code is exchanged; its hash goes along (PKCE).
    pub verifier: &'a str,
    /// What the provider shall ask anew, such as `consent`.
    pub prompt: Option<&'a str>,
    /// How long ago the user may have signed in there, in seconds.
    pub max_age: Option<u32>,
}

/// What a code or a refresh token was exchanged for.
#[derive(Deserialize)]
pub struct Answer {
    pub access_token: SecretString,
    /// A refresh need not give one.
    pub id_token: Option<SecretString>,
    pub refresh_token: Option<SecretString>,
}

impl Oidc {
    /// Where to send the browser.
    ///
    /// # Errors
    /// As [`Oidc::discover`].
    pub async fn authorization_url(
        &self,
        provider: &Provider,
        wish: Wish<'_>,
    ) -> Result<Url, OidcError> {
        let mut url = self.discover(provider).await?.authorization_endpoint;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(wish.verifier.as_bytes()));
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", wish.redirect_uri)
            .append_pair("scope", &provider.scopes.join(" "))
            .append_pair("state", wish.state)
            .append_pair("nonce", wish.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if let Some(prompt) = wish.prompt {
            query.append_pair("prompt", prompt);
        }
        if let Some(seconds) = wish.max_age {
            query.append_pair("max_age", &seconds.to_string());
        }
        drop(query);
        Ok(url)
    }

    /// Whether the `iss` of a callback is this provider's (RFC 9207): another one's answer must not
    /// be taken for it.
    ///
    /// # Errors
    /// As [`Oidc::discover`].
    pub async fn is_from(&self, provider: &Provider, iss: Option<&str>) -> Result<bool, OidcError> {
        let discovery = self.discover(provider).await?;
        Ok(match iss {
            Some(iss) if discovery.issuer.contains("{tenantid}") => {
                // Which tenant's, the token says; here it must be one of them.
                let (head, tail) = discovery
                    .issuer
                    .split_once("{tenantid}")
                    .unwrap_or_default();
                iss.starts_with(head) && iss.ends_with(tail)
            }
            Some(iss) => iss == discovery.issuer,
            None => !discovery.authorization_response_iss_parameter_supported,
        })
    }

    /// What a code gives.
    ///
    /// # Errors
    /// [`OidcError`]; [`OidcError::Refused`] for a code that was used.
    pub async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Answer, OidcError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.ask_tokens(provider, &form).await
    }

    /// What a refresh token gives.
    ///
    /// # Errors
    /// As [`Oidc::exchange`].
    pub async fn refresh(
        &self,
        provider: &Provider,
        refresh_token: &SecretString,
    ) -> Result<Answer, OidcError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        self.ask_tokens(provider, &form).await
    }

    async fn ask_tokens(
        &self,
        provider: &Provider,
        form: &[(&str, &str)],
    ) -> Result<Answer, OidcError> {
        let discovery = self.discover(provider).await?;
        let mut form = form.to_vec();
        let mut request = self
            .http
            .request(Method::POST, discovery.token_endpoint.clone());
        match &provider.secret {
            Some(secret) if takes_basic(&discovery) => {
                // Each part is encoded as in a form before they are joined (RFC 6749, 2.3.1).
                let (id, secret) = (
                    encoded(&provider.client_id),
                    encoded(secret.expose_secret()),
                );
                request = request.basic_auth(id, Some(secret));
            }
            Some(secret) => {
                form.push(("client_id", &provider.client_id));
                form.push(("client_secret", secret.expose_secret()));
            }
            None => form.push(("client_id", &provider.client_id)),
        }
        let reply = self.http.send(request.form(&form)).await;
        let reply = reply.map_err(OidcError::Unreachable)?;
        if !reply.status.is_success() {
            return Err(refusal(&reply));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|_error| OidcError::Answer("no tokens are in it"))
    }

    /// What the provider says of `subject` beyond the id token.
    ///
    /// # Errors
    /// [`OidcError`], also where it speaks of somebody else.
    pub async fn user_info(
        &self,
        provider: &Provider,
        access_token: &SecretString,
        subject: &str,
    ) -> Result<Option<Claims>, OidcError> {
        let Some(address) = self.discover(provider).await?.userinfo_endpoint else {
            return Ok(None);
        };
        let request = self.http.request(Method::GET, address);
        let request = request.bearer_auth(access_token.expose_secret());
        let reply = self
            .http
            .send(request)
            .await
            .map_err(OidcError::Unreachable)?;
        if !reply.status.is_success() {
            return Err(refusal(&reply));
        }
        let claims: Claims = serde_json::from_slice(&reply.body)
            .map_err(|_error| OidcError::Answer("what it says of the user is no JSON object"))?;
        if claims.get("sub").and_then(serde_json::Value::as_str) != Some(subject) {
            return Err(OidcError::Answer("it speaks of another user"));
        }
        Ok(Some(claims))
    }

    /// Where the browser goes to be signed out at the provider too (RP-Initiated Logout 1.0); `None`
    /// where the provider has no such place.
    ///
    /// # Errors
    /// As [`Oidc::discover`].
    pub async fn sign_out_url(
        &self,
        provider: &Provider,
        id_token: &SecretString,
        back_to: &str,
    ) -> Result<Option<Url>, OidcError> {
        let Some(mut url) = self.discover(provider).await?.end_session_endpoint else {
            return Ok(None);
        };
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token.expose_secret())
            .append_pair("client_id", &provider.client_id)
            .append_pair("post_logout_redirect_uri", back_to);
        Ok(Some(url))
    }
}

/// What is said of a token endpoint that says nothing is that it takes this.
fn takes_basic(discovery: &Discovery) -> bool {
    let methods = &discovery.token_endpoint_auth_methods_supported;
    methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic")
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// By its code only: what else a provider writes may hold anything.
fn refusal(reply: &Reply) -> OidcError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let code = serde_json::from_slice::<Refusal>(&reply.body).map(|said| said.error);
    let is_code = |code: &String| {
        code.len() <= 64
            && code
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    match code {
        Ok(code) if is_code(&code) => OidcError::Refused(code),
        _ => OidcError::Refused(format!("status {}", reply.status.as_u16())),
    }
}
