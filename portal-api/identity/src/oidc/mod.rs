//! OpenID Connect as a relying party: discovery, the code flow with PKCE, and what its tokens must
//! fulfil (OpenID Connect Core 1.0, RFC 7636, RFC 9207, Back-Channel Logout 1.0).

mod client;
mod discovery;
mod token;

use std::sync::Mutex;
use std::{collections::HashMap, sync::Arc};

use connector_sdk::{ConnectorError, Http};
use secrecy::SecretString;
use serde_json::{Map, Value as Json};

pub use client::{Answer, Wish};
pub use discovery::Discovery;
pub use token::{LogoutToken, TokenError};

use discovery::Known;

/// A provider as a tenant set it up.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where it is described: `{issuer}/.well-known/openid-configuration`.
    pub issuer: String,
    /// The description names an issuer for each of the provider's own tenants, with `{tenantid}` in
    /// it, as Microsoft's does; a token's `tid` takes that place.
    pub issuer_per_tenant: bool,
    pub client_id: String,
    pub secret: Option<SecretString>,
    pub scopes: Vec<String>,
}

/// What a provider says of somebody.
pub type Claims = Map<String, Json>;

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("provider cannot be asked: {0}")]
    Unreachable(#[source] ConnectorError),
    #[error("provider's description is not usable: {0}")]
    Description(&'static str),
    /// By its code, such as `invalid_grant`.
    #[error("provider refused: {0}")]
    Refused(String),
    #[error("answer of the provider is not usable: {0}")]
    Answer(&'static str),
    #[error("token is not valid: {0}")]
    Token(#[from] TokenError),
}

/// Asks providers; keeps their descriptions and keys for a while. Cheap to clone.
#[derive(Clone)]
pub struct Oidc {
    http: Http,
    /// Providers may be reached without TLS: for tests and for trying things out.
    plain: bool,
    known: Arc<Mutex<HashMap<String, Arc<Known>>>>,
}

impl Oidc {
    /// `plain` allows addresses that begin with `http`.
    pub fn new(http: Http, plain: bool) -> Self {
        Self {
            http,
            plain,
            known: Arc::default(),
        }
    }
}
