//! Who may come from a provider, and as whom: pure. Nobody becomes more than the provider's ceiling,
//! whatever the provider says of them.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::GroupId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::permissions::Permissions;
use crate::users::{self, Role};

/// Most values of an attribute that are looked at.
const MOST: usize = 500;
/// How far the clocks of a provider and ours may be apart.
const CLOCKS: TimeDelta = TimeDelta::seconds(30);

/// The rules of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    pub attributes: Attributes,
    /// Addresses of these domains only, as they travel; empty: all.
    pub email_domains: Vec<String>,
    /// Addresses are the provider's own, and right without its saying so.
    pub trust_email: bool,
    /// Makes users that are not there yet.
    pub provision: bool,
    /// Of whom no rule says more; `None` lets nobody in that no rule names.
    pub default_role: Option<Role>,
    /// The first that fits.
    pub role_rules: Vec<RoleRule>,
    pub group_rules: Vec<GroupRule>,
    /// Nobody who comes from here is let in by address, made or changed to have more.
    pub ceiling: Role,
    /// Of Microsoft: which of its tenants; empty: all.
    pub microsoft_tenants: Vec<String>,
}

/// Where the provider writes what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    pub email: String,
    pub name: String,
    /// What the rules look at.
    pub groups: String,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            name: "name".to_owned(),
            groups: "groups".to_owned(),
        }
    }
}

/// Whoever is in this group there has this role here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRule {
    pub value: String,
    pub role: Role,
}

/// Whoever is in this group there is in that one here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    pub value: String,
    pub group: GroupId,
}

/// Somebody, as the provider says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    pub issuer: String,
    /// Who that is there, for ever.
    pub subject: String,
    /// `None` where there is none, or none that can be one.
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub groups: Vec<String>,
    /// Of Microsoft: which of its tenants.
    pub microsoft_tenant: Option<String>,
    /// The provider's name of the session.
    pub session: Option<String>,
    /// How they signed in there: `amr` and `acr`, or the context of SAML.
    pub methods: Vec<String>,
    /// When they did: `auth_time`, or `AuthnInstant` of SAML.
    #[serde(default)]
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// What somebody may be here, by the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub groups: Vec<GroupId>,
}

/// Why somebody is not let in; for the audit trail and the test sign-in, never for the one refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error("the provider gives no e-mail address")]
    NoEmail,
    #[error("the provider does not say that the e-mail address was verified")]
    Unverified,
    #[error("addresses of this domain are not let in")]
    Domain,
    #[error("this Microsoft tenant is not let in")]
    MicrosoftTenant,
    #[error("there is no such user, and none are made")]
    Unknown,
    #[error("no rule gives a role")]
    NoRole,
    #[error(
        "the user has more permissions than may come from this provider; link it while signed in"
    )]
    AboveCeiling,
    #[error("the user is linked to somebody else of this provider")]
    LinkedOtherwise,
    #[error("the user is deactivated")]
    Deactivated,
    #[error("the address belongs to somebody else")]
    Taken,
}

impl Arrival {
    /// Whether they signed in there after `begun`, and were not merely remembered. `None` where the provider
    /// does not say when they did.
    pub fn is_after(&self, begun: DateTime<Utc>) -> Option<bool> {
        self.authenticated_at.map(|at| at + CLOCKS >= begun)
    }
}

impl Admission {
    /// Somebody by the claims of a token.
    pub fn of_claims(&self, claims: &Map<String, Json>) -> Arrival {
        let text = |name: &str| claims.get(name).and_then(Json::as_str).map(str::to_owned);
        let verified = claims.get("email_verified");
        // Some write it as a text.
        let is_verified = verified.is_some_and(|said| *said == true || *said == "true");
        let texts = |name: &str| match claims.get(name) {
            Some(Json::String(one)) => vec![one.clone()],
            Some(Json::Array(several)) => several
                .iter()
                .filter_map(Json::as_str)
                .take(MOST)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        };
        let mut methods = texts("amr");
        methods.extend(text("acr"));
        Arrival {
            issuer: text("iss").unwrap_or_default(),
            subject: text("sub").unwrap_or_default(),
            email: text(&self.attributes.email).and_then(|email| plain_email(&email)),
            // It speaks of `email`, of nothing else.
            email_verified: is_verified && self.attributes.email == "email",
            name: text(&self.attributes.name).and_then(|name| plain_name(&name)),
            groups: texts(&self.attributes.groups),
            microsoft_tenant: text("tid"),
            session: text("sid"),
            methods,
            authenticated_at: claims
                .get("auth_time")
                .and_then(Json::as_i64)
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        }
    }

