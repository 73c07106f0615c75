//! Links that people move: a record is another entity than it was taken for.

use std::collections::BTreeMap;

use engine::Tx;
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId, UserId};
use engine::store::{StoreError, connections, links, matches, plans};
use engine::sync::identity::{self, Place, Relinked};
use engine::sync::{SyncError, outbox};

use crate::entities::Refusal;
use crate::previews::{Shown, Teller};
use crate::show;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    pub place: Place,
    /// What it is linked with now.
    pub from: EntityId,
    /// `None`: one of its own.
    pub to: Option<EntityId>,
    /// The version of `to` that was looked at; `None`: whatever it is.
    pub to_version: Option<i64>,
    pub note: Option<String>,
}

/// What moving a link does, or would do.
#[derive(Clone, Debug)]
pub struct Moved {
    /// As shown: `acc_…`; `None` for one that would be made.
    pub to: Option<String>,
    /// Before anything was moved; of the entity it goes to.
    pub to_version: Option<i64>,
    /// What becomes of the record's values.
    pub record: Option<Shown>,
    /// What goes over from the entity that is left without a record.
    pub joined: Option<JoinedView>,
    /// Streams that are owed writes because of it.
    pub owed: Vec<OwedView>,
}

/// What goes over from an entity to the one that it is. Fields by their label.
#[derive(Clone, Debug)]
pub struct JoinedView {
    pub filled: Vec<String>,
    pub kept: Vec<String>,
    /// By kind, what pointed at it and points at the other.
    pub moved: BTreeMap<&'static str, u64>,
}

/// A stream that is owed writes.
#[derive(Clone, Debug)]
pub struct OwedView {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    /// Records there that would be given values.
    pub writes: u64,
}

/// What moving a link would do. It is done: the caller must not commit.
///
/// # Errors
/// As [`carry_out`].
pub async fn preview(
    tx: &mut Tx,
    tables: &CoreTables,
    wish: &Wish,
    user: UserId,
) -> Result<Moved, Refusal> {
    Ok(relink(tx, tables, wish, user).await?.0)
}

/// Moves a link, and starts what that owes.
///
/// # Errors
/// [`Refusal`]; [`Refusal::Stale`] where the record is not linked with `from` any more, or `to` is not at
/// the version that was looked at; [`StoreError::Conflict`] where `to` has another record there.
pub async fn carry_out(
    tx: &mut Tx,
    tables: &CoreTables,
    wish: &Wish,
    user: UserId,
) -> Result<Moved, Refusal> {
    let (moved, done, kind) = relink(tx, tables, wish, user).await?;
    outbox::start_pushes(tx, &done.applied.owed, "relink").await?;
    for id in [wish.from, done.entity] {
        tx.changed(&kind, show::id(&kind, id));
    }
    Ok(moved)
}

async fn relink(
    tx: &mut Tx,
    tables: &CoreTables,
    wish: &Wish,
    user: UserId,
) -> Result<(Moved, Relinked, String), Refusal> {
    let place = &wish.place;
    let (connection, stream) = (place.connection, place.stream.as_str());
    if tx.scoped_to().is_some() {
        // Whoever does not see all entities does not see whose it may be.
        let missing = format!("record {} of {stream}", place.key);
        return Err(StoreError::NotFound(missing).into());
    }
    let Some(plan) = plans::of_stream(tx, connection, stream).await? else {
        // Unless there is no such record.
        links::take(tx, connection, stream, &place.key).await?;
        let stream = stream.to_owned();
        return Err(SyncError::NotEnabled { stream }.into());
    };
    let kind = tables.kind(&plan.entity)?;
    // In the order in which they are taken to move it: a page might wait crosswise.
    matches::in_turn(tx, kind.name).await?;
    links::take(tx, connection, stream, &place.key).await?;
    let mut to_version = None;
    if let Some(to) = wish.to {
        let both = kind.load(tx, &[wish.from, to]).await?;
        let target = both.into_iter().find(|one| one.id == to);
        to_version = target.map(|target| target.version);
        if wish.to_version.is_some() && wish.to_version != to_version {
            return Err(Refusal::Stale);
        }
    }
    let note = wish.note.as_deref().map(str::trim);
    let note = note.filter(|note| !note.is_empty());
    let asked = identity::Wish {
        from: wish.from,
        to: wish.to,
    };
    let done = identity::relink(tx, tables, place, asked, note, user).await?;
    let catalogue = plans::catalogue(tx, &kind).await?;
    let peer = connections::get(tx, connection).await?.name;
    let teller = Teller {
        peer: &peer,
        kind: kind.name,
        catalogue: &catalogue,
    };
    let labels = |names: &std::collections::BTreeSet<String>| {
        names.iter().map(|name| teller.label(name)).collect()
    };
    let joined = done.joined.as_ref().map(|joined| JoinedView {
        filled: labels(&joined.filled),
        kept: labels(&joined.kept),
        moved: joined.moved.clone(),
    });
    let outcome = done.outcome.clone();
    let record = outcome.map(|outcome| teller.tell(0, false, wish.to, outcome));
    let owed = links::owed_by_this(tx).await?;
    let owing: Vec<ConnectionId> = owed.keys().map(|(id, _)| *id).collect();
    let names = connections::names(tx, &owing).await?;
    let owed = owed.into_iter().map(|((id, stream), writes)| OwedView {
        connection_id: id,
        connection_name: names.get(&id).cloned().unwrap_or_default(),
        stream,
        writes,
    });
    let moved = Moved {
        to: wish.to.map(|id| show::id(kind.name, id)),
        to_version,
        record,
        joined,
        owed: owed.collect(),
    };
    Ok((moved, done, kind.name.to_owned()))
}
