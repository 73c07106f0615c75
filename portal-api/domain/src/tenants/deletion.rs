//! Deleting a tenant: asked for by whoever runs the hub, agreed to by a second person where the tenant
//! wants that, held for a while, and then carried out until no table has a row of it.
//!
//! What carries it out is not a run: the tenant's runs and their journals are among what goes. The row of
//! the deletion is its memory instead. Each step is one transaction that destroys some rows and counts
//! them, so that a process that dies in it has done nothing, and any other goes on.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{TenantDeletionId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{Store, StoreError, SystemTx, Tx};
use serde_json::json;
use sqlx::types::Json;

use super::{pause, settings, unpause};

/// Days it is held unless somebody says otherwise.
pub const HOLD_DAYS: i32 = 30;
/// The longest it can be held, in days.
pub const LONGEST_HOLD: i32 = 365;
/// For so long it is looked for what came in behind a deletion that is done: a transaction that was under
/// way when it began.
const BEHIND: TimeDelta = TimeDelta::hours(1);
const BETWEEN_LOOKS: TimeDelta = TimeDelta::minutes(1);

/// A deletion, open or over.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub id: TenantDeletionId,
    pub tenant: TenantId,
    /// The tenant's, as it was then.
    pub name: String,
    pub reason: String,
    /// asked, approved, withdrawn, destroying or done
    pub state: String,
    pub hold_days: i32,
    pub asked_by: String,
    /// `None` where it was asked for on the command line.
    pub asked_by_id: Option<UserId>,
    pub asked_at: DateTime<Utc>,
    pub approved_by: Option<String>,
    pub approved_at: Option<DateTime<Utc>>,
    /// Until then it can be withdrawn; begins when it is agreed to.
    pub hold_until: Option<DateTime<Utc>>,
    pub withdrawn_by: Option<String>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    pub begun_at: Option<DateTime<Utc>>,
    pub done_at: Option<DateTime<Utc>>,
    /// How many rows of what were destroyed.
    pub counts: BTreeMap<String, u64>,
    /// Number and hash of the last entry of the tenant's audit trail.
    pub last_audit: Option<(i64, Vec<u8>)>,
}

/// Who asks, agrees or withdraws.
#[derive(Clone, Debug)]
pub struct By {
    pub name: String,
    /// `None` for the command line.
    pub id: Option<UserId>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The tenant's name, typed.
    pub confirm: String,
    pub reason: String,
    pub hold_days: i32,
}

/// Why a tenant is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this is not the name of the tenant: type it as it is")]
    NotConfirmed,
    #[error("a deletion is held for 0 to {LONGEST_HOLD} days")]
    Hold,
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: sqlx::types::Uuid,
    tenant: sqlx::types::Uuid,
    name: String,
    reason: String,
    state: String,
    hold_days: i32,
    asked_by: String,
    asked_by_id: Option<sqlx::types::Uuid>,
    asked_at: DateTime<Utc>,
    approved_by: Option<String>,
    approved_at: Option<DateTime<Utc>>,
    hold_until: Option<DateTime<Utc>>,
    withdrawn_by: Option<String>,
    withdrawn_at: Option<DateTime<Utc>>,
    begun_at: Option<DateTime<Utc>>,
    done_at: Option<DateTime<Utc>>,
    counts: Json<BTreeMap<String, u64>>,
    last_audit_seq: Option<i64>,
    last_audit_hash: Option<Vec<u8>>,
}

impl From<Row> for Deletion {
    fn from(row: Row) -> Self {
        Self {
            id: TenantDeletionId(row.id),
            tenant: TenantId(row.tenant),
            name: row.name,
            reason: row.reason,
            state: row.state,
            hold_days: row.hold_days,
            asked_by: row.asked_by,
            asked_by_id: row.asked_by_id.map(UserId),
            asked_at: row.asked_at,
            approved_by: row.approved_by,
            approved_at: row.approved_at,
            hold_until: row.hold_until,
            withdrawn_by: row.withdrawn_by,
            withdrawn_at: row.withdrawn_at,
            begun_at: row.begun_at,
            done_at: row.done_at,
            counts: row.counts.0,
            last_audit: row.last_audit_seq.zip(row.last_audit_hash),
        }
    }
}

/// All deletions there were, newest first: the log that outlives the tenants.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut SystemTx) -> Result<Vec<Deletion>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id, tenant, name, reason, state, hold_days, asked_by, asked_by_id, asked_at,
               approved_by, approved_at, hold_until, withdrawn_by, withdrawn_at, begun_at, done_at,
               counts as "counts: Json<BTreeMap<String, u64>>", last_audit_seq, last_audit_hash
        from tenant_deletions order by id desc
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Deletion::from).collect())
}

