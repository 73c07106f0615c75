//! What a token must fulfil before anything in it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::{Claims, Discovery, Oidc, OidcError, Provider};

/// How far clocks may be apart. Seconds.
const SKEW: i64 = 60;
/// Longest token looked at. Bytes.
const LONGEST: usize = 64 * 1024;
/// Shortest modulus of RSA taken. Bytes.
const SHORTEST_RSA: usize = 256;
/// A logout token is of now. Seconds.
const LOGOUT_AGE: i64 = 600;
/// What makes a token one of logout.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What is wrong with a token; the words are for the audit trail, and hold nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a signed token")]
    Malformed,
    #[error("algorithm not allowed")]
    Algorithm,
    #[error("key not known")]
    UnknownKey,
    #[error("signature wrong")]
    Signature,
    #[error("of another kind")]
    Kind,
    #[error("of another issuer")]
    Issuer,
    #[error("for somebody else")]
    Audience,
    #[error("expired or of no time")]
    Expired,
    #[error("of the future")]
    Future,
    #[error("nonce wrong")]
    Nonce,
    #[error("does not belong to its access token")]
    AccessToken,
    #[error("names nobody")]
    Subject,
}

/// Who is signed out, by the provider's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    pub id: String,
    pub issuer: String,
    pub subject: Option<String>,
    pub session: Option<String>,
}

impl Oidc {
    /// The claims of an id token, once everything about it is in order. `nonce` is what was asked
    /// with; a token of a refresh has none. `access_token` came with it.
    ///
    /// # Errors
    /// [`OidcError::Token`]; [`OidcError::Unreachable`] where keys had to be read.
    pub async fn verify(
        &self,
        provider: &Provider,
        token: &str,
        nonce: Option<&str>,
        access_token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Claims, OidcError> {
        let (header, claims, discovery) = self.signed(provider, token).await?;
        if is_kind(&header, &["logout+jwt", "at+jwt"]) || claims.contains_key("events") {
            return Err(TokenError::Kind.into());
        }
        check_who(provider, &discovery, &claims)?;
        check_when(&claims, now)?;
        if let Some(nonce) = nonce
            && text(&claims, "nonce") != Some(nonce)
        {
            return Err(TokenError::Nonce.into());
        }
        if let (Some(hash), Some(access_token)) = (text(&claims, "at_hash"), access_token)
            && hash != half_hash(header.alg, access_token)
        {
            return Err(TokenError::AccessToken.into());
        }
        if text(&claims, "sub").is_none_or(|sub| sub.is_empty() || sub.len() > 255) {
            return Err(TokenError::Subject.into());
        }
        Ok(claims)
    }

    /// Who a back-channel logout token signs out (section 2.6). Whether it came before is for the
    /// caller to know, by its id.
    ///
    /// # Errors
    /// As [`Oidc::verify`].
    pub async fn verify_logout(
        &self,
        provider: &Provider,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<LogoutToken, OidcError> {
        let (header, claims, discovery) = self.signed(provider, token).await?;
        let event = claims
            .get("events")
            .and_then(|events| events.get(LOGOUT_EVENT));
        let is_logout = event.is_some_and(Json::is_object) && !claims.contains_key("nonce");
        if !is_logout || is_kind(&header, &["at+jwt"]) {
            return Err(TokenError::Kind.into());
        }
        check_who(provider, &discovery, &claims)?;
        let made = number(&claims, "iat").ok_or(TokenError::Expired)?;
        if made > now.timestamp() + SKEW {
            return Err(TokenError::Future.into());
        }
        let ended = number(&claims, "exp").is_some_and(|exp| exp + SKEW <= now.timestamp());
        if ended || made + LOGOUT_AGE < now.timestamp() {
            return Err(TokenError::Expired.into());
        }
        let owned = |name| text(&claims, name).map(str::to_owned);
        let (subject, session) = (owned("sub"), owned("sid"));
        if subject.is_none() && session.is_none() {
            return Err(TokenError::Subject.into());
        }
        Ok(LogoutToken {
            id: owned("jti").ok_or(TokenError::Malformed)?,
            issuer: owned("iss").ok_or(TokenError::Issuer)?,
            subject,
            session,
        })
    }

    /// Header and claims of a token that the provider signed; nothing else is looked at.
    async fn signed(
        &self,
        provider: &Provider,
        token: &str,
    ) -> Result<(Header, Claims, Discovery), OidcError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed.into());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_error| TokenError::Malformed)?;
        if !is_asymmetric(header.alg) || header.extras.inner().contains_key("crit") {
            return Err(TokenError::Algorithm.into());
        }
        let known = self.known(provider).await?;
        let discovery = known.discovery.clone();
        match signed_by(&known.keys(), &header, token) {
            // The provider may have begun to use another key.
            Err(TokenError::UnknownKey) => match self.keys_again(&known).await? {
                Some(keys) => Ok((header.clone(), signed_by(&keys, &header, token)?, discovery)),
                None => Err(TokenError::UnknownKey.into()),
            },
            found => Ok((header, found?, discovery)),
        }
    }
}

