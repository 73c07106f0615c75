use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::mails::{Letter, MailKind};
use domain::providers::policy;
use domain::security::{self, Policy};
use domain::sessions::stages::First;
use domain::users::{self, User};
use engine::ids::{TenantId, UserId};
use engine::store::audit::Actor;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Session;
use super::stage::{SecondStage, finish_sign_in};
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract;
use crate::portal::Portal;

/// A refusal comes no sooner than this: what is noted of a known account takes time, and shall not
/// tell it from an unknown one.
const REFUSAL: Duration = Duration::from_millis(250);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Signs in
///
/// A wrong address, a wrong password, an account that is locked for a while after many wrong ones and
/// one that was deactivated are answered alike. Who has a second factor gets no session but a ticket for
/// the second stage, unless the browser is remembered.
#[utoipa::path(
    post, path = "/session", operation_id = "sign_in", tag = "session", request_body = SignIn,
    responses(
        (status = 200, description = "Signed in; the cookie is set", body = Session),
        (status = 202, description = "A second factor is owed; the ticket's cookie is set", body = SecondStage),
    ),
)]
pub(super) async fn sign_in(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    extract::Json(body): extract::Json<SignIn>,
) -> Result<Response, ApiError> {
    let user = authenticate(&portal, &anyone, body).await?;
    finish_sign_in(&portal, &anyone, &headers, &user, First::Password).await
}

async fn authenticate(portal: &Portal, anyone: &Anyone, body: SignIn) -> Result<User, ApiError> {
    let (caller, started) = (anyone.address, Instant::now());
    refuse_guessing(portal, caller, &body.email)?;
    let mut tx = portal.store.begin_system().await?;
    let found = users::find_by_email(&mut tx, body.email.trim()).await?;
    let found = here(&mut tx, anyone, found).await?;
    let now = tx.now();
    drop(tx); // checking takes a while
    let hash = found.as_ref().and_then(|found| found.password_hash.clone());
    let right = portal
        .passwords
        .matches(body.password, hash)
        .await
        .map_err(|error| ApiError::internal("the password cannot be checked", error))?;
    match found {
        Some(found) if right && found.is_open(now) => {
            portal.throttle().succeeded(caller, &body.email);
            Ok(found.user)
        }
        found => {
            if let Some(found) = found {
                let user = &found.user;
                tracing::info!(tenant.id = %user.tenant, user.id = %user.id, "a sign-in failed");
                if !right {
                    note(portal, anyone, user).await?;
                }
            }
            metrics::counter!("syncline_sign_in_failures_total").increment(1);
            let why = "address or password is wrong, or the account is locked for a while";
            Err(refuse_slowly(portal, caller, &body.email, started, why).await)
        }
    }
}

/// Somebody of the tenant whose address this is, who may use a password there; others are unknown.
async fn here(
    tx: &mut engine::SystemTx,
    anyone: &Anyone,
    found: Option<users::Credentials>,
) -> Result<Option<users::Credentials>, ApiError> {
    let Some(found) = found else { return Ok(None) };
    let counts = counts_here(tx, anyone, found.user.tenant, found.user.id).await?;
    Ok(counts.then_some(found))
}

/// Whether what the hub itself knows of a user, a password or a passkey, lets them in at this address.
pub(super) async fn counts_here(
    tx: &mut engine::SystemTx,
    anyone: &Anyone,
    tenant: TenantId,
    user: UserId,
) -> Result<bool, ApiError> {
    let is_here = anyone.place.tenant.is_none_or(|here| here == tenant);
    Ok(is_here && policy::counts_without_provider(tx, tenant, user).await?)
}

/// What somebody is told who showed something wrong: counted, and no sooner than anybody else.
pub(super) async fn refuse_slowly(
    portal: &Portal,
    caller: Option<IpAddr>,
    counted: &str,
    started: Instant,
    why: &'static str,
) -> ApiError {
    portal.throttle().failed(caller, counted);
    tokio::time::sleep_until(started + REFUSAL).await;
    ApiError::new(Slug::Unauthenticated, why)
}

pub(crate) fn refuse_guessing(
    portal: &Portal,
    caller: Option<IpAddr>,
    email: &str,
) -> Result<(), ApiError> {
    let Some(wait) = portal.throttle().wait(caller, email) else {
        return Ok(());
    };
    let error = ApiError::new(Slug::RateLimited, "too many failed attempts; wait a while");
    Err(error.with_retry_after(wait.as_secs().max(1)))
}

/// Counts a wrong password; the one too many locks the account and tells its owner.
async fn note(portal: &Portal, anyone: &Anyone, user: &User) -> Result<(), ApiError> {
    let mut tx = portal.store.begin(user.tenant).await?;
    let actor = Actor::System {
        name: "stranger".to_owned(),
    };
    tx.act_as(anyone.acting(actor));
    let policy: Policy = security::current(&mut tx).await?.policy;
    let locked = users::failed(&mut tx, user.id, &policy).await?;
    if locked.is_some()
        && let Some(outbox) = &portal.outbox
    {
        let letter = Letter::locked(&user.email, policy.lockout_minutes);
        outbox
            .post(&mut tx, MailKind::Locked, user.id, &letter, None)
            .await?;
    }
    tx.commit().await?;
    if locked.is_some() {
        tracing::warn!(tenant.id = %user.tenant, user.id = %user.id, "account locked for a while");
        metrics::counter!("syncline_accounts_locked_total").increment(1);
    }
    Ok(())
}
