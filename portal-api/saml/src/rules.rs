//! What is refused beside what samael refuses, and in which words.

use identity::saml::SamlError;
use samael::metadata::EncryptionMethod;
use samael::service_provider::Error;

/// What samael decrypts.
const ENCRYPTION: [&str; 3] = [
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
];
/// Hashes and paddings of the past, by the ends of their names.
const OLD: [&str; 6] = [
    "xmldsig#sha1",
    "xmldsig#rsa-sha1",
    "xmldsig#dsa-sha1",
    "xmldsig-more#rsa-md5",
    "xmldsig-more#md5",
    "xmlenc#rsa-1_5",
];

pub(crate) fn encryption_methods() -> Vec<EncryptionMethod> {
    let methods = ENCRYPTION.map(|algorithm| EncryptionMethod {
        algorithm: algorithm.to_owned(),
    });
    methods.to_vec()
}

/// Refuses a document that names an algorithm of the past, in whatever place.
pub(crate) fn refuse_old_algorithms(document: &str) -> Result<(), SamlError> {
    // OAEP names SHA-1 as its hash by habit, which is not broken there; that is written as a digest
    // method inside of an encryption method, so signatures are looked at without those.
    let mut rest = document;
    let mut looked_at = String::new();
    while let Some((before, after)) = rest.split_once("EncryptionMethod") {
        looked_at.push_str(before);
        let (tag, behind) = after.split_once('>').unwrap_or((after, ""));
        looked_at.push_str(tag);
        rest = if tag.ends_with('/') {
            behind
        } else {
            behind
                .split_once("EncryptionMethod")
                .map_or("", |(_inner, behind)| behind)
        };
    }
    looked_at.push_str(rest);
    match OLD.into_iter().find(|old| looked_at.contains(old)) {
        Some(old) => Err(SamlError::OldAlgorithm(old.to_owned())),
        None => Ok(()),
    }
}

/// Refuses a document with several assertions or answers in it: what is signed and what is read could
/// then be two things (signature wrapping). samael reads only what is signed; this does not rely on it.
pub(crate) fn refuse_several(document: &str) -> Result<(), SamlError> {
    let (mut assertions, mut responses) = (0, 0);
    for (at, _) in document.match_indices('<') {
        let rest = document.get(at + 1..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
        let name = rest.get(..end.unwrap_or_default()).unwrap_or_default();
        match name.rsplit(':').next() {
            Some("Assertion" | "EncryptedAssertion") => assertions += 1,
            Some("Response") => responses += 1,
            _ => {}
        }
    }
    if assertions == 1 && responses == 1 {
        return Ok(());
    }
    Err(SamlError::NotAccepted(
        "it has not exactly one answer with one assertion".to_owned(),
    ))
}

/// An id that nobody guesses.
pub(crate) fn fresh_id() -> Result<String, SamlError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|_error| SamlError::Keys)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("_{digits}"))
}

/// Why an answer was not accepted, without anything that stands in it.
pub(crate) fn reason(error: &Error) -> String {
    let words = match error {
        Error::FailedToValidateSignature | Error::CryptoXmlError(_) => "it is not signed rightly",
        Error::DestinationValidationError { .. } | Error::AssertionRecipientMismatch { .. } => {
            "it is for another address"
        }
        Error::AssertionExpired { .. }
        | Error::AssertionConditionExpired { .. }
        | Error::AssertionSubjectConfirmationExpired { .. }
        | Error::ResponseExpired { .. } => "it has expired",
        Error::AssertionConditionExpiredBefore { .. }
        | Error::AssertionSubjectConfirmationExpiredBefore { .. } => "it is of the future",
        Error::AssertionIssuerMismatch { .. } | Error::ResponseIssuerMismatch { .. } => {
            "it is of another issuer"
        }
        Error::AssertionConditionAudienceRestrictionFailed { .. } => "it is for somebody else",
        Error::AssertionInResponseToInvalid { .. } | Error::ResponseInResponseToInvalid { .. } => {
            "it answers another request"
        }
        Error::AssertionBearerSubjectConfirmationMissing
        | Error::AssertionSubjectConfirmationMissing => "its bearer is not confirmed",
        Error::ResponseBadStatusCode { .. } => "the provider lets nobody in",
        Error::FailedToDecryptAssertion
        | Error::EncryptedAssertionInvalid
        | Error::MissingEncryptedKeyInfo
        | Error::MissingEncryptedValueInfo
        | Error::CryptoProviderError(_)
        | Error::EncryptedAssertionKeyMethodUnsupported { .. }
        | Error::EncryptedAssertionValueMethodUnsupported { .. } => "it cannot be decrypted",
        _ => "it cannot be read",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_the_past_are_refused_but_for_the_padding_of_keys() {
        for old in [
            r#"<ds:SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/>"#,
            r#"<ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>"#,
            r#"<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-1_5"/>"#,
            r#"<a:EncryptionMethod Algorithm="x#aes"/><b Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>"#,
        ] {
            assert!(
                matches!(refuse_old_algorithms(old), Err(SamlError::OldAlgorithm(_))),
                "{old}"
            );
        }
        let oaep = r#"<x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p">
            <ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/></x:EncryptionMethod>
            <ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>"#;
        assert_eq!(refuse_old_algorithms(oaep), Ok(()));
    }

    #[test]
    fn of_several_assertions_none_is_taken() {
        let inside = |text: &str| format!("<p:Response ID='r'>{text}</p:Response>");
        for good in [
            "<a:Assertion ID='1'>x</a:Assertion>",
            "<EncryptedAssertion/>",
        ] {
            assert_eq!(refuse_several(&inside(good)), Ok(()), "{good}");
        }
        for bad in [
            "",
            "<a:Assertion/><b:Assertion/>",
            "<Assertion><x><Assertion></Assertion></x></Assertion>",
            "<a:Assertion\n/><EncryptedAssertion/>",
            "<Response/><Assertion/>",
        ] {
            assert!(refuse_several(&inside(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_long_and_differ() {
        let (one, two) = (fresh_id().unwrap(), fresh_id().unwrap());
        assert_eq!(one.len(), 41);
        assert_ne!(one, two);
    }
}
