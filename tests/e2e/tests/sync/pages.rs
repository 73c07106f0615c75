use std::time::Duration;

use anyhow::Result;
use connector_sdk::Value;
use engine::ids::RunId;
use engine::store::plans;
use engine::sync::page;

use super::world::{MAPPING, World, deleted, later, record};

#[tokio::test]
async fn a_page_makes_entities_with_their_origin_and_comes_again_without_a_change() -> Result<()> {
    let world = World::new().await?;
    let page = || {
        vec![
            record("1", &[("Name", "One".into()), ("Employees", 12_i64.into())]),
            record("2", &[("Name", "Two".into()), ("Phone", Value::Null)]),
        ]
    };
    let first = world.pull(page()).await?;
    assert_eq!((first.counts.read, first.counts.created), (2, 2));
    let account = world.account("1").await?;
    assert_eq!(account.value("name"), "One".into());
    assert_eq!(account.value("employees"), 12_i64.into());
    assert!(account.provenance.of("name").is_some());

    let again = world.pull(page()).await?;
    assert_eq!((again.counts.unchanged, again.counts.created), (2, 0));
    assert_eq!(world.count("select count(*) from accounts").await?, 2);
    assert_eq!(world.count("select count(*) from writes").await?, 0);
    assert_eq!(world.account("1").await?, account);
    Ok(())
}

#[tokio::test]
async fn a_key_twice_in_a_page_ends_at_its_last_value() -> Result<()> {
    let world = World::new().await?;
    let page = vec![
        record("1", &[("Name", "Old".into())]),
        record("1", &[("Name", "New".into())]),
    ];
    let applied = world.pull(page).await?;
    assert_eq!(applied.counts.created, 1);
    assert_eq!(world.account("1").await?.value("name"), "New".into());
    Ok(())
}

#[tokio::test]
async fn missing_null_and_empty_are_three_things() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Phone", "1234567".into())],
        )])
        .await?;
    world
        .pull(vec![record("1", &[("Name", "Uno".into())])])
        .await?;
    let account = world.account("1").await?;
    assert_eq!(
        account.value("phone"),
        "1234567".into(),
        "missing leaves it"
    );
    world
        .pull(vec![record(
            "1",
            &[("Name", "Uno".into()), ("Phone", Value::Null)],
        )])
        .await?;
    assert!(
        world.account("1").await?.value("phone").is_null(),
        "null clears it"
    );
    Ok(())
}

#[tokio::test]
async fn a_field_that_cannot_be_taken_over_stands_still_alone() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Employees", 5_i64.into())],
        )])
        .await?;
    let page = vec![record(
        "1",
        &[("Name", "Uno\u{0}".into()), ("Employees", 6_i64.into())],
    )];
    let applied = world.pull(page).await?;
    assert_eq!(applied.counts.failed, 1);
    let account = world.account("1").await?;
    assert_eq!(account.value("name"), "One".into());
    assert_eq!(account.value("employees"), 6_i64.into());
    let problems = "select count(*) from records where problems is not null";
    assert_eq!(world.count(problems).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_child_that_comes_before_its_parent_waits_for_it() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record(
            "2",
            &[("Name", "Child".into()), ("ParentId", "1".into())],
        )])
        .await?;
    assert!(world.account("2").await?.value("parent").is_null());
    world
        .pull(vec![record("1", &[("Name", "Parent".into())])])
        .await?;
    let mut tx = world.begin().await?;
    let run = engine::ids::RunId::fresh();
    let (tables, connection) = (&world.tables, world.connection);
    let waited =
        engine::sync::page::apply_waiting(&mut tx, tables, connection, "Account", run, "", 100)
            .await?;
    tx.commit().await?;
    assert_eq!((waited.next, waited.applied.counts.updated), (None, 1));
    let parent = world.account("1").await?;
    assert_eq!(
        world.account("2").await?.value("parent"),
        parent.id.0.to_string().into()
    );
    Ok(())
}