    /// Somebody by the attributes of an assertion. What a tenant's own provider signs is verified as
    /// far as the tenant says so.
    pub fn of_attributes<'a>(
        &self,
        issuer: &str,
        subject: &str,
        attribute: impl Fn(&str) -> Option<&'a [String]>,
    ) -> Arrival {
        let first = |name: &str| attribute(name).and_then(<[String]>::first).cloned();
        let email = first(&self.attributes.email).or_else(|| Some(subject.to_owned()));
        let groups = attribute(&self.attributes.groups).unwrap_or_default();
        Arrival {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            email: email.and_then(|email| plain_email(&email)),
            email_verified: false,
            name: first(&self.attributes.name).and_then(|name| plain_name(&name)),
            groups: groups.iter().take(MOST).cloned().collect(),
            microsoft_tenant: None,
            session: None,
            methods: Vec::new(),
            authenticated_at: None,
        }
    }

    /// Whether somebody is let in at all.
    ///
    /// # Errors
    /// [`Refusal::MicrosoftTenant`].
    pub fn admit(&self, arrival: &Arrival) -> Result<(), Refusal> {
        if self.microsoft_tenants.is_empty() {
            return Ok(());
        }
        let tenant = arrival.microsoft_tenant.as_ref();
        match tenant.is_some_and(|tenant| self.microsoft_tenants.contains(tenant)) {
            true => Ok(()),
            false => Err(Refusal::MicrosoftTenant),
        }
    }

    /// The address by which somebody may be found or made: verified, and of a domain that may.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn address<'a>(&self, arrival: &'a Arrival) -> Result<&'a str, Refusal> {
        let email = arrival.email.as_deref().ok_or(Refusal::NoEmail)?;
        if !arrival.email_verified && !self.trust_email {
            return Err(Refusal::Unverified);
        }
        let (_name, domain) = email.rsplit_once('@').ok_or(Refusal::NoEmail)?;
        let may = self.email_domains.is_empty()
            || self
                .email_domains
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(domain));
        if may { Ok(email) } else { Err(Refusal::Domain) }
    }

    /// What somebody is by the rules; `gives` says what a group gives, `None` where it is gone.
    ///
    /// # Errors
    /// [`Refusal::NoRole`].
    pub fn standing(
        &self,
        arrival: &Arrival,
        gives: impl Fn(GroupId) -> Option<Permissions>,
    ) -> Result<Standing, Refusal> {
        let is_in = |value: &str| arrival.groups.iter().any(|group| group == value);
        let rule = self.role_rules.iter().find(|rule| is_in(&rule.value));
        let role = rule.map(|rule| rule.role).or(self.default_role);
        let role = role.ok_or(Refusal::NoRole)?;
        let ceiling = self.ceiling.permissions();
        let within = |permissions: Permissions| permissions.beyond(ceiling).is_empty();
        // Held when the rules are set; roles may have changed since.
        let role = if within(role.permissions()) {
            role
        } else {
            self.ceiling
        };
        let mut groups: Vec<GroupId> = self
            .group_rules
            .iter()
            .filter(|rule| is_in(&rule.value) && gives(rule.group).is_some_and(within))
            .map(|rule| rule.group)
            .collect();
        groups.sort();
        groups.dedup();
        Ok(Standing { role, groups })
    }
}

/// An address that means the same everywhere: ASCII only, so that no letter of another script stands
/// for one of these.
fn plain_email(text: &str) -> Option<String> {
    let email = users::email(text).ok()?;
    email.is_ascii().then_some(email)
}

