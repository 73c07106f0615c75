//! What is counted of refusals. Alerts ask how much a count grew: one that begins with its first event
//! would hide that event, so these stand at nought from the start.

/// Counts without labels, with what each tells.
const COUNTERS: [(&str, &str); 8] = [
    (
        "syncline_sign_in_failures_total",
        "Sign-ins that a wrong password or passkey ended.",
    ),
    (
        "syncline_second_factor_failures_total",
        "Wrong second factors.",
    ),
    (
        "syncline_accounts_locked_total",
        "Accounts that wrong passwords or factors locked.",
    ),
    (
        "syncline_elevations_refused_total",
        "Attempts to get more permissions than one has.",
    ),
    (
        "syncline_step_ups_required_total",
        "Sensitive actions without a fresh proof of who asks.",
    ),
    (
        "syncline_refresh_tokens_reused_total",
        "Refresh tokens that came a second time.",
    ),
    (
        "syncline_sso_sign_ins_total",
        "Sign-ins through identity providers.",
    ),
    (
        "syncline_sso_refusals_total",
        "Answers of identity providers that were refused.",
    ),
];

/// Says what is counted, and begins to.
pub(crate) fn begin() {
    for (name, tells) in COUNTERS {
        metrics::describe_counter!(name, tells);
        metrics::counter!(name).increment(0);
    }
}