#[tokio::test]
async fn a_deleted_record_lets_its_entity_go_and_an_undeleted_one_brings_it_back() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let before = world.account("1").await?;
    let applied = world
        .pull(vec![deleted("1"), deleted("unheard of")])
        .await?;
    assert_eq!(applied.counts.deleted, 1);
    assert!(world.account("1").await?.removed_at.is_some());
    let again = world.pull(vec![deleted("1")]).await?;
    assert_eq!(again.counts.deleted, 0, "a removal that is known is none");
    let back = later(
        chrono::TimeDelta::minutes(1),
        record("1", &[("Name", "One".into())]),
    );
    world.pull(vec![back]).await?;
    let after = world.account("1").await?;
    assert_eq!((after.id, after.removed_at), (before.id, None));
    Ok(())
}

#[tokio::test]
async fn a_delete_against_an_edit_is_a_conflict_and_not_a_loss() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", "5551234".into())]).await?;
    let applied = world.pull(vec![deleted("1")]).await?;
    assert_eq!(applied.counts.conflicts, 1);
    assert!(world.entity(account.id).await?.removed_at.is_none());
    let open = "select count(*) from conflicts where kind = 'delete' and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_hub_knows_a_record_it_created_itself_by_its_own_id() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let mut tx = world.begin().await?;
    let fields = super::world::values(&[("name", "Made here".into())]);
    let made =
        engine::sync::edit::create(&mut tx, &world.tables, "account", fields, world.user).await?;
    tx.commit().await?;
    // The process died between the call and its receipt; the next read brings the record.
    let hub_id = made.entity.id.0.to_string();
    let page = vec![
        record(
            "9",
            &[
                ("Name", "Made here".into()),
                ("Hub_Id__c", hub_id.as_str().into()),
            ],
        ),
        record(
            "10",
            &[
                ("Name", "A copy".into()),
                ("Hub_Id__c", hub_id.as_str().into()),
            ],
        ),
    ];
    let applied = world.pull(page).await?;
    assert_eq!(world.account("9").await?.id, made.entity.id);
    assert_ne!(
        world.account("10").await?.id,
        made.entity.id,
        "a copied id makes no second link"
    );
    assert_eq!(applied.counts.created, 1);
    Ok(())
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_it() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    let mut tx = world.store.begin(engine::ids::TenantId::fresh()).await?;
    assert!(
        world
            .tables
            .kind("account")?
            .load(&mut tx, &[account.id])
            .await?
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn a_hostile_record_holds_up_nobody_else() -> Result<()> {
    let world = World::new().await?;
    let page = vec![
        record("1", &[("Name", "Fine".into())]),
        record(
            "2",
            &[("Name", "\u{0}".into()), ("Phone", "5550000".into())],
        ),
        record(
            "3",
            &[("Name", Value::Null), ("Employees", Value::number("1e28")?)],
        ),
        record("4", &[("Name", "x".repeat(10_000_000).into())]),
        record(
            "5",
            &[("Name", Value::Map(std::collections::BTreeMap::new()))],
        ),
        record("6", &[("Name", "Six".into()), ("ParentId", "6".into())]),
    ];
    let applied = world.pull(page).await?;
    assert_eq!((applied.counts.created, applied.counts.failed), (6, 4));
    assert_eq!(world.account("1").await?.value("name"), "Fine".into());
    let without = world.account("2").await?;
    assert!(without.value("name").is_null());
    assert_eq!(without.value("phone"), "5550000".into());
    let mended = world
        .pull(vec![record("2", &[("Name", "Mended".into())])])
        .await?;
    assert_eq!(mended.counts.updated, 1);
    assert_eq!(world.account("2").await?.value("name"), "Mended".into());
    Ok(())
}

#[tokio::test]
async fn a_record_that_is_back_finds_its_place_taken_and_becomes_another() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    world.pull(vec![deleted("1")]).await?;
    let hub_id = account.id.0.to_string();
    let again = record("2", &[("Name", "One".into()), ("Hub_Id__c", hub_id.into())]);
    world.pull(vec![again]).await?;
    assert_eq!(world.account("2").await?.id, account.id);
    let back = later(
        chrono::TimeDelta::minutes(1),
        record("1", &[("Name", "One".into())]),
    );
    world.pull(vec![back]).await?;
    assert_ne!(world.account("1").await?.id, account.id);
    assert_eq!(world.account("2").await?.id, account.id);
    Ok(())
}

