//! Contacts in lists: filters, orders, pages.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use engine::ids::{AccountId, ConnectionId, ContactId};
use engine::store::keyset::{After, Slice, contains_pattern, instant, instant_text};
use engine::store::links::{self, Marks};
use engine::{StoreError, Tx};
use sqlx::{FromRow, Postgres, QueryBuilder};

/// Which contacts a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct ContactQuery {
    /// Part of the name or the e-mail address.
    pub q: Option<String>,
    pub account_id: Option<AccountId>,
    /// Linked with a record of this connection.
    pub connection_id: Option<ConnectionId>,
    pub updated_since: Option<DateTime<Utc>>,
}

/// What a list of contacts is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactSort {
    #[default]
    LastName,
    LastNameDescending,
    Updated,
    UpdatedDescending,
}

impl ContactSort {
    const ALL: [Self; 4] = [
        Self::LastName,
        Self::LastNameDescending,
        Self::Updated,
        Self::UpdatedDescending,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastName => "last_name",
            Self::LastNameDescending => "-last_name",
            Self::Updated => "updated_at",
            Self::UpdatedDescending => "-updated_at",
        }
    }

    fn is_descending(self) -> bool {
        matches!(self, Self::LastNameDescending | Self::UpdatedDescending)
    }

    fn by_name(self) -> bool {
        matches!(self, Self::LastName | Self::LastNameDescending)
    }
}

impl FromStr for ContactSort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.as_str() == text)
            .ok_or_else(|| {
                "sort must be last_name, -last_name, updated_at or -updated_at".to_owned()
            })
    }
}

/// A contact in a list.
#[derive(Clone, Debug)]
pub struct ContactSummary {
    pub id: ContactId,
    pub version: i64,
    pub first_name: Option<String>,
    pub last_name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub mobile: Option<String>,
    pub title: Option<String>,
    pub department: Option<String>,
    /// With its name.
    pub account: Option<(AccountId, String)>,
    pub is_primary: Option<bool>,
    pub updated_at: DateTime<Utc>,
    pub marks: Marks,
}

#[derive(FromRow)]
struct Row {
    id: ContactId,
    version: i64,
    first_name: Option<String>,
    last_name: String,
    email: Option<String>,
    phone: Option<String>,
    mobile: Option<String>,
    title: Option<String>,
    department: Option<String>,
    account: Option<AccountId>,
    account_name: Option<String>,
    is_primary: Option<bool>,
    updated_at: DateTime<Utc>,
    /// By Postgres' rules of lower case, which need not be ours.
    sort_name: String,
}

/// A page of contacts; the total is counted for the first page only.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    query: &ContactQuery,
    sort: ContactSort,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<ContactSummary>, StoreError> {
    let mut sql = QueryBuilder::new(
        "select id, version, first_name, last_name, email, phone, mobile, title, department, \
         account, (select a.name from accounts a where a.id = contacts.account \
         and a.removed_at is null) as account_name, is_primary, updated_at, \
         lower(last_name) as sort_name from contacts",
    );
    filter(&mut sql, query);
    if let Some(after) = after {
        let beyond = if sort.is_descending() { "<" } else { ">" };
        let columns = if sort.by_name() {
            " and (lower(last_name), id) "
        } else {
            " and (updated_at, id) "
        };
        sql.push(columns).push(beyond).push(" (");
        if sort.by_name() {
            sql.push_bind(after.value.clone());
        } else {
            sql.push_bind(instant(&after.value)?);
        }
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(match sort {
        ContactSort::LastName => " order by lower(last_name), id",
        ContactSort::LastNameDescending => " order by lower(last_name) desc, id desc",
        ContactSort::Updated => " order by updated_at, id",
        ContactSort::UpdatedDescending => " order by updated_at desc, id desc",
    });
    sql.push(" limit ").push_bind(limit + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let total = match after {
        None => Some(count(tx, query).await?),
        Some(_) => None,
    };
    let place = |last: &Row| After {
        value: if sort.by_name() {
            last.sort_name.clone()
        } else {
            instant_text(last.updated_at)
        },
        id: last.id.0,
    };
    let slice = Slice::cut(rows, limit, place);
    let ids: Vec<_> = slice.items.iter().map(|row| row.id.0).collect();
    let mut marks = links::marks(tx, &ids).await?;
    let items = slice.items.into_iter().map(|row| ContactSummary {
        marks: marks.remove(&row.id.0).unwrap_or_default(),
        id: row.id,
        version: row.version,
        first_name: row.first_name,
        last_name: row.last_name,
        email: row.email,
        phone: row.phone,
        mobile: row.mobile,
        title: row.title,
        department: row.department,
        account: row.account.zip(row.account_name),
        is_primary: row.is_primary,
        updated_at: row.updated_at,
    });
    Ok(Slice {
        items: items.collect(),
        next: slice.next,
        total,
    })
}

async fn count(tx: &mut Tx, query: &ContactQuery) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("select count(*) from contacts");
    filter(&mut sql, query);
    Ok(sql.build_query_scalar().fetch_one(tx.conn()).await?)
}

fn filter(sql: &mut QueryBuilder<Postgres>, query: &ContactQuery) {
    sql.push(" where removed_at is null");
    if let Some(q) = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        let pattern = contains_pattern(q);
        sql.push(" and (concat_ws(' ', first_name, last_name) ilike ")
            .push_bind(pattern.clone());
        sql.push(" or email ilike ").push_bind(pattern).push(")");
    }
    if let Some(account) = query.account_id {
        sql.push(" and account = ").push_bind(account.0);
    }
    if let Some(since) = query.updated_since {
        sql.push(" and updated_at >= ").push_bind(since);
    }
    if let Some(connection) = query.connection_id {
        sql.push(
            " and exists (select 1 from records where records.entity_id = contacts.id \
             and records.removed_at is null and records.connection_id = ",
        )
        .push_bind(connection.0)
        .push(")");
    }
}
