use domain::entities;
use engine::ids::ContactId;

use super::Contact;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One contact
#[utoipa::path(
    get, path = "/contacts/{id}", operation_id = "get_contact", tag = "contacts",
    params(("id" = String, Path)),
    responses((status = 200, description = "The contact", body = Contact)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(id): Path<ContactId>,
) -> Result<Tagged<Contact>, ApiError> {
    let mut tx = caller.begin().await?;
    let detail = entities::detail(&mut tx, &caller.portal().tables, "contact", id.into()).await?;
    Ok(Tagged(detail.version, detail.into()))
}
