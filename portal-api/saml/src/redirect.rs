//! Messages by redirect (SAML Bindings, 3.4): deflated into the address, and signed over the characters of
//! the query.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use identity::saml::{LONGEST, SamlError, check_message};
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};
use url::Url;

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// Longest state that is handed back. Bytes; the standard says 80, and some need more.
const STATE: usize = 1024;

/// What a message is, by the name of its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Request,
    Response,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The address that carries a document, signed with our key.
pub(crate) fn address(
    to: &str,
    part: Part,
    document: &str,
    state: Option<&str>,
    key: &PKey<Private>,
) -> Result<String, SamlError> {
    let failed = || SamlError::Document("the message cannot be written".to_owned());
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let deflated = encoder
        .write_all(document.as_bytes())
        .and_then(|()| encoder.finish())
        .map_err(|_error| failed())?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(part.name(), &STANDARD.encode(deflated));
    if let Some(state) = state {
        query.append_pair("RelayState", state);
    }
    query.append_pair("SigAlg", RSA_SHA256);
    let signed = query.finish();
    let signature = sign(&signed, key).map_err(|_error| SamlError::Keys)?;
    let last = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Signature", &STANDARD.encode(signature))
        .finish();
    let mut url: Url = to.parse().map_err(|_error| failed())?;
    // An address may have a query of its own; it is not signed.
    let query = match url.query().filter(|own| !own.is_empty()) {
        Some(own) => format!("{own}&{signed}&{last}"),
        None => format!("{signed}&{last}"),
    };
    url.set_query(Some(&query));
    Ok(url.into())
}

fn sign(text: &str, key: &PKey<Private>) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    signer.sign_oneshot_to_vec(text.as_bytes())
}

/// The document of a query, once one of these keys has signed it.
pub(crate) fn read(query: &str, part: Part, keys: &[PKey<Public>]) -> Result<String, SamlError> {
    if query.len() > LONGEST {
        return Err(SamlError::TooLarge);
    }
    let unsigned = || SamlError::NotAccepted("it is not signed rightly".to_owned());
    let (message, state) = (once(query, part.name())?, once(query, "RelayState")?);
    let (algorithm, signature) = (once(query, "SigAlg")?, once(query, "Signature")?);
    let message = message.ok_or_else(|| SamlError::NotAccepted("it has no message".to_owned()))?;
    let (Some(algorithm), Some(signature)) = (algorithm, signature) else {
        return Err(unsigned());
    };
    if state.is_some_and(|state| state.len() > STATE) {
        return Err(SamlError::TooLarge);
    }
    // As it was sent, in the order of the standard: encoded anew it would be other characters.
    let mut signed = format!("{}={message}", part.name());
    if let Some(state) = state {
        signed.push_str("&RelayState=");
        signed.push_str(state);
    }
    signed.push_str("&SigAlg=");
    signed.push_str(algorithm);
    let digest = digest_of(&decoded(algorithm))?;
    let signature = base64(&decoded(signature))?;
    let is_signed = keys
        .iter()
        .any(|key| verify(key, digest, signed.as_bytes(), &signature));
    if !is_signed {
        return Err(unsigned());
    }
    let document = inflate(&base64(&decoded(message))?)?;
    check_message(&document)?;
    String::from_utf8(document).map_err(|_error| SamlError::Encoding)
}

/// Keys of RSA only: what signs addresses with elliptic curves do it in two ways.
fn verify(key: &PKey<Public>, digest: MessageDigest, text: &[u8], signature: &[u8]) -> bool {
    let checked = || -> Result<bool, openssl::error::ErrorStack> {
        if key.id() != Id::RSA {
            return Ok(false);
        }
        Verifier::new(digest, key)?.verify_oneshot(signature, text)
    };
    checked().unwrap_or(false)
}

fn digest_of(algorithm: &str) -> Result<MessageDigest, SamlError> {
    match algorithm.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#") {
        Some("rsa-sha256") => Ok(MessageDigest::sha256()),
        Some("rsa-sha384") => Ok(MessageDigest::sha384()),
        Some("rsa-sha512") => Ok(MessageDigest::sha512()),
        _ if algorithm.ends_with("sha1") => Err(SamlError::OldAlgorithm("rsa-sha1".to_owned())),
        _ => Err(SamlError::NotAccepted(
            "it is signed in a way that is not known".to_owned(),
        )),
    }
}

/// A parameter as it was sent; twice is never.
fn once<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, SamlError> {
    let mut found = query.split('&').filter_map(|pair| {
        let (is, value) = pair.split_once('=')?;
        (is == name).then_some(value)
    });
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_second) => Err(SamlError::NotAccepted(format!("it has {name} twice"))),
    }
}

fn decoded(value: &str) -> String {
    url::form_urlencoded::parse(format!("v={value}").as_bytes())
        .next()
        .map(|(_name, value)| value.into_owned())
        .unwrap_or_default()
}

fn base64(text: &str) -> Result<Vec<u8>, SamlError> {
    // Some break the lines.
    let bare: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(bare).map_err(|_error| SamlError::Encoding)
}

/// No more than a document may have, whatever it swells to.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, SamlError> {
    let mut document = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    DeflateDecoder::new(bytes)
        .take(most)
        .read_to_end(&mut document)
        .map_err(|_error| SamlError::Encoding)?;
    if document.len() > LONGEST {
        return Err(SamlError::TooLarge);
    }
    Ok(document)
}
