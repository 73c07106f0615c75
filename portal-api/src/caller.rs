//! Who asks. An extractor is the permission: a handler that takes [`Operator`] runs for operators.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use domain::sessions::{self, Session, Token};
use engine::{StoreError, Tx};

use crate::error::ApiError;
use crate::portal::Portal;

/// Name of the cookie that holds the session's token.
pub(crate) const COOKIE_NAME: &str = "syncline_session";

/// Somebody who is signed in, whatever else holds.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) token: Token,
    portal: Portal,
}

impl SignedIn {
    /// Begins a transaction that sees the caller's tenant only.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.portal.store.begin(self.session.user.tenant).await
    }

    pub(crate) fn portal(&self) -> &Portal {
        &self.portal
    }
}

impl FromRequestParts<Portal> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let token = token(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let session = sessions::find(&portal.store, &token).await?;
        let session = session.ok_or_else(ApiError::unauthenticated)?;
        Ok(Self {
            session,
            token,
            portal: portal.clone(),
        })
    }
}

/// The session's token in the request's cookies.
pub(crate) fn token(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| Token::of(value))
}

/// Any user of the tenant.
pub(crate) struct Caller(SignedIn);

/// Somebody who may retry, resolve and edit.
pub(crate) struct Operator(Caller);

/// Somebody who may connect and map.
pub(crate) struct Admin(Caller);

impl Deref for Caller {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl Deref for Operator {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl Deref for Admin {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequestParts<Portal> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, portal).await?;
        if signed_in.session.user.must_change_password {
            return Err(ApiError::forbidden("set a password of your own first"));
        }
        Ok(Self(signed_in))
    }
}

impl FromRequestParts<Portal> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, portal).await?;
        if caller.session.user.role.may_operate() {
            return Ok(Self(caller));
        }
        Err(ApiError::forbidden(
            "this needs the role operator; an admin can grant it",
        ))
    }
}

impl FromRequestParts<Portal> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, portal).await?;
        if caller.session.user.role.may_administer() {
            return Ok(Self(caller));
        }
        Err(ApiError::forbidden(
            "this needs the role admin; another admin can grant it",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert!(token(&headers).is_none());
        headers.append(
            COOKIE,
            "theme=dark; syncline_session=abc; x=y".parse().unwrap(),
        );
        assert_eq!(token(&headers).unwrap().expose(), "abc");
    }
}
