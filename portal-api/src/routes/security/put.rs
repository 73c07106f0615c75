use domain::permissions::needs::HubConfigure;
use domain::security::{self, Policy};
use engine::StoreError;

use super::SecurityPolicy;
use crate::caller::Fresh;
use crate::error::{ApiError, FieldProblem};
use crate::etag::{IfMatch, Tagged};
use crate::extract::Json;

/// Sets how people sign in and how long sessions last
#[utoipa::path(
    put, path = "/security", operation_id = "put_security_policy", tag = "security",
    params(("If-Match" = String, Header)), request_body = SecurityPolicy,
    responses((status = 200, description = "As it is now", body = SecurityPolicy)),
)]
pub(super) async fn put(
    caller: Fresh<HubConfigure>,
    IfMatch(version): IfMatch,
    Json(body): Json<SecurityPolicy>,
) -> Result<Tagged<SecurityPolicy>, ApiError> {
    let policy = Policy::from(body);
    let problems = policy.problems().into_iter();
    let problems: Vec<_> = problems
        .map(|(name, message)| FieldProblem::new(format!("/{name}"), message))
        .collect();
    if !problems.is_empty() {
        return Err(ApiError::invalid_all(problems));
    }
    let mut tx = caller.begin().await?;
    match security::change(&mut tx, version, &policy).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            let current = security::current(&mut tx).await?;
            return Err(ApiError::stale(&SecurityPolicy::from(current.policy)));
        }
        Err(error) => return Err(error.into()),
    }
    let current = security::current(&mut tx).await?;
    tx.commit().await?;
    Ok(Tagged(current.version, current.policy.into()))
}
