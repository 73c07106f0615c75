//! Takes away what is older than a tenant keeps it, part by part, the audit trail included, and counts
//! anew what the tenant uses.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::retention::{self, RETENTION_WORKFLOW};
use domain::security;
use engine::Tx;
use engine::runtime::{Run, RunError, Step, StepCx, StepError, TxStep, Workflow};
use engine::store::audit::{self, Entry};
use serde_json::json;

/// Rows of a kind that go in one transaction.
const PART: i64 = 5_000;

/// See the module.
pub struct ApplyRetention;

impl Workflow for ApplyRetention {
    const NAME: &'static str = RETENTION_WORKFLOW;
    type Input = serde_json::Value;
    /// How many rows of what are gone.
    type Output = BTreeMap<String, u64>;

    fn key(_input: &serde_json::Value) -> Option<String> {
        Some("retention".to_owned())
    }

    async fn run(
        cx: &mut Run,
        _input: serde_json::Value,
    ) -> Result<BTreeMap<String, u64>, RunError> {
        let mut total = BTreeMap::new();
        for number in 0_u64.. {
            let gone = cx.tx(TakeAway { number }).await?;
            if gone.is_empty() {
                break;
            }
            for (kind, rows) in gone {
                *total.entry(kind).or_default() += rows;
            }
        }
        let entries = cx.step(PruneAudit).await?;
        if entries > 0 {
            total.insert("audit".to_owned(), entries);
        }
        cx.tx(Recount).await?;
        Ok(total)
    }
}

struct TakeAway {
    number: u64,
}

impl TxStep for TakeAway {
    const NAME: &'static str = "take_away";
    type Output = BTreeMap<String, u64>;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<Self::Output, StepError> {
        Ok(retention::take_away(tx, PART).await?)
    }
}

/// Entries go by a function that only the hub itself may call. Done again it finds nothing more.
struct PruneAudit;

impl Step for PruneAudit {
    const NAME: &'static str = "prune_audit";
    type Output = u64;

    async fn run(&self, cx: &StepCx) -> Result<u64, StepError> {
        let mut tx = cx.begin().await?;
        let Some(days) = security::current(&mut tx).await?.policy.audit_days else {
            return Ok(0);
        };
        let cut = tx.now() - TimeDelta::days(days.into());
        drop(tx);
        let mut system = cx.begin_system().await?;
        let gone = audit::prune(&mut system, cx.tenant(), cut).await?;
        system.commit().await?;
        if gone > 0 {
            let mut tx = cx.begin().await?;
            let entry = Entry::new("prune_audit", "audit", "");
            tx.audit(entry.after(json!({"entries": gone, "before": cut})));
            tx.commit().await?;
        }
        Ok(gone.unsigned_abs())
    }
}

struct Recount;

impl TxStep for Recount {
    const NAME: &'static str = "recount";
    type Output = i64;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<i64, StepError> {
        Ok(retention::recount(tx).await?)
    }
}
