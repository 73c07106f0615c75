//! SAML 2.0 by samael, which hands XML signatures to xmlsec, libxml2 and OpenSSL: C code that reads
//! what strangers send. It is alone in this crate, behind [`identity::saml::Saml`], and empty without
//! the feature `xmlsec`: the hub builds without these libraries.
//!
//! What samael leaves open is closed here: an identity provider without certificates, old algorithms,
//! answers without an audience, ids that could be guessed, and panics.

#![cfg(feature = "xmlsec")]

mod encrypted;
mod keys;
mod redirect;
mod rules;
mod sign_out;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use chrono::{DateTime, TimeDelta, Utc};
use identity::saml::{
    Arrival, Begun, Facts, KeyPair, Message, Name, Parties, Saml, SamlError, SignOutRequest,
    SignedOut, check,
};
use samael::crypto::{AllowedSignatureAlgorithm, ReduceMode};
use samael::metadata::{EntityDescriptor, HTTP_REDIRECT_BINDING};
use samael::schema::Assertion;
use samael::service_provider::{ServiceProvider, ServiceProviderBuilder};
use samael::traits::ToXml as _;

/// How far clocks may be apart.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// How old an answer may be.
const OLDEST: TimeDelta = TimeDelta::minutes(5);

/// What signs documents.
const ALGORITHMS: [AllowedSignatureAlgorithm; 6] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::EcdsaSha512,
];

/// SAML with xmlsec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xmlsec;

impl Saml for Xmlsec {
    fn fresh_keys(&self) -> Result<KeyPair, SamlError> {
        keys::fresh()
    }

    fn facts(&self, metadata: &str) -> Result<Facts, SamlError> {
        guarded(|| {
            let provider = read_metadata(metadata)?;
            let missing = |what: &str| SamlError::Metadata(format!("{what} is missing"));
            let party = ServiceProvider {
                idp_metadata: provider,
                ..ServiceProvider::default()
            };
            let certificates = party
                .idp_signing_certs()
                .map_err(|_error| SamlError::Metadata("a certificate cannot be read".to_owned()))?;
            // Without one samael would believe what nobody has signed.
            let certificates = certificates.map_or(0, |all| all.len());
            if certificates == 0 {
                return Err(missing("the provider's certificate for signing"));
            }
            let sign_in_url = party
                .sso_binding_location(HTTP_REDIRECT_BINDING)
                .filter(|url| is_address(url))
                .ok_or_else(|| missing("an address for sign-in by redirect"))?;
            let sign_out_url = party
                .slo_binding_location(HTTP_REDIRECT_BINDING)
                .filter(|url| is_address(url));
            let entity_id = party.idp_metadata.entity_id;
            Ok(Facts {
                entity_id: entity_id.ok_or_else(|| missing("the provider's entity id"))?,
                sign_in_url,
                sign_out_url,
                certificates,
            })
        })
    }

    fn our_metadata(&self, parties: &Parties) -> Result<String, SamlError> {
        guarded(|| {
            let mut ours = service_provider(parties)?
                .metadata()
                .map_err(|error| SamlError::Metadata(error.to_string()))?;
            for descriptor in ours.sp_sso_descriptors.iter_mut().flatten() {
                descriptor.single_logout_services = Some(sign_out::services(parties));
                for (at, key) in descriptor.key_descriptors.iter_mut().flatten().enumerate() {
                    if at > 0 {
                        key.key_use = Some("encryption".to_owned());
                        key.encryption_methods = Some(rules::encryption_methods());
                    }
                }
            }
            ours.to_string()
                .map_err(|error| SamlError::Metadata(error.to_string()))
        })
    }

    fn begin(&self, parties: &Parties, relay_state: &str, anew: bool) -> Result<Begun, SamlError> {
        guarded(|| {
            let facts = self.facts(&parties.metadata)?;
            let failed = |_error| SamlError::Document("the request cannot be written".to_owned());
            let mut request = service_provider(parties)?
                .make_authentication_request(&facts.sign_in_url)
                .map_err(failed)?;
            request.id = rules::fresh_id()?;
            request.force_authn = anew.then_some(true);
            let url = request.redirect(relay_state).map_err(failed)?;
            let url =
                url.ok_or_else(|| SamlError::Document("the request leads nowhere".to_owned()))?;
            Ok(Begun {
                request_id: request.id,
                url: url.to_string(),
            })
        })
    }