/// The newest deletion of a tenant, open or over.
///
/// # Errors
/// [`StoreError::NotFound`] where none was asked for.
pub async fn newest(tx: &mut SystemTx, tenant: TenantId) -> Result<Deletion, StoreError> {
    let all = list(tx).await?;
    let found = all.into_iter().find(|deletion| deletion.tenant == tenant);
    found.ok_or_else(|| StoreError::NotFound(format!("a deletion of tenant {tenant}")))
}

/// Asks for the transaction's tenant to be deleted, which closes it at once: nobody signs in, no run and
/// no schedule begins, its names and providers are unknown. Where the tenant asks for no second person it
/// counts as agreed to.
///
/// # Errors
/// [`Refusal`]; [`StoreError::Conflict`] where it was asked for already.
pub async fn ask(tx: &mut Tx, wish: &Wish, by: &By) -> Result<(), Refusal> {
    let (id, now) = (TenantDeletionId::fresh(), tx.now());
    if !(0..=LONGEST_HOLD).contains(&wish.hold_days) {
        return Err(Refusal::Hold);
    }
    let tenant = tx.tenant();
    let before = sqlx::query!("select name, state from tenants for update")
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("tenant {tenant}")))?;
    if before.state == "deleting" {
        return Err(StoreError::Conflict("this was asked for already".to_owned()).into());
    }
    if wish.confirm != before.name {
        return Err(Refusal::NotConfirmed);
    }
    sqlx::query!("update tenants set state = 'deleting', version = version + 1")
        .execute(tx.conn())
        .await?;
    if before.state == "active" {
        pause(tx, "the tenant is to be deleted").await?;
    }
    let needs_approval = settings::current(tx)
        .await?
        .settings
        .deletion_needs_approval;
    let (state, until) = if needs_approval {
        ("asked", None)
    } else {
        ("approved", Some(hold(now, wish.hold_days)))
    };
    sqlx::query!(
        "insert into tenant_deletions
             (id, tenant, name, reason, state, was_suspended, hold_days, asked_by, asked_by_id,
              asked_at, hold_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id.0,
        tenant.0,
        before.name,
        wish.reason,
        state,
        before.state == "suspended",
        wish.hold_days,
        by.name,
        by.id.map(|id| id.0),
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("ask_tenant_deletion", "tenant", tenant)
            .before(json!({"state": before.state}))
            .after(json!({
                "state": "deleting",
                "needs_approval": needs_approval,
                "hold_until": until,
            })),
    );
    tx.changed("tenant", tenant);
    Ok(())
}

fn hold(now: DateTime<Utc>, days: i32) -> DateTime<Utc> {
    now + TimeDelta::days(days.into())
}

