//! Where people of a tenant sign in besides the hub: how it is set up, who may come from there and as
//! whom, and what is on its way. The protocols themselves are spoken elsewhere.

mod admission;
pub mod arrivals;
pub mod attempts;
pub mod identities;
pub mod policy;
pub mod sessions;
mod store;

use chrono::{DateTime, Utc};
use engine::ids::ProviderId;
use serde::{Deserialize, Serialize};

pub use admission::{Admission, Arrival, Attributes, GroupRule, Refusal, RoleRule, Standing};
pub use store::{
    change, create, delete, enabled, get, list, owner, set_enabled, tenant_of, tested,
};

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Oidc,
    Saml,
}

/// A provider that is known by name, with what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    #[default]
    Custom,
    Google,
    Microsoft,
}

macro_rules! named {
    ($name:ident { $($variant:ident = $text:literal),* }) => {
        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

        }
    };
}

named!(Protocol { Oidc = "oidc", Saml = "saml" });
named!(Preset { Custom = "custom", Google = "google", Microsoft = "microsoft" });

impl Preset {
    pub(super) fn of(text: &str) -> Option<Self> {
        [Self::Custom, Self::Google, Self::Microsoft]
            .into_iter()
            .find(|preset| preset.as_str() == text)
    }
}

/// How a provider is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Endpoint {
    Oidc {
        issuer: String,
        client_id: String,
        scopes: Vec<String>,
        /// The issuer of a token is one of many, by its `tid`.
        issuer_per_tenant: bool,
    },
    Saml {
        /// As the provider gave it.
        metadata: String,
        /// Ours; its key is the provider's secret.
        certificate: String,
        /// Whoever signs out here is signed out there too.
        #[serde(default)]
        single_logout: bool,
    },
}

impl Endpoint {
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Oidc { .. } => Protocol::Oidc,
            Self::Saml { .. } => Protocol::Saml,
        }
    }
}

/// What a provider is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub endpoint: Endpoint,
    pub admission: Admission,
    /// A session of this provider ends after so long unless the provider says that it still holds.
    pub session_minutes: Option<i32>,
    #[serde(default)]
    pub second_factor: SecondFactor,
}

/// Whether the hub takes a provider's word that it asked for a second factor. Where it does not, who has
/// one here is asked for it here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "vouched", rename_all = "snake_case")]
pub enum SecondFactor {
    #[default]
    Never,
    /// Whatever it says.
    Always,
    /// Where it says that the user signed in by one of these: values of `amr` or `acr` of OpenID Connect,
    /// the context of a sign-in by SAML.
    ByMethod { methods: Vec<String> },
}

impl SecondFactor {
    /// Whether the provider vouches, of somebody who signed in there by these methods.
    pub fn is_vouched(&self, said: &[String]) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::ByMethod { methods } => methods.iter().any(|method| said.contains(method)),
        }
    }
}

/// A provider of a tenant.
#[derive(Clone, Debug)]
pub struct Provider {
    pub id: ProviderId,
    pub preset: Preset,
    /// On its button.
    pub name: String,
    pub config: Config,
    /// Client secret or private key.
    pub secret: Option<Vec<u8>>,
    pub enabled: bool,
    pub config_version: i64,
    /// The last test sign-in.
    pub test: Option<Tested>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// What came of a test sign-in.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Of which configuration.
    pub config_version: i64,
    pub at: DateTime<Utc>,
    pub outcome: serde_json::Value,
}

impl Provider {
    /// Whether a test sign-in let somebody in with the configuration as it is now.
    pub fn is_tested(&self) -> bool {
        self.test.as_ref().is_some_and(|test| {
            test.config_version == self.config_version && test.outcome["accepted"] == true
        })
    }
}

/// What a provider shall be.
#[derive(Clone, Debug)]
pub struct ProviderWish {
    pub preset: Preset,
    pub name: String,
    pub config: Config,
    /// Sealed; `None` leaves what is there.
    pub secret: Option<Vec<u8>>,
}
