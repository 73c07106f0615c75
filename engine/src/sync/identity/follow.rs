//! Records that became one over there: what is linked with the loser's entity goes to the winner's.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::relink::{Mover, Place, Wish, move_link};
use super::{converted, join};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::store::link_events::Method;
use crate::store::runs::{self, NewRun, StartOptions};
use crate::store::{StoreError, Tx, links, matches, plans, records};
use crate::sync::context::{Neighbourhood, SyncError};
use crate::sync::sweep;

/// The workflow that follows a merge. Its code lives with the other workflows.
pub const FOLLOW_WORKFLOW: &str = "follow_merge";

/// How long the record that stays is waited for, each time: it may come with a later page, or by another
/// stream, or what is under way about it has to come to its end.
pub const FOLLOW_WAITS: [Duration; 6] = [
    Duration::from_secs(2),
    Duration::from_secs(30),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(6),
    Duration::from_hours(24),
];

/// Input of [`FOLLOW_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowInput {
    pub connection: ConnectionId,
    /// Where the record is that stays.
    pub stream: String,
    pub key: String,
    /// Whose record went into it.
    pub entity: String,
    pub loser: EntityId,
    /// Whether it is in another stream than the one that went.
    #[serde(default)]
    pub is_conversion: bool,
}

impl FollowInput {
    pub fn key(&self) -> String {
        format!("follow/{}", self.loser)
    }
}

/// How far following a merge came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Records whose links went over.
    pub moved: Vec<Place>,
    /// Those whose links did not: the winner has a record of its own there.
    pub kept: Vec<Place>,
    /// The winner was not read yet, or a write is under way: to be tried again.
    pub is_early: bool,
    /// Nothing is left of the loser.
    pub is_joined: bool,
    /// Other streams that now have writes pending.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Starts following a merge in the transaction that learned of it.
///
/// # Errors
/// [`StoreError`].
pub async fn start_follow(tx: &mut Tx, input: &FollowInput) -> Result<(), StoreError> {
    let options = StartOptions {
        key: Some(input.key()),
        priority: 10,
        trigger: "merge".to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    runs::start(tx, NewRun::named(FOLLOW_WORKFLOW, input, options)?).await?;
    Ok(())
}

/// Moves the links of the loser's entity to the winner's, but for those that the winner has of its own,
/// and joins the entity into the winner's where none is left. Repeating it changes nothing. A winner that
/// was not read yet is asked for. `is_last`: it is not tried again; an entity without any record then
/// goes as one whose record was deleted.
///
/// # Errors
/// [`SyncError`].
pub async fn follow(
    tx: &mut Tx,
    tables: &CoreTables,
    run: RunId,
    input: &FollowInput,
    is_last: bool,
) -> Result<Followed, SyncError> {
    let mut followed = Followed::default();
    matches::in_turn(tx, &input.entity).await?;
    let around = Neighbourhood::of(tx, tables, &input.entity, None).await?;
    let (connection, stream) = (input.connection, input.stream.as_str());
    let keys = [input.key.clone()];
    let there = records::targets(tx, connection, stream, &keys).await?;
    let mut both = vec![input.loser];
    both.extend(there.get(&input.key));
    // All rows of their records before the two, as pages take them.
    records::take_all(tx, &both).await?;
    let mut entities = around.kind.load(tx, &both).await?;
    entities.retain(|one| one.removed_at.is_none());
    let is_here = |id: EntityId| move |one: &Entity| one.id == id;
    let Some(place) = entities.iter().position(is_here(input.loser)) else {
        return Ok(followed);
    };
    let there = records::targets(tx, connection, stream, &keys).await?;
    // One that was removed here meanwhile is about to go over there, or comes back.
    let winner = there.get(&input.key);
    let winner = winner.filter(|id| entities.iter().any(is_here(**id)));
    let mut loser = entities.swap_remove(place);
    let Some(&winner) = winner else {
        followed.is_early = true;
        let is_bare = records::links(tx, &[loser.id]).await?.is_empty();
        if !is_last && plans::of_stream(tx, connection, stream).await?.is_some() {
            sweep::ask_for(tx, (connection, stream), run, keys.into(), "merge").await?;
        }
        if is_last && is_bare {
            loser.removed_at = Some(tx.now());
            join::remove(tx, &around, loser).await?;
        }
        return Ok(followed);
    };
    if winner == input.loser {
        return Ok(followed);
    }
    let mover = Mover {
        method: if input.is_conversion {
            Method::Conversion
        } else {
            Method::Merge
        },
        by: None,
        note: None,
    };
    // The answer to a write would link a record with an entity that is gone by then.
    if links::is_being_written(tx, input.loser, None).await? {
        followed.is_early = true;
        return Ok(followed);
    }
    if input.is_conversion {
        let carried = converted::carry_over(tx, &around, input.connection, &loser, winner).await?;
        followed.owed.extend(carried);
    }
    for link in records::links(tx, &[input.loser]).await? {
        let place = Place {
            connection: link.connection,
            stream: link.stream,
            key: link.key,
        };
        let (connection, stream) = (place.connection, place.stream.as_str());
        let there = records::by_entities(tx, connection, stream, &[winner]).await?;
        let is_given = links::is_being_written(tx, winner, Some((connection, stream))).await?;
        if is_given && !there.contains_key(&winner) {
            followed.is_early = true;
            continue;
        }
        if there.contains_key(&winner) {
            followed.kept.push(place);
            continue;
        }
        let wish = Wish {
            from: input.loser,
            to: Some(winner),
        };
        let moved = move_link(tx, tables, &place, wish, mover).await?;
        followed.moved.push(place);
        followed.is_joined |= moved.joined.is_some();
        followed.owed.extend(moved.applied.owed);
    }
    if !followed.is_joined && records::links(tx, &[input.loser]).await?.is_empty() {
        let both = (input.loser, winner);
        let (_, owed) = join::join(tx, tables, &around, both, None).await?;
        followed.owed.extend(owed);
        followed.is_joined = true;
    }
    Ok(followed)
}