/// Agrees to the deletion of the transaction's tenant, with which the hold begins.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for one's own, or one that waits for nobody.
pub async fn approve(tx: &mut Tx, by: &By) -> Result<(), StoreError> {
    let open = open(tx, &["asked"]).await?;
    if by.id.is_none() {
        let why = "a second person agrees by the interface, where it is seen who they are";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    if open.asked_by_id.is_some() && open.asked_by_id == by.id.map(|id| id.0) {
        let why = "somebody else has to approve what you asked for";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let now = tx.now();
    let until = hold(now, open.hold_days);
    sqlx::query!(
        "update tenant_deletions
         set state = 'approved', approved_by = $2, approved_by_id = $3, approved_at = $4,
             hold_until = $5
         where id = $1",
        open.id,
        by.name,
        by.id.map(|id| id.0),
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("approve_tenant_deletion", "tenant", tx.tenant())
            .before(json!({"state": "asked"}))
            .after(json!({"state": "approved", "hold_until": until})),
    );
    Ok(())
}

/// Lets the transaction's tenant live on, as it was before: possible until it is being destroyed.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] where it is too late.
pub async fn withdraw(tx: &mut Tx, by: &By) -> Result<(), StoreError> {
    let open = open(tx, &["asked", "approved"]).await?;
    let now = tx.now();
    sqlx::query!(
        "update tenant_deletions
         set state = 'withdrawn', withdrawn_by = $2, withdrawn_at = $3 where id = $1",
        open.id,
        by.name,
        now,
    )
    .execute(tx.conn())
    .await?;
    let state = if open.was_suspended {
        "suspended"
    } else {
        "active"
    };
    let was_ours = sqlx::query_scalar!(
        "update tenants set state = $1, version = version + 1 returning lane_paused",
        state
    )
    .fetch_one(tx.conn())
    .await?;
    if !open.was_suspended {
        unpause(tx, was_ours).await?;
    }
    tx.audit(
        Entry::new("withdraw_tenant_deletion", "tenant", tx.tenant())
            .before(json!({"state": "deleting"}))
            .after(json!({"state": state})),
    );
    tx.changed("tenant", tx.tenant());
    Ok(())
}

struct Open {
    id: sqlx::types::Uuid,
    state: String,
    was_suspended: bool,
    hold_days: i32,
    asked_by_id: Option<sqlx::types::Uuid>,
}

/// The open deletion of the transaction's tenant, held against others who decide.
async fn open(tx: &mut Tx, states: &[&str]) -> Result<Open, StoreError> {
    let tenant = tx.tenant();
    let found = sqlx::query_as!(
        Open,
        "select id, state, was_suspended, hold_days, asked_by_id from tenant_deletions
         order by id desc limit 1 for update"
    )
    .fetch_optional(tx.conn())
    .await?;
    let found =
        found.ok_or_else(|| StoreError::NotFound(format!("a deletion of tenant {tenant}")))?;
    if states.contains(&found.state.as_str()) {
        return Ok(found);
    }
    let state = found.state;
    Err(StoreError::Conflict(format!("this deletion is {state}")))
}

/// What one step of carrying out did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No deletion is due, or another process is at it.
    Nothing,
    /// The hold of one is over: it cannot be withdrawn any more.
    Begun(TenantId),
    /// So many rows are gone.
    Went(TenantId, u64),
    /// Nothing is left of the tenant.
    Done(TenantId),
}

/// Does one step of the oldest deletion that is due, `most` rows of it, in one transaction. Two processes
/// do not work at the same deletion.
///
/// # Errors
/// [`StoreError`].
pub async fn carry_out(store: &Store, most: i64) -> Result<Step, StoreError> {
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    let due = sqlx::query!(
        r#"
        select id, tenant as "tenant: TenantId", state,
               counts as "counts: Json<BTreeMap<String, u64>>"
        from tenant_deletions d
        where state = 'destroying'
           or state = 'approved' and hold_until <= $1
              -- What runs comes to the end of its step first: what it writes would stay.
              and not exists (select from runs r
                              where r.tenant_id = d.tenant and r.state = 'running')
           or state = 'done' and done_at > $2 and looked_at <= $3
        order by state = 'done', id
        limit 1
        for update skip locked
        "#,
        now,
        now - BEHIND,
        now - BETWEEN_LOOKS,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(due) = due else {
        return Ok(Step::Nothing);
    };
    let tenant = due.tenant;
    if due.state == "approved" {
        begin(&mut tx, due.id, tenant).await?;
        tx.commit().await?;
        return Ok(Step::Begun(tenant));
    }
    let gone = sqlx::query!(
        r#"select place as "place!", gone as "gone!" from destroy_tenant_rows($1, $2)"#,
        tenant.0,
        most,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut counts = due.counts.0;
    let mut sum = 0;
    for row in gone {
        let number = row.gone.unsigned_abs();
        sum += number;
        *counts.entry(row.place).or_default() += number;
    }
    let is_done = sum == 0;
    sqlx::query!(
        "update tenant_deletions
         set counts = $2, looked_at = $3,
             state = case when $4 then 'done' else state end,
             done_at = case when $4 then coalesce(done_at, $3) else done_at end
         where id = $1",
        due.id,
        Json(&counts) as _,
        now,
        is_done,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(match (due.state.as_str(), is_done) {
        ("done", true) => Step::Nothing,
        (_, true) => Step::Done(tenant),
        (_, false) => Step::Went(tenant, sum),
    })
}

/// Notes where the audit trail ends, and that there is no way back.
async fn begin(
    tx: &mut SystemTx,
    id: sqlx::types::Uuid,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update tenant_deletions
         set state = 'destroying', begun_at = $3, last_audit_seq = last.seq,
             last_audit_hash = last.hash
         from (select null) as one
         left join lateral (
             (select seq, hash from audit_entries where tenant_id = $2 order by seq desc limit 1)
             union all
             select seq, hash from audit_anchors where tenant_id = $2
             order by seq desc limit 1
         ) as last on true
         where id = $1",
        id,
        tenant.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
