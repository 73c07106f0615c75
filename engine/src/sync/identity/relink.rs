//! Links that are moved: a record is another entity than it was taken for.

use connector_sdk::Change;
use serde::{Deserialize, Serialize};

use super::join::{self, Joined};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, EntityId, UserId};
use crate::outcomes::Outcome;
use crate::store::link_events::{self, Made, Method};
use crate::store::links::{self, Linked};
use crate::store::matches::{self, Moved};
use crate::store::writes::{self, Cause, Intent, Op};
use crate::store::{StoreError, Tx, plans, records};
use crate::sync::context::{Neighbourhood, SyncError};
use crate::sync::page::{self, Applied, Origin, Page, Watch};

const UNDER_WAY: &str = "a write is under way; try again when it is answered";

/// A record of a connected system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub connection: ConnectionId,
    pub stream: String,
    pub key: String,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The entity the record was linked with when the wish was made.
    pub from: EntityId,
    /// `None`: one of its own.
    pub to: Option<EntityId>,
}

/// What moving a link did, or would do.
#[derive(Debug)]
pub struct Relinked {
    pub entity: EntityId,
    pub applied: Applied,
    /// What of the entity it was linked with went over to the other, where nothing was left of it.
    pub joined: Option<Joined>,
    /// What became of the record's values.
    pub outcome: Option<Outcome>,
}

/// Who moves a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mover<'a> {
    pub(super) method: Method,
    pub(super) by: Option<UserId>,
    pub(super) note: Option<&'a str>,
}

/// Moves a record's link on behalf of a person. What was agreed with the entity it is taken from is
/// not agreed with the other: their values meet as at first contact. An entity that is left without a
/// record is joined into the other, and what pointed at it points there.
///
/// # Errors
/// [`StoreError::NotFound`] for a record that is not linked or a `to` that is not there;
/// [`SyncError::Stale`] when it is not linked with `from` any more; [`StoreError::Conflict`] where `to`
/// has another record in the stream, or a write is under way that its answer would link.
pub async fn relink(
    tx: &mut Tx,
    tables: &CoreTables,
    place: &Place,
    wish: Wish,
    note: Option<&str>,
    by: UserId,
) -> Result<Relinked, SyncError> {
    let mover = Mover {
        method: Method::Person,
        by: Some(by),
        note,
    };
    move_link(tx, tables, place, wish, mover).await
}

/// What [`relink`] would do. Everything is done, and is undone with the transaction, which the caller
/// must not commit.
///
/// # Errors
/// As [`relink`].
pub async fn preview(
    tx: &mut Tx,
    tables: &CoreTables,
    place: &Place,
    wish: Wish,
    by: UserId,
) -> Result<Relinked, SyncError> {
    relink(tx, tables, place, wish, None, by).await
}

