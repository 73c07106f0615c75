use axum::Json;
use chrono::{DateTime, Utc};
use domain::factors;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::routes::sso::provider_of_session;

/// One's own second factors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnFactors {
    /// Since when codes of an authenticator app count; null without one.
    totp_since: Option<DateTime<Utc>>,
    /// How the number for messages ends; null without one.
    sms_ends_with: Option<String>,
    passkeys: i64,
    backup_codes_left: i64,
    /// What can be shown now, best first.
    methods: Vec<&'static str>,
    /// The identity provider that this session is from and that can be asked who one is, by its name; null
    /// where there is none, or its word is not enough.
    step_up_provider: Option<String>,
    /// What this hub can set up: totp, passkey, sms.
    available: Vec<&'static str>,
    /// Until when one must be set up; null where there is one or none is needed.
    due: Option<DateTime<Utc>>,
    /// Until when sensitive actions ask for nothing more.
    fresh_until: DateTime<Utc>,
}

/// One's own second factors
#[utoipa::path(
    get, path = "/factors", operation_id = "get_factors", tag = "factors",
    responses((status = 200, description = "What is set up and what can be", body = OwnFactors)),
)]
pub(super) async fn get(signed_in: SignedIn) -> Result<Json<OwnFactors>, ApiError> {
    signed_in.session_id()?;
    let proof = signed_in.session.proof;
    let proof = proof.ok_or_else(|| ApiError::forbidden("a program has no factors"))?;
    let mut tx = signed_in.begin().await?;
    let owned = factors::of_user(&mut tx, signed_in.session.user.id).await?;
    drop(tx);
    let provider = provider_of_session(&signed_in).await?;
    let here = &signed_in.portal().factors;
    let methods = owned.methods(here);
    let available = [
        ("totp", true),
        ("passkey", here.passkeys.is_some()),
        ("sms", here.sms.is_some()),
    ];
    Ok(Json(OwnFactors {
        totp_since: owned.totp,
        sms_ends_with: owned.sms.map(|(shown, _since)| shown),
        passkeys: owned.passkeys,
        backup_codes_left: owned.backup_codes_left,
        methods: methods.into_iter().map(|factor| factor.as_str()).collect(),
        step_up_provider: provider.map(|provider| provider.name),
        available: available
            .into_iter()
            .filter_map(|(name, is)| is.then_some(name))
            .collect(),
        due: proof.factor_due,
        fresh_until: proof.fresh_until,
    }))
}