/// `none` and the symmetric ones are not among what may sign.
fn is_asymmetric(algorithm: Algorithm) -> bool {
    !matches!(
        algorithm,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    )
}

fn is_kind(header: &Header, kinds: &[&str]) -> bool {
    let kind = header
        .typ
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    kinds.contains(&kind)
}

fn signed_by(keys: &[Jwk], header: &Header, token: &str) -> Result<Claims, TokenError> {
    let of_name: Vec<&Jwk> = match &header.kid {
        Some(kid) => keys
            .iter()
            .filter(|key| key.common.key_id.as_ref() == Some(kid))
            .collect(),
        None => keys.iter().collect(),
    };
    let fitting = of_name.into_iter().filter(|key| fits(key, header.alg));
    let mut validation = Validation::new(header.alg);
    // Times and names are looked at with the hub's own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let mut worst = TokenError::UnknownKey;
    for key in fitting {
        let key = DecodingKey::from_jwk(key).map_err(|_error| TokenError::UnknownKey)?;
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(read) => return Ok(read.claims),
            Err(_error) => worst = TokenError::Signature,
        }
    }
    Err(worst)
}

/// Whether a key may be used with this algorithm: its kind, what it says of itself, and its length.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    if let Some(said) = key.common.key_algorithm
        && said.to_string() != format!("{algorithm:?}")
    {
        return false;
    }
    match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(rsa),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512,
        ) => URL_SAFE_NO_PAD
            .decode(&rsa.n)
            .is_ok_and(|modulus| modulus.len() >= SHORTEST_RSA),
        (AlgorithmParameters::EllipticCurve(_), Algorithm::ES256 | Algorithm::ES384)
        | (AlgorithmParameters::OctetKeyPair(_), Algorithm::EdDSA) => true,
        _ => false,
    }
}

fn check_who(
    provider: &Provider,
    discovery: &Discovery,
    claims: &Claims,
) -> Result<(), TokenError> {
    let issuer = text(claims, "iss").ok_or(TokenError::Issuer)?;
    let expected = if provider.issuer_per_tenant && discovery.issuer.contains("{tenantid}") {
        let tenant = text(claims, "tid").ok_or(TokenError::Issuer)?;
        let is_id =
            tenant.len() == 36 && tenant.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        if !is_id {
            return Err(TokenError::Issuer);
        }
        discovery.issuer.replace("{tenantid}", tenant)
    } else {
        discovery.issuer.clone()
    };
    if issuer != expected {
        return Err(TokenError::Issuer);
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => return Err(TokenError::Audience),
    };
    let ours = provider.client_id.as_str();
    let party = text(claims, "azp");
    // Of several readers one asked for it, and that must have been us.
    let is_ours = audience.contains(&ours)
        && party.is_none_or(|party| party == ours)
        && (audience.len() == 1 || party.is_some());
    if is_ours {
        Ok(())
    } else {
        Err(TokenError::Audience)
    }
}

fn check_when(claims: &Claims, now: DateTime<Utc>) -> Result<(), TokenError> {
    let now = now.timestamp();
    let expires = number(claims, "exp").ok_or(TokenError::Expired)?;
    let made = number(claims, "iat").ok_or(TokenError::Expired)?;
    if expires.saturating_add(SKEW) <= now {
        return Err(TokenError::Expired);
    }
    let begins = number(claims, "nbf").unwrap_or(made);
    if made.max(begins) > now + SKEW {
        return Err(TokenError::Future);
    }
    Ok(())
}

/// The left half of a hash, which ties an access token to its id token.
fn half_hash(algorithm: Algorithm, access_token: &str) -> String {
    let bytes = access_token.as_bytes();
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(bytes).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => Sha512::digest(bytes).to_vec(),
        _ => Sha256::digest(bytes).to_vec(),
    };
    let (half, _rest) = hash.split_at(hash.len() / 2);
    URL_SAFE_NO_PAD.encode(half)
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Json::as_str)
}

fn number(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    // Some write a fraction.
    let whole = value.as_f64().filter(|value| value.is_finite());
    #[expect(clippy::cast_possible_truncation, reason = "seconds, saturating")]
    value.as_i64().or(whole.map(|value| value as i64))
}
