//! What the handlers work with.

use std::sync::Arc;

use domain::factors::Factors;
use domain::mails::Outbox;
use domain::mappings::Shipped;
use domain::sessions::Token;
use domain::users::Passwords;
use engine::Store;
use engine::entity::CoreTables;
use engine::peers::Peers;
use identity::dns::Resolver;
use identity::oidc::Oidc;
use identity::saml::Saml;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::place::Network;
use crate::throttle::Throttle;

/// What a portal is made of.
pub struct PortalParts {
    pub store: Store,
    pub peers: Peers,
    pub tables: CoreTables,
    pub shipped: Shipped,
    pub passwords: Passwords,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Whether browsers reach us over https: cookies are then marked secure.
    pub https: bool,
    /// Whether we end TLS ourselves: then every request came by it.
    pub tls: bool,
    /// Where browsers reach us, without a slash at the end: `https://hub.example.com`.
    pub public_url: String,
    /// Where mails wait to be sent; `None` where nobody sends any.
    pub outbox: Option<Outbox>,
    /// What second factors and tokens are made with. Its vault seals what providers and sign-ins keep
    /// secret too.
    pub factors: Factors,
    pub providers: Providers,
    /// Proxies whose word on host and address counts.
    pub trusted_proxies: Vec<Network>,
    /// Other hosts than that of `public_url` and the tenants' domains are refused.
    pub only_known_hosts: bool,
}

/// What speaks to identity providers and name servers.
#[derive(Clone)]
pub struct Providers {
    pub oidc: Oidc,
    /// `None` in a build without it.
    pub saml: Option<Arc<dyn Saml>>,
    pub resolver: Resolver,
    /// Providers may be reached without TLS, and presets at other addresses than their own.
    pub plain: bool,
}

/// The portal of a process; cheap to clone.
#[derive(Clone)]
pub struct Portal(Arc<Inner>);

struct Inner {
    parts: PortalParts,
    throttle: Throttle,
}

impl Portal {
    pub fn new(parts: PortalParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            throttle: Throttle::default(),
        }))
    }

    /// Where somebody sets a password with this token.
    pub(crate) fn password_link(&self, token: &Token) -> String {
        // Behind the #: browsers send it to nobody, so it is in no log.
        format!("{}/set-password#{}", self.public_url, token.expose())
    }

    /// Whether a host is the hub's own, and no tenant's. Digits and names of this machine are.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        let ours = self
            .public_url
            .split_once("://")
            .map(|(_scheme, rest)| rest);
        let ours = ours.and_then(identity::host::of_header);
        let is_digits = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        ours.as_deref() == Some(host) || is_digits || host == "localhost"
    }

    /// Forgets who has failed to sign in from where: for tests that fail many times.
    #[doc(hidden)]
    pub fn forget_failures(&self) {
        self.0.throttle.forget();
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }
}

impl std::ops::Deref for Portal {
    type Target = PortalParts;

    fn deref(&self) -> &PortalParts {
        &self.0.parts
    }
}
