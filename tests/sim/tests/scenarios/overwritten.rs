//! What a write of ours went over that nobody had seen.

use anyhow::Result;
use engine::store::conflicts::{self, Opened, Sides};

use super::{INDUSTRY, PHONE, plain};
use crate::world::oracle::open_conflicts;
use crate::world::peer::PARENT;
use crate::world::plan::{Event, Fault, Guard, Habits};
use crate::world::server::Server;
use crate::world::{STREAM, World};

// The moment between the look and the write: nothing set in it is lost, whatever the system can.
#[tokio::test]
async fn what_is_set_between_look_and_write_is_refused_or_found_and_a_person_decides() -> Result<()>
{
    let server = Server::new().await?;
    for (guard, kind, stands) in [
        (Guard::Condition, "edit", "theirs"),
        (Guard::History, "overwritten", "ours"),
    ] {
        let guarded = Habits { guard, ..plain() };
        let mut world = World::with(&server, &[guarded], None).await?;
        let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
        world.sets(account.id, INDUSTRY, "ours").await?;
        // Look, apply, claim.
        world.steps(3).await?;
        world.sets_there(0, &key, INDUSTRY, "theirs");
        world.drain().await?;
        world.rests().await?;
        assert_eq!(world.there(0, &key, INDUSTRY), stands.into());
        let open: Vec<(String, String)> = sqlx::query_as(
            "select kind, fields -> 'industry' ->> 'remote' from conflicts
             where tenant_id = $1 and state = 'open'",
        )
        .bind(world.tenant.0)
        .fetch_all(&server.pool)
        .await?;
        assert_eq!(open, [(kind.to_owned(), "theirs".to_owned())]);
        world
            .happen(&Event::Answer {
                conflict: 0,
                how: 1,
            })
            .await?;
        world.drain().await?;
        assert_eq!(world.there(0, &key, INDUSTRY), "theirs".into(), "{kind}");
        assert_eq!(world.here(account.id, INDUSTRY).await?, "theirs".into());
        world.rests().await?;
    }
    Ok(())
}

// What is set between look and write is read before the write is answered: it is gone over there, and
// to bring it back takes a write.
#[tokio::test]
async fn what_is_read_while_a_write_goes_over_it_is_brought_back_by_a_write() -> Result<()> {
    let server = Server::new().await?;
    let told = Habits {
        guard: Guard::History,
        ..plain()
    };
    let mut world = World::with(&server, &[told], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
    world.sets(account.id, INDUSTRY, "ours").await?;
    world.steps(3).await?;
    world.sets_there(0, &key, INDUSTRY, "theirs");
    world.read_beside().await?;
    world.drain().await?;
    world.rests().await?;
    assert_eq!(world.there(0, &key, INDUSTRY), "ours".into());
    let open = open_conflicts(&world).await?;
    let kinds: Vec<&str> = open.iter().map(|(_, _, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["overwritten"]);
    let theirs = Event::Answer {
        conflict: 0,
        how: 1,
    };
    world.happen(&theirs).await?;
    world.drain().await?;
    assert_eq!(world.here(account.id, INDUSTRY).await?, "theirs".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "theirs".into());
    world.rests().await
}

// A question of that kind is open already: that one is answered, and what the other was about can still
// be read in it.
#[tokio::test]
async fn what_is_gone_over_beside_an_open_question_is_no_second_one() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
    let about = |kind, theirs: &str| {
        let sides = Sides {
            base: Some("before".into()),
            core: "ours".into(),
            remote: theirs.into(),
        };
        Opened {
            entity: "account",
            entity_id: account.id,
            record_key: key.clone(),
            group: "industry".to_owned(),
            kind,
            fields: [("industry".to_owned(), sides)].into(),
        }
    };
    let asked = [about("overwritten", "first"), about("edit", "second")];
    let connection = world.connections[0];
    let mut tx = world.begin().await?;
    conflicts::open(&mut tx, connection, STREAM, None, &asked).await?;
    let written = [(account.id, "industry".to_owned())];
    conflicts::went_over(&mut tx, connection, STREAM, &written).await?;
    tx.commit().await?;
    let left = "select count(*) from conflicts where tenant_id = $1 and state = 'open'
                and kind = 'overwritten' and fields -> 'industry' ->> 'remote' = 'first'";
    assert_eq!(world.count(left).await?, 1);
    let ended = "select count(*) from conflicts where tenant_id = $1 and state = 'resolved'
                 and kind = 'edit' and choice = 'overwritten'
                 and fields -> 'industry' ->> 'remote' = 'second'";
    assert_eq!(world.count(ended).await?, 1);
    Ok(())
}

// A reference is kept as any other value is.
#[tokio::test]
async fn a_reference_that_a_write_went_over_is_kept() -> Result<()> {
    let server = Server::new().await?;
    let told = Habits {
        guard: Guard::History,
        ..plain()
    };
    let mut world = World::with(&server, &[told], None).await?;
    let (theirs, _) = world.read_one(0, &[(INDUSTRY, "one".into())]).await?;
    let (_, ours) = world.read_one(0, &[(INDUSTRY, "other".into())]).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world
        .sets(account.id, PARENT, ours.id.0.to_string())
        .await?;
    world.steps(3).await?;
    world.sets_there(0, &key, PARENT, &*theirs);
    world.drain().await?;
    let open = "select count(*) from conflicts
                where tenant_id = $1 and kind = 'overwritten' and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    let answer = Event::Answer {
        conflict: 0,
        how: 1,
    };
    world.happen(&answer).await?;
    world.drain().await?;
    assert_eq!(world.there(0, &key, PARENT), (*theirs).into());
    world.rests().await
}

// The same, and the process dies before it knows what became of its write.
#[tokio::test]
async fn what_a_write_of_a_dead_process_went_over_is_found_by_the_next() -> Result<()> {
    let server = Server::new().await?;
    let told = Habits {
        guard: Guard::History,
        ..plain()
    };
    for fault in [Fault::DiesAfterCall, Fault::Cancelled] {
        let mut world = World::with(&server, std::slice::from_ref(&told), None).await?;
        let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
        world.sets(account.id, INDUSTRY, "ours").await?;
        world.steps(3).await?;
        world.sets_there(0, &key, INDUSTRY, "theirs");
        world.one_step(fault).await?;
        world.sets(account.id, PHONE, "5550001").await?;
        world.rests().await?;
        let found = "select count(*) from conflicts
                     where tenant_id = $1 and kind = 'overwritten' and state = 'open'";
        assert_eq!(world.count(found).await?, 1, "{fault:?}");
    }
    Ok(())
}
