use axum::Json;
use chrono::{DateTime, Utc};
use domain::accounts::list::{self as accounts, AccountQuery, AccountSort, AccountSummary};
use domain::permissions::needs::RecordsRead;
use engine::ids::{AccountId, ConnectionId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};
use crate::routes::assignments::{AccountAssignee, read_assigned};
use crate::routes::records::ShortLink;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Part of the name, the website or the domain.
    q: Option<String>,
    industry: Option<String>,
    tier: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    country: Option<String>,
    /// Linked with a record of this connection.
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    updated_since: Option<DateTime<Utc>>,
    /// Who looks after it: `me`, `nobody`, or the id of a user, a team or a partner.
    assigned_to: Option<String>,
    /// name, -name, updated_at or -updated_at
    sort: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// An account in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountRow {
    #[schema(value_type = String)]
    id: AccountId,
    version: i64,
    name: String,
    industry: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    tier: Option<String>,
    phone: Option<String>,
    website: Option<String>,
    billing_city: Option<String>,
    billing_country: Option<String>,
    #[schema(value_type = Option<String>)]
    annual_revenue: Option<Decimal>,
    csm_email: Option<String>,
    account_manager: Option<String>,
    updated_at: DateTime<Utc>,
    links: Vec<ShortLink>,
    /// Open ones.
    conflicts: i64,
    /// Writes owed to systems.
    pending_writes: i64,
    /// Who looks after it.
    assignees: Vec<AccountAssignee>,
}

impl From<AccountSummary> for AccountRow {
    fn from(account: AccountSummary) -> Self {
        Self {
            id: account.id,
            version: account.version,
            name: account.name,
            industry: account.industry,
            kind: account.kind,
            tier: account.tier,
            phone: account.phone,
            website: account.website,
            billing_city: account.billing_city,
            billing_country: account.billing_country,
            annual_revenue: account.annual_revenue,
            csm_email: account.csm_email,
            account_manager: account.account_manager,
            updated_at: account.updated_at,
            links: account
                .marks
                .links
                .into_iter()
                .map(ShortLink::from)
                .collect(),
            conflicts: account.marks.conflicts,
            pending_writes: account.marks.pending_writes,
            assignees: account
                .assignees
                .into_iter()
                .map(AccountAssignee::from)
                .collect(),
        }
    }
}

/// Lists accounts
#[utoipa::path(
    get, path = "/accounts", operation_id = "list_accounts", tag = "accounts", params(Params),
    responses((status = 200, description = "A page", body = Page<AccountRow>)),
)]
pub(super) async fn list(
    caller: May<RecordsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<AccountRow>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let sort: AccountSort = match params.sort.as_deref() {
        None => AccountSort::default(),
        Some(text) => text
            .parse()
            .map_err(|message| ApiError::invalid("/sort", message))?,
    };
    let after = page::after(params.cursor.as_deref(), sort.as_str())?;
    let query = AccountQuery {
        q: params.q,
        industry: params.industry,
        tier: params.tier,
        kind: params.kind,
        country: params.country,
        connection_id: params.connection_id,
        updated_since: params.updated_since,
        assigned: read_assigned("/assigned_to", params.assigned_to.as_deref(), &caller)?,
        ids: None,
    };
    let mut tx = caller.begin().await?;
    let slice = accounts::list(&mut tx, &query, sort, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, sort.as_str(), AccountRow::from)))
}
