//! Keys of ours towards a provider: one pair for each.

use identity::saml::{KeyPair, SamlError};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use samael::crypto::CertificateDer;
use secrecy::{ExposeSecret, SecretString};

const BITS: u32 = 3072;
/// The certificate carries the key; nobody asks it for anything else.
const DAYS: u32 = 3650;

pub(crate) fn fresh() -> Result<KeyPair, SamlError> {
    let (key, certificate) = make().map_err(|_error| SamlError::Keys)?;
    let private_key = text(key.private_key_to_pem_pkcs8())?;
    Ok(KeyPair {
        private_key: private_key.into(),
        certificate: text(certificate.to_pem())?,
    })
}

fn make() -> Result<(PKey<Private>, X509), ErrorStack> {
    let key = PKey::from_rsa(Rsa::generate(BITS)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "Syncline")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_pubkey(&key)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((key, builder.build()))
}

fn text(pem: Result<Vec<u8>, ErrorStack>) -> Result<String, SamlError> {
    let pem = pem.map_err(|_error| SamlError::Keys)?;
    String::from_utf8(pem).map_err(|_error| SamlError::Keys)
}

pub(crate) fn private(pem: &SecretString) -> Result<PKey<Private>, SamlError> {
    PKey::private_key_from_pem(pem.expose_secret().as_bytes()).map_err(|_error| SamlError::Keys)
}

pub(crate) fn certificate(pem: &str) -> Result<CertificateDer, SamlError> {
    let read = X509::from_pem(pem.as_bytes()).and_then(|certificate| certificate.to_der());
    read.map(CertificateDer::from)
        .map_err(|_error| SamlError::Keys)
}
