//! Whose a record is: what a key names, what only looks like it, what people say, what becomes one.

use std::time::Duration;

use anyhow::Result;
use connector_sdk::{Removal, Value};
use engine::ids::EntityId;
use engine::sync::identity::{Place, Wish};
use engine::sync::{edit, outbox};

use super::{DESCRIPTION, PHONE, plain};
use crate::world::peer::NAME;
use crate::world::plan::{Habits, Names};
use crate::world::server::Server;
use crate::world::{STREAM, World};

fn named(names: Names) -> Habits {
    Habits { names, ..plain() }
}

async fn world(server: &Server, names: Names) -> Result<World<'_>> {
    World::with(server, &[named(names), named(names)], None).await
}

const ASKED: &str = "select count(*) from matches where tenant_id = $1 and state = 'open'";
const ENTITIES: &str = "select count(*) from accounts where tenant_id = $1 and removed_at is null";

impl World<'_> {
    /// A record of this name and number, as a person makes it.
    fn makes(&self, peer: usize, name: &str, phone: &str) -> String {
        let values = vec![(NAME, Value::from(name)), (PHONE, phone.into())];
        self.peers[peer].state().create(values)
    }

    fn place(&self, peer: usize, key: &str) -> Place {
        Place {
            connection: self.connections[peer],
            stream: STREAM.to_owned(),
            key: key.to_owned(),
        }
    }

    /// A person makes an entity of this name in the hub.
    async fn makes_here(&mut self, name: &str) -> Result<EntityId> {
        let mut tx = self.begin().await?;
        let fields = crate::world::named(&[(NAME, name.into())]);
        let (tables, user) = (&self.server.tables, self.user);
        let made = edit::create(&mut tx, tables, "account", fields, user).await?;
        outbox::start_pushes(&mut tx, &made.owed, "edit").await?;
        tx.commit().await?;
        self.heard_of(made.entity.id);
        Ok(made.entity.id)
    }

    async fn moves(&mut self, peer: usize, key: &str, to: Option<EntityId>) -> Result<()> {
        let from = self.linked(peer, key).await?.id;
        let place = self.place(peer, key);
        self.relink_to(&place, Wish { from, to }).await?;
        self.drain().await
    }
}

#[tokio::test]
async fn a_record_with_the_key_of_an_entity_is_that_entity() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Entity).await?;
    let one = world.makes(0, "t1x set", "5550001");
    let other = world.makes(1, "T1X Set ", "5550001");
    world.read_all(0).await?;
    world.read_all(1).await?;
    let (here, there) = (world.linked(0, &one).await?, world.linked(1, &other).await?);
    assert_eq!(here.id, there.id);
    let events = "select count(*) from link_events where tenant_id = $1 and method = 'strong_key'
                  and score = 12 and evidence -> 0 ->> 'field' = 'name'";
    assert_eq!(world.count(events).await?, 1);
    // What one side sets reaches the other.
    world.sets_there(0, &one, DESCRIPTION, "t2x set");
    world.read_all(0).await?;
    assert_eq!(world.there(1, &other, DESCRIPTION), "t2x set".into());
    world.rests().await
}

#[tokio::test]
async fn a_key_that_two_have_is_a_question_and_makes_nothing() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Entity).await?;
    world.makes(0, "t1x set", "5550001");
    world.makes(0, "t1x set", "5550002");
    world.read_all(0).await?;
    let other = world.makes(1, "t1x set", "5550003");
    world.read_all(1).await?;
    assert_eq!(
        (world.count(ASKED).await?, world.count(ENTITIES).await?),
        (1, 2)
    );
    assert!(world.linked(1, &other).await.is_err());
    // Read again and changed, it is one question still, about what is there by now.
    world.sets_there(1, &other, PHONE, "5550004");
    world.read_all(1).await?;
    let newest =
        "select count(*) from matches where tenant_id = $1 and raw ->> 'Phone' = '5550004'";
    assert_eq!(
        (world.count(ASKED).await?, world.count(newest).await?),
        (1, 1)
    );
    world.decide(0, 1).await?;
    world.drain().await?;
    assert_eq!(
        (world.count(ASKED).await?, world.count(ENTITIES).await?),
        (0, 3)
    );
    // What was said holds when everything is read again.
    world.pull(1, true);
    world.drain().await?;
    assert_eq!(world.count(ASKED).await?, 0);
    world.rests().await
}

