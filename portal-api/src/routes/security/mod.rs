//! What the tenant asks of its people.

mod get;
mod put;

use domain::security::Policy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(get::get, put::put))
}

/// Rules of signing in. They count from the next request on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecurityPolicy {
    /// A session ends this long after its last use: 1 to 1440.
    idle_minutes: i32,
    /// A session ends this long after sign-in: 5 to 43200.
    absolute_minutes: i32,
    /// Fewest characters of a password: 8 to 128.
    password_shortest: i32,
    /// How many of lower case, upper case, digits and others a password has: 1 to 4.
    password_kinds: i32,
    /// Earlier passwords that may not be taken again: 0 to 24.
    password_remembered: i32,
    /// A password must be changed after so many days: 1 to 3650, or never.
    password_days: Option<i32>,
    /// Wrong passwords in a row that lock an account: 3 to 1000.
    lockout_failures: i32,
    /// 1 to 1440.
    lockout_minutes: i32,
    /// How long an invitation holds: 1 to 720.
    set_up_hours: i32,
    /// How long audit entries are kept at least: 90 to 36500, or for ever.
    audit_days: Option<i32>,
    /// Calls of the whole tenant in a minute: 60 to 1000000.
    calls_per_minute: i32,
    /// How long password or second factor count as just shown, for sensitive actions: 1 to 1440.
    step_up_minutes: i32,
    /// How long a browser is remembered and asked for no second factor: 1 to 365 days, or 0 for none.
    device_days: i32,
}

impl From<Policy> for SecurityPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            idle_minutes: policy.idle_minutes,
            absolute_minutes: policy.absolute_minutes,
            password_shortest: policy.password_shortest,
            password_kinds: policy.password_kinds,
            password_remembered: policy.password_remembered,
            password_days: policy.password_days,
            lockout_failures: policy.lockout_failures,
            lockout_minutes: policy.lockout_minutes,
            set_up_hours: policy.set_up_hours,
            audit_days: policy.audit_days,
            calls_per_minute: policy.calls_per_minute,
            step_up_minutes: policy.step_up_minutes,
            device_days: policy.device_days,
        }
    }
}

impl From<SecurityPolicy> for Policy {
    fn from(policy: SecurityPolicy) -> Self {
        Self {
            idle_minutes: policy.idle_minutes,
            absolute_minutes: policy.absolute_minutes,
            password_shortest: policy.password_shortest,
            password_kinds: policy.password_kinds,
            password_remembered: policy.password_remembered,
            password_days: policy.password_days,
            lockout_failures: policy.lockout_failures,
            lockout_minutes: policy.lockout_minutes,
            set_up_hours: policy.set_up_hours,
            audit_days: policy.audit_days,
            calls_per_minute: policy.calls_per_minute,
            step_up_minutes: policy.step_up_minutes,
            device_days: policy.device_days,
        }
    }
}
