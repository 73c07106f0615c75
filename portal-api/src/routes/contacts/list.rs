use axum::Json;
use chrono::{DateTime, Utc};
use domain::contacts::list::{self as contacts, ContactQuery, ContactSort, ContactSummary};
use domain::permissions::needs::RecordsRead;
use engine::ids::{AccountId, ConnectionId, ContactId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};
use crate::routes::records::ShortLink;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Part of the name or the e-mail address.
    q: Option<String>,
    #[param(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// Linked with a record of this connection.
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    updated_since: Option<DateTime<Utc>>,
    /// last_name, -last_name, updated_at or -updated_at
    sort: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A contact in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactRow {
    #[schema(value_type = String)]
    id: ContactId,
    version: i64,
    first_name: Option<String>,
    last_name: String,
    email: Option<String>,
    phone: Option<String>,
    mobile: Option<String>,
    title: Option<String>,
    department: Option<String>,
    account: Option<ContactAccount>,
    is_primary: Option<bool>,
    updated_at: DateTime<Utc>,
    links: Vec<ShortLink>,
    /// Open ones.
    conflicts: i64,
    /// Writes owed to systems.
    pending_writes: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactAccount {
    #[schema(value_type = String)]
    id: AccountId,
    name: String,
}

impl From<ContactSummary> for ContactRow {
    fn from(contact: ContactSummary) -> Self {
        Self {
            id: contact.id,
            version: contact.version,
            first_name: contact.first_name,
            last_name: contact.last_name,
            email: contact.email,
            phone: contact.phone,
            mobile: contact.mobile,
            title: contact.title,
            department: contact.department,
            account: contact
                .account
                .map(|(id, name)| ContactAccount { id, name }),
            is_primary: contact.is_primary,
            updated_at: contact.updated_at,
            links: contact
                .marks
                .links
                .into_iter()
                .map(ShortLink::from)
                .collect(),
            conflicts: contact.marks.conflicts,
            pending_writes: contact.marks.pending_writes,
        }
    }
}

/// Lists contacts
#[utoipa::path(
    get, path = "/contacts", operation_id = "list_contacts", tag = "contacts", params(Params),
    responses((status = 200, description = "A page", body = Page<ContactRow>)),
)]
pub(super) async fn list(
    caller: May<RecordsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<ContactRow>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let sort: ContactSort = match params.sort.as_deref() {
        None => ContactSort::default(),
        Some(text) => text
            .parse()
            .map_err(|message| ApiError::invalid("/sort", message))?,
    };
    let after = page::after(params.cursor.as_deref(), sort.as_str())?;
    let query = ContactQuery {
        q: params.q,
        account_id: params.account_id,
        connection_id: params.connection_id,
        updated_since: params.updated_since,
    };
    let mut tx = caller.begin().await?;
    let slice = contacts::list(&mut tx, &query, sort, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, sort.as_str(), ContactRow::from)))
}
