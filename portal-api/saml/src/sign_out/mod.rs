//! Single logout (SAML Profiles, 4.4): what is asked, and what is answered, both ways and both signed.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use identity::saml::{
    Begun, Message, Name, Parties, SamlError, SignOutRequest, SignedOut, check_message,
};
use openssl::pkey::{PKey, Public};
use openssl::x509::X509;
use quick_xml::escape::escape;
use samael::crypto::{CertificateDer, Crypto, CryptoProvider as _, ReduceMode};
use samael::metadata::{Endpoint, HTTP_POST_BINDING, HTTP_REDIRECT_BINDING};
use serde::Deserialize;

use crate::redirect::{self, Part};
use crate::{ALGORITHMS, OLDEST, SKEW, keys, read_metadata, rules};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// Most names of sessions in one request.
const SESSIONS: usize = 100;

/// Where a provider finds us, in our metadata.
pub(crate) fn services(parties: &Parties) -> Vec<Endpoint> {
    [HTTP_REDIRECT_BINDING, HTTP_POST_BINDING]
        .map(|binding| Endpoint {
            binding: binding.to_owned(),
            location: parties.slo_url.clone(),
            response_location: None,
        })
        .to_vec()
}

/// What a provider's metadata say of signing out.
struct Side {
    entity_id: String,
    certificates: Vec<CertificateDer>,
    /// Where requests go, and where answers go.
    places: Option<(String, String)>,
}

impl Side {
    fn of(parties: &Parties) -> Result<Self, SamlError> {
        let metadata = read_metadata(&parties.metadata)?;
        let missing = |what: &str| SamlError::Metadata(format!("{what} is missing"));
        let party = samael::service_provider::ServiceProvider {
            idp_metadata: metadata,
            ..Default::default()
        };
        let certificates = party
            .idp_signing_certs()
            .map_err(|_error| SamlError::Metadata("a certificate cannot be read".to_owned()))?;
        let certificates = certificates.filter(|all| !all.is_empty());
        let metadata = party.idp_metadata;
        let services = metadata.idp_sso_descriptors.iter().flatten();
        let place = services
            .flat_map(|descriptor| &descriptor.single_logout_services)
            .find(|service| {
                service.binding == HTTP_REDIRECT_BINDING && crate::is_address(&service.location)
            });
        let places = place.map(|service| {
            let answers = service.response_location.clone();
            let answers = answers.filter(|url| crate::is_address(url));
            let ask = service.location.clone();
            (ask.clone(), answers.unwrap_or(ask))
        });
        Ok(Self {
            entity_id: metadata
                .entity_id
                .ok_or_else(|| missing("the provider's entity id"))?,
            certificates: certificates
                .ok_or_else(|| missing("the provider's certificate for signing"))?,
            places,
        })
    }

    fn places(&self) -> Result<&(String, String), SamlError> {
        let missing = || SamlError::Metadata("an address for signing out is missing".to_owned());
        self.places.as_ref().ok_or_else(missing)
    }
}

/// Our request, by redirect.
pub(crate) fn ask(
    parties: &Parties,
    name: &Name,
    session: Option<&str>,
    relay_state: &str,
    now: DateTime<Utc>,
) -> Result<Begun, SamlError> {
    let side = Side::of(parties)?;
    let (place, _answers) = side.places()?;
    let request_id = rules::fresh_id()?;
    let format = name.format.as_deref().map_or_else(String::new, |format| {
        format!(" Format=\"{}\"", escape(format))
    });
    let session = session.map_or_else(String::new, |session| {
        format!("<p:SessionIndex>{}</p:SessionIndex>", escape(session))
    });
    let until = stamp(now + OLDEST);
    let document = format!(
        "<p:LogoutRequest xmlns:p=\"{PROTOCOL}\" xmlns:a=\"{ASSERTION}\" ID=\"{request_id}\" \
         Version=\"2.0\" IssueInstant=\"{}\" NotOnOrAfter=\"{until}\" Destination=\"{}\">\
         <a:Issuer>{}</a:Issuer><a:NameID{format}>{}</a:NameID>{session}</p:LogoutRequest>",
        stamp(now),
        escape(place),
        escape(&parties.entity_id),
        escape(&name.value),
    );
    let key = keys::private(&parties.private_key)?;
    let url = redirect::address(place, Part::Request, &document, Some(relay_state), &key)?;
    Ok(Begun { request_id, url })
}

/// Our answer to a request whose sessions have ended, by redirect.
pub(crate) fn answer(
    parties: &Parties,
    request_id: &str,
    relay_state: Option<&str>,
    now: DateTime<Utc>,
) -> Result<String, SamlError> {
    let side = Side::of(parties)?;
    let (_ask, place) = side.places()?;
    let id = rules::fresh_id()?;
    let document = format!(
        "<p:LogoutResponse xmlns:p=\"{PROTOCOL}\" xmlns:a=\"{ASSERTION}\" ID=\"{id}\" \
         InResponseTo=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\">\
         <a:Issuer>{}</a:Issuer><p:Status><p:StatusCode Value=\"{SUCCESS}\"/></p:Status>\
         </p:LogoutResponse>",
        escape(request_id),
        stamp(now),
        escape(place),
        escape(&parties.entity_id),
    );
    let key = keys::private(&parties.private_key)?;
    redirect::address(place, Part::Response, &document, relay_state, &key)
}

