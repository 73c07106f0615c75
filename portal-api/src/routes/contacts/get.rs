use domain::entities;
use domain::permissions::needs::RecordsRead;
use engine::ids::ContactId;

use super::Contact;
use crate::caller::May;
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
    caller: May<RecordsRead>,
    Path(id): Path<ContactId>,
) -> Result<Tagged<Contact>, ApiError> {
    let mut tx = caller.begin().await?;
    let detail = entities::detail(&mut tx, &caller.portal().tables, "contact", id.into()).await?;
    Ok(Tagged(detail.version, detail.into()))
}
