//! Signing in: the three grants, the consent page, and where the org is reached afterwards.

use std::time::{Duration, UNIX_EPOCH};

use connector_sdk::{
    ConnectorError, Consent, ConsentAnswer, Grant, Http, Result, TokenAnswer, Tokens, ask_tokens,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::{Auth, Config, check_origin, is_loopback};

/// The vendor tells no lifetime; sessions live two hours by default and less by policy.
pub(crate) const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);

/// How long an assertion is good for; the vendor accepts up to five minutes.
const ASSERTION_SECONDS: u64 = 170;

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// One connection's credentials.
pub(crate) struct Credentials {
    http: Http,
    login: Url,
    auth: Auth,
    origin: String,
    /// Parsed once, so that a key that is none shows before the first call.
    key: Option<EncodingKey>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

impl Credentials {
    /// # Errors
    /// `Config` when the private key is not an RSA key in PEM form.
    pub(crate) fn new(config: &Config, http: Http) -> Result<Self> {
        let key = match &config.auth {
            Auth::JwtBearer { private_key, .. } => Some(rsa_key(private_key)?),
            _ => None,
        };
        Ok(Self {
            http,
            login: config.login_url.clone(),
            origin: origin(&config.login_url, &config.auth),
            auth: config.auth.clone(),
            key,
        })
    }

    fn endpoint(&self, path: &str) -> Result<Url> {
        self.login
            .join(path)
            .map_err(|error| ConnectorError::config("login_url does not fit").with_source(error))
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<TokenAnswer> {
        let answer = ask_tokens(&self.http, self.endpoint("/services/oauth2/token")?, form).await?;
        // A session that leads to a wrong place must not be stored.
        self.check_instance(answer.extra.get("instance_url"))?;
        Ok(answer)
    }

    fn assertion(&self, client_id: &str, username: &str, audience: &str) -> Result<String> {
        let now = self.http.now().duration_since(UNIX_EPOCH);
        let claims = Claims {
            iss: client_id,
            sub: username,
            aud: audience,
            exp: now.map_or(0, |since| since.as_secs()) + ASSERTION_SECONDS,
        };
        let key = self.key.as_ref().expect("made with the credentials");
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).map_err(|error| {
            ConnectorError::config("the assertion cannot be signed with private_key")
                .with_source(error)
        })
    }

    fn check_instance(&self, told: Option<&String>) -> Result<Url> {
        let url = told.and_then(|text| Url::parse(text).ok()).ok_or_else(|| {
            ConnectorError::config("sign-in does not tell where the org is (instance_url)")
        })?;
        check_origin("instance_url", &url, is_loopback(&self.login))?;
        Ok(url)
    }

    /// Where the org is reached with these tokens.
    ///
    /// # Errors
    /// `Config` when that is no place to send tokens to.
    pub(crate) fn instance(&self, tokens: &Tokens) -> Result<Url> {
        self.check_instance(tokens.extra.get("instance_url"))
    }

    /// # Errors
    /// `Unsupported` for the grants without a browser.
    pub(crate) fn start_consent(&self, redirect: &Url) -> Result<Consent> {
        let Auth::AuthorizationCode { client_id, .. } = &self.auth else {
            return Err(ConnectorError::unsupported(
                "consent for this way to sign in",
            ));
        };
        let page = self.endpoint("/services/oauth2/authorize")?;
        Consent::start(&page, client_id, redirect, &["api", "refresh_token"])
    }

    /// # Errors
    /// `Auth` when the answer is not this consent's or the code is refused.
    pub(crate) async fn finish_consent(
        &self,
        consent: &Consent,
        answer: &ConsentAnswer,
    ) -> Result<TokenAnswer> {
        consent.check(answer)?;
        let Auth::AuthorizationCode {
            client_id,
            client_secret,
            ..
        } = &self.auth
        else {
            return Err(ConnectorError::unsupported(
                "consent for this way to sign in",
            ));
        };
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", answer.code.expose_secret()),
            ("client_id", client_id),
            ("redirect_uri", consent.redirect.as_str()),
            ("code_verifier", consent.verifier.expose_secret()),
        ];
        push_secret(&mut form, client_secret.as_ref());
        self.token(&form).await
    }
}

fn push_secret<'a>(form: &mut Vec<(&'a str, &'a str)>, secret: Option<&'a SecretString>) {
    form.extend(secret.map(|secret| ("client_secret", secret.expose_secret())));
}

fn rsa_key(pem: &SecretString) -> Result<EncodingKey> {
    // The parser's error could quote the key.
    EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
        .ok()
        .ok_or_else(|| ConnectorError::config("private_key is not an RSA key in PEM form"))
}

/// Tells credentials apart without telling them.
fn origin(login: &Url, auth: &Auth) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    };
    add(login.as_str());
    match auth {
        Auth::ClientCredentials {
            client_id,
            client_secret,
        } => {
            add("client_credentials");
            add(client_id);
            add(client_secret.expose_secret());
        }
        Auth::JwtBearer {
            client_id,
            username,
            private_key,
            audience,
        } => {
            add("jwt_bearer");
            add(client_id);
            add(username);
            add(private_key.expose_secret());
            add(audience.as_deref().unwrap_or_default());
        }
        Auth::AuthorizationCode {
            client_id,
            refresh_token,
            ..
        } => {
            add("authorization_code");
            add(client_id);
            add(refresh_token
                .as_ref()
                .map_or("", ExposeSecret::expose_secret));
        }
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Grant for Credentials {
    fn origin(&self) -> &str {
        &self.origin
    }

    async fn ask(&self, stored: Option<&SecretString>) -> Result<TokenAnswer> {
        match &self.auth {
            Auth::ClientCredentials {
                client_id,
                client_secret,
            } => {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose_secret()),
                ];
                self.token(&form).await
            }
            Auth::JwtBearer {
                client_id,
                username,
                audience,
                ..
            } => {
                let login = self.login.origin().ascii_serialization();
                let audience = audience.as_ref().unwrap_or(&login);
                let assertion = self.assertion(client_id, username, audience)?;
                self.token(&[("grant_type", JWT_GRANT), ("assertion", &assertion)])
                    .await
            }
            Auth::AuthorizationCode {
                client_id,
                client_secret,
                refresh_token,
            } => {
                let Some(newest) = stored.or(refresh_token.as_ref()) else {
                    return Err(ConnectorError::auth(
                        "the connection is not authorised yet: sign in to Salesforce from it",
                    ));
                };
                let mut form = vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", newest.expose_secret()),
                    ("client_id", client_id),
                ];
                push_secret(&mut form, client_secret.as_ref());
                self.token(&form).await
            }
        }
    }
}