#[tokio::test]
async fn what_looks_alike_waits_and_nothing_is_created_beside_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Question).await?;
    let held = world.makes(1, "t1x set", "5550001");
    let first = world.makes(0, "t1x set", "5550002");
    world.read_all(0).await?;
    world.read_all(1).await?;
    assert_eq!(world.count(ASKED).await?, 1);
    // The one that was read is not made over there while that is open, though somebody asks for it.
    let written = world.written(1);
    let owed = "select count(*) from writes where tenant_id = $1 and state = 'pending'";
    let made = world.makes_here("t1x set").await?;
    world.drain().await?;
    assert_eq!((world.written(1), world.count(owed).await?), (written, 1));
    let entity = world.linked(0, &first).await?;
    world.decide(0, 0).await?;
    assert_eq!(world.linked(1, &held).await?.id, entity.id);
    world.pass(Duration::from_secs(60));
    world.round().await?;
    assert_eq!(
        world.written(1),
        written + 1,
        "{made:?} is made once that is answered"
    );
    let by = "select count(*) from link_events where tenant_id = $1 and method = 'person'
              and user_id is not null";
    assert_eq!(world.count(by).await?, 1);
    world.rests().await
}

#[tokio::test]
async fn a_link_that_was_wrong_is_moved_and_nothing_is_lost() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Entity).await?;
    let one = world.makes(0, "t1x set", "5550001");
    let other = world.makes(1, "t1x set", "5550009");
    world.read_all(0).await?;
    world.read_all(1).await?;
    let entity = world.linked(0, &one).await?.id;
    world.moves(1, &other, None).await?;
    let own = world.linked(1, &other).await?.id;
    assert_ne!(own, entity);
    // And back: the entity without a record goes into the other, its values with it or into history.
    world.sets(own, DESCRIPTION, "t7x set").await?;
    world.drain().await?;
    world.moves(1, &other, Some(entity)).await?;
    assert_eq!(world.linked(1, &other).await?.id, entity);
    assert!(world.entity(own).await?.removed_at.is_some());
    assert_eq!(world.here(entity, DESCRIPTION).await?, "t7x set".into());
    world.rests().await
}

#[tokio::test]
async fn what_is_linked_with_a_record_that_went_into_another_goes_with_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Entity).await?;
    let loser = world.makes(0, "t1x set", "5550001");
    let winner = world.makes(0, "t2x set", "5550002");
    let other = world.makes(1, "t1x set", "5550001");
    world.read_all(0).await?;
    world.read_all(1).await?;
    let (gone, stays) = (
        world.linked(0, &loser).await?.id,
        world.linked(0, &winner).await?.id,
    );
    world.sets(gone, DESCRIPTION, "t7x set").await?;
    let how = Removal::MergedInto {
        key: winner.clone(),
    };
    world.peers[0].state().remove(&loser, how);
    world.read_all(0).await?;
    world.drain().await?;
    assert_eq!(world.linked(1, &other).await?.id, stays);
    assert!(world.entity(gone).await?.removed_at.is_some());
    // The other system is given the name that stays, and what only the one that went had is kept.
    assert_eq!(world.there(1, &other, NAME), "t2x set".into());
    assert_eq!(world.here(stays, DESCRIPTION).await?, "t7x set".into());
    world.rests().await
}

#[tokio::test]
async fn where_both_have_a_record_the_one_that_is_left_stays_with_its_own() -> Result<()> {
    let server = Server::new().await?;
    let mut world = world(&server, Names::Entity).await?;
    let (loser, winner) = (
        world.makes(0, "t1x set", "5550001"),
        world.makes(0, "t2x set", "5550002"),
    );
    let (mine, yours) = (
        world.makes(1, "t1x set", "5550001"),
        world.makes(1, "t2x set", "5550002"),
    );
    world.read_all(0).await?;
    world.read_all(1).await?;
    let (gone, stays) = (
        world.linked(0, &loser).await?.id,
        world.linked(0, &winner).await?.id,
    );
    world.peers[0]
        .state()
        .remove(&loser, Removal::MergedInto { key: winner });
    world.read_all(0).await?;
    world.drain().await?;
    assert_eq!(world.linked(1, &mine).await?.id, gone);
    assert_eq!(world.linked(1, &yours).await?.id, stays);
    assert!(world.entity(gone).await?.removed_at.is_none());
    world.rests().await
}
