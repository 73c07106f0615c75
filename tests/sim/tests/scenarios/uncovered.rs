//! What a feed did not say, and history that is handed over to it.

use anyhow::Result;

use super::{PHONE, plain};
use crate::world::World;
use crate::world::peer::NAME;
use crate::world::plan::{Fault, Habits};
use crate::world::server::Server;

const OPEN: &str = "select count(*) from gaps where tenant_id = $1 and closed_at is null";
const ACCOUNTS: &str = "select count(*) from accounts where tenant_id = $1 and removed_at is null";

// 13; a transaction of 140,000 rows in the story, 140 here
#[tokio::test]
async fn what_an_overflow_hides_is_uncovered_until_a_sweep_has_read_it() -> Result<()> {
    let server = Server::new().await?;
    let habits = Habits {
        page: 50,
        ..plain()
    };
    let mut world = World::with(&server, &[habits], None).await?;
    for number in 0..160 {
        let name = format!("Account {number}");
        world.peers[0].state().create(vec![(NAME, name.into())]);
    }
    world.read_all(0).await?;
    let keys: Vec<String> = world.peers[0]
        .state()
        .living()
        .into_iter()
        .take(140)
        .collect();
    world.peers[0].state().load(&keys, false);
    world.pull(0, false);
    // Find the place, read, apply: the feed has said that it did not say.
    world.steps(3).await?;
    assert!(world.count(OPEN).await? > 0);
    let loaded = "select count(*) from accounts where tenant_id = $1 and phone like '555%'";
    assert_eq!(world.count(loaded).await?, 0);
    world.drain().await?;
    assert_eq!(world.count(OPEN).await?, 0);
    assert_eq!(world.count(loaded).await?, 140, "nothing silently missing");
    world.rests().await
}

#[tokio::test]
async fn what_was_purged_while_the_feed_was_lost_is_found_by_a_listing() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    for number in 0..12 {
        let name = format!("Account {number}");
        world.peers[0].state().create(vec![(NAME, name.into())]);
    }
    world.read_all(0).await?;
    let gone = world.peers[0].state().living()[4].clone();
    world.peers[0].state().load(&[gone], true);
    world.read_all(0).await?;
    assert_eq!(
        (world.count(OPEN).await?, world.count(ACCOUNTS).await?),
        (0, 11)
    );
    world.rests().await
}

/// Crash points of a first read, while people go on over there: the window is open, a chunk is buffered,
/// the window is closed and its last chunk not committed.
#[tokio::test]
async fn history_is_handed_over_to_the_feed_wherever_the_process_dies() -> Result<()> {
    let server = Server::new().await?;
    for (steps, fault) in [
        (2, Fault::None),
        (2, Fault::Dies),
        (2, Fault::DiesAfterCall),
        (4, Fault::Dies),
        (6, Fault::Dies),
        (6, Fault::DiesAfterCall),
    ] {
        let habits = Habits {
            page: 2,
            late_ms: 500,
            ..plain()
        };
        let mut world = World::with(&server, &[habits], None).await?;
        let mut keys = Vec::new();
        for number in 0..6 {
            let name = format!("Account {number}");
            keys.push(world.peers[0].state().create(vec![(NAME, name.into())]));
        }
        world.pass(std::time::Duration::from_secs(1));
        world.pull(0, false);
        world.steps(steps).await?;
        // Changed inside the window: of what was read, of what is in hand, of what is to come.
        for (place, key) in keys.clone().iter().enumerate() {
            world.sets_there(0, key, PHONE, format!("555000{place}"));
        }
        let late = world.peers[0].state().create(vec![(NAME, "Late".into())]);
        world.one_step(fault).await?;
        world.sets_there(0, &keys[0], PHONE, "5551111");
        world.drain().await?;
        world.read_all(0).await?;
        let entity = world.linked(0, &keys[0]).await?;
        assert_eq!(entity.value("phone"), "5551111".into(), "{steps} {fault:?}");
        let last = world.linked(0, &keys[5]).await?;
        assert_eq!(last.value("phone"), "5550005".into(), "{steps} {fault:?}");
        world.linked(0, &late).await?;
        world.rests().await?;
    }
    Ok(())
}
