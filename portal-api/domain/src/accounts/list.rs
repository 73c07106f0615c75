//! Accounts in lists: filters, orders, pages.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use engine::ids::{AccountId, ConnectionId};
use engine::store::keyset::{After, Slice, contains_pattern, instant, instant_text};
use engine::store::links::{self, Marks};
use engine::{StoreError, Tx};
use rust_decimal::Decimal;
use sqlx::types::Uuid;
use sqlx::{FromRow, Postgres, QueryBuilder};

use crate::assignments::{self, Assignee, Holder};

/// Which accounts a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct AccountQuery {
    /// Part of the name, the website or the domain.
    pub q: Option<String>,
    pub industry: Option<String>,
    pub tier: Option<String>,
    pub kind: Option<String>,
    pub country: Option<String>,
    /// Linked with a record of this connection.
    pub connection_id: Option<ConnectionId>,
    pub updated_since: Option<DateTime<Utc>>,
    /// Who looks after it.
    pub assigned: Option<Assigned>,
    /// Of these only.
    pub ids: Option<Vec<AccountId>>,
}

/// Who looks after an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    To(Holder),
    Nobody,
}

/// What a list of accounts is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountSort {
    #[default]
    Name,
    NameDescending,
    Updated,
    UpdatedDescending,
}

impl AccountSort {
    const ALL: [Self; 4] = [
        Self::Name,
        Self::NameDescending,
        Self::Updated,
        Self::UpdatedDescending,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NameDescending => "-name",
            Self::Updated => "updated_at",
            Self::UpdatedDescending => "-updated_at",
        }
    }

    fn is_descending(self) -> bool {
        matches!(self, Self::NameDescending | Self::UpdatedDescending)
    }

    fn by_name(self) -> bool {
        matches!(self, Self::Name | Self::NameDescending)
    }
}

impl FromStr for AccountSort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.as_str() == text)
            .ok_or_else(|| "sort must be name, -name, updated_at or -updated_at".to_owned())
    }
}

/// An account in a list.
#[derive(Clone, Debug, FromRow)]
pub struct AccountSummary {
    pub id: AccountId,
    pub version: i64,
    pub name: String,
    pub industry: Option<String>,
    #[sqlx(rename = "type")]
    pub kind: Option<String>,
    pub tier: Option<String>,
    pub phone: Option<String>,
    pub website: Option<String>,
    pub billing_city: Option<String>,
    pub billing_country: Option<String>,
    pub annual_revenue: Option<Decimal>,
    pub csm_email: Option<String>,
    pub account_manager: Option<String>,
    pub updated_at: DateTime<Utc>,
    /// By Postgres' rules of lower case, which need not be ours.
    sort_name: String,
    #[sqlx(skip)]
    pub marks: Marks,
    /// Who looks after it.
    #[sqlx(skip)]
    pub assignees: Vec<Assignee>,
}

/// A page of accounts; the total is counted for the first page only.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    query: &AccountQuery,
    sort: AccountSort,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<AccountSummary>, StoreError> {
    let mut sql = QueryBuilder::new(
        "select id, version, name, industry, type, tier, phone, website, billing_city, \
         billing_country, trim_scale(annual_revenue) as annual_revenue, csm_email, \
         account_manager, updated_at, lower(name) as sort_name from accounts",
    );
    filter(&mut sql, query);
    if let Some(after) = after {
        let beyond = if sort.is_descending() { "<" } else { ">" };
        sql.push(if sort.by_name() {
            " and (lower(name), id) "
        } else {
            " and (updated_at, id) "
        })
        .push(beyond)
        .push(" (");
        if sort.by_name() {
            sql.push_bind(after.value.clone());
        } else {
            sql.push_bind(instant(&after.value)?);
        }
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(match sort {
        AccountSort::Name => " order by lower(name), id",
        AccountSort::NameDescending => " order by lower(name) desc, id desc",
        AccountSort::Updated => " order by updated_at, id",
        AccountSort::UpdatedDescending => " order by updated_at desc, id desc",
    });
    sql.push(" limit ").push_bind(limit + 1);
    let rows: Vec<AccountSummary> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let total = match after {
        None => Some(count(tx, query).await?),
        Some(_) => None,
    };
    let place = |last: &AccountSummary| After {
        value: if sort.by_name() {
            last.sort_name.clone()
        } else {
            instant_text(last.updated_at)
        },
        id: last.id.0,
    };
    let mut slice = Slice::cut(rows, limit, place).with_total(total);
    let ids: Vec<_> = slice.items.iter().map(|account| account.id.0).collect();
    let mut marks = links::marks(tx, &ids).await?;
    let mut assignees = assignments::of_accounts(tx, &ids).await?;
    for account in &mut slice.items {
        account.marks = marks.remove(&account.id.0).unwrap_or_default();
        account.assignees = assignees.remove(&account.id.0).unwrap_or_default();
    }
    Ok(slice)
}

async fn count(tx: &mut Tx, query: &AccountQuery) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("select count(*) from accounts");
    filter(&mut sql, query);
    Ok(sql.build_query_scalar().fetch_one(tx.conn()).await?)
}

pub(crate) fn filter(sql: &mut QueryBuilder<Postgres>, query: &AccountQuery) {
    sql.push(" where removed_at is null");
    if let Some(q) = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        let pattern = contains_pattern(q);
        sql.push(" and (name ilike ").push_bind(pattern.clone());
        sql.push(" or website ilike ").push_bind(pattern.clone());
        sql.push(" or domain ilike ").push_bind(pattern).push(")");
    }
    let equal = [
        (" and industry = ", &query.industry),
        (" and tier = ", &query.tier),
        (" and type = ", &query.kind),
        (" and billing_country = ", &query.country),
    ];
    for (clause, value) in equal {
        if let Some(value) = value {
            sql.push(clause).push_bind(value.clone());
        }
    }
    if let Some(since) = query.updated_since {
        sql.push(" and updated_at >= ").push_bind(since);
    }
    if let Some(connection) = query.connection_id {
        sql.push(
            " and exists (select 1 from records where records.entity_id = accounts.id \
             and records.removed_at is null and records.connection_id = ",
        )
        .push_bind(connection.0)
        .push(")");
    }
    if let Some(ids) = &query.ids {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        sql.push(" and id = any(").push_bind(ids).push(")");
    }
    let held = "select from account_assignments a where a.account_id = accounts.id \
                and a.ended_at is null";
    match query.assigned {
        None => {}
        Some(Assigned::Nobody) => {
            sql.push(" and not exists (").push(held).push(")");
        }
        Some(Assigned::To(holder)) => {
            // From the holder's side: an account list is longer than anybody's.
            sql.push(
                " and id in (select a.account_id from account_assignments a \
                 where a.ended_at is null and coalesce(a.user_id, a.team_id, a.partner_id) = ",
            )
            .push_bind(holder.uuid())
            .push(")");
        }
    }
}
