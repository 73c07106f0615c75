use axum::Json;
use domain::permissions::needs::AuditRead;
use engine::store::audit::{self, Broken};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::hex;
use crate::caller::May;
use crate::error::ApiError;

/// Whether the trail is whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditVerification {
    /// Every entry follows the one before it, with its hash.
    whole: bool,
    /// How many entries were looked at; null where the chain is broken.
    entries: Option<i64>,
    /// Entries up to this number were taken away by retention; 0: none.
    pruned_until: Option<i64>,
    /// Entries that somebody who was erased was taken out of.
    redacted: Option<i64>,
    /// The last entry with its hash. Kept elsewhere, it shows later whether the end was cut off or
    /// all was rewritten.
    head: Option<AuditHead>,
    /// Where the chain does not hold.
    broken: Option<AuditBreak>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditHead {
    seq: i64,
    /// In hexadecimal digits.
    hash: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditBreak {
    seq: i64,
    /// missing, changed, unlinked or rewritten
    kind: &'static str,
}

/// Checks that nothing in the trail was changed
///
/// Walks all entries of the tenant, which takes a moment where there are many.
#[utoipa::path(
    get, path = "/audit/verification", operation_id = "verify_audit_entries", tag = "audit",
    responses((status = 200, description = "The answer, whole or not", body = AuditVerification)),
)]
pub(super) async fn verify(caller: May<AuditRead>) -> Result<Json<AuditVerification>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(match audit::verify(&mut tx, None).await? {
        Ok(verified) => AuditVerification {
            whole: true,
            entries: Some(verified.entries),
            pruned_until: Some(verified.from),
            redacted: Some(verified.redacted),
            head: verified.head.map(|head| AuditHead {
                seq: head.seq,
                hash: hex(&head.hash),
            }),
            broken: None,
        },
        Err(broken) => {
            tracing::error!(tenant.id = %tx.tenant(), %broken, "the audit trail is not whole");
            AuditVerification {
                whole: false,
                entries: None,
                pruned_until: None,
                redacted: None,
                head: None,
                broken: Some(shown(&broken)),
            }
        }
    }))
}

fn shown(broken: &Broken) -> AuditBreak {
    let (kind, seq) = match *broken {
        Broken::Missing(seq) => ("missing", seq),
        Broken::Changed(seq) => ("changed", seq),
        Broken::Unlinked(seq) => ("unlinked", seq),
        Broken::Rewritten(seq) => ("rewritten", seq),
    };
    AuditBreak { seq, kind }
}
