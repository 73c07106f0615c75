//! Records that were moved to another entity, and the hub's id that they hold over there.

use anyhow::{Context, Result};
use connector_sdk::{Change, Fields, Value, WriteOp};
use engine::Clock;
use engine::ids::EntityId;
use engine::sync::identity::{self, Place, Wish};
use engine::sync::outbox;
use engine::sync::remove;

use super::world::{MAPPING, World, record, stored};

/// Record 1 of the first system, moved from one account to another that has the same values.
async fn world() -> Result<(World, EntityId, EntityId)> {
    let world = World::new().await?;
    let other = world.connect("Second", MAPPING).await?;
    world.pull(vec![one(&[])]).await?;
    let was = world.account("1").await?.id;
    // As of a record that the hub has created.
    let id = was.0.to_string();
    world.pull(vec![one(&[("Hub_Id__c", id.into())])]).await?;
    let same = record("x1", &[("Name", "One".into())]);
    world.pull_from(other, vec![same]).await?;
    let is = world.account_of(other, "x1").await?.id;
    moved(&world, was, is).await?;
    Ok((world, was, is))
}

/// Moves record 1 of the first system, and says what that owes it.
async fn moved(world: &World, from: EntityId, to: EntityId) -> Result<()> {
    let mut tx = world.begin().await?;
    let place = Place {
        connection: world.connection,
        stream: "Account".to_owned(),
        key: "1".to_owned(),
    };
    let wish = Wish { from, to: Some(to) };
    let (tables, user) = (&world.tables, world.user);
    let moved = identity::relink(&mut tx, tables, &place, wish, None, user).await?;
    let first = (world.connection, "Account".to_owned());
    anyhow::ensure!(moved.applied.owed.contains(&first), "nothing is owed to it");
    outbox::start_pushes(&mut tx, &moved.applied.owed, "relink").await?;
    tx.commit().await?;
    Ok(())
}

/// Brings an account back that was joined into another.
async fn restored(world: &World, id: EntityId) -> Result<()> {
    let mut tx = world.begin().await?;
    let kind = world.tables.kind("account")?;
    let found = kind.load(&mut tx, &[id]).await?.pop();
    let version = found.context("it is gone")?.version;
    let (tables, user) = (&world.tables, world.user);
    remove::restore(&mut tx, tables, ("account", id), version, user).await?;
    tx.commit().await?;
    Ok(())
}

/// What waits is due at once.
async fn wait(world: &World) -> Result<()> {
    sqlx::query("update writes set due_at = now() - interval '1 s' where state = 'pending'")
        .execute(&world.db.pool().await?)
        .await?;
    Ok(())
}

fn one(fields: &[(&str, Value)]) -> Change {
    let mut all = vec![("Name", Value::from("One"))];
    all.extend(fields.iter().cloned());
    record("1", &all)
}

#[tokio::test]
async fn a_record_that_was_moved_is_not_taken_for_what_it_was() -> Result<()> {
    let (world, was, is) = world().await?;
    let id = was.0.to_string();
    // The one that it was is not here any more, and somebody brings it back: it is to be made again.
    restored(&world, was).await?;

    // While the record holds its id the system would take that for it, and write it over.
    let mut batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1, "{batch:?}");
    let outgoing = batch.outgoing.remove(0);
    let WriteOp::Update { key, fields } = &outgoing.write.op else {
        anyhow::bail!("{:?} creates over a record that is another", outgoing.write);
    };
    let named = Fields::from([("Hub_Id__c".to_owned(), is.0.to_string().into())]);
    assert_eq!((key.as_str(), fields), ("1", &named), "and nothing else");
    let held =
        "select count(*) from writes where state = 'pending' and error ->> 'code' = 'hub_id_taken'";
    assert_eq!(world.count(held).await?, 1);
    let outcome = stored(&outgoing, "1");
    world.settle(vec![(outgoing, outcome)]).await?;

    // Now it is known by what it is, and the other one is made.
    wait(&world).await?;
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    assert!(
        matches!(outgoing.write.op, WriteOp::Create { .. }),
        "{outgoing:?}"
    );
    assert_eq!(outgoing.write.hub_id, id);
    let outcome = stored(&outgoing, "2");
    world.settle(vec![(outgoing, outcome)]).await?;
    assert_eq!(world.count(held).await?, 0);
    assert_eq!(world.account("1").await?.id, is);
    assert_eq!(world.account("2").await?.id, was);
    // It comes back as it was written, and nothing more is owed.
    world
        .pull(vec![one(&[("Hub_Id__c", is.0.to_string().into())])])
        .await?;
    assert!(world.claim().await?.outgoing.is_empty());
    Ok(())
}

#[tokio::test]
async fn where_the_id_cannot_be_written_over_the_other_one_waits() -> Result<()> {
    let (world, was, _) = world().await?;
    let id = was.0.to_string();
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    // The system keeps what it had.
    let kept = super::world::stored_as(&outgoing, "1", &[("Hub_Id__c", id.as_str().into())]);
    world.settle(vec![(outgoing, kept)]).await?;
    restored(&world, was).await?;
    assert!(world.claim().await?.outgoing.is_empty());
    wait(&world).await?;
    assert!(
        world.claim().await?.outgoing.is_empty(),
        "as often as it is asked"
    );
    // Somebody clears it there, later.
    let mut cleared = one(&[("Hub_Id__c", Value::Null)]);
    if let Change::Upsert(record) = &mut cleared {
        record.changed_at = Some(Clock::system().now());
    }
    world.pull(vec![cleared]).await?;
    wait(&world).await?;
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    assert_eq!(batch.outgoing[0].write.hub_id, id);
    Ok(())
}
