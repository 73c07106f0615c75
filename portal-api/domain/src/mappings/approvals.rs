//! A second person's word on a version, bound to the text that person saw.

use engine::ids::{MappingApprovalId, UserId};
use engine::store::mapping_approvals;
use engine::store::mappings::{self, MappingRow};
use engine::{StoreError, Tx};
use sha2::{Digest, Sha256};

use crate::users;

/// SHA-256 of a mapping's text, in hexadecimal digits: what an approval names.
pub fn text_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks for a second person's word on a draft.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for a version that is no draft, or was asked
/// about already.
pub async fn ask_approval(
    tx: &mut Tx,
    row: &MappingRow,
    version: i32,
    note: Option<&str>,
    by: UserId,
) -> Result<MappingApprovalId, StoreError> {
    let draft = mappings::version(tx, row.id, version).await?;
    if draft.state != "draft" {
        let message = format!("version {version} is no draft: it is {}", draft.state);
        return Err(StoreError::Conflict(message));
    }
    let hash = Sha256::digest(draft.body.as_bytes());
    let id = mapping_approvals::ask(tx, row.id, version, &hash, note, by).await?;
    tx.changed("mapping", row.id);
    Ok(id)
}

/// Answers for a second person, who names the text that was seen.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for who asked or wrote it, an answer that comes
/// late or twice, and another text.
pub async fn decide_approval(
    tx: &mut Tx,
    row: &MappingRow,
    id: MappingApprovalId,
    seen: &str,
    approve: bool,
    answer: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let refuse = |message: String| Err(StoreError::Conflict(message));
    let asked = mapping_approvals::take(tx, row.id, id).await?;
    let version = mappings::version(tx, row.id, asked.version).await?;
    if asked.state != "open" {
        let by = match asked.decided_by {
            Some(id) => users::names(tx, &[id]).await?.remove(&id),
            None => None,
        };
        let by = by.unwrap_or_else(|| "somebody".to_owned());
        let at = asked.decided_at.map_or_else(String::new, |at| {
            format!(" on {}", at.format("%Y-%m-%d at %H:%M UTC"))
        });
        return refuse(format!("it was {} already by {by}{at}", asked.state));
    }
    if version.state != "draft" {
        let message = format!(
            "too late: version {} is {} by now",
            asked.version, version.state
        );
        return refuse(message);
    }
    if version.author == Some(by) || asked.asked_by == by {
        return refuse("a second person has to answer: you wrote it or asked for it".to_owned());
    }
    if text_hash(&version.body) != seen {
        let message = format!(
            "the text is another than the one seen: read version {} again",
            asked.version
        );
        return refuse(message);
    }
    mapping_approvals::decide(tx, id, approve, answer, by).await?;
    tx.changed("mapping", row.id);
    Ok(())
}
