use anyhow::Result;
use connector_sdk::{Value, WriteOp};
use engine::entity::Entity;
use engine::ids::{ConflictId, EntityId};
use engine::store::streams::{self, OnRemove};
use engine::sync::SyncError;
use engine::sync::edit::{self, Answer, Edited};
use engine::sync::remove::{self, Removing};

use super::world::{World, deleted, record, stored};

/// One record, whose removal here deletes it over there or does not.
async fn world(on_remove: OnRemove) -> Result<(World, Entity)> {
    let world = World::new().await?;
    let mut tx = world.begin().await?;
    let how = (true, Some(on_remove));
    streams::update(&mut tx, world.connection, "Account", "account", how, 1).await?;
    tx.commit().await?;
    world.pull(vec![one("5550001")]).await?;
    let account = world.account("1").await?;
    Ok((world, account))
}

fn one(phone: &str) -> connector_sdk::Change {
    record("1", &[("Name", "One".into()), ("Phone", phone.into())])
}

async fn removed(world: &World, entity: &Entity, how: Removing) -> Result<Entity> {
    let mut tx = world.begin().await?;
    let what = ("account", entity.id);
    let (tables, user) = (&world.tables, world.user);
    remove::remove(&mut tx, tables, what, entity.version, how, user).await?;
    tx.commit().await?;
    world.entity(entity.id).await
}

async fn restored(world: &World, id: EntityId) -> Result<Edited, SyncError> {
    let mut tx = world.store.begin(world.tenant).await?;
    let kind = world.tables.kind("account")?;
    let version = kind.load(&mut tx, &[id]).await?[0].version;
    let (tables, user) = (&world.tables, world.user);
    let edited = remove::restore(&mut tx, tables, ("account", id), version, user).await?;
    tx.commit().await?;
    Ok(edited)
}

/// Decides the only open conflict.
async fn decide(world: &World, answer: Answer) -> Result<()> {
    let id = sqlx::query_scalar("select id from conflicts where state = 'open'")
        .fetch_one(&world.db.pool().await?)
        .await?;
    let mut tx = world.begin().await?;
    let (tables, user) = (&world.tables, world.user);
    edit::resolve(&mut tx, tables, ConflictId(id), 1, &answer, None, user).await?;
    tx.commit().await?;
    Ok(())
}

async fn links(world: &World) -> Result<i64> {
    world
        .count("select count(*) from records where removed_at is null")
        .await
}

#[tokio::test]
async fn what_is_removed_here_and_kept_there_stays_out_until_it_is_restored() -> Result<()> {
    let (world, account) = world(OnRemove::Keep).await?;
    let gone = removed(&world, &account, Removing::Archive).await?;
    assert!(gone.removed_at.is_some());
    assert!(world.claim().await?.outgoing.is_empty(), "it is kept there");
    let applied = world.pull(vec![one("5550002")]).await?;
    assert_eq!((applied.counts.excluded, applied.counts.created), (1, 0));
    assert_eq!(world.count("select count(*) from accounts").await?, 1);

    restored(&world, account.id).await?;
    assert!(world.entity(account.id).await?.removed_at.is_none());
    assert_eq!(world.account("1").await?.id, account.id, "the same link");
    let applied = world.pull(vec![one("5550003")]).await?;
    assert_eq!(applied.counts.updated, 1);
    let phone = world.entity(account.id).await?.value("phone");
    assert_eq!(phone, "5550003".into());
    let again = restored(&world, account.id).await.unwrap_err();
    assert!(again.to_string().contains("neither removed"), "{again}");
    Ok(())
}