fn plain_name(text: &str) -> Option<String> {
    let name: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::Permission;
    use serde_json::json;

    fn admission() -> Admission {
        Admission {
            attributes: Attributes::default(),
            email_domains: vec!["one.example".to_owned()],
            trust_email: false,
            provision: true,
            default_role: Some(Role::Viewer),
            role_rules: vec![
                RoleRule {
                    value: "operators".to_owned(),
                    role: Role::Operator,
                },
                RoleRule {
                    value: "admins".to_owned(),
                    role: Role::Admin,
                },
            ],
            group_rules: Vec::new(),
            ceiling: Role::Operator,
            microsoft_tenants: Vec::new(),
        }
    }

    fn arrival(claims: Json) -> Arrival {
        admission().of_claims(claims.as_object().unwrap())
    }

    #[test]
    fn an_address_counts_when_it_is_verified_and_of_an_allowed_domain() {
        let admission = admission();
        let of = |claims: Json| admission.address(&arrival(claims)).map(str::to_owned);
        let good = json!({"email": "ada@One.example", "email_verified": true});
        assert_eq!(of(good), Ok("ada@One.example".to_owned()));
        let text = json!({"email": "ada@one.example", "email_verified": "true"});
        assert!(of(text).is_ok());
        for (claims, why) in [
            (json!({"email_verified": true}), Refusal::NoEmail),
            (
                json!({"email": 7, "email_verified": true}),
                Refusal::NoEmail,
            ),
            (
                json!({"email": "a b@one.example", "email_verified": true}),
                Refusal::NoEmail,
            ),
            // A Cyrillic letter.
            (
                json!({"email": "аda@one.example", "email_verified": true}),
                Refusal::NoEmail,
            ),
            (json!({"email": "ada@one.example"}), Refusal::Unverified),
            (
                json!({"email": "ada@one.example", "email_verified": false}),
                Refusal::Unverified,
            ),
            (
                json!({"email": "ada@one.example", "email_verified": "yes"}),
                Refusal::Unverified,
            ),
            (
                json!({"email": "ada@two.example", "email_verified": true}),
                Refusal::Domain,
            ),
            (
                json!({"email": "ada@x.one.example", "email_verified": true}),
                Refusal::Domain,
            ),
        ] {
            assert_eq!(of(claims.clone()), Err(why), "{claims}");
        }
    }

    #[test]
    fn that_email_is_verified_says_nothing_of_another_claim() {
        let mut other = admission();
        other.attributes.email = "upn".to_owned();
        let claims =
            json!({"upn": "ada@one.example", "email": "x@y.example", "email_verified": true});
        let arrival = other.of_claims(claims.as_object().unwrap());
        assert_eq!(other.address(&arrival), Err(Refusal::Unverified));
    }

    #[test]
    fn nobody_becomes_more_than_the_ceiling() {
        let mut admission = admission();
        let (low, high) = (GroupId::fresh(), GroupId::fresh());
        for group in [low, high] {
            let value = "staff".to_owned();
            admission.group_rules.push(GroupRule { value, group });
        }
        let gives = |group: GroupId| {
            let one = if group == low {
                Permission::RecordsWrite
            } else {
                Permission::UsersManage
            };
            Some([one].into_iter().collect())
        };
        let standing = |groups: &[&str]| {
            let arrival = arrival(json!({"groups": groups}));
            admission.standing(&arrival, gives).unwrap()
        };
        assert_eq!(standing(&[]).role, Role::Viewer);
        assert_eq!(standing(&["operators", "admins"]).role, Role::Operator);
        assert_eq!(standing(&["admins"]).role, Role::Operator);
        assert_eq!(standing(&["staff"]).groups, [low]);
        admission.default_role = None;
        let nobody = admission.standing(&arrival(json!({"groups": "x"})), gives);
        assert_eq!(nobody, Err(Refusal::NoRole));
    }

    #[test]
    fn only_the_named_tenants_of_microsoft_are_let_in() {
        let mut admission = admission();
        admission.microsoft_tenants = vec!["11111111-2222-3333-4444-555555555555".to_owned()];
        let of = |tid: &str| admission.admit(&arrival(json!({"tid": tid})));
        assert_eq!(of("11111111-2222-3333-4444-555555555555"), Ok(()));
        assert_eq!(
            of("99999999-2222-3333-4444-555555555555"),
            Err(Refusal::MicrosoftTenant)
        );
        let none = admission.admit(&arrival(json!({})));
        assert_eq!(none, Err(Refusal::MicrosoftTenant));
    }
}
