//! What accounts and contacts have in common: links, where values come from, what happened.

pub(crate) mod past;
pub(crate) mod provenance;
pub(crate) mod removal;
pub(crate) mod timeline;

use chrono::{DateTime, Utc};
use domain::links::{LinkView, ReasonView};
use domain::matches::EvidenceView;
use engine::ids::ConnectionId;
use engine::likeness::Agreement;
use engine::store::audit::MASK;
use engine::store::links::RowLink;
use serde::Serialize;
use utoipa::ToSchema;

/// The record in a system that is this entity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    key: String,
    /// The record's page in its system, where that is known.
    url: Option<String>,
    linked_at: DateTime<Utc>,
    /// How they were found to be the same: first_read, written, hub_id, strong_key, person, merge,
    /// conversion.
    method: String,
    /// What the link rests on; null where the record was read first, or made from here.
    reason: Option<LinkReason>,
    seen_at: DateTime<Utc>,
    removed_at: Option<DateTime<Utc>>,
}

/// What a link rests on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkReason {
    at: DateTime<Utc>,
    /// What the record was linked with before.
    from: Option<String>,
    /// Name of the person who said so.
    by: Option<String>,
    /// Sum of the weights.
    score: Option<i32>,
    evidence: Vec<LinkEvidence>,
}

/// What one field said when a record was compared with what is here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkEvidence {
    field: String,
    label: String,
    #[schema(value_type = Value)]
    here: serde_json::Value,
    #[schema(value_type = Value)]
    there: serde_json::Value,
    #[schema(value_type = LinkAgreement)]
    agreement: Agreement,
    /// About the logarithm, to the base 2, of how much likelier it makes them the same.
    weight: i32,
    /// In words.
    sentence: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of agreements")]
pub(crate) enum LinkAgreement {
    Same,
    Close,
    Apart,
}

impl From<EvidenceView> for LinkEvidence {
    fn from(evidence: EvidenceView) -> Self {
        Self {
            field: evidence.field,
            label: evidence.label,
            here: evidence.here,
            there: evidence.there,
            agreement: evidence.agreement,
            weight: evidence.weight,
            sentence: evidence.sentence,
        }
    }
}

impl From<ReasonView> for LinkReason {
    fn from(reason: ReasonView) -> Self {
        Self {
            at: reason.at,
            from: reason.from,
            by: reason.by,
            score: reason.score,
            evidence: reason
                .evidence
                .into_iter()
                .map(LinkEvidence::from)
                .collect(),
        }
    }
}

impl From<LinkView> for Link {
    fn from(link: LinkView) -> Self {
        let row = link.row;
        Self {
            reason: link.reason.map(LinkReason::from),
            connection_id: row.connection_id,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            key: row.key,
            url: None,
            linked_at: row.linked_at,
            method: row.method,
            seen_at: row.seen_at,
            removed_at: row.removed_at,
        }
    }
}

/// A link in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShortLink {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    system: String,
    key: String,
}

impl From<RowLink> for ShortLink {
    fn from(link: RowLink) -> Self {
        Self {
            connection_id: link.connection_id,
            system: link.system,
            key: link.key,
        }
    }
}

/// Some fields of an entity, for the audit trail: that of a person was changed is noted, not to what,
/// for entries stay when the person is forgotten.
pub(super) fn some_fields(
    detail: &domain::entities::Detail,
    names: &[String],
) -> serde_json::Value {
    names
        .iter()
        .filter_map(|name| {
            let value = detail.fields.get(name)?;
            let is_masked = detail.personal.contains(name) && !value.is_null();
            let value = if is_masked {
                MASK.into()
            } else {
                value.clone()
            };
            Some((name.clone(), value))
        })
        .collect()
}
