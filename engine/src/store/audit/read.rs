//! Reading the trail: lists, the check of the chain, and retention.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{Entry, Stored, redact};
use crate::ids::TenantId;
use crate::store::{StoreError, SystemTx, Tx};

/// Which entries; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub actor: Option<Uuid>,
    pub action: Option<String>,
    pub subject_kind: Option<String>,
    pub subject_id: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// An entry as it is stored.
#[derive(Clone, Debug, FromRow)]
pub struct AuditRow {
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub address: Option<String>,
    pub request: Option<String>,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: String,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

/// Entries, newest first, with numbers under `before`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    tx: &mut Tx,
    query: &AuditQuery,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(
        "select seq, at, actor_kind, actor_id, actor_name, address, request, action, subject_kind, \
         subject_id, before, after, previous_hash, hash from audit_entries where true",
    );
    if let Some(before) = before {
        sql.push(" and seq < ").push_bind(before);
    }
    if let Some(actor) = query.actor {
        sql.push(" and actor_id = ").push_bind(actor);
    }
    let texts = [
        (" and action = ", &query.action),
        (" and subject_kind = ", &query.subject_kind),
        (" and subject_id = ", &query.subject_id),
    ];
    for (clause, value) in texts {
        if let Some(value) = value {
            sql.push(clause).push_bind(value.clone());
        }
    }
    if let Some(since) = query.since {
        sql.push(" and at >= ").push_bind(since);
    }
    if let Some(until) = query.until {
        sql.push(" and at < ").push_bind(until);
    }
    sql.push(" order by seq desc limit ").push_bind(limit);
    Ok(sql.build_query_as().fetch_all(tx.conn()).await?)
}

/// The end of a chain; kept elsewhere it proves that nothing before it was changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: i64,
    pub hash: Vec<u8>,
}

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub entries: i64,
    /// The number before the first entry; over 0 where retention took away what was before.
    pub from: i64,
    /// Entries that an erased person was taken out of; what they hold now is as it was noted then.
    pub redacted: i64,
    /// `None` where nothing was ever noted.
    pub head: Option<Head>,
}

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("entry {0} is missing")]
    Missing(i64),
    #[error("entry {0} was changed: its content does not have its hash")]
    Changed(i64),
    #[error("entry {0} does not follow the one before it")]
    Unlinked(i64),
    #[error("entry {0} does not have the hash that was kept of it")]
    Rewritten(i64),
}

/// Entries read at a time.
const PAGE: i64 = 1000;

/// Walks the whole chain of the tenant. With `kept`, a head noted earlier, also sees a chain that
/// was rewritten from some point on, and one whose end was cut off.
///
/// # Errors
/// [`StoreError::Database`]; a broken chain is an answer.
pub async fn verify(
    tx: &mut Tx,
    kept: Option<&Head>,
) -> Result<Result<Verified, Broken>, StoreError> {
    let anchor = sqlx::query!("select seq, hash from audit_anchors")
        .fetch_optional(tx.conn())
        .await?;
    let (from, mut previous) = anchor.map_or_else(|| (0, Vec::new()), |row| (row.seq, row.hash));
    let tenant = tx.tenant().0;
    let mut seq = from;
    let noted = redact::noted(tx).await?;
    let mut redacted = 0;
    loop {
        let rows = after(tx, seq).await?;
        for row in &rows {
            seq += 1;
            match check(row, seq, tenant, &previous, kept, &noted) {
                Ok(is_redacted) => redacted += i64::from(is_redacted),
                Err(broken) => return Ok(Err(broken)),
            }
            previous.clone_from(&row.hash);
        }
        if (rows.len() as i64) < PAGE {
            break;
        }
    }
    if let Some(kept) = kept
        && kept.seq > seq
    {
        return Ok(Err(Broken::Missing(seq + 1)));
    }
    Ok(Ok(Verified {
        entries: seq - from,
        from,
        redacted,
        head: (seq > 0).then_some(Head {
            seq,
            hash: previous,
        }),
    }))
}

async fn after(tx: &mut Tx, seq: i64) -> Result<Vec<AuditRow>, StoreError> {
    Ok(sqlx::query_as!(
        AuditRow,
        "select seq, at, actor_kind, actor_id, actor_name, address, request, action, subject_kind,
                subject_id, before, after, previous_hash, hash
         from audit_entries where seq > $1 order by seq limit $2",
        seq,
        PAGE,
    )
    .fetch_all(tx.conn())
    .await?)
}

fn check(
    row: &AuditRow,
    expected: i64,
    tenant: Uuid,
    previous: &[u8],
    kept: Option<&Head>,
    noted: &HashMap<i64, String>,
) -> Result<bool, Broken> {
    if row.seq != expected {
        return Err(Broken::Missing(expected));
    }
    if row.previous_hash != previous {
        return Err(Broken::Unlinked(row.seq));
    }
    let hash = row.stored().hash(tenant, previous);
    let is_redacted = hash != row.hash;
    if is_redacted && noted.get(&row.seq) != Some(&redact::hex(&hash)) {
        return Err(Broken::Changed(row.seq));
    }
    match kept {
        Some(kept) if kept.seq == row.seq && kept.hash != row.hash => {
            Err(Broken::Rewritten(row.seq))
        }
        _ => Ok(is_redacted),
    }
}

impl AuditRow {
    pub(super) fn stored(&self) -> Stored<'_> {
        Stored {
            seq: self.seq,
            at: self.at,
            actor_kind: &self.actor_kind,
            actor_id: self.actor_id,
            actor_name: &self.actor_name,
            address: self.address.as_deref(),
            request: self.request.as_deref(),
            action: &self.action,
            subject_kind: &self.subject_kind,
            subject_id: &self.subject_id,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
        }
    }
}

/// Takes away the entries of a tenant from before `cut`, never the last one nor any of the last 30
/// days; how many. The tenant's chain goes on from there, and says so.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn prune(
    system: &mut SystemTx,
    tenant: TenantId,
    cut: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let gone = sqlx::query_scalar!(r#"select prune_audit($1, $2) as "gone!""#, tenant.0, cut)
        .fetch_one(system.conn())
        .await?;
    Ok(gone)
}

impl Entry {
    /// The entry of an attempt to get more than one has.
    pub fn refused(action: &str, subject_kind: &str, subject_id: impl std::fmt::Display) -> Self {
        Self::new(&format!("refused:{action}"), subject_kind, subject_id)
    }
}
