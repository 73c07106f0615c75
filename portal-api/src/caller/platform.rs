//! Whoever runs the hub for all tenants: no role of a tenant opens what these do.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engine::ids::TenantId;
use engine::{StoreError, Tx};

use super::{SignedIn, stale_proof};
use crate::error::ApiError;
use crate::permit::{Access, Guard};
use crate::portal::Portal;

/// Whoever looks after all tenants, signed in: no role, group, grant or key gives it.
pub(crate) struct Platform(SignedIn);

impl Deref for Platform {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl Platform {
    /// Begins a transaction in any tenant; that tenant's audit trail tells who it was.
    pub(crate) async fn begin_in(&self, tenant: TenantId) -> Result<Tx, StoreError> {
        let mut tx = self.0.portal.store.begin(tenant).await?;
        tx.act_as(self.0.acting.clone());
        Ok(tx)
    }
}

impl Guard for Platform {
    const ACCESS: Access = Access::Platform;
}

impl FromRequestParts<Portal> for Platform {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, portal).await?;
        let session = &signed_in.session;
        if session.user.must_change_password {
            return Err(ApiError::forbidden("set a password of your own first"));
        }
        if session.proof.is_some_and(|proof| proof.must_enrol) {
            return Err(ApiError::forbidden("set up a second factor first"));
        }
        // A program has no proof to show, and never looks after tenants.
        if session.is_operator && session.proof.is_some() {
            return Ok(Self(signed_in));
        }
        tracing::info!(
            tenant.id = %session.user.tenant,
            user.id = %session.user.id,
            "somebody who does not look after all tenants asked for them"
        );
        metrics::counter!("syncline_permissions_missing_total", "permission" => "platform")
            .increment(1);
        Err(ApiError::forbidden("this is for those who run the hub"))
    }
}

/// [`Platform`], and has shown password or second factor just now: for what changes a tenant.
pub(crate) struct FreshPlatform(Platform);

impl Deref for FreshPlatform {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.0
    }
}

impl Guard for FreshPlatform {
    const ACCESS: Access = Access::Platform;
    const STEP_UP: bool = true;
}

impl FromRequestParts<Portal> for FreshPlatform {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let platform = Platform::from_request_parts(parts, portal).await?;
        if platform.session.proof.is_some_and(|proof| proof.is_fresh) {
            return Ok(Self(platform));
        }
        Err(stale_proof(&platform, parts).await)
    }
}