    fn arrive(
        &self,
        parties: &Parties,
        response: &[u8],
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Arrival, SamlError> {
        guarded(|| {
            check(response)?;
            let text = std::str::from_utf8(response).map_err(|_error| SamlError::Encoding)?;
            rules::refuse_old_algorithms(text)?;
            rules::refuse_several(text)?;
            self.facts(&parties.metadata)?;
            let party = service_provider(parties)?;
            if encrypted::is_there(text) {
                return arrival(encrypted::read(&party, text, request_id)?, now);
            }
            let mode = ReduceMode::ValidateAndMarkNoAncestors;
            let assertion = party
                .parse_xml_response_with_mode(text, Some(&[request_id]), mode)
                .map_err(|error| SamlError::NotAccepted(rules::reason(&error)))?;
            arrival(assertion, now)
        })
    }

    fn sign_out(
        &self,
        parties: &Parties,
        name: &Name,
        session: Option<&str>,
        relay_state: &str,
        now: DateTime<Utc>,
    ) -> Result<Begun, SamlError> {
        guarded(|| sign_out::ask(parties, name, session, relay_state, now))
    }

    fn signed_out(
        &self,
        parties: &Parties,
        message: &Message,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedOut, SamlError> {
        guarded(|| sign_out::answered(parties, message, request_id, now))
    }

    fn sign_out_request(
        &self,
        parties: &Parties,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<SignOutRequest, SamlError> {
        guarded(|| sign_out::asked(parties, message, now))
    }

    fn sign_out_answer(
        &self,
        parties: &Parties,
        request_id: &str,
        relay_state: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<String, SamlError> {
        guarded(|| sign_out::answer(parties, request_id, relay_state, now))
    }
}

/// Whether a browser can be sent there.
fn is_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn read_metadata(metadata: &str) -> Result<EntityDescriptor, SamlError> {
    check(metadata.as_bytes())?;
    metadata
        .parse()
        .map_err(|_error| SamlError::Metadata("this is no entity descriptor".to_owned()))
}

fn service_provider(parties: &Parties) -> Result<ServiceProvider, SamlError> {
    ServiceProviderBuilder::default()
        .entity_id(Some(parties.entity_id.clone()))
        .metadata_url(Some(parties.entity_id.clone()))
        .acs_url(Some(parties.acs_url.clone()))
        .slo_url(Some(parties.slo_url.clone()))
        .idp_metadata(read_metadata(&parties.metadata)?)
        .key(Some(keys::private(&parties.private_key)?))
        .certificate(Some(keys::certificate(&parties.certificate)?))
        .allow_idp_initiated(false)
        .max_clock_skew(SKEW)
        .max_issue_delay(OLDEST)
        .metadata_valid_duration(Some(TimeDelta::days(365)))
        .allowed_signature_algorithms(Some(ALGORITHMS.to_vec()))
        .build()
        .map_err(|_error| SamlError::Keys)
}

/// What a verified assertion says; what it has to say and samael does not ask for is asked here.
fn arrival(assertion: Assertion, now: DateTime<Utc>) -> Result<Arrival, SamlError> {
    let lacks = |what: &str| SamlError::NotAccepted(format!("it has no {what}"));
    if assertion.issue_instant > now + SKEW {
        return Err(SamlError::NotAccepted("it is of the future".to_owned()));
    }
    let conditions = assertion.conditions.ok_or_else(|| lacks("conditions"))?;
    let restrictions = conditions.audience_restrictions.unwrap_or_default();
    if restrictions.iter().all(|one| one.audience.is_empty()) {
        return Err(lacks("audience"));
    }
    let until = conditions.not_on_or_after.ok_or_else(|| lacks("end"))?;
    let statements = assertion.authn_statements.unwrap_or_default();
    let statement = statements
        .first()
        .ok_or_else(|| lacks("statement of a sign-in"))?;
    let context = statement.authn_context.as_ref();
    let context = context.and_then(|context| context.value.as_ref()?.value.clone());
    let name = assertion.subject.and_then(|subject| subject.name_id);
    let name_id = name.map(|name| Name {
        value: name.value,
        format: name.format,
    });
    let name_id = name_id.unwrap_or_default();
    let is_name = !name_id.value.trim().is_empty() && name_id.value.len() <= 255;
    if !is_name || assertion.id.is_empty() {
        return Err(lacks("name of the user"));
    }
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let statements = assertion.attribute_statements.unwrap_or_default();
    for attribute in statements.into_iter().flat_map(|one| one.attributes) {
        let values: Vec<String> = attribute
            .values
            .into_iter()
            .filter_map(|it| it.value)
            .collect();
        for name in [attribute.name, attribute.friendly_name]
            .into_iter()
            .flatten()
        {
            let known = attributes.entry(name).or_default();
            known.extend(values.iter().cloned());
            known.dedup();
        }
    }
    Ok(Arrival {
        name_id,
        issuer: assertion.issuer.value.unwrap_or_default(),
        attributes,
        assertion_id: assertion.id,
        // As long as anybody could take it.
        valid_until: until.max(now + OLDEST) + SKEW,
        session_index: statement.session_index.clone(),
        context: context.map(|class| class.trim().to_owned()),
        authenticated_at: statement.authn_instant,
    })
}

/// samael indexes and unwraps what a decrypted document gives it: a damaged one ends here.
fn guarded<T>(work: impl FnOnce() -> Result<T, SamlError>) -> Result<T, SamlError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        tracing::warn!("a SAML document made its reader fail");
        Err(SamlError::Document("it cannot be read".to_owned()))
    })
}
