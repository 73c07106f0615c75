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
use metrics_exporter_prometheus::PrometheusHandle;

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
    /// Where browsers reach us, without a slash at the end: `https://hub.example.com`.
    pub public_url: String,
    /// Where mails wait to be sent; `None` where nobody sends any.
    pub outbox: Option<Outbox>,
    /// What second factors and tokens are made with.
    pub factors: Factors,
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