pub(super) async fn move_link(
    tx: &mut Tx,
    tables: &CoreTables,
    place: &Place,
    wish: Wish,
    mover: Mover<'_>,
) -> Result<Relinked, SyncError> {
    let (connection, stream) = (place.connection, place.stream.as_str());
    let Some(plan) = plans::of_stream(tx, connection, stream).await? else {
        return Err(SyncError::NotEnabled {
            stream: stream.to_owned(),
        });
    };
    // Before any row is taken, and rows of records before entities, as pages take them.
    matches::in_turn(tx, &plan.entity).await?;
    let linked = links::take(tx, connection, stream, &place.key).await?;
    if linked.entity_id != wish.from {
        return Err(SyncError::Stale {
            entity: format!("the link of {}", place.key),
        });
    }
    if let Some(to) = wish.to {
        let both = (Some(wish.from), to);
        check_target(tx, tables, &linked.entity, both, (connection, stream)).await?;
    }
    // Its answer would link a record with an entity that may be gone by then.
    if links::is_being_written(tx, wish.from, None).await? {
        return Err(StoreError::Conflict(UNDER_WAY.to_owned()).into());
    }
    let moved = Moved {
        connection,
        stream,
        entity: &linked.entity,
        run: linked.run,
        record: &linked.record,
        to: wish.to,
        from: wish.from,
        base: (mover.method != Method::Person).then_some(&linked.base),
        method: mover.method,
        by: mover.by,
        note: mover.note,
    };
    matches::move_to(tx, moved).await?;
    let known = links::release(tx, connection, stream, (&place.key, wish.from)).await?;
    let Linked {
        entity: kind,
        record,
        run,
        ..
    } = linked;
    let named = plan.hub_id_field();
    let named = named.and_then(|_| page::named(&plan.mapping, &record.fields));
    let page = Page {
        connection,
        stream: stream.to_owned(),
        run,
        changes: vec![Change::Upsert(record)].into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let (mut applied, watch) = page::apply_told(tx, tables, page, Watch::default()).await?;
    let keys = [place.key.clone()];
    let now = records::by_keys(tx, connection, stream, &keys).await?;
    let Some(now) = now.get(&place.key) else {
        // The mapping's condition leaves it out by now: it may go, but nowhere.
        let why = "the mapping does not take the record any more";
        return Err(StoreError::Conflict(why.to_owned()).into());
    };
    let entity = now.entity_id;
    links::keep(tx, connection, stream, &place.key, known).await?;
    if named.is_some_and(|named| named != entity) {
        // What it is known by over there is written over, though nothing else may be owed to it.
        let rename = Intent {
            connection,
            stream: stream.to_owned(),
            entity: tables.kind(&kind)?.name,
            entity_id: entity,
            op: Op::Upsert,
            fields: Vec::new(),
        };
        let cause = Cause {
            run: None,
            user: mover.by,
        };
        writes::enqueue(tx, &[rename], cause).await?;
        applied.owed.insert((connection, stream.to_owned()));
    }
    if wish.to.is_none() {
        let made = Made {
            key: place.key.clone(),
            entity_id: entity,
            from: Some(wish.from),
            method: mover.method,
            evidence: Vec::new(),
            score: None,
            by: mover.by,
        };
        link_events::note(tx, (connection, stream), &kind, Some(run), &[made]).await?;
    }
    let mut joined = None;
    if let Some(to) = wish.to
        && records::links(tx, &[wish.from]).await?.is_empty()
    {
        let around = Neighbourhood::of(tx, tables, &kind, None).await?;
        let (done, owed) = join::join(tx, tables, &around, (wish.from, to), mover.by).await?;
        applied.owed.extend(owed);
        joined = Some(done);
    }
    Ok(Relinked {
        entity,
        applied,
        joined,
        outcome: watch.outcomes.into_iter().next(),
    })
}

/// Whether a record can be linked with an entity: it has to be there, without another record in the
/// stream or one that is being made. Takes it, and with it the one that the record is taken from: one
/// after the other they might meet a page that takes them in its order.
pub(super) async fn check_target(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    (from, id): (Option<EntityId>, EntityId),
    (connection, stream): (ConnectionId, &str),
) -> Result<(), StoreError> {
    let kind = tables.kind(kind)?;
    let ids: Vec<EntityId> = from.into_iter().chain([id]).collect();
    let mut entities = kind.load(tx, &ids).await?.into_iter();
    let entity = entities.find(|entity| entity.id == id);
    if entity.is_none_or(|entity| entity.removed_at.is_some()) {
        return Err(StoreError::NotFound(kind.shown(id)));
    }
    let links = records::links(tx, &[id]).await?;
    let is_there = |link: &records::Link| link.connection == connection && link.stream == stream;
    if links.iter().any(is_there) {
        let why = format!("the {} has another record there", kind.name);
        return Err(StoreError::Conflict(why));
    }
    if links::is_being_written(tx, id, Some((connection, stream))).await? {
        return Err(StoreError::Conflict(UNDER_WAY.to_owned()));
    }
    Ok(())
}
