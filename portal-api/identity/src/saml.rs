//! SAML 2.0 as the hub needs it, whoever implements it: the XML signatures are C code, which a build
//! may do without. What can be refused before any parser sees it is refused here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

/// Largest document looked at. Bytes.
pub const LONGEST: usize = 256 * 1024;
/// Deepest nesting of elements.
const DEEPEST: usize = 64;
/// Most elements.
const MOST: usize = 5_000;

/// Why it did not work; the words are for the audit trail and for who sets a provider up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamlError {
    #[error("document is larger than {LONGEST} bytes")]
    TooLarge,
    #[error("document declares a type or entities")]
    Declarations,
    #[error("document has comments or instructions in it")]
    Comments,
    #[error("document is nested too deeply or has too many elements")]
    TooDeep,
    #[error("document is not base64")]
    Encoding,
    #[error("document is not usable: {0}")]
    Document(String),
    #[error("metadata are not usable: {0}")]
    Metadata(String),
    #[error("an algorithm of the past was used: {0}")]
    OldAlgorithm(String),
    #[error("answer was not accepted: {0}")]
    NotAccepted(String),
    #[error("keys cannot be made or used")]
    Keys,
}

/// A provider and we towards it.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Who we are to it: the address of our metadata.
    pub entity_id: String,
    /// Where it sends its answers.
    pub acs_url: String,
    /// Where it sends what is about signing out.
    pub slo_url: String,
    /// What it gave us.
    pub metadata: String,
    /// Ours, PEM.
    pub private_key: SecretString,
    /// Ours, PEM.
    pub certificate: String,
}

/// What a provider's metadata say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub entity_id: String,
    /// Where browsers are sent to, by redirect.
    pub sign_in_url: String,
    /// Where browsers are sent to be signed out, by redirect; `None` where it has no such place.
    pub sign_out_url: Option<String>,
    /// How many certificates for signing it has.
    pub certificates: usize,
}

/// A sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The answer has to name it.
    pub request_id: String,
    pub url: String,
}

/// What a provider calls somebody. It is given back as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub value: String,
    pub format: Option<String>,
}

/// Whom an answer speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub name_id: Name,
    pub issuer: String,
    /// By name and by friendly name.
    pub attributes: BTreeMap<String, Vec<String>>,
    pub assertion_id: String,
    /// Until when it could be shown again.
    pub valid_until: DateTime<Utc>,
    pub session_index: Option<String>,
    /// How they signed in there: the class of the context.
    pub context: Option<String>,
    /// When they did.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// A message about signing out, as a browser brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// By redirect: the whole query as it was sent, for its signature is over these very characters.
    Query(String),
    /// By a form: the document, signed inside.
    Document(Vec<u8>),
}

/// Whom a provider signs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOutRequest {
    pub id: String,
    pub issuer: String,
    pub name_id: String,
    /// The provider's names of the sessions; empty: all of them.
    pub sessions: Vec<String>,
    /// Until when it could be shown again.
    pub valid_until: DateTime<Utc>,
}

/// What became of signing out at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOut {
    pub id: String,
    /// All of it was done there.
    pub is_complete: bool,
    /// Until when it could be shown again.
    pub valid_until: DateTime<Utc>,
}

/// Key and certificate of ours.
#[derive(Clone, Debug)]
pub struct KeyPair {
    pub private_key: SecretString,
    pub certificate: String,
}

/// Reads and writes SAML. Calls take some milliseconds of a processor and are not async.
pub trait Saml: Send + Sync {
    /// # Errors
    /// [`SamlError::Keys`].
    fn fresh_keys(&self) -> Result<KeyPair, SamlError>;

    /// # Errors
    /// [`SamlError::Metadata`], or what [`check`] says.
    fn facts(&self, metadata: &str) -> Result<Facts, SamlError>;

    /// Our metadata, to be given to the provider.
    ///
    /// # Errors
    /// [`SamlError`].
    fn our_metadata(&self, parties: &Parties) -> Result<String, SamlError>;

    /// Where the browser goes to sign in. `anew` asks the provider to recognise the user again, whatever it
    /// remembers.
    ///
    /// # Errors
    /// [`SamlError`].
    fn begin(&self, parties: &Parties, relay_state: &str, anew: bool) -> Result<Begun, SamlError>;

