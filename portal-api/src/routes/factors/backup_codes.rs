use axum::Json;
use domain::factors::{self, backup};
use domain::mails::SignInNotice;

use super::{BackupCodes, tell};
use crate::caller::Proven;
use crate::error::{ApiError, Slug};

/// Makes new backup codes
///
/// Those from before work no more.
#[utoipa::path(
    post, path = "/factors/backup-codes", operation_id = "renew_backup_codes", tag = "factors",
    responses((status = 200, description = "Shown this once", body = BackupCodes)),
)]
pub(super) async fn renew(caller: Proven) -> Result<Json<BackupCodes>, ApiError> {
    let user = &caller.session.user;
    let mut tx = caller.begin().await?;
    if factors::of_user(&mut tx, user.id).await?.is_empty() {
        let why = "backup codes stand for a second factor: set one up first";
        return Err(ApiError::new(Slug::Conflict, why));
    }
    let codes = backup::renew(&mut tx, user.id).await?;
    tell(
        caller.portal(),
        &mut tx,
        user,
        SignInNotice::BackupCodesRenewed,
    )
    .await?;
    tx.commit().await?;
    Ok(Json(codes.into()))
}
