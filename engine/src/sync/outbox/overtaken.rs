//! Looks that another read of the same record has overtaken.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use connector_sdk::Record;

use crate::ids::ConnectionId;
use crate::store::writes::Seen;
use crate::store::{StoreError, Tx, records};

/// Takes records out that were read by somebody else, and stored, since they were asked for at
/// `asked_at`, unless their stamp says that they are newer: stamps may tell no more than the second,
/// so that of two with the same either may be the older one. Those that were written to since then go
/// whatever their stamp says, as the answer to that need not have told one. With them goes what was to
/// be written to them, which stays due and is looked at anew. Returns the writes that remain.
///
/// # Errors
/// [`StoreError`].
pub async fn drop_overtaken(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    asked_at: DateTime<Utc>,
    seen: Vec<(Seen, Option<String>)>,
    looked_at: &mut Vec<Record>,
) -> Result<Vec<Seen>, StoreError> {
    let keys: Vec<String> = looked_at.iter().map(|record| record.key.clone()).collect();
    let linked = if keys.is_empty() {
        Default::default()
    } else {
        records::by_keys(tx, connection, stream, &keys).await?
    };
    let is_overtaken = |record: &Record| {
        linked.get(&record.key).is_some_and(|known| {
            let stamps = record.changed_at.zip(known.remote_changed_at);
            known.seen_at > asked_at && stamps.is_none_or(|(this, seen)| this <= seen)
                || known.written_at.is_some_and(|written| written > asked_at)
        })
    };
    let overtaken: HashSet<String> = looked_at
        .extract_if(.., |record| is_overtaken(record))
        .map(|record| record.key)
        .collect();
    let remaining = seen
        .into_iter()
        .filter(|(_, key)| key.as_ref().is_none_or(|key| !overtaken.contains(key)));
    Ok(remaining.map(|(seen, _)| seen).collect())
}
