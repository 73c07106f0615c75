//! A person's consent in the browser: the authorization code grant with PKCE.

use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{ConnectorError, Result};

/// A consent under way. Kept by the hub, sealed, until the browser comes back.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Where to send the browser.
    pub url: Url,
    /// Comes back with the code; anything else is somebody else's answer.
    pub state: SecretString,
    /// Proves to the system that who asks for tokens is who sent the browser.
    pub verifier: SecretString,
    pub redirect: Url,
}

/// What the browser brought back.
#[derive(Clone, Debug, Deserialize)]
pub struct ConsentAnswer {
    pub code: SecretString,
    pub state: SecretString,
}

/// A consent's stored form, for whoever seals it.
#[derive(Serialize, Deserialize)]
pub struct StoredConsent {
    pub url: Url,
    pub state: String,
    pub verifier: String,
    pub redirect: Url,
}

impl Consent {
    /// The address to open, with a fresh state and an S256 challenge.
    ///
    /// # Errors
    /// `Config` when an address does not fit.
    pub fn start(
        authorize: &Url,
        client_id: &str,
        redirect: &Url,
        scopes: &[&str],
    ) -> Result<Self> {
        let fault = |error| {
            ConnectorError::config("address of the consent page does not fit").with_source(error)
        };
        let auth = AuthUrl::new(authorize.to_string()).map_err(fault)?;
        let back = RedirectUrl::new(redirect.to_string()).map_err(fault)?;
        let client = BasicClient::new(ClientId::new(client_id.to_owned()))
            .set_auth_uri(auth)
            .set_redirect_uri(back);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok(Self {
            url,
            state: state.into_secret().into(),
            verifier: verifier.into_secret().into(),
            redirect: redirect.clone(),
        })
    }

    /// Checks that the answer belongs to this consent.
    ///
    /// # Errors
    /// `Auth` when it does not.
    pub fn check(&self, answer: &ConsentAnswer) -> Result<()> {
        if self.state.expose_secret() == answer.state.expose_secret() {
            return Ok(());
        }
        Err(ConnectorError::auth(
            "the answer does not belong to this consent, start it again",
        ))
    }
}

impl From<&Consent> for StoredConsent {
    fn from(consent: &Consent) -> Self {
        Self {
            url: consent.url.clone(),
            state: consent.state.expose_secret().to_owned(),
            verifier: consent.verifier.expose_secret().to_owned(),
            redirect: consent.redirect.clone(),
        }
    }
}

impl From<StoredConsent> for Consent {
    fn from(stored: StoredConsent) -> Self {
        Self {
            url: stored.url,
            state: stored.state.into(),
            verifier: stored.verifier.into(),
            redirect: stored.redirect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_carries_a_challenge_and_takes_only_its_own_answer() {
        let page = Url::parse("https://login.example/authorize").unwrap();
        let back = Url::parse("https://hub.example/back").unwrap();
        let consent = Consent::start(&page, "id", &back, &["api", "refresh_token"]).unwrap();
        let query: std::collections::BTreeMap<_, _> =
            consent.url.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["scope"], "api refresh_token");
        assert_eq!(query["response_type"], "code");
        assert!(
            !consent
                .url
                .as_str()
                .contains(consent.verifier.expose_secret())
        );
        let answer = |state: &str| ConsentAnswer {
            code: "c".to_owned().into(),
            state: state.to_owned().into(),
        };
        assert!(consent.check(&answer(&query["state"])).is_ok());
        assert!(consent.check(&answer("other")).is_err());
    }
}
