//! Access tokens: JWTs (RFC 7519) signed with HMAC-SHA-256 by a key of their tenant, and nothing else.
//! Which key is in the token's header, which algorithm is not asked of it (RFC 8725, section 3.1).

use chrono::{DateTime, Utc};
use engine::ids::{TenantId, TokenId, UserId};
use engine::vault::Vault;
use engine::{StoreError, SystemTx, Tx};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;

use super::{TokensError, signing};
use crate::sessions::Token;

const ISSUER: &str = "syncline";
const AUDIENCE: &str = "syncline-api";
/// No token of ours is longer, in bytes.
const LONGEST: usize = 2048;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    tenant: TenantId,
    grant: TokenId,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// Who an access token says its bearer acts for.
pub(super) struct Read {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) grant: TokenId,
    pub(super) has_expired: bool,
}

pub(super) async fn sign(
    tx: &mut Tx,
    vault: &Vault,
    grant: TokenId,
    user: UserId,
    until: DateTime<Utc>,
) -> Result<Token, TokensError> {
    let key = signing::current(tx, vault).await?;
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: user,
        tenant: tx.tenant(),
        grant,
        iat: tx.now().timestamp(),
        exp: until.timestamp(),
        jti: engine::ids::fresh(),
    };
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.id.simple().to_string());
    let secret = EncodingKey::from_secret(key.secret.expose_secret());
    let text = jsonwebtoken::encode(&header, &claims, &secret).map_err(TokensError::Sign)?;
    Ok(Token::of(&text))
}

/// What a token says, if one of our keys signed it.
pub(super) async fn read(
    tx: &mut SystemTx,
    vault: &Vault,
    token: &Token,
) -> Result<Option<Read>, StoreError> {
    let text = token.expose();
    if text.len() > LONGEST {
        return Ok(None);
    }
    let key_id = jsonwebtoken::decode_header(text)
        .ok()
        .and_then(|header| Uuid::try_parse(&header.kid?).ok());
    let Some(key_id) = key_id else {
        return Ok(None);
    };
    let Some((tenant, secret)) = signing::find(tx, vault, key_id).await? else {
        return Ok(None);
    };
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By the hub's clock, below.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(secret.expose_secret());
    let Ok(read) = jsonwebtoken::decode::<Claims>(text, &key, &validation) else {
        return Ok(None);
    };
    let (claims, now) = (read.claims, tx.now().timestamp());
    // A key signs for its own tenant only.
    if claims.tenant != tenant {
        return Ok(None);
    }
    Ok(Some(Read {
        tenant,
        user: claims.sub,
        grant: claims.grant,
        has_expired: claims.exp <= now,
    }))
}
