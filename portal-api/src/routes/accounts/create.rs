use axum::response::IntoResponse;
use domain::entities;
use domain::permissions::needs::RecordsWrite;

use super::{Account, Change};
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;
use crate::routes::records::some_fields;

/// Makes an account
#[utoipa::path(
    post, path = "/accounts", operation_id = "create_account", tag = "accounts",
    request_body = Change,
    responses((status = 201, description = "Made", body = Account)),
)]
pub(super) async fn create(
    caller: May<RecordsWrite>,
    Json(body): Json<Change>,
) -> Result<impl IntoResponse, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let names: Vec<String> = body.fields.keys().cloned().collect();
    let mut tx = caller.begin().await?;
    let id = entities::create(&mut tx, tables, "account", body.fields, user).await?;
    let detail = entities::detail(&mut tx, tables, "account", id).await?;
    let made = entities::show_id("account", id);
    let entry = Entry::new("create_account", "accounts", made);
    tx.audit(entry.after(some_fields(&detail, &names)));
    tx.commit().await?;
    Ok(Created(detail.version, Account::from(detail)))
}