/// On a table that was never analysed the planner takes what all rows share for selective.
#[tokio::test]
async fn a_page_reads_its_own_records_and_no_others() -> Result<()> {
    let world = World::new().await?;
    let page = |range: std::ops::Range<u32>, phone: &str| {
        let change = |number: u32| {
            let fields = [
                ("Name", format!("Account {number}").into()),
                ("Phone", phone.into()),
                ("ParentId", (number / 2).to_string().into()),
            ];
            record(&number.to_string(), &fields)
        };
        range.map(change).collect::<Vec<_>>()
    };
    for start in (0..4_000).step_by(1_000) {
        world.pull(page(start..start + 1_000, "1234567")).await?;
    }

    let mut tx = world.begin().await?;
    let before = rows_read(&mut tx).await?;
    let changed = engine::sync::page::Page {
        connection: world.connection,
        stream: "Account".to_owned(),
        run: engine::ids::RunId::fresh(),
        changes: page(1_000..1_050, "7654321").into(),
        cursor: None,
        pass: None,
        origin: page::Origin::Hub,
    };
    let applied = engine::sync::page::apply(&mut tx, &world.tables, changed).await?;
    assert_eq!(applied.counts.updated, 50);
    let read = rows_read(&mut tx).await? - before;
    assert!(read < 1_000, "{read} rows were read for 50 records");
    Ok(())
}

/// Rows of the page's tables that this connection has read so far, by any scan.
async fn rows_read(tx: &mut engine::Tx) -> Result<i64> {
    let rows = sqlx::query_scalar(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
         from pg_stat_xact_user_tables
         where relname in ('records', 'accounts', 'conflicts', 'echoes', 'writes')",
    );
    Ok(rows.fetch_one(tx.conn()).await?)
}

#[tokio::test]
async fn a_child_finds_its_parent_though_both_pages_are_applied_at_once() -> Result<()> {
    let world = World::new().await?;
    let mut tx = world.begin().await?;
    let mapping = MAPPING.replace(r#"stream = "Account""#, r#"stream = "Site""#);
    World::add_stream(&mut tx, world.connection, "Site", &mapping).await?;
    tx.commit().await?;
    let parent = World::page(
        world.connection,
        vec![record("a1", &[("Name", "Over".into())])],
    );
    let mut parents = world.begin().await?;
    page::apply(&mut parents, &world.tables, parent).await?;

    // As a pull does it: the last page, then what waits.
    let children = async {
        let fields = [("Name", "Under".into()), ("ParentId", "a1".into())];
        let page = page::Page {
            stream: "Site".to_owned(),
            ..World::page(world.connection, vec![record("s1", &fields)])
        };
        let mut tx = world.begin().await?;
        let applied = page::apply(&mut tx, &world.tables, page).await?;
        tx.commit().await?;
        assert!(applied.pending.is_any_waiting && applied.pending.is_wait_due);
        let mut tx = world.begin().await?;
        let (connection, run) = (world.connection, RunId::fresh());
        let waited =
            page::apply_waiting(&mut tx, &world.tables, connection, "Site", run, "", 100).await?;
        tx.commit().await?;
        anyhow::Ok(waited.applied.counts.updated)
    };
    let committed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        anyhow::Ok(parents.commit().await?)
    };
    let (resolved, ()) = tokio::try_join!(children, committed)?;
    assert_eq!(resolved, 1);
    Ok(())
}

#[tokio::test]
async fn what_waits_in_vain_is_looked_at_after_news_and_now_and_then() -> Result<()> {
    let world = World::new().await?;
    let fields = [("Name", "Child".into()), ("ParentId", "never".into())];
    let first = world.pull(vec![record("2", &fields)]).await?;
    assert!(first.pending.is_any_waiting && first.pending.is_wait_due);
    assert!(first.counts.is_any_news());

    let mut tx = world.begin().await?;
    plans::waited(&mut tx, world.connection, &["Account".to_owned()]).await?;
    tx.commit().await?;
    let same = world.pull(vec![record("2", &fields)]).await?;
    assert!(same.pending.is_any_waiting && !same.pending.is_wait_due);
    assert!(!same.counts.is_any_news());
    let other = world
        .pull(vec![record("3", &[("Name", "Other".into())])])
        .await?;
    assert!(other.pending.is_any_waiting && other.counts.is_any_news());

    let mut tx = world.begin().await?;
    sqlx::query("update streams set waited_at = waited_at - interval '10 minutes'")
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    let late = world.pull(vec![record("2", &fields)]).await?;
    assert!(late.pending.is_wait_due);
    Ok(())
}
