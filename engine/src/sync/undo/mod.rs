//! Undoing a run: values that are still as the run left them go back to what they were before and
//! are owed to every linked system; what somebody changed since stays, with the reason.
//!
//! [`look`] says what [`apply`] would do, by the same code. Both walk over what the run did in parts,
//! so that a run of any size can be undone, and a repeated part finds everything as before.

mod carry_out;
mod decide;
mod item;
mod parts;
mod start;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::decide::Source;
use self::parts::parts;

pub use self::item::{Act, Counts, Item, ItemField};
pub use self::start::{UNDO_WORKFLOW, UndoInput, start};
use super::context::SyncError;
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, EntityId, RunId, UserId, WriteId};
use crate::store::Tx;

/// A run that is over and is to be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing {
    pub run: RunId,
    /// The stream it worked on, if it did.
    pub source: Option<(ConnectionId, String)>,
    /// From its first activation …
    pub from: DateTime<Utc>,
    /// … to its end.
    pub to: DateTime<Utc>,
}

impl Undoing {
    fn source(&self) -> Source<'_> {
        let (connection, stream) = self.source.as_ref()?;
        Some((*connection, stream))
    }
}

/// Where the walk over what a run did stands: after entities that it changed come writes that it
/// sent, then records of which it made entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what", content = "after")]
pub enum Place {
    Changed(EntityId),
    Sent(WriteId),
    Made(String),
}

impl Default for Place {
    fn default() -> Self {
        Self::Changed(EntityId(uuid::Uuid::nil()))
    }
}

/// Part of what an undo would do.
#[derive(Clone, Debug)]
pub struct Looked {
    pub items: Vec<Item>,
    pub counts: Counts,
    /// Where to look on; `None` when all was looked at.
    pub next: Option<Place>,
}

/// Part of an undo, done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Undone {
    pub counts: Counts,
    pub next: Option<Place>,
    /// Streams that now have writes pending: somebody should push them.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Says what undoing would do from `place` on, looking at `limit` things the run did. Rows of the
/// entities are locked until the transaction ends.
///
/// # Errors
/// [`SyncError`].
pub async fn look(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    limit: i64,
) -> Result<Looked, SyncError> {
    let (parts, next) = parts(tx, tables, undoing, place, limit).await?;
    let items: Vec<Item> = parts.into_iter().flat_map(|part| part.items).collect();
    Ok(Looked {
        counts: Counts::of(&items),
        items,
        next,
    })
}

/// Undoes what [`look`] says, as a run and on behalf of a person.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    limit: i64,
    by: (RunId, UserId),
) -> Result<Undone, SyncError> {
    let (parts, next) = parts(tx, tables, undoing, place, limit).await?;
    let mut undone = Undone {
        next,
        ..Undone::default()
    };
    for part in parts {
        undone.counts.add(&Counts::of(&part.items));
        undone.owed.extend(part.carry_out(tx, undoing, by).await?);
    }
    Ok(undone)
}
