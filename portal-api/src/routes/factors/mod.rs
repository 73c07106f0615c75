//! How one signs in beside a password, oneself; which roles must.

mod backup_codes;
mod devices;
mod get;
mod passkeys;
mod rules;
mod sms;
mod totp;

use axum::Json;
use axum::http::StatusCode;
use domain::factors::passkeys::{Question, RelyingParty};
use domain::factors::sms as messages;
use domain::mails::{Letter, MailKind, SignInNotice};
use domain::sessions::Token;
use domain::users::User;
use engine::Tx;
use engine::ids::UserId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::SignedIn;
use crate::error::{ApiError, Slug};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(get::get))
        .routes(routes!(totp::start, totp::remove))
        .routes(routes!(totp::confirm))
        .routes(routes!(sms::start, sms::remove))
        .routes(routes!(sms::confirm))
        .routes(routes!(backup_codes::renew))
        .routes(routes!(passkeys::list, passkeys::add))
        .routes(routes!(passkeys::ask))
        .routes(routes!(passkeys::rename, passkeys::remove))
        .routes(routes!(devices::list))
        .routes(routes!(devices::forget))
        .routes(routes!(rules::get, rules::put))
}

/// What the browser is to sign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyQuestion {
    /// Comes back with the answer. It holds for five minutes, once.
    question: String,
    /// For `navigator.credentials`, with binary values in base64url.
    #[schema(value_type = Object)]
    options: serde_json::Value,
}

impl From<Question> for PasskeyQuestion {
    fn from((options, token): Question) -> Self {
        Self {
            question: token.expose().to_owned(),
            options,
        }
    }
}

/// What the browser signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAnswer {
    /// As it was asked with.
    #[schema(value_type = String)]
    pub(super) question: SecretString,
    /// The credential, with binary values in base64url.
    #[schema(value_type = Object)]
    pub(super) answer: serde_json::Value,
    /// In a second stage: do not ask this browser again for as long as the policy says.
    #[serde(default)]
    pub(super) remember: bool,
}

/// Codes for the day everything else is lost, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackupCodes {
    /// Ten; empty where the user has some already.
    backup_codes: Vec<String>,
}

impl From<Vec<Token>> for BackupCodes {
    fn from(codes: Vec<Token>) -> Self {
        let codes = codes.into_iter().map(|code| code.expose().to_owned());
        Self {
            backup_codes: codes.collect(),
        }
    }
}

/// A code that was made by an app or sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    #[schema(value_type = String, format = "password")]
    code: SecretString,
}

/// Ends setting up a factor; `codes` is `None` where its first code was wrong.
async fn added(
    portal: &Portal,
    mut tx: Tx,
    user: &User,
    codes: Option<Vec<Token>>,
) -> Result<Json<BackupCodes>, ApiError> {
    let Some(codes) = codes else {
        tx.commit().await?; // the wrong code is noted
        let message = "this code is not right, or it has expired";
        return Err(ApiError::invalid("/code", message));
    };
    tell(portal, &mut tx, user, SignInNotice::FactorAdded).await?;
    tx.commit().await?;
    Ok(Json(codes.into()))
}

/// Ends taking a factor away.
async fn removed(caller: &SignedIn, mut tx: Tx) -> Result<StatusCode, ApiError> {
    let user = &caller.session.user;
    tell(caller.portal(), &mut tx, user, SignInNotice::FactorRemoved).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The hub as browsers know it.
pub(super) fn party(portal: &Portal) -> Result<&RelyingParty, ApiError> {
    portal.factors.passkeys.as_ref().ok_or_else(|| {
        let why = "passkeys need a hub that is reached by name: set --public-url";
        ApiError::new(Slug::Conflict, why)
    })
}

/// Makes a code for the user's number, commits, and sends it.
pub(super) async fn send_code(
    portal: &Portal,
    mut tx: Tx,
    user: UserId,
    confirmed: bool,
) -> Result<(), ApiError> {
    let Some(sender) = &portal.factors.sms else {
        let why = "this hub sends no messages";
        return Err(ApiError::new(Slug::Conflict, why));
    };
    let issued = messages::issue(&mut tx, &portal.factors.vault, user, confirmed).await?;
    let message = match issued {
        messages::Issued::Send(message) => message,
        messages::Issued::Wait(seconds) => {
            let error = ApiError::new(Slug::RateLimited, "a code was sent a moment ago");
            return Err(error.with_retry_after(seconds.unsigned_abs()));
        }
        messages::Issued::Nothing => {
            return Err(ApiError::new(Slug::Conflict, "there is no number"));
        }
    };
    tx.commit().await?;
    sender.send(message).await.map_err(|error| {
        let problem = ApiError::new(Slug::Unavailable, "the message could not be sent");
        problem.with_retry_after(30).with_source(error)
    })
}

/// Tells somebody that how they sign in has changed, where the hub can.
pub(super) async fn tell(
    portal: &Portal,
    tx: &mut Tx,
    user: &User,
    notice: SignInNotice,
) -> Result<(), ApiError> {
    if let Some(outbox) = &portal.outbox {
        let letter = Letter::sign_in(&user.email, notice);
        outbox
            .post(tx, MailKind::SignIn, user.id, &letter, None)
            .await?;
    }
    Ok(())
}
