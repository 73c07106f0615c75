//! `admin audit`: whether the trail is whole, and its retention.

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use domain::{security, tenants};
use engine::Store;
use engine::ids::TenantId;
use engine::store::audit::{self, Entry, Head};

use super::{begin, one_tenant};
use crate::cli::AuditCommand;
use crate::terminal::say;

pub(super) async fn run(store: &Store, command: AuditCommand) -> Result<()> {
    match command {
        AuditCommand::Verify { tenant, expect } => verify(store, tenant, expect.as_deref()).await,
        AuditCommand::Prune => prune(store).await,
    }
}

async fn verify(store: &Store, tenant: Option<TenantId>, expect: Option<&str>) -> Result<()> {
    let kept = expect.map(read_head).transpose()?;
    let mut system = store.begin_system().await?;
    let tenants = match tenant {
        Some(tenant) => vec![one_tenant(&mut system, Some(tenant)).await?],
        None => tenants::list(&mut system).await?,
    };
    drop(system);
    let mut broken = 0;
    for tenant in tenants {
        let mut tx = store.begin(tenant).await?;
        match audit::verify(&mut tx, kept.as_ref()).await? {
            Ok(whole) => {
                let head = whole
                    .head
                    .map_or_else(String::new, |head| format!(", up to {}", show_head(&head)));
                say(&format!(
                    "{tenant}: {} entries are whole{head}",
                    whole.entries
                ))?;
            }
            Err(why) => {
                broken += 1;
                say(&format!("{tenant}: {why}"))?;
            }
        }
    }
    if broken > 0 {
        bail!("the audit trail of {broken} tenants is not whole");
    }
    Ok(())
}

async fn prune(store: &Store) -> Result<()> {
    let mut system = store.begin_system().await?;
    let tenants = tenants::list(&mut system).await?;
    drop(system);
    for tenant in tenants {
        let mut tx = begin(store, tenant).await?;
        let Some(days) = security::current(&mut tx).await?.policy.audit_days else {
            continue;
        };
        let cut = tx.now() - TimeDelta::days(days.into());
        drop(tx);
        let mut system = store.begin_system().await?;
        let gone = audit::prune(&mut system, tenant, cut).await?;
        system.commit().await?;
        if gone > 0 {
            let mut tx = begin(store, tenant).await?;
            let entry = Entry::new("prune_audit", "audit", "");
            tx.audit(entry.after(serde_json::json!({"entries": gone, "before": cut})));
            tx.commit().await?;
        }
        say(&format!(
            "{tenant}: {gone} entries older than {days} days are gone"
        ))?;
    }
    Ok(())
}

fn show_head(head: &Head) -> String {
    let digits: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:{digits}", head.seq)
}

/// `12:8f3c…`, as [`verify`] prints it.
fn read_head(text: &str) -> Result<Head> {
    let (seq, digits) = text.split_once(':').context("expected is SEQ:HASH")?;
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    let hash: Option<Vec<u8>> = bytes.collect();
    Ok(Head {
        seq: seq.parse().context("the number before the : is none")?,
        hash: hash
            .filter(|hash| hash.len() == 32)
            .context("the hash has 64 hexadecimal digits")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_what_it_shows() {
        let head = Head {
            seq: 12,
            hash: (0..32).collect(),
        };
        assert_eq!(read_head(&show_head(&head)).unwrap(), head);
        for bad in ["", "12", "x:00", "12:0", "12:zz", "12:äöü"] {
            assert!(read_head(bad).is_err(), "{bad}");
        }
    }
}
