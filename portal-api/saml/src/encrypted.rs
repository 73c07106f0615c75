//! Encrypted assertions. samael reads them only where the provider declares the prefix `ds` at one
//! element, which the standard leaves free and several do not do. So the signature is checked first, and
//! what it covers, and nothing else, is written as samael reads it.

use identity::saml::SamlError;
use samael::crypto::{Crypto, CryptoProvider as _, ReduceMode};
use samael::schema::Assertion;
use samael::service_provider::ServiceProvider;

use crate::rules;

const DECLARATION: &str = " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";

pub(crate) fn is_there(document: &str) -> bool {
    document.contains("EncryptedAssertion")
}

/// The assertion of an answer that is signed as a whole.
pub(crate) fn read(
    party: &ServiceProvider,
    document: &str,
    request_id: &str,
) -> Result<Assertion, SamlError> {
    let certificates = party.idp_signing_certs().ok().flatten();
    let certificates =
        certificates.ok_or_else(|| SamlError::Metadata("no certificate".to_owned()))?;
    let verified = Crypto::reduce_xml_to_signed_with_allowed_algorithms(
        document,
        &certificates,
        ReduceMode::ValidateAndMarkNoAncestors,
        party.allowed_signature_algorithms.as_deref(),
    )
    .map_err(|_error| SamlError::NotAccepted("it is not signed rightly".to_owned()))?;
    // What is left was signed, so it is read without looking for signatures again.
    let mut reader = party.clone();
    for descriptor in reader.idp_metadata.idp_sso_descriptors.iter_mut().flatten() {
        descriptor.key_descriptors.clear();
    }
    reader
        .parse_xml_response(&declared(&verified), Some(&[request_id]))
        .map_err(|error| SamlError::NotAccepted(rules::reason(&error)))
}

/// The document with the prefix `ds` declared at each `KeyInfo`.
fn declared(document: &str) -> String {
    let mut written = String::with_capacity(document.len() + 256);
    let mut rest = document;
    while let Some((before, tag)) = rest.split_once('<') {
        written.push_str(before);
        written.push('<');
        rest = tag;
        let end = tag.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
        let name = tag.get(..end.unwrap_or_default()).unwrap_or_default();
        let whole = tag.split_once('>').map_or(tag, |(whole, _rest)| whole);
        let is_bare = !whole.contains("xmlns:ds=") && !whole.contains("xmlns:dsig=");
        if name.rsplit(':').next() == Some("KeyInfo") && is_bare {
            written.push_str(name);
            written.push_str(DECLARATION);
            rest = tag.get(name.len()..).unwrap_or_default();
        }
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_declared_where_it_is_missing_and_only_there() {
        let of = |text: &str| declared(text);
        assert_eq!(
            of("<a><n:KeyInfo Id=\"x\">y</n:KeyInfo></a>"),
            format!("<a><n:KeyInfo{DECLARATION} Id=\"x\">y</n:KeyInfo></a>")
        );
        assert_eq!(of("<KeyInfo/>"), format!("<KeyInfo{DECLARATION}/>"));
        for same in [
            "<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>",
            "<KeyInfoX/>",
            "no markup",
            "<a",
        ] {
            assert_eq!(of(same), same);
        }
    }
}
