//! Holding a fresh description of a stream against the one that its mapping was made for.

use connector_sdk::Described;

use super::context::SyncError;
use crate::drift::{Drift, Proposal, drifts, propose};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, RunId};
use crate::mapping::Mapping;
use crate::store::drifts as store;
use crate::store::{StoreError, Tx, mappings, plans, streams};

/// What a description changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Fields that stand still from now on.
    pub opened: u64,
    /// Fields that are again as they were before they stood still: what was held back of them is to be
    /// mapped.
    pub recovered: u64,
}

/// Takes a description over, and lets the fields stand still whose change touches the mapping. The
/// same description again costs one look.
///
/// # Errors
/// [`SyncError`].
pub async fn compare(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    described: &Described,
    run: Option<RunId>,
) -> Result<Compared, SyncError> {
    let known = store::known(tx, connection, stream).await?;
    let Some((before, mark)) = known else {
        return Ok(Compared::default());
    };
    if mark.as_ref() == Some(&described.mark) {
        return Ok(Compared::default());
    }
    let text = mappings::in_force(tx, connection, stream).await?;
    let mut compared = Compared::default();
    if let (Some(before), Some(text)) = (before, text) {
        let mapping = parse(stream, &text)?;
        let kind = tables.kind(&mapping.entity)?;
        let catalogue = plans::catalogue(tx, &kind).await?;
        let open = store::open(tx, connection, stream).await?;
        let is_back = |drift: &Drift| {
            let mut fields = described.stream.fields.iter();
            fields.find(|field| field.name == drift.field) == drift.before.as_ref()
        };
        let recovered: Vec<String> = open
            .into_iter()
            .filter(|row| is_back(&row.drift))
            .map(|row| row.drift.field)
            .collect();
        let mut found = drifts(&before, &described.stream, &mapping, &catalogue);
        found.retain(|drift| !recovered.contains(&drift.field));
        if !recovered.is_empty() {
            let ended = store::end(tx, connection, stream, Some(&recovered), None).await?;
            compared.recovered = ended;
        }
        store::note(tx, connection, stream, run, &found).await?;
        compared.opened = found.len() as u64;
        for drift in &found {
            tracing::warn!(
                stream,
                field = drift.field,
                kind = drift.kind.as_str(),
                "the system describes a field otherwise than its mapping expects: it stands still"
            );
        }
    }
    store::keep(tx, connection, stream, Some(described)).await?;
    if compared != Compared::default() {
        tx.changed("connection", connection);
    }
    Ok(compared)
}

/// A mapping was put in force: it answers every change of the description there is.
///
/// # Errors
/// [`StoreError`].
pub async fn decided(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    by: crate::ids::PublicationId,
) -> Result<u64, StoreError> {
    let decided = store::end(tx, connection, stream, None, Some(by)).await?;
    if decided > 0 {
        store::keep(tx, connection, stream, None).await?;
        tx.changed("connection", connection);
    }
    Ok(decided)
}

/// A text that answers the open drifts of a stream; `None` where there are none.
///
/// # Errors
/// [`SyncError`]; [`StoreError::NotFound`] for a stream that is not set up.
pub async fn proposal(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<Proposal>, SyncError> {
    let described = streams::description(tx, connection, stream).await?;
    let text = mappings::in_force(tx, connection, stream).await?;
    let (Some(described), Some(text)) = (described, text) else {
        return Ok(None);
    };
    let open: Vec<Drift> = store::open(tx, connection, stream)
        .await?
        .into_iter()
        .map(|row| row.drift)
        .collect();
    if open.is_empty() {
        return Ok(None);
    }
    let kind = tables.kind(&parse(stream, &text)?.entity)?;
    let catalogue = plans::catalogue(tx, &kind).await?;
    Ok(Some(propose(&text, &open, &described, &catalogue)))
}

fn parse(stream: &str, text: &str) -> Result<Mapping, StoreError> {
    Mapping::parse(text).map_err(|errors| {
        StoreError::corrupt(format!("published mapping of {stream}"), errors.to_string())
    })
}
