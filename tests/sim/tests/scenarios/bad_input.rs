//! Values and records that no system should send, and some do.

use anyhow::Result;
use connector_sdk::Value;

use super::{DESCRIPTION, PHONE, plain};
use crate::world::World;
use crate::world::peer::{EMPLOYEES, HUB_ID, NAME, PARENT};
use crate::world::plan::Set;
use crate::world::server::Server;

#[tokio::test]
async fn a_field_of_ten_megabytes_or_with_a_nul_stands_still_alone() -> Result<()> {
    let server = Server::new().await?;
    for hostile in ["x".repeat(10_000_000), "a\u{0}b".to_owned()] {
        let mut world = World::with(&server, &[plain(), plain()], None).await?;
        let values = [
            (DESCRIPTION, Value::from("before")),
            (PHONE, "5550001".into()),
        ];
        let (key, account) = world.read_one(0, &values).await?;
        world.sets_there(0, &key, DESCRIPTION, hostile);
        world.sets_there(0, &key, PHONE, "5550002");
        world.read_all(0).await?;
        assert_eq!(world.here(account.id, DESCRIPTION).await?, "before".into());
        assert_eq!(world.here(account.id, PHONE).await?, "5550002".into());
        let told = "select count(*) from records where tenant_id = $1 and problems is not null";
        assert_eq!(world.count(told).await?, 1);
        world.sets_there(0, &key, DESCRIPTION, "mended");
        world.read_all(0).await?;
        assert_eq!(world.here(account.id, DESCRIPTION).await?, "mended".into());
        assert_eq!(world.count(told).await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_number_past_what_a_double_holds_goes_through_every_digit() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain(), plain()], None).await?;
    let exact = Value::number("9007199254740993")?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.drain().await?;
    let key = world.peers[0].state().living()[0].clone();
    world.sets_there(0, &key, EMPLOYEES, exact.clone());
    world.read_all(0).await?;
    assert_eq!(world.here(account, EMPLOYEES).await?, exact);
    let other = world.peers[1].state().living()[0].clone();
    assert_eq!(world.there(1, &other, EMPLOYEES), exact);
    // And one that no integer holds is told of and not cut.
    world.sets_there(0, &key, EMPLOYEES, Value::number("92233720368547758080")?);
    world.read_all(0).await?;
    assert_eq!(world.here(account, EMPLOYEES).await?, exact);
    let told = "select count(*) from records where tenant_id = $1 and problems is not null";
    assert_eq!(world.count(told).await?, 1);
    Ok(())
}

#[tokio::test]
async fn parents_that_go_round_in_a_circle_are_taken_over_from_a_system() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (one, _) = world.read_one(0, &[]).await?;
    let (two, _) = world.read_one(0, &[(PARENT, one.as_str().into())]).await?;
    world.sets_there(0, &one, PARENT, two.as_str());
    world.read_all(0).await?;
    let (first, second) = (world.linked(0, &one).await?, world.linked(0, &two).await?);
    assert_eq!(first.value("parent"), second.id.0.to_string().into());
    assert_eq!(second.value("parent"), first.id.0.to_string().into());
    world.rests().await
}

#[tokio::test]
async fn parents_made_here_that_go_round_in_a_circle_are_made_there_and_then_tied() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let one = world.create_here(&[(NAME, Set::Fresh)]).await?;
    let two = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.sets(one, PARENT, two.0.to_string()).await?;
    world.sets(two, PARENT, one.0.to_string()).await?;
    for _ in 0..14 {
        world.pass(std::time::Duration::from_secs(31));
        world.drain().await?;
    }
    let keys = world.peers[0].state().living();
    assert_eq!(keys.len(), 2);
    assert_eq!(world.there(0, &keys[0], PARENT), keys[1].as_str().into());
    assert_eq!(world.there(0, &keys[1], PARENT), keys[0].as_str().into());
    world.rests().await
}

#[tokio::test]
async fn of_two_records_with_one_hub_id_the_first_keeps_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.drain().await?;
    let key = world.peers[0].state().living()[0].clone();
    let copy = world.peers[0].state().create(vec![(NAME, "A copy".into())]);
    let hub_id = account.0.to_string();
    world.peers[0].state().set(&copy, HUB_ID, hub_id.into());
    world.read_all(0).await?;
    assert_eq!(world.linked(0, &key).await?.id, account);
    assert_ne!(world.linked(0, &copy).await?.id, account);
    world.sets(account, PHONE, "5550001").await?;
    world.drain().await?;
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    assert!(world.there(0, &copy, PHONE).is_null());
    Ok(())
}
