//! What a provider says of itself, and its keys. Both are kept; a key that is not known makes the keys
//! be read again, but not more than once in a while, whatever callers send.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use url::Url;

use super::{Oidc, OidcError, Provider};

/// A description is read again after this.
const FRESH: Duration = Duration::from_secs(3600);
/// Keys are read again for an unknown one at most this often.
const AGAIN: Duration = Duration::from_secs(60);
/// Of so many providers descriptions are kept.
const MOST: usize = 1_000;
/// Longest answer of a provider that is looked at. Bytes.
const LONGEST: usize = 1 << 20;

/// A provider's description (OpenID Connect Discovery 1.0), as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub struct Discovery {
    pub issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    pub end_session_endpoint: Option<Url>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
}

pub(super) struct Known {
    pub(super) discovery: Discovery,
    keys: Mutex<Keys>,
    since: Instant,
}

struct Keys {
    all: Arc<Vec<Jwk>>,
    /// When they were last read for the sake of an unknown one.
    again: Option<Instant>,
}

impl Known {
    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keys(&self) -> Arc<Vec<Jwk>> {
        Arc::clone(&self.lock().all)
    }

    /// Whether the keys may be read again now; says so once in a while only.
    fn may_ask_again(&self) -> bool {
        let mut keys = self.lock();
        let may = keys.again.is_none_or(|last| last.elapsed() >= AGAIN);
        if may {
            keys.again = Some(Instant::now());
        }
        may
    }
}

impl Oidc {
    /// The provider's description.
    ///
    /// # Errors
    /// [`OidcError::Unreachable`], [`OidcError::Description`].
    pub async fn discover(&self, provider: &Provider) -> Result<Discovery, OidcError> {
        Ok(self.known(provider).await?.discovery.clone())
    }

    pub(super) async fn known(&self, provider: &Provider) -> Result<Arc<Known>, OidcError> {
        let name = format!("{}\n{}", provider.issuer, provider.issuer_per_tenant);
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock()
            .get(&name)
            .filter(|known| known.since.elapsed() < FRESH)
        {
            return Ok(Arc::clone(known));
        }
        let discovery = self.read_description(provider).await?;
        let keys = self.read_keys(&discovery.jwks_uri).await?;
        let known = Arc::new(Known {
            discovery,
            keys: Mutex::new(Keys {
                all: Arc::new(keys),
                again: None,
            }),
            since: Instant::now(),
        });
        let mut all = lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(name, Arc::clone(&known));
        Ok(known)
    }

    /// The keys, read again if that is due; `None` where it is too early for that.
    pub(super) async fn keys_again(
        &self,
        known: &Known,
    ) -> Result<Option<Arc<Vec<Jwk>>>, OidcError> {
        if !known.may_ask_again() {
            return Ok(None);
        }
        let keys = Arc::new(self.read_keys(&known.discovery.jwks_uri).await?);
        known.lock().all = Arc::clone(&keys);
        Ok(Some(keys))
    }

    async fn read_description(&self, provider: &Provider) -> Result<Discovery, OidcError> {
        let address = format!(
            "{}/.well-known/openid-configuration",
            provider.issuer.trim_end_matches('/')
        );
        let address = address
            .parse()
            .map_err(|_error| OidcError::Description("the issuer is no address"))?;
        let discovery: Discovery = self.get(address).await?;
        self.check(provider, &discovery)?;
        Ok(discovery)
    }

    fn check(&self, provider: &Provider, discovery: &Discovery) -> Result<(), OidcError> {
        let is_same = if provider.issuer_per_tenant && discovery.issuer.contains("{tenantid}") {
            // Of this very host, whichever of its tenants.
            origin(&discovery.issuer).is_some()
                && origin(&discovery.issuer) == origin(&provider.issuer)
        } else {
            discovery.issuer == provider.issuer
        };
        if !is_same {
            return Err(OidcError::Description("it names another issuer"));
        }
        let optional = [
            &discovery.userinfo_endpoint,
            &discovery.end_session_endpoint,
        ];
        let endpoints = [
            &discovery.authorization_endpoint,
            &discovery.token_endpoint,
            &discovery.jwks_uri,
        ];
        let mut all = endpoints.into_iter().chain(optional.into_iter().flatten());
        if !all.all(|url| url.scheme() == "https" || (self.plain && url.scheme() == "http")) {
            return Err(OidcError::Description(
                "an address does not begin with https",
            ));
        }
        let methods = &discovery.code_challenge_methods_supported;
        if !methods.is_empty() && !methods.iter().any(|method| method == "S256") {
            return Err(OidcError::Description("it does not know PKCE with S256"));
        }
        Ok(())
    }

    async fn read_keys(&self, address: &Url) -> Result<Vec<Jwk>, OidcError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Json>,
        }
        let set: Set = self.get(address.clone()).await?;
        // A key of a kind that we do not know is no reason to take none.
        let keys = set.keys.into_iter();
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(keys
            .filter(|key| key.common.public_key_use != Some(PublicKeyUse::Encryption))
            .collect())
    }

    async fn get<T: DeserializeOwned>(&self, address: Url) -> Result<T, OidcError> {
        let request = self.http.request(Method::GET, address);
        let reply = self
            .http
            .send(request)
            .await
            .map_err(OidcError::Unreachable)?;
        if !reply.status.is_success() {
            return Err(OidcError::Description("it is not there"));
        }
        if reply.body.len() > LONGEST {
            return Err(OidcError::Description("it is too long"));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|_error| OidcError::Description("it is not what such a description is"))
    }
}

fn origin(text: &str) -> Option<url::Origin> {
    // What stands in braces is no part of the host.
    Some(text.replace(['{', '}'], "").parse::<Url>().ok()?.origin())
}
