//! Records that come together: with what they point at, with what another page knows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use engine::StoreError;
use engine::store::plans;
use engine::sync::SyncError;
use engine::sync::page::{self, Changes, MappedWith};

use super::world::{World, record};

#[tokio::test]
async fn a_child_and_its_parent_in_one_page_are_linked_at_once_in_any_order() -> Result<()> {
    let world = World::new().await?;
    let page = vec![
        record("2", &[("Name", "Child".into()), ("ParentId", "1".into())]),
        record("1", &[("Name", "Parent".into())]),
        record(
            "3",
            &[("Name", "Grandchild".into()), ("ParentId", "2".into())],
        ),
    ];
    let applied = world.pull(page).await?;
    assert_eq!((applied.counts.created, applied.counts.updated), (3, 0));
    for (child, parent) in [("2", "1"), ("3", "2")] {
        let parent = world.account(parent).await?.id.0.to_string();
        let child = world.account(child).await?;
        assert_eq!(child.value("parent"), parent.into());
        assert!(child.provenance.of("parent").is_some());
    }
    let waiting = "select count(*) from records where unresolved is not null";
    assert_eq!(world.count(waiting).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_parent_that_is_known_and_comes_again_changed_keeps_its_place() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "Parent".into())])])
        .await?;
    let known = world.account("1").await?;
    let page = vec![
        record("2", &[("Name", "Child".into()), ("ParentId", "1".into())]),
        record("1", &[("Name", "Parent, renamed".into())]),
        record("3", &[("Name", "Orphan".into()), ("ParentId", "9".into())]),
    ];
    let applied = world.pull(page).await?;
    assert_eq!((applied.counts.created, applied.counts.updated), (2, 1));
    assert_eq!(world.account("1").await?.id, known.id);
    let parent = world.account("2").await?.value("parent");
    assert_eq!(parent, known.id.0.to_string().into());
    assert!(world.account("3").await?.value("parent").is_null());
    let waiting = "select count(*) from records where unresolved is not null";
    assert_eq!(world.count(waiting).await?, 1);
    Ok(())
}

#[tokio::test]
async fn of_two_pages_with_the_same_new_record_one_is_tried_again() -> Result<()> {
    let world = Arc::new(World::new().await?);
    let page = |name: &str| {
        World::page(
            world.connection,
            vec![record("1", &[("Name", name.into())])],
        )
    };
    let mut first = world.begin().await?;
    page::apply(&mut first, &world.tables, page("First")).await?;
    let second = tokio::spawn({
        let (world, page) = (world.clone(), page("Second"));
        async move {
            let mut tx = world.begin().await?;
            let applied = page::apply(&mut tx, &world.tables, page).await;
            anyhow::Ok(applied)
        }
    });
    // It has looked for the record, found none, and now waits for the first to end.
    let waits = "select count(*) from pg_locks where not granted and pid in \
                 (select pid from pg_stat_activity where datname = current_database())";
    testkit::until("the second to wait", Duration::from_secs(20), || async {
        Ok((world.count(waits).await? > 0).then_some(()))
    })
    .await?;
    first.commit().await?;
    let refused = second.await??.err().context("it was stored twice")?;
    assert!(
        matches!(refused, SyncError::Store(StoreError::Stale(_))),
        "{refused:?}"
    );
    assert_eq!(world.account("1").await?.value("name"), "First".into());
    let again = world
        .pull(vec![record("1", &[("Name", "Second".into())])])
        .await?;
    assert_eq!((again.counts.created, again.counts.updated), (0, 1));
    assert_eq!(world.count("select count(*) from accounts").await?, 1);
    Ok(())
}

#[tokio::test]
async fn what_was_mapped_ahead_is_mapped_again_when_the_fields_have_changed() -> Result<()> {
    let world = World::new().await?;
    let changes = || {
        vec![record(
            "1",
            &[("Name", "One".into()), ("Phone", "12345".into())],
        )]
    };
    let mut tx = world.begin().await?;
    let plan = plans::of_stream(&mut tx, world.connection, "Account").await?;
    let plan = plan.context("no plan")?;
    let now = Arc::new(MappedWith::of(&mut tx, &world.tables, &plan).await?);
    // As if the mapping had said something else when the page was read.
    let mut other = plan.clone();
    let mut mapping = (*plan.mapping).clone();
    mapping.rows.retain(|row| row.core != "phone");
    other.mapping = Arc::new(mapping);
    let old = Arc::new(MappedWith::of(&mut tx, &world.tables, &other).await?);
    let page = World::page(world.connection, Changes::mapped(changes(), old));
    page::apply(&mut tx, &world.tables, page).await?;
    tx.commit().await?;
    assert_eq!(world.account("1").await?.value("phone"), "12345".into());

    let mut tx = world.begin().await?;
    let page = World::page(world.connection, Changes::mapped(changes(), now));
    let applied = page::apply(&mut tx, &world.tables, page).await?;
    assert_eq!(applied.counts.unchanged, 1);
    Ok(())
}
