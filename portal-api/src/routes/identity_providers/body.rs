//! What a caller asks of an identity provider, and whether it can be so.

use domain::providers::{
    Admission, Attributes, Config, Endpoint, GroupRule, Preset, ProviderWish, RoleRule,
    SecondFactor, owner,
};
use domain::users::Role;
use domain::{groups, providers};
use engine::ids::{GroupId, ProviderId};
use engine::store::audit::Entry;
use identity::host::HostName;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::portal::Portal;
use crate::routes::session::RoleName;
use crate::routes::sso::saml_of;

const GOOGLE: &str = "https://accounts.google.com";
const MICROSOFT: &str = "https://login.microsoftonline.com";
/// Most rules of each kind.
const RULES: usize = 200;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityProviderBody {
    /// On its button.
    name: String,
    /// `custom`, `google` or `microsoft`: what is known of these need not be said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    preset: Preset,
    /// Either this …
    #[serde(default)]
    oidc: Option<OidcBody>,
    /// … or this.
    #[serde(default)]
    saml: Option<SamlBody>,
    #[serde(default)]
    attributes: Option<AttributeNames>,
    /// Only people with an address of these domains are found by it, or made; empty: of all.
    #[serde(default)]
    email_domains: Vec<String>,
    /// The provider's addresses are its own, and right without its saying so.
    #[serde(default)]
    trust_email: bool,
    /// Makes users that are not there yet.
    #[serde(default)]
    provision: bool,
    /// Of whom no rule says more; without, nobody is made whom no rule names.
    #[serde(default)]
    #[schema(value_type = Option<RoleName>)]
    default_role: Option<Role>,
    /// By a group of the provider: the first that fits.
    #[serde(default)]
    role_rules: Vec<RoleRuleBody>,
    /// By a group of the provider: all that fit.
    #[serde(default)]
    group_rules: Vec<GroupRuleBody>,
    /// Nobody is found by address, made or changed to have more than this role.
    #[schema(value_type = RoleName)]
    ceiling: Role,
    /// Of Microsoft: ids of the directories that may come; empty: all.
    #[serde(default)]
    microsoft_tenants: Vec<String>,
    /// Sessions end after so many minutes unless they are refreshed: 5 to 43200.
    #[serde(default)]
    session_minutes: Option<i32>,
    /// Left out: who has a second factor here shows it after a sign-in there too.
    #[serde(default)]
    second_factor: SecondFactorBody,
}

/// Whether the hub takes the provider's word that it asked for a second factor.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorBody {
    /// `never`, `always`, or `by_method`: where it names one of `methods`.
    #[schema(value_type = String)]
    pub(super) vouched: Vouched,
    /// Values of `amr` or `acr` (OpenID Connect), or of `AuthnContextClassRef` (SAML): `mfa`.
    #[serde(default)]
    pub(super) methods: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Vouched {
    #[default]
    Never,
    Always,
    ByMethod,
}

impl SecondFactorBody {
    /// `is_public`: anybody in the world can have an account there.
    fn read(&self, is_public: bool) -> Result<SecondFactor, ApiError> {
        let has_methods = !self.methods.is_empty();
        if has_methods != (self.vouched == Vouched::ByMethod) {
            let message = "methods are named where vouched is by_method, and only there";
            return Err(ApiError::invalid("/second_factor/methods", message));
        }
        let is_method = |text: &String| (1..=200).contains(&text.chars().count());
        if self.methods.len() > RULES || !self.methods.iter().all(is_method) {
            let message = format!("at most {RULES} methods of 1 to 200 characters");
            return Err(ApiError::invalid("/second_factor/methods", message));
        }
        match self.vouched {
            Vouched::Never => Ok(SecondFactor::Never),
            Vouched::Always if is_public => {
                let message = "anybody can have an account there: name the methods it has to say";
                Err(ApiError::invalid("/second_factor/vouched", message))
            }
            Vouched::Always => Ok(SecondFactor::Always),
            Vouched::ByMethod => Ok(SecondFactor::ByMethod {
                methods: self.methods.clone(),
            }),
        }
    }

