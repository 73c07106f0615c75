use axum::Json;
use domain::mails::{Letter, MailKind};
use domain::permissions::needs::UsersManage;
use domain::security;
use domain::sessions::Token;
use domain::users::links::{self, Purpose, RESET};
use domain::users::{Person, UserState, people};
use engine::Tx;
use engine::ids::UserId;

use super::{PasswordLink, permit_touch};
use crate::caller::{Fresh, SignedIn};
use crate::error::{ApiError, Slug};
use crate::extract::Path;

/// Makes a link to set a password
///
/// For somebody who lost the invitation or the password. Links that they had stop working.
#[utoipa::path(
    post, path = "/users/{id}/link", operation_id = "create_user_link", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "Sent, or to be handed over", body = PasswordLink)),
)]
pub(super) async fn link(
    caller: Fresh<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<Json<PasswordLink>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "create_user_link", &person).await?;
    let purpose = match person.state {
        UserState::Invited => Purpose::SetUp,
        UserState::Active => Purpose::Reset,
        UserState::Deactivated => {
            return Err(ApiError::new(Slug::Conflict, "this user is deactivated"));
        }
    };
    let link = issue(&caller, &mut tx, &person, purpose).await?;
    tx.commit().await?;
    Ok(Json(link))
}

/// Makes a link and sends it, or shows it where nothing can be sent.
pub(in crate::routes) async fn issue(
    caller: &SignedIn,
    tx: &mut Tx,
    person: &Person,
    purpose: Purpose,
) -> Result<PasswordLink, ApiError> {
    issue_in(caller, tx, person, purpose, &caller.session.tenant_name).await
}

/// [`issue`] in the tenant of this name.
pub(in crate::routes) async fn issue_in(
    caller: &SignedIn,
    tx: &mut Tx,
    person: &Person,
    purpose: Purpose,
    tenant: &str,
) -> Result<PasswordLink, ApiError> {
    let token =
        Token::fresh().map_err(|error| ApiError::internal("the link cannot be made", error))?;
    let policy = security::current(tx).await?.policy;
    let until = match purpose {
        Purpose::SetUp => policy.set_up_until(tx.now()),
        Purpose::Reset => tx.now() + RESET,
    };
    links::issue(tx, person.user.id, purpose, &token, until).await?;
    let link = caller.portal().password_link(&token);
    let Some(outbox) = &caller.portal().outbox else {
        return Ok(PasswordLink::new(purpose, Some(link), until));
    };
    let to = &person.user;
    let (kind, letter) = match purpose {
        Purpose::SetUp => {
            let hours = policy.set_up_hours;
            let letter = Letter::invitation(&to.email, tenant, &link, hours);
            (MailKind::Invitation, letter)
        }
        Purpose::Reset => (MailKind::Reset, Letter::reset(&to.email, &link)),
    };
    outbox.post(tx, kind, to.id, &letter, None).await?;
    Ok(PasswordLink::new(purpose, None, until))
}