#[tokio::test]
async fn what_is_removed_here_is_deleted_there_where_the_stream_says_so() -> Result<()> {
    let (world, account) = world(OnRemove::Delete).await?;
    let mut tx = world.begin().await?;
    let (tables, how) = (&world.tables, Removing::Archive);
    let plan = remove::plan(&mut tx, tables, "account", account.id, how).await?;
    assert!(plan[0].is_deleted);
    drop(tx);
    removed(&world, &account, Removing::Archive).await?;
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    assert!(matches!(&outgoing.write.op, WriteOp::Delete { key } if key == "1"));
    let outcome = stored(&outgoing, "1");
    world.settle(vec![(outgoing, outcome)]).await?;
    assert_eq!(links(&world).await?, 0);
    // Its own removal comes back and means nothing new.
    let applied = world.pull(vec![deleted("1")]).await?;
    assert_eq!((applied.counts.deleted, applied.counts.conflicts), (0, 0));

    restored(&world, account.id).await?;
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    assert!(matches!(outgoing.write.op, WriteOp::Create { .. }));
    let outcome = stored(&outgoing, "9");
    world.settle(vec![(outgoing, outcome)]).await?;
    assert_eq!(world.account("9").await?.id, account.id);
    assert_eq!(world.account("1").await?.id, account.id, "as history");
    assert_eq!(links(&world).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_restoration_in_time_deletes_nothing_there() -> Result<()> {
    let (world, account) = world(OnRemove::Delete).await?;
    removed(&world, &account, Removing::Archive).await?;
    restored(&world, account.id).await?;
    assert!(world.claim().await?.outgoing.is_empty());
    assert_eq!(links(&world).await?, 1);
    Ok(())
}

#[tokio::test]
async fn what_is_unlinked_stays_here_and_hears_nothing_more() -> Result<()> {
    let (world, account) = world(OnRemove::Delete).await?;
    let account = removed(&world, &account, Removing::Unlink).await?;
    assert!(account.removed_at.is_none());
    world.pull(vec![one("5559999")]).await?;
    let now = world.entity(account.id).await?;
    assert_eq!(now.value("phone"), "5550001".into());
    world.edit(&now, &[("phone", "5558888".into())]).await?;
    assert!(world.claim().await?.outgoing.is_empty());
    restored(&world, account.id).await?;
    assert_eq!(links(&world).await?, 1);
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing[0].sent["phone"], "5558888".into());
    Ok(())
}

#[tokio::test]
async fn an_edit_there_against_a_removal_here_is_a_conflict_with_both_choices() -> Result<()> {
    for answer in [Answer::Core, Answer::Remote] {
        let (world, account) = world(OnRemove::Delete).await?;
        removed(&world, &account, Removing::Archive).await?;
        let applied = world.pull(vec![one("5557777")]).await?;
        assert_eq!((applied.counts.conflicts, applied.counts.updated), (1, 0));
        let batch = world.claim().await?;
        assert!(batch.outgoing.is_empty(), "nothing is deleted undecided");
        decide(&world, answer.clone()).await?;
        let now = world.entity(account.id).await?;
        let batch = world.claim().await?;
        if answer == Answer::Core {
            assert!(now.removed_at.is_some());
            let op = &batch.outgoing[0].write.op;
            assert!(matches!(op, WriteOp::Delete { .. }));
        } else {
            assert!(now.removed_at.is_none());
            assert_eq!(now.value("phone"), "5557777".into());
            assert!(batch.outgoing.is_empty(), "both sides hold the same");
            let applied = world.pull(vec![one("5557777")]).await?;
            assert_eq!((applied.counts.updated, applied.counts.conflicts), (0, 0));
        }
    }
    Ok(())
}

/// Scenario 9 of the ways in which synchronising breaks.
#[tokio::test]
async fn deleted_there_and_edited_here_a_restoration_makes_the_record_again_and_no_double()
-> Result<()> {
    let (world, account) = world(OnRemove::Keep).await?;
    world.edit(&account, &[("phone", "5554444".into())]).await?;
    let applied = world.pull(vec![deleted("1")]).await?;
    assert_eq!(applied.counts.conflicts, 1);
    assert!(world.entity(account.id).await?.removed_at.is_none());
    decide(&world, Answer::Core).await?;
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    assert!(matches!(outgoing.write.op, WriteOp::Create { .. }));
    assert_eq!(outgoing.write.hub_id, account.id.0.to_string());
    assert_eq!(outgoing.sent["phone"], Value::text("5554444"));
    let outcome = stored(&outgoing, "7");
    world.settle(vec![(outgoing, outcome)]).await?;
    let hub = account.id.0.to_string();
    let fields = [
        ("Name", "One".into()),
        ("Phone", "5554444".into()),
        ("Hub_Id__c", hub.as_str().into()),
    ];
    world.pull(vec![record("7", &fields)]).await?;
    assert_eq!(world.count("select count(*) from accounts").await?, 1);
    assert_eq!(world.account("7").await?.id, account.id);
    assert_eq!(world.account("1").await?.id, account.id, "as history");
    Ok(())
}
