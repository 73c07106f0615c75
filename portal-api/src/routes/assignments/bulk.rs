use axum::Json;
use domain::accounts::list::AccountQuery;
use domain::assignments::{self, Order};
use domain::permissions::needs::TeamsManage;
use engine::StoreError;
use engine::ids::{AccountId, ConnectionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{of_holder, read_assigned, read_holder};
use crate::caller::{Fresh, May, SignedIn};
use crate::error::{ApiError, Slug};
use crate::extract;

/// Which accounts; what is left out does not restrict.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccountFilter {
    /// Part of the name, the website or the domain.
    q: Option<String>,
    industry: Option<String>,
    tier: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    country: Option<String>,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    /// `me`, `nobody`, or the id of a user, a team or a partner.
    assigned_to: Option<String>,
    /// Of these only, 1 to 1000.
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<AccountId>>,
}

/// Most accounts that an order names one by one.
const MOST_NAMED: usize = 1_000;

/// What shall happen to many accounts: with `to` they are assigned, with `from` and `to` transferred,
/// with `from` alone let go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentOrder {
    #[serde(default)]
    accounts: AccountFilter,
    /// Whose assignments end; only accounts of theirs are meant.
    from: Option<String>,
    /// Who gets them.
    to: Option<String>,
    /// The digest of the plan that is to be carried out; planning takes none.
    digest: Option<String>,
}

/// What an order does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignmentPlan {
    /// Accounts it is about.
    accounts: i64,
    /// Assignments that are made.
    made: i64,
    /// Assignments that end.
    ended: i64,
    /// To be sent with the order: it is refused where it would do something else by then.
    digest: String,
}

impl From<assignments::Plan> for AssignmentPlan {
    fn from(plan: assignments::Plan) -> Self {
        Self {
            accounts: plan.accounts,
            made: plan.made,
            ended: plan.ended,
            digest: plan.digest,
        }
    }
}

impl AssignmentOrder {
    fn read(self, caller: &SignedIn) -> Result<Order, ApiError> {
        let filter = self.accounts;
        let holder = |pointer: &str, text: Option<String>| {
            text.map(|text| read_holder(pointer, &text)).transpose()
        };
        let (from, to) = (holder("/from", self.from)?, holder("/to", self.to)?);
        if from.is_none() && to.is_none() {
            return Err(ApiError::invalid("/to", "say to whom, from whom, or both"));
        }
        let named = filter.ids.as_ref().map(Vec::len);
        if named.is_some_and(|count| count == 0 || count > MOST_NAMED) {
            let why = format!("name 1 to {MOST_NAMED} accounts, or leave ids out");
            return Err(ApiError::invalid("/accounts/ids", why));
        }
        let assigned = filter.assigned_to.as_deref();
        Ok(Order {
            accounts: AccountQuery {
                assigned: read_assigned("/accounts/assigned_to", assigned, caller)?,
                q: filter.q,
                industry: filter.industry,
                tier: filter.tier,
                kind: filter.kind,
                country: filter.country,
                connection_id: filter.connection_id,
                updated_since: None,
                ids: filter.ids,
            },
            from,
            to,
        })
    }
}

/// Says what assigning or transferring many accounts would do now
#[utoipa::path(
    post, path = "/assignments/plan", operation_id = "plan_assignments", tag = "accounts",
    request_body = AssignmentOrder,
    responses((status = 200, description = "As of now", body = AssignmentPlan)),
)]
pub(super) async fn plan(
    caller: May<TeamsManage>,
    extract::Json(body): extract::Json<AssignmentOrder>,
) -> Result<Json<AssignmentPlan>, ApiError> {
    let order = body.read(&caller)?;
    let mut tx = caller.begin().await?;
    let plan = assignments::plan(&mut tx, &order)
        .await
        .map_err(of_holder("/to"))?;
    Ok(Json(plan.into()))
}

/// Assigns or transfers many accounts
///
/// The order carries the digest of its plan; what was planned is what happens, or nothing.
#[utoipa::path(
    post, path = "/assignments", operation_id = "carry_out_assignments", tag = "accounts",
    request_body = AssignmentOrder,
    responses((status = 200, description = "What was done", body = AssignmentPlan)),
)]
pub(super) async fn carry_out(
    caller: Fresh<TeamsManage>,
    extract::Json(mut body): extract::Json<AssignmentOrder>,
) -> Result<Json<AssignmentPlan>, ApiError> {
    let digest = body.digest.take();
    let digest = digest.ok_or_else(|| {
        ApiError::invalid("/digest", "plan first, and send the digest of the plan")
    })?;
    let order = body.read(&caller)?;
    let mut tx = caller.begin().await?;
    let by = caller.session.user.id;
    match assignments::carry_out(&mut tx, &order, &digest, by).await {
        Ok(plan) => {
            tx.commit().await?;
            Ok(Json(plan.into()))
        }
        Err(StoreError::Stale(_)) => {
            let why = "the accounts are not those of the plan any more: plan again";
            Err(ApiError::new(Slug::Stale, why))
        }
        Err(error) => Err(of_holder("/to")(error)),
    }
}