    pub(super) fn of(second_factor: SecondFactor) -> Self {
        let (vouched, methods) = match second_factor {
            SecondFactor::Never => (Vouched::Never, Vec::new()),
            SecondFactor::Always => (Vouched::Always, Vec::new()),
            SecondFactor::ByMethod { methods } => (Vouched::ByMethod, methods),
        };
        Self { vouched, methods }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcBody {
    /// Where `/.well-known/openid-configuration` lies; known of Google, and of Microsoft unless it is
    /// for one directory only.
    #[serde(default)]
    issuer: Option<String>,
    client_id: String,
    /// Left out: the one that is there stays.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "password")]
    client_secret: Option<SecretString>,
    /// `openid`, `profile` and `email` unless said.
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamlBody {
    /// The provider's metadata: XML.
    metadata: String,
    /// Whoever signs out here is signed out there too; the metadata have to say where.
    #[serde(default)]
    single_logout: bool,
}

/// Where the provider writes what.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeNames {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) groups: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleRuleBody {
    /// A group of the provider.
    pub(super) value: String,
    #[schema(value_type = RoleName)]
    pub(super) role: Role,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupRuleBody {
    /// A group of the provider.
    pub(super) value: String,
    #[schema(value_type = String)]
    pub(super) group: GroupId,
}

impl IdentityProviderBody {
    /// What is wished of the provider `id`, which is `there` unless it is new.
    pub(super) async fn read(
        self,
        caller: &SignedIn,
        id: ProviderId,
        there: Option<&providers::Provider>,
        action: &str,
    ) -> Result<ProviderWish, ApiError> {
        let portal = caller.portal();
        let name = groups::name(&self.name).map_err(|why| ApiError::invalid("/name", why))?;
        let per_directory = self.microsoft_tenants.is_empty();
        let (endpoint, secret) = match (&self.oidc, &self.saml) {
            (Some(oidc), None) => oidc.read(portal, self.preset, id)?,
            (None, Some(saml)) if self.preset == Preset::Custom => {
                saml.read(portal, id, there).await?
            }
            _ => {
                let message = "say either oidc or saml; Google and Microsoft speak oidc";
                return Err(ApiError::invalid("/oidc", message));
            }
        };
        let minutes = self.session_minutes;
        if minutes.is_some_and(|minutes| !(5..=43_200).contains(&minutes)) {
            let message = "session_minutes must be between 5 and 43200";
            return Err(ApiError::invalid("/session_minutes", message));
        }
        let is_public = match (&endpoint, self.preset) {
            (_, Preset::Google) => true,
            (
                Endpoint::Oidc {
                    issuer_per_tenant, ..
                },
                Preset::Microsoft,
            ) => *issuer_per_tenant && per_directory,
            _ => false,
        };
        let preset = self.preset;
        let second_factor = self.second_factor.read(is_public)?;
        let admission = self.admission(is_public)?;
        permit(caller, id, &admission, action).await?;
        Ok(ProviderWish {
            preset,
            name,
            config: Config {
                endpoint,
                admission,
                session_minutes: minutes,
                second_factor,
            },
            secret,
        })
    }

    /// `is_public`: anybody in the world can have an account there.
    fn admission(self, is_public: bool) -> Result<Admission, ApiError> {
        let ceiling = self.ceiling.permissions();
        let above = |role: Role| !role.permissions().beyond(ceiling).is_empty();
        let too_high = |pointer: String| {
            ApiError::invalid(pointer, "this role has more permissions than the ceiling")
        };
        if self.default_role.is_some_and(above) {
            return Err(too_high("/default_role".to_owned()));
        }
        if let Some(at) = self.role_rules.iter().position(|rule| above(rule.role)) {
            return Err(too_high(format!("/role_rules/{at}/role")));
        }
        for (pointer, rules) in [
            ("/role_rules", self.role_rules.len()),
            ("/group_rules", self.group_rules.len()),
            ("/email_domains", self.email_domains.len()),
            ("/microsoft_tenants", self.microsoft_tenants.len()),
        ] {
            if rules > RULES {
                return Err(ApiError::invalid(pointer, format!("at most {RULES}")));
            }
        }
        let mut email_domains = Vec::new();
        for (at, domain) in self.email_domains.iter().enumerate() {
            let host = HostName::parse(domain).map_err(|error| {
                ApiError::invalid(format!("/email_domains/{at}"), error.to_string())
            })?;
            email_domains.push(host.ascii().to_owned());
        }
        if is_public && self.provision && email_domains.is_empty() {
            let message = "anybody can have an account there: say whose addresses may come";
            return Err(ApiError::invalid("/email_domains", message));
        }
        if is_public && self.trust_email {
            let message = "anybody can have an account there: its addresses must be verified";
            return Err(ApiError::invalid("/trust_email", message));
        }
        let names = self.attributes.unwrap_or_else(|| {
            let Attributes {
                email,
                name,
                groups,
            } = Attributes::default();
            AttributeNames {
                email,
                name,
                groups,
            }
        });
        for (pointer, name) in [
            ("/attributes/email", &names.email),
            ("/attributes/name", &names.name),
            ("/attributes/groups", &names.groups),
        ] {
            if name.is_empty() || name.chars().count() > 200 {
                return Err(ApiError::invalid(pointer, "a name has 1 to 200 characters"));
            }
        }
        Ok(Admission {
            attributes: Attributes {
                email: names.email,
                name: names.name,
                groups: names.groups,
            },
            email_domains,
            trust_email: self.trust_email,
            provision: self.provision,
            default_role: self.default_role,
            role_rules: self
                .role_rules
                .into_iter()
                .map(|RoleRuleBody { value, role }| RoleRule { value, role })
                .collect(),
            group_rules: self
                .group_rules
                .into_iter()
                .map(|GroupRuleBody { value, group }| GroupRule { value, group })
                .collect(),
            ceiling: self.ceiling,
            microsoft_tenants: self.microsoft_tenants,
        })
    }
}

/// Refuses to let a provider give what the caller does not have, and groups above the ceiling.
async fn permit(
    caller: &SignedIn,
    id: ProviderId,
    admission: &Admission,
    action: &str,
) -> Result<(), ApiError> {
    let ceiling = admission.ceiling.permissions();
    if let Err(elevation) = caller.editor().may_give(ceiling) {
        let entry = Entry::refused(action, "identity_provider", id);
        let entry = entry.after(json!({"ceiling": admission.ceiling}));
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    let mut tx = caller.begin().await?;
    let all = groups::list(&mut tx).await?;
    for (at, rule) in admission.group_rules.iter().enumerate() {
        let pointer = format!("/group_rules/{at}/group");
        let group = all
            .iter()
            .find(|group| group.id == rule.group && group.account.is_none());
        let group = group.ok_or_else(|| ApiError::invalid(&pointer, "there is no such group"))?;
        if !group.permissions.beyond(ceiling).is_empty() {
            let message = "this group has more permissions than the ceiling";
            return Err(ApiError::invalid(pointer, message));
        }
    }
    Ok(())
}

impl OidcBody {
    fn read(
        &self,
        portal: &Portal,
        preset: Preset,
        id: ProviderId,
    ) -> Result<(Endpoint, Option<Vec<u8>>), ApiError> {
        let known = match preset {
            Preset::Custom => None,
            Preset::Google => Some((GOOGLE, GOOGLE.to_owned())),
            Preset::Microsoft => Some((MICROSOFT, format!("{MICROSOFT}/organizations/v2.0"))),
        };
        let issuer = match (&self.issuer, known) {
            (Some(issuer), known) => {
                let origin = known.map(|(origin, _issuer)| origin);
                check_issuer(portal, issuer, origin)?
            }
            (None, Some((_origin, issuer))) => issuer,
            (None, None) => return Err(ApiError::invalid("/oidc/issuer", "say the issuer")),
        };
        if self.client_id.is_empty() || self.client_id.len() > 255 {
            let message = "client_id has 1 to 255 characters";
            return Err(ApiError::invalid("/oidc/client_id", message));
        }
        let mut scopes = self.scopes.clone();
        if scopes.is_empty() {
            scopes = ["openid", "profile", "email"].map(str::to_owned).to_vec();
        }
        let is_scope = |scope: &String| {
            let is_letter = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
            !scope.is_empty() && scope.len() <= 200 && scope.bytes().all(is_letter)
        };
        if scopes.len() > 30 || !scopes.iter().all(is_scope) {
            return Err(ApiError::invalid(
                "/oidc/scopes",
                "a scope is a word without spaces",
            ));
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        let secret = match &self.client_secret {
            None => None,
            Some(secret) => Some(seal(portal, id, secret)?),
        };
        let issuer_per_tenant = preset == Preset::Microsoft
            && ["/organizations/", "/common/", "/consumers/"]
                .iter()
                .any(|part| issuer.contains(part));
        let endpoint = Endpoint::Oidc {
            issuer,
            client_id: self.client_id.clone(),
            scopes,
            issuer_per_tenant,
        };
        Ok((endpoint, secret))
    }
}

/// An issuer's address; of a preset one of its own.
fn check_issuer(portal: &Portal, issuer: &str, origin: Option<&str>) -> Result<String, ApiError> {
    let bad = |why: &str| ApiError::invalid("/oidc/issuer", why);
    let url: Url = issuer.parse().map_err(|_error| bad("this is no address"))?;
    let plain = portal.providers.plain;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !is_plain || issuer.len() > 500 || issuer.contains(['{', '}']) {
        return Err(bad("an issuer has no user, query, fragment or braces"));
    }
    if url.scheme() != "https" && !(plain && url.scheme() == "http") {
        return Err(bad("an issuer begins with https"));
    }
    let is_theirs = origin.is_none_or(|origin| url.origin().ascii_serialization() == origin);
    if !is_theirs && !plain {
        return Err(bad("this is no issuer of the preset's"));
    }
    Ok(issuer.to_owned())
}

impl SamlBody {
    async fn read(
        &self,
        portal: &Portal,
        id: ProviderId,
        there: Option<&providers::Provider>,
    ) -> Result<(Endpoint, Option<Vec<u8>>), ApiError> {
        let bad = |error: identity::saml::SamlError| {
            ApiError::invalid("/saml/metadata", error.to_string())
        };
        let saml = saml_of(portal)?;
        identity::saml::check(self.metadata.as_bytes()).map_err(bad)?;
        let metadata = self.metadata.clone();
        let kept = match there.map(|provider| &provider.config.endpoint) {
            Some(Endpoint::Saml { certificate, .. }) => Some(certificate.clone()),
            _ => None,
        };
        let is_new = kept.is_none();
        let work = move || -> Result<_, identity::saml::SamlError> {
            let facts = saml.facts(&metadata)?;
            let keys = is_new.then(|| saml.fresh_keys()).transpose()?;
            Ok((keys, metadata, facts.sign_out_url.is_some()))
        };
        let (keys, metadata, can_sign_out) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| ApiError::internal("the metadata cannot be read", error))?
            .map_err(bad)?;
        if self.single_logout && !can_sign_out {
            let message = "the metadata name no address for signing out by redirect";
            return Err(ApiError::invalid("/saml/single_logout", message));
        }
        let (certificate, secret) = match (keys, kept) {
            (Some(keys), _) => (keys.certificate, Some(seal(portal, id, &keys.private_key)?)),
            (None, kept) => (kept.unwrap_or_default(), None),
        };
        let endpoint = Endpoint::Saml {
            metadata,
            certificate,
            single_logout: self.single_logout,
        };
        Ok((endpoint, secret))
    }
}

fn seal(portal: &Portal, id: ProviderId, secret: &SecretString) -> Result<Vec<u8>, ApiError> {
    portal
        .factors
        .vault
        .seal(&owner(id), secret.expose_secret().as_bytes())
        .map_err(|error| ApiError::internal("the secret cannot be sealed", error))
}
