//! What is told by two places at once, and two places that answer each other.

use anyhow::Result;

use super::{DESCRIPTION, PHONE, plain};
use crate::world::World;
use crate::world::peer::NAME;
use crate::world::plan::{Habits, Names, Set};
use crate::world::server::Server;

// 15, as far as the core goes: no connector has mailboxes yet. Each answers with another value each time,
// so that no value says that it was seen before.
#[tokio::test]
async fn scenario_15_two_automations_that_answer_each_other_fall_silent_and_other_fields_flow()
-> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain(), plain()], None).await?;
    world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.drain().await?;
    let keys = [0, 1].map(|peer: usize| world.peers[peer].state().living()[0].clone());
    world.sets_there(0, &keys[0], DESCRIPTION, "Re: 0");
    let mut answers = 0;
    for turn in 0..40 {
        let (from, to) = (turn % 2, 1 - turn % 2);
        let before = world.written(to);
        world.read_all(from).await?;
        if world.written(to) == before {
            break;
        }
        answers += 1;
        world.sets_there(to, &keys[to], DESCRIPTION, format!("Re: {answers}"));
    }
    // Five of each: the fifth that one of them gives to a write of ours freezes the field there.
    assert_eq!(answers, 10);
    let frozen = "select count(*) from rewrites where tenant_id = $1 and frozen_at is not null";
    assert_eq!(world.count(frozen).await?, 2);
    world.sets_there(0, &keys[0], PHONE, "5550001");
    world.read_all(0).await?;
    assert_eq!(world.there(1, &keys[1], PHONE), "5550001".into());
    world.rests().await
}

// 16, as far as the core goes: the same thing in two places, known by its strong key.
#[tokio::test]
async fn scenario_16_what_arrives_by_two_places_is_one_and_what_both_say_of_it_counts_once()
-> Result<()> {
    let server = Server::new().await?;
    let keyed = || Habits {
        names: Names::Entity,
        ..plain()
    };
    let mut world = World::with(&server, &[keyed(), keyed()], None).await?;
    let mail = || vec![(NAME, "<1@customer.example>".into())];
    let keys = [0, 1].map(|peer: usize| world.peers[peer].state().create(mail()));
    world.pass(std::time::Duration::from_secs(1));
    // Both are read before anything is sent.
    for peer in [0, 1] {
        world.pull(peer, false);
    }
    world.drain().await?;
    let (one, two) = (
        world.linked(0, &keys[0]).await?,
        world.linked(1, &keys[1]).await?,
    );
    assert_eq!(one.id, two.id);
    let entities = "select count(*) from accounts where tenant_id = $1";
    assert_eq!(world.count(entities).await?, 1);
    assert_eq!(
        [0, 1].map(|peer| world.peers[peer].state().living().len()),
        [1, 1]
    );

    // The answer to all reaches both as well: neither is written what it has already.
    let written = [world.written(0), world.written(1)];
    for peer in [0, 1] {
        world.sets_there(peer, &keys[peer], DESCRIPTION, "Thank you");
    }
    world.read_all(0).await?;
    world.read_all(1).await?;
    assert_eq!(world.here(one.id, DESCRIPTION).await?, "Thank you".into());
    assert_eq!([world.written(0), world.written(1)], written);
    let changes = "select count(*) from changes, jsonb_array_elements(fields) as field
                   where tenant_id = $1 and field ->> 'field' = 'description'";
    assert_eq!(world.count(changes).await?, 1);
    let conflicts = "select count(*) from conflicts where tenant_id = $1";
    assert_eq!(world.count(conflicts).await?, 0);
    // What only one of them is told reaches the other.
    world.sets_there(1, &keys[1], PHONE, "5550001");
    world.read_all(1).await?;
    assert_eq!(world.there(0, &keys[0], PHONE), "5550001".into());
    world.rests().await
}
