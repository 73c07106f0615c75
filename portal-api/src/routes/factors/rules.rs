use axum::Json;
use chrono::{DateTime, Utc};
use domain::factors::rules::{self, LONGEST_GRACE};
use domain::permissions::needs::HubConfigure;
use domain::users::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Fresh};
use crate::error::ApiError;
use crate::extract;
use crate::routes::session::RoleName;

/// Which roles need a second factor; the others may have one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactorRules {
    required: Vec<FactorRule>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactorRule {
    #[schema(value_type = RoleName)]
    role: Role,
    /// Days to set one up, from the rule's first day or the person's.
    grace_days: i32,
    required_since: DateTime<Utc>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorRulesBody {
    required: Vec<FactorRuleBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorRuleBody {
    #[schema(value_type = RoleName)]
    role: String,
    /// 0 to 90
    grace_days: i32,
}

/// Which roles need a second factor
#[utoipa::path(
    get, path = "/security/factors", operation_id = "get_factor_rules", tag = "security",
    responses((status = 200, description = "By role", body = FactorRules)),
)]
pub(super) async fn get(caller: Admin) -> Result<Json<FactorRules>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(shown(rules::list(&mut tx).await?)))
}

/// Sets which roles need a second factor
///
/// Whoever has none when their days are over can do nothing but set one up.
#[utoipa::path(
    put, path = "/security/factors", operation_id = "put_factor_rules", tag = "security",
    request_body = FactorRulesBody,
    responses((status = 200, description = "As it is now", body = FactorRules)),
)]
pub(super) async fn put(
    caller: Fresh<HubConfigure>,
    extract::Json(body): extract::Json<FactorRulesBody>,
) -> Result<Json<FactorRules>, ApiError> {
    let mut wished: Vec<(Role, i32)> = Vec::new();
    for (at, rule) in body.required.iter().enumerate() {
        let role: Role = rule.role.parse().map_err(|error: domain::users::BadRole| {
            ApiError::invalid(format!("/required/{at}/role"), error.to_string())
        })?;
        if !(0..=LONGEST_GRACE).contains(&rule.grace_days) {
            let message = format!("grace_days must be between 0 and {LONGEST_GRACE}");
            return Err(ApiError::invalid(
                format!("/required/{at}/grace_days"),
                message,
            ));
        }
        if wished.iter().any(|(known, _)| *known == role) {
            let message = format!("{role} is named twice");
            return Err(ApiError::invalid(format!("/required/{at}/role"), message));
        }
        wished.push((role, rule.grace_days));
    }
    let mut tx = caller.begin().await?;
    rules::set(&mut tx, &wished).await?;
    let now = rules::list(&mut tx).await?;
    tx.commit().await?;
    Ok(Json(shown(now)))
}

fn shown(rules: Vec<rules::Rule>) -> FactorRules {
    let required = rules.into_iter().map(|rule| FactorRule {
        role: rule.role,
        grace_days: rule.grace_days,
        required_since: rule.required_since,
    });
    FactorRules {
        required: required.collect(),
    }
}
