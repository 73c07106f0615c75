//! What runs ask people for: changes beyond a cap.

use std::collections::HashMap;

use engine::entity::CoreTables;
use engine::ids::{ApprovalId, ConnectionId, RunId, UserId};
use engine::store::approvals::{self, ApprovalRow, Kind};
use engine::store::caps::{self, Caps};
use engine::store::changes::FieldChange as Stored;
use engine::store::keyset::{After, Slice};
use engine::store::withheld::{self, WithheldRow};
use engine::store::{plans, streams};
use engine::sync::approve;
use engine::{StoreError, Tx};
use serde::Deserialize as _;

use crate::timeline::FieldChange;
use crate::{show, users};

/// An approval as it is shown.
#[derive(Clone, Debug)]
pub struct Approval {
    pub row: ApprovalRow,
    pub sentence: String,
    pub decided_by: Option<String>,
}

/// A withheld change as it is shown.
#[derive(Clone, Debug)]
pub struct Withheld {
    pub row: WithheldRow,
    /// With the prefix of its kind.
    pub entity_id: Option<String>,
    pub changes: Vec<FieldChange>,
}

/// A page of approvals, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    is_open: Option<bool>,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Approval>, StoreError> {
    let slice = approvals::list(tx, is_open, limit, after).await?;
    let people: Vec<UserId> = slice
        .items
        .iter()
        .filter_map(|row| row.decided_by)
        .collect();
    let people = users::names(tx, &people).await?;
    let items = slice.items.into_iter().map(|row| tell(row, &people));
    Ok(Slice {
        items: items.collect(),
        next: slice.next,
        total: None,
    })
}

/// One approval.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ApprovalId) -> Result<Approval, StoreError> {
    let row = approvals::get(tx, id).await?;
    let people: Vec<UserId> = row.decided_by.into_iter().collect();
    let people = users::names(tx, &people).await?;
    Ok(tell(row, &people))
}

fn tell(row: ApprovalRow, people: &HashMap<UserId, String>) -> Approval {
    Approval {
        sentence: sentence(&row),
        decided_by: row.decided_by.and_then(|by| people.get(&by).cloned()),
        row,
    }
}

/// What is asked, in one sentence.
fn sentence(row: &ApprovalRow) -> String {
    let (open, stream, peer) = (row.open, &row.stream, &row.connection_name);
    let records = if open == 1 { "record" } else { "records" };
    match row.kind {
        Kind::Delete => {
            format!("{open} {records} of {stream} are gone in {peer}: remove them here?")
        }
        Kind::Overwrite => {
            format!(
                "{open} {records} of {stream} in {peer} would write over values here: let them?"
            )
        }
        Kind::Create => format!("{open} new {records} of {stream} in {peer}: take them over?"),
    }
}

/// What an approval is about, oldest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn records(
    tx: &mut Tx,
    tables: &CoreTables,
    id: ApprovalId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Withheld>, StoreError> {
    approvals::get(tx, id).await?;
    let slice = withheld::list(tx, id, limit, after).await?;
    let mut catalogues = HashMap::new();
    for row in &slice.items {
        if !catalogues.contains_key(&row.entity) {
            let catalogue = plans::catalogue(tx, &tables.kind(&row.entity)?).await?;
            catalogues.insert(row.entity.clone(), catalogue);
        }
    }
    let mut items = Vec::with_capacity(slice.items.len());
    for row in slice.items {
        let stored = row.fields.as_ref().map(Vec::<Stored>::deserialize);
        let stored = stored
            .transpose()
            .map_err(|error| StoreError::corrupt("fields of a withheld change", error))?;
        let changes = stored.unwrap_or_default().into_iter().map(|change| {
            let field = catalogues[&row.entity].field(&change.field);
            FieldChange {
                label: field.map_or_else(|| change.field.clone(), |field| field.label.clone()),
                old: show::value(field, &change.old),
                new: show::value(field, &change.new),
                field: change.field,
            }
        });
        items.push(Withheld {
            changes: changes.collect(),
            entity_id: row.entity_id.map(|id| show::id(&row.entity, id)),
            row,
        });
    }
    Ok(Slice {
        items,
        next: slice.next,
        total: None,
    })
}

/// Agrees to at most so many changes; the run that is returned reads each record again and applies what
/// is there by then.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for an approval that was decided already, for one
/// with nothing left, and for a ceiling of nothing.
pub async fn approve(
    tx: &mut Tx,
    id: ApprovalId,
    ceiling: u64,
    user: UserId,
) -> Result<RunId, StoreError> {
    let row = approvals::take(tx, id).await?;
    if row.open == 0 {
        let message = "there is nothing to approve any more: nothing is withheld for it";
        return Err(StoreError::Conflict(message.to_owned()));
    }
    let run = approve::start(tx, &row, ceiling, user).await?;
    approvals::approve(tx, id, ceiling, user, run).await?;
    Ok(run)
}

/// Declines: what is withheld is dropped, the core stays as it is.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for an approval that was decided already.
pub async fn decline(
    tx: &mut Tx,
    id: ApprovalId,
    user: UserId,
    note: Option<&str>,
) -> Result<(), StoreError> {
    approvals::take(tx, id).await?;
    approvals::decline(tx, id, user, note).await
}

/// The caps of a stream with their version; 0 while they are the defaults.
///
/// # Errors
/// [`StoreError::NotFound`] for a stream that is not set up.
pub async fn caps(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<(Caps, i64), StoreError> {
    streams::get(tx, connection, stream).await?;
    caps::get(tx, connection, stream).await
}

/// Sets the caps of a stream.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn set_caps(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    wanted: &Caps,
    version: i64,
) -> Result<i64, StoreError> {
    streams::get(tx, connection, stream).await?;
    caps::put(tx, connection, stream, wanted, version).await
}