    /// Whom the answer to `request_id` speaks of, once its signatures, times and names are in order.
    /// Whether it came before is for the caller to know, by its id.
    ///
    /// # Errors
    /// [`SamlError`].
    fn arrive(
        &self,
        parties: &Parties,
        response: &[u8],
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Arrival, SamlError>;

    /// Where the browser goes to be signed out there too: a signed request, by redirect.
    ///
    /// # Errors
    /// [`SamlError`]; [`SamlError::Metadata`] where the provider has no place for it.
    fn sign_out(
        &self,
        parties: &Parties,
        name: &Name,
        session: Option<&str>,
        relay_state: &str,
        now: DateTime<Utc>,
    ) -> Result<Begun, SamlError>;

    /// What the provider answers to the request `request_id`, once signature, times and names are in order.
    ///
    /// # Errors
    /// [`SamlError`].
    fn signed_out(
        &self,
        parties: &Parties,
        message: &Message,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedOut, SamlError>;

    /// Whom the provider signs out, once signature, times and names are in order. Whether it came before is
    /// for the caller to know, by its id.
    ///
    /// # Errors
    /// [`SamlError`].
    fn sign_out_request(
        &self,
        parties: &Parties,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<SignOutRequest, SamlError>;

    /// Where the browser goes once the sessions of a request have ended: our signed answer, by redirect.
    ///
    /// # Errors
    /// As [`Saml::sign_out`].
    fn sign_out_answer(
        &self,
        parties: &Parties,
        request_id: &str,
        relay_state: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<String, SamlError>;
}

/// The document of a form's field.
///
/// # Errors
/// [`SamlError::TooLarge`], [`SamlError::Encoding`], [`SamlError::Comments`], and what [`check`] says.
pub fn decode(field: &str) -> Result<Vec<u8>, SamlError> {
    if field.len() > LONGEST * 4 / 3 + 4 {
        return Err(SamlError::TooLarge);
    }
    // Some break the lines.
    let bare: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let document = STANDARD
        .decode(bare)
        .map_err(|_error| SamlError::Encoding)?;
    check_message(&document)?;
    Ok(document)
}

/// What a message must be beside what [`check`] says of every document: without comments and instructions.
///
/// # Errors
/// [`SamlError::Comments`], and as [`check`].
pub fn check_message(document: &[u8]) -> Result<(), SamlError> {
    check(document)?;
    // A signature is over the text without comments: one in the middle of a name would cut it for a
    // reader, and still be signed.
    let has = |markup: &[u8]| document.windows(markup.len()).any(|part| part == markup);
    if has(b"<!")
        || document
            .get(2..)
            .is_some_and(|rest| rest.windows(2).any(|part| part == b"<?"))
    {
        return Err(SamlError::Comments);
    }
    Ok(())
}

/// Refuses what would cost a parser much or make it reach out: sizes, nesting, and all declarations
/// of types and entities (billion laughs, external entities). Text only is looked at: nothing is
/// parsed or expanded.
///
/// # Errors
/// [`SamlError::TooLarge`], [`SamlError::Declarations`], [`SamlError::TooDeep`].
pub fn check(document: &[u8]) -> Result<(), SamlError> {
    if document.len() > LONGEST {
        return Err(SamlError::TooLarge);
    }
    // UTF-16 would hide what is looked for.
    let text = std::str::from_utf8(document).map_err(|_error| SamlError::Encoding)?;
    if text.contains('\0') {
        return Err(SamlError::Encoding);
    }
    let mut depth = 0_usize;
    let mut elements = 0_usize;
    for (at, _) in text.match_indices('<') {
        let rest = text.get(at + 1..).unwrap_or_default();
        if let Some(markup) = rest.strip_prefix('!') {
            // Comments and character data are left to the rules about them.
            if !markup.starts_with("--") && !markup.starts_with("[CDATA[") {
                return Err(SamlError::Declarations);
            }
        } else if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !rest.starts_with('?') {
            elements += 1;
            let end = rest.find('>').unwrap_or_default();
            let is_empty = rest.get(..end).is_some_and(|tag| tag.ends_with('/'));
            if !is_empty {
                depth += 1;
            }
        }
        if depth > DEEPEST || elements > MOST {
            return Err(SamlError::TooDeep);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_are_refused_before_anything_parses_them() {
        let laughs = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">
            <!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><Response>&lol2;</Response>"#;
        assert_eq!(check(laughs.as_bytes()), Err(SamlError::Declarations));
        let outside = r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>"#;
        assert_eq!(check(outside.as_bytes()), Err(SamlError::Declarations));
        assert_eq!(check(b"<!doctype r><r/>"), Err(SamlError::Declarations));
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        assert_eq!(check(deep.as_bytes()), Err(SamlError::TooDeep));
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST));
        assert_eq!(check(many.as_bytes()), Err(SamlError::TooDeep));
        assert_eq!(check(&vec![b' '; LONGEST + 1]), Err(SamlError::TooLarge));
        let wide: Vec<u8> = "<!DOCTYPE r>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(check(&wide), Err(SamlError::Encoding));
        assert_eq!(
            check(b"<?xml version=\"1.0\"?><a><b/><!-- c --></a>"),
            Ok(())
        );
    }

    #[test]
    fn a_field_is_base64_of_a_document_of_some_size() {
        assert_eq!(decode("PGEv\r\nPg==").unwrap(), b"<a/>");
        assert_eq!(decode("%%%"), Err(SamlError::Encoding));
        for bad in ["<a>x<!-- y --></a>", "<a><?z?></a>", "<a><![CDATA[x]]></a>"] {
            assert_eq!(
                decode(&STANDARD.encode(bad)),
                Err(SamlError::Comments),
                "{bad}"
            );
        }
        assert!(decode(&STANDARD.encode("<?xml version=\"1.0\"?><a/>")).is_ok());
        let large = STANDARD.encode(vec![b' '; LONGEST + 10]);
        assert_eq!(decode(&large), Err(SamlError::TooLarge));
    }
}
