use domain::entities::{self, Refusal};
use domain::permissions::needs::RecordsWrite;
use engine::ids::AccountId;

use super::{Account, Change};
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};
use crate::routes::records::some_fields;

/// Edits an account
///
/// Every system with a record of it is owed the new values.
#[utoipa::path(
    patch, path = "/accounts/{id}", operation_id = "update_account", tag = "accounts",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = Change,
    responses((status = 200, description = "As it is now", body = Account)),
)]
pub(super) async fn update(
    caller: May<RecordsWrite>,
    Path(id): Path<AccountId>,
    IfMatch(version): IfMatch,
    Json(body): Json<Change>,
) -> Result<Tagged<Account>, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let before = entities::detail(&mut tx, tables, "account", id.into()).await?;
    let names: Vec<String> = body.fields.keys().cloned().collect();
    let edited = entities::edit(
        &mut tx,
        tables,
        "account",
        id.into(),
        version,
        body.fields,
        user,
    );
    match edited.await {
        Ok(()) => {}
        Err(Refusal::Stale) => {
            let current = entities::detail(&mut tx, tables, "account", id.into()).await?;
            return Err(ApiError::stale(&Account::from(current)));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    let detail = entities::detail(&mut tx, tables, "account", id.into()).await?;
    let entry = Entry::new("update_account", "accounts", id);
    let [before, after] = [&before, &detail].map(|detail| some_fields(detail, &names));
    tx.audit(entry.before(before).after(after));
    tx.commit().await?;
    Ok(Tagged(detail.version, detail.into()))
}
