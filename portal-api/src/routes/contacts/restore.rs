use domain::entities;
use engine::ids::ContactId;

use super::Contact;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::Path;
use crate::routes::records::removal;

/// Brings a contact back that was removed or unlinked
///
/// With the links it had. A record that is gone over there is made again, where its stream makes records.
#[utoipa::path(
    post, path = "/contacts/{id}/restore", operation_id = "restore_contact", tag = "contacts",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 200, description = "As it is now", body = Contact)),
)]
pub(super) async fn restore(
    caller: Operator,
    Path(id): Path<ContactId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<Contact>, ApiError> {
    removal::restore(&caller, ("contact", id.into()), version).await?;
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let detail = entities::detail(&mut tx, tables, "contact", id.into()).await?;
    Ok(Tagged(detail.version, detail.into()))
}
