use domain::permissions::needs::HubConfigure;
use domain::providers::policy::{self, SignInPolicy as Policy};
use engine::StoreError;
use engine::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Fresh};
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::Json;

/// Whether only identity providers let people in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInPolicy {
    /// Passwords, and passkeys in their place, let in nobody but the fallback admins.
    sso_only: bool,
    /// Ids of active admins with a password, who get in when the provider does not work. At least one
    /// where `sso_only`.
    #[schema(value_type = Vec<String>)]
    fallback_admins: Vec<UserId>,
}

impl From<Policy> for SignInPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            sso_only: policy.sso_only,
            fallback_admins: policy.fallback_admins,
        }
    }
}

/// Whether only identity providers let people in
#[utoipa::path(
    get, path = "/sign-in-policy", operation_id = "get_sign_in_policy", tag = "identity-providers",
    responses((status = 200, description = "The policy; ETag \"0\" while none was set", body = SignInPolicy)),
)]
pub(super) async fn get(caller: Admin) -> Result<Tagged<SignInPolicy>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = policy::current(&mut tx).await?;
    Ok(Tagged(current.version, current.into()))
}

/// Sets whether only identity providers let people in
///
/// Refused without an enabled provider and a fallback admin. Who is signed in stays so.
#[utoipa::path(
    put, path = "/sign-in-policy", operation_id = "put_sign_in_policy", tag = "identity-providers",
    params(("If-Match" = String, Header)), request_body = SignInPolicy,
    responses((status = 200, description = "As it is now", body = SignInPolicy)),
)]
pub(super) async fn put(
    caller: Fresh<HubConfigure>,
    IfMatch(version): IfMatch,
    Json(body): Json<SignInPolicy>,
) -> Result<Tagged<SignInPolicy>, ApiError> {
    let wish = Policy {
        sso_only: body.sso_only,
        fallback_admins: body.fallback_admins,
        version,
    };
    let mut tx = caller.begin().await?;
    match policy::set(&mut tx, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            drop(tx); // the statement before has failed or not, the answer is what is stored
            let mut tx = caller.begin().await?;
            let current = policy::current(&mut tx).await?;
            return Err(ApiError::stale(&SignInPolicy::from(current)));
        }
        Err(error) => return Err(error.into()),
    }
    let current = policy::current(&mut tx).await?;
    tx.commit().await?;
    Ok(Tagged(current.version, current.into()))
}
