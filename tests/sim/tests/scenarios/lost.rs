//! Pages cut short, creates without an answer, records deleted while they were edited.

use anyhow::Result;
use connector_sdk::Removal;

use super::{DESCRIPTION, PHONE, plain};
use crate::world::World;
use crate::world::oracle::carriers;
use crate::world::peer::NAME;
use crate::world::plan::{Event, Fault, Habits, Set};
use crate::world::server::Server;

// 1
#[tokio::test]
async fn records_with_one_stamp_all_arrive_once_though_a_crash_cuts_the_second_page() -> Result<()>
{
    let server = Server::new().await?;
    let tied = Habits {
        whole_seconds: true,
        page: 2_000,
        ..plain()
    };
    let mut world = World::with(&server, &[tied], None).await?;
    for number in 0..2_300 {
        let name = format!("Account {number}");
        world.peers[0].state().create(vec![(NAME, name.into())]);
    }
    world.pull(0, false);
    // Find the place, read, apply, read.
    world.steps(4).await?;
    world.one_step(Fault::Dies).await?;
    world.drain().await?;
    let accounts = "select count(*) from accounts where tenant_id = $1";
    let linked = "select count(distinct key) from records where tenant_id = $1";
    assert_eq!(
        (world.count(accounts).await?, world.count(linked).await?),
        (2_300, 2_300)
    );
    world.pull(0, false);
    world.drain().await?;
    assert_eq!(world.count(accounts).await?, 2_300);
    Ok(())
}

// 9
#[tokio::test]
async fn a_record_deleted_there_and_edited_here_is_asked_about_and_restored_as_itself() -> Result<()>
{
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
    world.sets(account.id, PHONE, "5550002").await?;
    world.peers[0].state().remove(&key, Removal::Deleted);
    world.pull(0, false);
    world.drain().await?;
    assert!(world.entity(account.id).await?.removed_at.is_none());
    let open = "select count(*) from conflicts
                where tenant_id = $1 and kind = 'delete' and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    world
        .happen(&Event::Answer {
            conflict: 0,
            how: 0,
        })
        .await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 1);
    let again = world.peers[0].state().living()[0].clone();
    assert_eq!(world.there(0, &again, PHONE), "5550002".into());
    assert_eq!(world.linked(0, &again).await?.id, account.id);
    let links = "select count(*) from records where tenant_id = $1";
    assert_eq!(
        world.count(links).await?,
        2,
        "the old link is history of the same entity"
    );
    world.rests().await
}

// 11
#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_again_and_not_repeated() -> Result<()> {
    let server = Server::new().await?;
    for refused in [Fault::None, Fault::Locked, Fault::Limited, Fault::TimesOut] {
        let mut world = World::with(&server, &[plain()], None).await?;
        let account = world
            .create_here(&[(NAME, Set::Fresh), (PHONE, Set::Fresh)])
            .await?;
        // Look, apply, claim; then it is made, and the process dies.
        world.steps(3).await?;
        world.one_step(Fault::DiesAfterCall).await?;
        // It is there now, and what the second attempt meets must not make it forgotten.
        world.one_step(refused).await?;
        world.drain().await?;
        world.rests().await?;
        assert_eq!(
            world.peers[0].state().living().len(),
            1,
            "after {refused:?}"
        );
        assert_eq!(carriers(&world, 0, account), 1);
    }
    Ok(())
}

// 11, where the system offers nothing to find it by
#[tokio::test]
async fn a_create_that_cannot_be_found_again_is_left_to_a_person_and_not_repeated() -> Result<()> {
    let server = Server::new().await?;
    let keyless = Habits {
        is_unsearchable: true,
        ..plain()
    };
    let mut world = World::with(&server, &[keyless], None).await?;
    world.create_here(&[(NAME, Set::Fresh)]).await?;
    let other = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.steps(3).await?;
    world.one_step(Fault::DiesAfterCall).await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 2, "each once");
    let parked = "select count(*) from writes
                  where tenant_id = $1 and state = 'failed' and error ->> 'kind' = 'unsupported'";
    assert_eq!(world.count(parked).await?, 2);
    world.sets(other, DESCRIPTION, "later").await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 2);
    Ok(())
}

// What changes while a record is being made has no link to be owed by.
#[tokio::test]
async fn an_edit_while_its_record_is_being_made_reaches_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.steps(4).await?;
    world.sets(account, PHONE, "5550001").await?;
    world.drain().await?;
    let key = world.peers[0].state().living()[0].clone();
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    world.rests().await
}

// A record whose reference cannot be resolved is merged anew at every look.
#[tokio::test]
async fn a_push_of_a_record_that_waits_for_its_parent_comes_to_an_end() -> Result<()> {
    let server = Server::new().await?;
    let owned = Habits {
        rules: crate::world::plan::Rules::HubOwns,
        ..plain()
    };
    let mut world = World::with(&server, &[owned], None).await?;
    let parent = [
        (crate::world::peer::PARENT, "gone".into()),
        (super::INDUSTRY, "Rail".into()),
    ];
    let (key, _) = world.read_one(0, &parent).await?;
    world.sets_there(0, &key, super::INDUSTRY, "Air");
    world.read_all(0).await?;
    assert_eq!(world.there(0, &key, super::INDUSTRY), "Rail".into());
    assert_eq!(world.written(0), 1);
    Ok(())
}

// Who brings something back by an edit holds its values; the others are owed them.
#[tokio::test]
async fn what_an_edit_brings_back_reaches_the_other_systems_and_not_its_own() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain(), plain(), plain()], None).await?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.drain().await?;
    for peer in 0..3 {
        world.read_all(peer).await?;
    }
    let keys = |peer: usize| world.peers[peer].state().living()[0].clone();
    let (gone, edited, other) = (keys(0), keys(1), keys(2));
    world.peers[0].state().remove(&gone, Removal::Deleted);
    world.read_all(0).await?;
    assert!(world.entity(account).await?.removed_at.is_some());
    world.sets_there(1, &edited, PHONE, "5557777");
    world.read_all(1).await?;
    let (before, remote) = (world.written(1), 1);
    let answer = Event::Answer {
        conflict: 0,
        how: remote,
    };
    world.happen(&answer).await?;
    world.drain().await?;
    assert!(world.entity(account).await?.removed_at.is_none());
    assert_eq!(world.here(account, PHONE).await?, "5557777".into());
    assert_eq!(world.there(2, &other, PHONE), "5557777".into());
    assert_eq!(world.written(1), before, "it holds the values already");
    world.rests().await
}
