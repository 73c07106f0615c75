//! The records an entity is linked with, and how each came to it.

use chrono::{DateTime, Utc};
use engine::catalogue::Catalogue;
use engine::ids::{EntityId, UserId};
use engine::store::link_events::{self, EventRow};
use engine::store::links::{self, LinkRow};
use engine::{StoreError, Tx};

use crate::matches::{EvidenceView, tell};
use crate::{show, users};

/// A record that is an entity.
#[derive(Clone, Debug)]
pub struct LinkView {
    pub row: LinkRow,
    /// `None` where it was read first, or made from here.
    pub reason: Option<ReasonView>,
}

/// What a link rests on.
#[derive(Clone, Debug)]
pub struct ReasonView {
    pub at: DateTime<Utc>,
    /// The entity it was linked with before, as shown.
    pub from: Option<String>,
    /// Name of the person who said so.
    pub by: Option<String>,
    pub score: Option<i32>,
    pub evidence: Vec<EvidenceView>,
}

/// The records of an entity, oldest link first, removed ones included.
///
/// # Errors
/// [`StoreError`].
pub async fn of_entity(
    tx: &mut Tx,
    catalogue: &Catalogue,
    kind: &str,
    id: EntityId,
) -> Result<Vec<LinkView>, StoreError> {
    let rows = links::of_entity(tx, id).await?;
    let events = link_events::of_entity(tx, id).await?;
    let people: Vec<UserId> = events.iter().filter_map(|event| event.user).collect();
    let people = users::names(tx, &people).await?;
    let reason = |event: &EventRow| ReasonView {
        at: event.at,
        from: event.from.map(|from| show::id(kind, from)),
        by: event.user.and_then(|by| people.get(&by).cloned()),
        score: event.score,
        evidence: tell(Some(catalogue), &event.evidence),
    };
    let view = |row: LinkRow| {
        let is_of = |event: &&EventRow| {
            let place = (event.connection_id, &event.stream, &event.key);
            event.entity_id == id && place == (row.connection_id, &row.stream, &row.key)
        };
        // The newest comes first.
        let reason = events.iter().find(is_of).map(reason);
        LinkView { row, reason }
    };
    Ok(rows.into_iter().map(view).collect())
}