/// What a request and an answer have in common, and what each of them has.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "@ID")]
    id: String,
    #[serde(rename = "@Version")]
    version: String,
    #[serde(rename = "@IssueInstant")]
    issued: DateTime<Utc>,
    #[serde(rename = "@NotOnOrAfter")]
    until: Option<DateTime<Utc>>,
    #[serde(rename = "@Destination")]
    destination: Option<String>,
    #[serde(rename = "@InResponseTo")]
    answers: Option<String>,
    #[serde(rename = "Issuer")]
    issuer: Option<Text>,
    #[serde(rename = "NameID")]
    name: Option<Text>,
    #[serde(rename = "SessionIndex", default)]
    sessions: Vec<Text>,
    #[serde(rename = "Status")]
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "$text", default)]
    value: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "StatusCode")]
    code: Code,
}

#[derive(Deserialize)]
struct Code {
    #[serde(rename = "@Value")]
    value: String,
    /// Of a code inside, which says that not all was done.
    #[serde(rename = "StatusCode")]
    inner: Option<Box<Code>>,
}

pub(crate) fn asked(
    parties: &Parties,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<SignOutRequest, SamlError> {
    let (read, until) = accept(parties, message, Part::Request, now)?;
    let lacks = |what: &str| SamlError::NotAccepted(format!("it has no {what}"));
    let text = |text: Text| text.value.trim().to_owned();
    let name_id = read.name.map(text).unwrap_or_default();
    if name_id.is_empty() || name_id.len() > 255 {
        return Err(lacks("name of the user"));
    }
    if read.sessions.len() > SESSIONS {
        return Err(SamlError::TooLarge);
    }
    // An empty name would mean all sessions, which a request has to say by naming none.
    let sessions: Vec<String> = read.sessions.into_iter().map(text).collect();
    if sessions.iter().any(String::is_empty) {
        return Err(lacks("name of a session"));
    }
    Ok(SignOutRequest {
        id: read.id,
        issuer: read.issuer.map(text).unwrap_or_default(),
        name_id,
        sessions,
        valid_until: until,
    })
}

pub(crate) fn answered(
    parties: &Parties,
    message: &Message,
    request_id: &str,
    now: DateTime<Utc>,
) -> Result<SignedOut, SamlError> {
    let (read, valid_until) = accept(parties, message, Part::Response, now)?;
    if read.answers.as_deref() != Some(request_id) {
        let why = "it answers another request";
        return Err(SamlError::NotAccepted(why.to_owned()));
    }
    let status = read.status.map(|status| status.code);
    Ok(SignedOut {
        id: read.id,
        is_complete: status.is_some_and(|code| code.value == SUCCESS && code.inner.is_none()),
        valid_until,
    })
}

/// A message whose signature, issuer, place and times are in order, and until when it could be shown again.
fn accept(
    parties: &Parties,
    message: &Message,
    part: Part,
    now: DateTime<Utc>,
) -> Result<(Read, DateTime<Utc>), SamlError> {
    let side = Side::of(parties)?;
    let document = match message {
        Message::Query(query) => redirect::read(query, part, &public_keys(&side.certificates)?)?,
        Message::Document(document) => signed_inside(document, &side.certificates)?,
    };
    let root = match part {
        Part::Request => "LogoutRequest",
        Part::Response => "LogoutResponse",
    };
    let refused = |why: &str| Err(SamlError::NotAccepted(why.to_owned()));
    if root_of(&document) != Some(root) {
        return refused("it is a message of another kind");
    }
    let read: Read = quick_xml::de::from_str(&document)
        .map_err(|_error| SamlError::NotAccepted("it cannot be read".to_owned()))?;
    if read.version != "2.0" || read.id.is_empty() || read.id.len() > 255 {
        return refused("it cannot be read");
    }
    let issuer = read.issuer.as_ref().map(|issuer| issuer.value.trim());
    if issuer != Some(side.entity_id.as_str()) {
        return refused("it is of another issuer");
    }
    // What is signed has to say where it goes (Bindings, 3.4.5.2 and 3.5.5.2).
    if read.destination.as_deref() != Some(parties.slo_url.as_str()) {
        return refused("it is for another address");
    }
    if read.issued > now + SKEW {
        return refused("it is of the future");
    }
    let ended = read.until.is_some_and(|until| until + SKEW <= now);
    if ended || read.issued + OLDEST + SKEW <= now {
        return refused("it has expired");
    }
    let until = read.issued + OLDEST + SKEW + TimeDelta::seconds(1);
    Ok((read, until))
}

/// What of a document one of these certificates has signed, and nothing else of it.
fn signed_inside(document: &[u8], certificates: &[CertificateDer]) -> Result<String, SamlError> {
    check_message(document)?;
    let text = std::str::from_utf8(document).map_err(|_error| SamlError::Encoding)?;
    rules::refuse_old_algorithms(text)?;
    Crypto::reduce_xml_to_signed_with_allowed_algorithms(
        text,
        certificates,
        ReduceMode::ValidateAndMarkNoAncestors,
        Some(&ALGORITHMS),
    )
    .map_err(|_error| SamlError::NotAccepted("it is not signed rightly".to_owned()))
}

fn public_keys(certificates: &[CertificateDer]) -> Result<Vec<PKey<Public>>, SamlError> {
    let read = |certificate: &CertificateDer| X509::from_der(certificate.der_data())?.public_key();
    let keys: Result<Vec<_>, _> = certificates.iter().map(read).collect();
    keys.map_err(|_error| SamlError::Metadata("a certificate cannot be read".to_owned()))
}

/// The name of the outermost element, without its prefix.
fn root_of(document: &str) -> Option<&str> {
    let mut rest = document.trim_start();
    if let Some(declared) = rest.strip_prefix("<?") {
        rest = declared.split_once("?>")?.1.trim_start();
    }
    let tag = rest.strip_prefix('<')?;
    let end = tag.find(|c: char| c.is_whitespace() || c == '>' || c == '/')?;
    tag.get(..end)?.rsplit(':').next()
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
