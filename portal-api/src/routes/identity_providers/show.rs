//! An identity provider as its admins see it: everything but its secret.

use chrono::{DateTime, Utc};
use domain::providers::{self, Endpoint, Preset, Protocol};
use domain::users::Role;
use engine::ids::ProviderId;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{AttributeNames, GroupRuleBody, RoleRuleBody, SecondFactorBody};
use crate::caller::SignedIn;
use crate::portal::Portal;
use crate::routes::session::RoleName;
use crate::routes::sso::redirect_uri;

/// Where people of the tenant sign in besides the hub.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityProvider {
    #[schema(value_type = String)]
    id: ProviderId,
    /// `oidc` or `saml`.
    #[schema(value_type = String)]
    protocol: Protocol,
    /// `custom`, `google` or `microsoft`.
    #[schema(value_type = String)]
    preset: Preset,
    name: String,
    /// Whether it lets people in.
    enabled: bool,
    /// Whether a test sign-in has succeeded with the configuration as it is: it can be enabled.
    tested: bool,
    last_test: Option<LastTest>,
    oidc: Option<OidcEndpoint>,
    saml: Option<SamlEndpoint>,
    attributes: AttributeNames,
    email_domains: Vec<String>,
    trust_email: bool,
    provision: bool,
    #[schema(value_type = Option<RoleName>)]
    default_role: Option<Role>,
    role_rules: Vec<RoleRuleBody>,
    group_rules: Vec<GroupRuleBody>,
    #[schema(value_type = RoleName)]
    ceiling: Role,
    microsoft_tenants: Vec<String>,
    session_minutes: Option<i32>,
    second_factor: SecondFactorBody,
    version: i64,
    created_at: DateTime<Utc>,
}

/// What came of the last test sign-in.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastTest {
    at: DateTime<Utc>,
    /// Who came, what they would be here, or why they would not be let in.
    #[schema(value_type = Object)]
    outcome: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OidcEndpoint {
    issuer: String,
    client_id: String,
    has_secret: bool,
    scopes: Vec<String>,
    /// To be given to the provider.
    redirect_uri: String,
    /// To be given to the provider, if it tells others that somebody has signed out.
    backchannel_logout_uri: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SamlEndpoint {
    /// The provider's name of itself, and where browsers are sent to; null where this build cannot
    /// read it.
    entity_id: Option<String>,
    sign_in_url: Option<String>,
    /// Where browsers are sent to be signed out; null where it has no such place.
    sign_out_url: Option<String>,
    metadata: String,
    /// Whoever signs out here is signed out there too.
    single_logout: bool,
    /// To be given to the provider: our metadata lie there.
    our_entity_id: String,
    acs_url: String,
    slo_url: String,
}

impl IdentityProvider {
    pub(super) fn of(caller: &SignedIn, provider: providers::Provider) -> Self {
        Self::at(caller.portal(), caller.origin(), provider)
    }

    fn at(portal: &Portal, origin: &str, provider: providers::Provider) -> Self {
        let base = format!("{origin}/api/v1/sso/{}", provider.id);
        let admission = provider.config.admission.clone();
        let names = admission.attributes;
        let (mut oidc, mut saml) = (None, None);
        match &provider.config.endpoint {
            Endpoint::Oidc {
                issuer,
                client_id,
                scopes,
                ..
            } => {
                oidc = Some(OidcEndpoint {
                    issuer: issuer.clone(),
                    client_id: client_id.clone(),
                    has_secret: provider.secret.is_some(),
                    scopes: scopes.clone(),
                    redirect_uri: redirect_uri(origin),
                    backchannel_logout_uri: format!("{base}/backchannel-logout"),
                });
            }
            Endpoint::Saml {
                metadata,
                single_logout,
                ..
            } => {
                let speaks = portal.providers.saml.as_ref();
                let facts = speaks.and_then(|saml| saml.facts(metadata).ok());
                saml = Some(SamlEndpoint {
                    entity_id: facts.as_ref().map(|facts| facts.entity_id.clone()),
                    sign_in_url: facts.as_ref().map(|facts| facts.sign_in_url.clone()),
                    sign_out_url: facts.and_then(|facts| facts.sign_out_url),
                    single_logout: *single_logout,
                    metadata: metadata.clone(),
                    our_entity_id: format!("{base}/metadata"),
                    acs_url: format!("{base}/acs"),
                    slo_url: format!("{base}/slo"),
                });
            }
        }
        Self {
            id: provider.id,
            protocol: provider.protocol(),
            preset: provider.preset,
            tested: provider.is_tested(),
            name: provider.name,
            enabled: provider.enabled,
            last_test: provider.test.map(|test| LastTest {
                at: test.at,
                outcome: test.outcome,
            }),
            oidc,
            saml,
            attributes: AttributeNames {
                email: names.email,
                name: names.name,
                groups: names.groups,
            },
            email_domains: admission.email_domains,
            trust_email: admission.trust_email,
            provision: admission.provision,
            default_role: admission.default_role,
            role_rules: admission
                .role_rules
                .into_iter()
                .map(|rule| RoleRuleBody {
                    value: rule.value,
                    role: rule.role,
                })
                .collect(),
            group_rules: admission
                .group_rules
                .into_iter()
                .map(|rule| GroupRuleBody {
                    value: rule.value,
                    group: rule.group,
                })
                .collect(),
            ceiling: admission.ceiling,
            microsoft_tenants: admission.microsoft_tenants,
            session_minutes: provider.config.session_minutes,
            second_factor: SecondFactorBody::of(provider.config.second_factor),
            version: provider.version,
            created_at: provider.created_at,
        }
    }
}
