//! What a tenant asks for before a mapping is put in force.

use super::{StoreError, Tx};
use crate::ids::UserId;

/// What a tenant asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingRules {
    pub needs_preview: bool,
    pub needs_approval: bool,
    /// Percent of a stream's records that may have moved between a preview and publishing by it.
    pub stale_percent: i32,
    /// Who asked that approvals are needed no more. It counts once somebody else asks it too: who is
    /// bound by the rule does not take it away alone.
    pub release_asked_by: Option<UserId>,
    /// Zero where nobody has set anything yet.
    pub version: i64,
}

impl Default for MappingRules {
    fn default() -> Self {
        Self {
            needs_preview: false,
            needs_approval: false,
            stale_percent: 5,
            release_asked_by: None,
            version: 0,
        }
    }
}

/// The tenant's rules, or the default ones.
///
/// # Errors
/// [`StoreError`].
pub async fn get(tx: &mut Tx) -> Result<MappingRules, StoreError> {
    let rules = sqlx::query_as!(
        MappingRules,
        r#"select needs_preview, needs_approval, stale_percent,
                  release_asked_by as "release_asked_by: UserId", version
           from mapping_rules"#
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(rules.unwrap_or_default())
}

/// Sets the rules over the version that the caller read. Whether approvals are needed no more is asked
/// by two; after the first the rule stands and says who asked.
///
/// # Errors
/// [`StoreError::Stale`].
pub async fn put(tx: &mut Tx, rules: &MappingRules, by: UserId) -> Result<(), StoreError> {
    let now = tx.now();
    let put = sqlx::query!(
        "insert into mapping_rules
             (needs_preview, needs_approval, stale_percent, updated_at, updated_by)
         select $1, $2, $3, $4, $5
         where $6::bigint = 0 or exists (select from mapping_rules)
         on conflict (tenant_id) do update
         set needs_preview = excluded.needs_preview,
             needs_approval = excluded.needs_approval
                 or (mapping_rules.needs_approval
                     and coalesce(mapping_rules.release_asked_by, $5) = $5),
             release_asked_by = case
                 when mapping_rules.needs_approval and not excluded.needs_approval
                      and coalesce(mapping_rules.release_asked_by, $5) = $5
                 then $5
             end,
             stale_percent = excluded.stale_percent, updated_at = excluded.updated_at,
             updated_by = excluded.updated_by, version = mapping_rules.version + 1
         where mapping_rules.version = $6",
        rules.needs_preview,
        rules.needs_approval,
        rules.stale_percent,
        now,
        by.0,
        rules.version,
    )
    .execute(tx.conn())
    .await?;
    if put.rows_affected() == 0 {
        return Err(StoreError::Stale("rules for mappings".to_owned()));
    }
    Ok(())
}
