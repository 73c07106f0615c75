use domain::entities::{self, Refusal};
use domain::permissions::needs::RecordsWrite;
use engine::ids::ContactId;

use super::{Change, Contact};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Edits a contact
///
/// Every system with a record of it is owed the new values.
#[utoipa::path(
    patch, path = "/contacts/{id}", operation_id = "update_contact", tag = "contacts",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = Change,
    responses((status = 200, description = "As it is now", body = Contact)),
)]
pub(super) async fn update(
    caller: May<RecordsWrite>,
    Path(id): Path<ContactId>,
    IfMatch(version): IfMatch,
    Json(body): Json<Change>,
) -> Result<Tagged<Contact>, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let edited = entities::edit(
        &mut tx,
        tables,
        "contact",
        id.into(),
        version,
        body.fields,
        user,
    );
    match edited.await {
        Ok(()) => {}
        Err(Refusal::Stale) => {
            let current = entities::detail(&mut tx, tables, "contact", id.into()).await?;
            return Err(ApiError::stale(&Contact::from(current)));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    let detail = entities::detail(&mut tx, tables, "contact", id.into()).await?;
    tx.commit().await?;
    Ok(Tagged(detail.version, detail.into()))
}
