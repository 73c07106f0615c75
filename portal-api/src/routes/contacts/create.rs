use axum::response::IntoResponse;
use domain::entities;
use domain::permissions::needs::RecordsWrite;

use super::{Change, Contact};
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;
use crate::routes::records::some_fields;

/// Makes a contact
#[utoipa::path(
    post, path = "/contacts", operation_id = "create_contact", tag = "contacts",
    request_body = Change,
    responses((status = 201, description = "Made", body = Contact)),
)]
pub(super) async fn create(
    caller: May<RecordsWrite>,
    Json(body): Json<Change>,
) -> Result<impl IntoResponse, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let names: Vec<String> = body.fields.keys().cloned().collect();
    let mut tx = caller.begin().await?;
    let id = entities::create(&mut tx, tables, "contact", body.fields, user).await?;
    let detail = entities::detail(&mut tx, tables, "contact", id).await?;
    let made = entities::show_id("contact", id);
    let entry = Entry::new("create_contact", "contacts", made);
    tx.audit(entry.after(some_fields(&detail, &names)));
    tx.commit().await?;
    Ok(Created(detail.version, Contact::from(detail)))
}
