//! Taking back what a run did, across systems.

use anyhow::Result;
use connector_sdk::Value;
use engine::ids::RunId;
use engine::store::changes::Kept;
use engine::sync::outbox;
use engine::sync::undo::{self, Counts, Place, Undoing};

use super::{PHONE, plain};
use crate::world::peer::NAME;
use crate::world::plan::Fault;
use crate::world::server::Server;
use crate::world::{STREAM, World};

/// A tenth of the story's: values that a wrong run brought, and those that people mended since.
const WRONG: usize = 340;
const MENDED: usize = 5;

/// Undoes as `undo_run` does, a part at a time, and sends what that asks for.
async fn undo(world: &mut World<'_>, undoing: &Undoing) -> Result<Counts> {
    let (run, mut counts, mut place) = (RunId::fresh(), Counts::default(), Some(Place::default()));
    while let Some(from) = place {
        let mut tx = world.begin().await?;
        let by = (run, world.user);
        let done = undo::apply(&mut tx, &world.server.tables, undoing, &from, 100, by).await?;
        outbox::start_pushes(&mut tx, &done.owed, "undo").await?;
        tx.commit().await?;
        counts.add(&done.counts);
        place = done.next;
    }
    Ok(counts)
}

// 21, but for mails: nothing sends any yet.
#[tokio::test]
async fn an_undo_restores_skips_what_was_mended_retries_what_is_refused_and_ends_there()
-> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain(), plain()], None).await?;
    let mut keys = Vec::new();
    for number in 0..WRONG {
        let values = vec![
            (NAME, Value::from(format!("Account {number}"))),
            (PHONE, format!("555{number:04}").into()),
        ];
        keys.push(world.peers[0].state().create(values));
    }
    world.read_all(0).await?;
    for key in &keys {
        world.sets_there(0, key, PHONE, "1999999");
    }
    world.pass(std::time::Duration::from_secs(1));
    let from = world.now();
    world.pull(0, false);
    let run = world.flights[0].run;
    world.drain().await?;
    for key in &keys[..MENDED] {
        let account = world.linked(0, key).await?;
        world.sets(account.id, PHONE, "1888888").await?;
    }
    world.drain().await?;
    let undoing = Undoing {
        run,
        source: Some((world.connections[0], STREAM.to_owned())),
        from,
        to: world.now(),
    };
    world.pass(std::time::Duration::from_secs(1));
    let counts = undo(&mut world, &undoing).await?;
    assert_eq!(counts.restored, (WRONG - MENDED) as u64);
    assert_eq!(counts.kept, [(Kept::Changed, MENDED as u64)].into());
    // Every other row of the first batch is locked, and tried again.
    world.steps(3).await?;
    world.one_step(Fault::Locked).await?;
    world.pass(std::time::Duration::from_secs(60));
    world.drain().await?;
    world.pass(std::time::Duration::from_secs(60));
    world.drain().await?;
    for (number, key) in keys.iter().enumerate() {
        let expected = match number < MENDED {
            true => "1888888".to_owned(),
            false => format!("555{number:04}"),
        };
        assert_eq!(world.there(0, key, PHONE), expected.into(), "{key}");
    }
    let again = undo(&mut world, &undoing).await?;
    assert_eq!((again.restored, again.fields), (0, 0));
    Ok(())
}
