use anyhow::Result;
use connector_sdk::Value;
use engine::StoreError;
use engine::store::conflicts;
use engine::sync::SyncError;
use engine::sync::edit::{self, Answer};

use super::world::{MAPPING, World, record, stored};

#[tokio::test]
async fn an_edit_is_owed_to_every_linked_system_and_merged_into_one_write() -> Result<()> {
    let world = World::new().await?;
    let second = world.connect("Second", MAPPING).await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    let hub_id = account.id.0.to_string();
    let twin = record("x", &[("Name", "One".into()), ("Hub_Id__c", hub_id.into())]);
    world.pull_from(second, vec![twin]).await?;
    let account = world.edit(&account, &[("phone", "5550001".into())]).await?;
    world
        .edit(
            &account,
            &[("phone", "5550002".into()), ("name", "Uno".into())],
        )
        .await?;
    let pending = "select count(*) from writes where state = 'pending'";
    assert_eq!(world.count(pending).await?, 2, "one for each system");
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    assert_eq!(
        batch.outgoing[0].sent["phone"],
        "5550002".into(),
        "the value of now"
    );
    assert_eq!(batch.outgoing[0].sent["name"], "Uno".into());
    Ok(())
}

#[tokio::test]
async fn an_edit_of_an_old_version_or_of_nothing_is_refused() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", "5550001".into())]).await?;
    let stale = world
        .try_edit(&account, &[("phone", "5550002".into())])
        .await;
    assert!(matches!(stale, Err(SyncError::Stale { .. })));
    let mut unknown = account.clone();
    unknown.id = engine::ids::EntityId::fresh();
    let missing = world
        .try_edit(&unknown, &[("phone", "5550002".into())])
        .await;
    assert!(matches!(
        missing,
        Err(SyncError::Store(StoreError::NotFound(_)))
    ));
    Ok(())
}

#[tokio::test]
async fn every_value_that_cannot_be_taken_is_named() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    let wrong = [
        ("name", Value::Null),
        ("employees", "many".into()),
        ("nonsense", "x".into()),
        ("parent", "not an id".into()),
        ("phone", "5550001".into()),
    ];
    let Err(SyncError::Invalid(invalid)) = world.try_edit(&account, &wrong).await else {
        panic!("wrong values were taken");
    };
    let fields: Vec<&str> = invalid
        .iter()
        .map(|invalid| invalid.field.as_str())
        .collect();
    assert_eq!(fields, ["employees", "name", "nonsense", "parent"]);
    assert_eq!(world.account("1").await?, account, "nothing was written");
    Ok(())
}

#[tokio::test]
async fn edits_of_different_fields_on_both_sides_are_both_kept() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Phone", "5550000".into())],
        )])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", "5551111".into())]).await?;
    let applied = world
        .pull(vec![record(
            "1",
            &[("Name", "Uno".into()), ("Phone", "5550000".into())],
        )])
        .await?;
    assert_eq!((applied.counts.updated, applied.counts.conflicts), (1, 0));
    let account = world.account("1").await?;
    assert_eq!(account.value("name"), "Uno".into());
    assert_eq!(account.value("phone"), "5551111".into());
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    assert_eq!(batch.outgoing[0].sent.keys().collect::<Vec<_>>(), ["phone"]);
    Ok(())
}

#[tokio::test]
async fn edits_of_one_field_on_both_sides_wait_for_a_person_and_nothing_is_overwritten()
-> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("name", "Ours".into())]).await?;
    let applied = world
        .pull(vec![record("1", &[("Name", "Theirs".into())])])
        .await?;
    assert_eq!(applied.counts.conflicts, 1);
    assert_eq!(world.account("1").await?.value("name"), "Ours".into());
    let batch = world.claim().await?;
    assert!(
        batch.outgoing.is_empty(),
        "a field under conflict is not sent"
    );

    let id = conflict(&world).await?;
    let mut tx = world.begin().await?;
    let (tables, user) = (&world.tables, world.user);
    let resolved = edit::resolve(
        &mut tx,
        tables,
        id,
        1,
        &Answer::Remote,
        Some("they know"),
        user,
    )
    .await?;
    tx.commit().await?;
    assert_eq!(resolved.entity.value("name"), "Theirs".into());
    let again = world
        .pull(vec![record("1", &[("Name", "Theirs".into())])])
        .await?;
    assert_eq!(again.counts.conflicts, 0);
    assert!(world.claim().await?.outgoing.is_empty(), "both sides agree");

    let mut tx = world.begin().await?;
    let twice = edit::resolve(&mut tx, tables, id, 2, &Answer::Core, None, user).await;
    assert!(matches!(
        twice,
        Err(SyncError::Store(StoreError::Conflict(_)))
    ));
    Ok(())
}

#[tokio::test]
async fn a_conflict_decided_for_the_hub_is_sent() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("name", "Ours".into())]).await?;
    world
        .pull(vec![record("1", &[("Name", "Theirs".into())])])
        .await?;
    world.claim().await?;
    let id = conflict(&world).await?;
    let mut tx = world.begin().await?;
    let stale = edit::resolve(
        &mut tx,
        &world.tables,
        id,
        7,
        &Answer::Core,
        None,
        world.user,
    )
    .await;
    assert!(matches!(stale, Err(SyncError::Store(StoreError::Stale(_)))));
    drop(tx);
    let mut tx = world.begin().await?;
    edit::resolve(
        &mut tx,
        &world.tables,
        id,
        1,
        &Answer::Core,
        None,
        world.user,
    )
    .await?;
    tx.commit().await?;
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing[0].sent["name"], "Ours".into());
    let outcome = stored(&batch.outgoing[0], "1");
    world
        .settle(vec![(batch.outgoing[0].clone(), outcome)])
        .await?;
    let again = world
        .pull(vec![record("1", &[("Name", "Ours".into())])])
        .await?;
    assert_eq!((again.counts.conflicts, again.counts.updated), (0, 0));
    assert!(world.claim().await?.outgoing.is_empty());
    Ok(())
}

async fn conflict(world: &World) -> Result<engine::ids::ConflictId> {
    let pool = world.db.pool().await?;
    let sql = "select id from conflicts where state = 'open'";
    Ok(sqlx::query_scalar(sql).fetch_one(&pool).await?)
}

#[tokio::test]
async fn a_conflict_ends_by_itself_when_both_sides_come_to_agree() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("name", "Ours".into())]).await?;
    world
        .pull(vec![record("1", &[("Name", "Theirs".into())])])
        .await?;
    world
        .pull(vec![record("1", &[("Name", "Ours".into())])])
        .await?;
    let mut tx = world.begin().await?;
    let open = conflicts::open_groups(&mut tx, world.connection, "Account", &[account.id]).await?;
    assert!(open.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_owner_of_a_field_wins_and_the_losing_value_is_kept() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Industry", "Mining".into())],
        )])
        .await?;
    let account = world.account("1").await?;
    world
        .edit(&account, &[("industry", "Farming".into())])
        .await?;
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Industry", "Fishing".into())],
        )])
        .await?;
    assert_eq!(
        world.account("1").await?.value("industry"),
        "Fishing".into()
    );
    let lost = "select count(*) from changes, jsonb_array_elements(fields) as field
                where field ->> 'lost' = 'Farming'";
    assert_eq!(world.count(lost).await?, 1);
    Ok(())
}
