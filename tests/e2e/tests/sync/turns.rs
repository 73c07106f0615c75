//! Who waits for whom where records are linked: the turn of the kind comes first, then rows of records,
//! then entities. Each test meets one that waits with what it must not have yet; Postgres ends one of two
//! that wait crosswise.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use connector_sdk::Change;
use domain::relinks;
use engine::ids::{ConflictId, ConnectionId, EntityId, RunId};
use engine::store::{conflicts, matches, records};
use engine::sync::SyncError;
use engine::sync::edit::{self, Answer};
use engine::sync::identity::{self, FollowInput, Place};
use engine::sync::page::{self, Ledger, Origin};
use engine::sync::sweep::{self, Found};
use engine::{StoreError, Tx};

use super::merges::merged_into;
use super::world::{MAPPING, World, deleted, record};

fn acme(key: &str, phone: &str) -> Change {
    record(key, &[("Name", "Acme".into()), ("Phone", phone.into())])
}

/// An account of the first system, and another system that is asked for the same ones by `link`.
async fn world(link: &str) -> Result<(Arc<World>, ConnectionId)> {
    let world = World::new().await?;
    let mapping = MAPPING.replace("hub_id = \"Hub_Id__c\"", link);
    let other = world.connect("Second", &mapping).await?;
    world.pull(vec![acme("1", "5550001")]).await?;
    Ok((Arc::new(world), other))
}

const STRONG: &str = "strong = [\"name\"]";

/// Lets somebody come to what `held` has, takes what they may have come with, and lets them go on.
fn meets<'a, T: Send + 'static>(
    world: &'a World,
    mut held: Tx,
    late: impl Future<Output = Result<T>> + Send + 'static,
    takes: impl AsyncFnOnce(&mut Tx) -> Result<()> + 'a,
) -> Pin<Box<dyn Future<Output = Result<T>> + 'a>> {
    Box::pin(async move {
        let late = tokio::spawn(late);
        let waits = "select count(*) from pg_locks where not granted and pid in \
                     (select pid from pg_stat_activity where datname = current_database())";
        testkit::until("somebody to wait", Duration::from_secs(20), || async {
            Ok((world.count(waits).await? > 0).then_some(()))
        })
        .await?;
        takes(&mut held).await?;
        held.commit().await?;
        late.await?
    })
}

/// A transaction that has the turn of accounts.
async fn turn(world: &World) -> Result<Tx> {
    let mut tx = world.begin().await?;
    matches::in_turn(&mut tx, "account").await?;
    Ok(tx)
}

/// Takes the row of a record of the second system.
async fn row(tx: &mut Tx, other: ConnectionId, key: &str) -> Result<()> {
    let rows = records::by_keys(tx, other, "Account", &[key.to_owned()]).await?;
    rows.get(key).context("the record is not linked")?;
    Ok(())
}

#[tokio::test]
async fn a_page_comes_to_its_turn_without_rows() -> Result<()> {
    let (world, other) = world(STRONG).await?;
    world.pull_from(other, vec![acme("x1", "5550001")]).await?;
    let late = {
        let world = world.clone();
        let changed = acme("x1", "5550002");
        let new = record("x2", &[("Name", "Other".into())]);
        async move { world.pull_from(other, vec![changed, new]).await }
    };
    let held = turn(&world).await?;
    let takes = async |tx: &mut Tx| row(tx, other, "x1").await;
    let applied = meets(&world, held, late, takes).await?;
    assert_eq!((applied.counts.created, applied.counts.updated), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_page_of_linked_records_does_not_wait_for_its_turn() -> Result<()> {
    let (world, other) = world(STRONG).await?;
    world.pull_from(other, vec![acme("x1", "5550001")]).await?;
    let _held = turn(&world).await?;
    let mut tx = world.begin().await?;
    // It would wait for ever, as `_held` does not end.
    sqlx::query("set local lock_timeout = '20s'")
        .execute(tx.conn())
        .await?;
    let changed = acme("x1", "5550002");
    let page = World::page(other, vec![changed]);
    let applied = page::apply(&mut tx, &world.tables, page).await?;
    assert_eq!((applied.counts.created, applied.counts.updated), (0, 1));
    Ok(())
}

#[tokio::test]
async fn records_that_are_compared_come_to_their_turn_without_rows() -> Result<()> {
    let (world, other) = world(STRONG).await?;
    world.pull_from(other, vec![acme("x1", "5550001")]).await?;
    let late = {
        let world = world.clone();
        async move {
            let mut tx = world.begin().await?;
            let found = Found {
                connection: other,
                stream: "Account".to_owned(),
                run: RunId::fresh(),
                changes: vec![
                    acme("x1", "5550001"),
                    record("x2", &[("Name", "Other".into())]),
                ],
                origin: Origin::Listing(tx.now()),
            };
            let compared = sweep::compare(&mut tx, &world.tables, found, Ledger::default()).await?;
            tx.commit().await?;
            Ok(compared)
        }
    };
    let held = turn(&world).await?;
    let takes = async |tx: &mut Tx| row(tx, other, "x1").await;
    let compared = meets(&world, held, late, takes).await?;
    assert_eq!(compared.applied.counts.created, 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_comes_to_its_turn_without_the_question() -> Result<()> {
    let (world, other) = world("similar = [\"name\", \"phone\"]").await?;
    let applied = world.pull_from(other, vec![acme("x1", "5550001")]).await?;
    assert_eq!(applied.counts.held, 1);
    let account = world.account("1").await?.id;
    let id: sqlx::types::Uuid = sqlx::query_scalar("select id from matches")
        .fetch_one(&world.db.pool().await?)
        .await?;
    let late = {
        let world = world.clone();
        async move {
            let mut tx = world.begin().await?;
            let asked = (engine::ids::MatchId(id), 1);
            let (tables, user) = (&world.tables, world.user);
            let applied =
                identity::decide(&mut tx, tables, asked, Some(account), None, user).await?;
            tx.commit().await?;
            Ok(applied)
        }
    };
    let held = turn(&world).await?;
    let takes = async |tx: &mut Tx| {
        let said = matches::said(tx, other, "Account", &["x1".to_owned()]).await?;
        said.get("x1").context("nothing is asked")?;
        Ok(())
    };
    let applied = meets(&world, held, late, takes).await?;
    assert_eq!((applied.counts.linked, applied.counts.created), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_link_is_moved_once_it_is_its_turn() -> Result<()> {
    let (world, other) = world(STRONG).await?;
    world.pull_from(other, vec![acme("x1", "5550001")]).await?;
    world
        .pull(vec![record("2", &[("Name", "Two".into())])])
        .await?;
    let to = world.account("2").await?.id;
    let wish = relinks::Wish {
        place: Place {
            connection: other,
            stream: "Account".to_owned(),
            key: "x1".to_owned(),
        },
        from: world.account("1").await?.id,
        to: Some(to),
        to_version: None,
        note: None,
    };
    let late = {
        let world = world.clone();
        async move {
            let mut tx = world.begin().await?;
            let (tables, user) = (&world.tables, world.user);
            let moved = relinks::carry_out(&mut tx, tables, &wish, user).await;
            moved.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
            tx.commit().await?;
            Ok(())
        }
    };
    let held = turn(&world).await?;
    let takes = async |tx: &mut Tx| row(tx, other, "x1").await;
    meets(&world, held, late, takes).await?;
    assert_eq!(world.account_of(other, "x1").await?.id, to);
    Ok(())
}

#[tokio::test]
async fn who_follows_a_merge_comes_to_the_rows_without_the_entities() -> Result<()> {
    let (world, other) = world(STRONG).await?;
    world
        .pull(vec![record("2", &[("Name", "Two".into())])])
        .await?;
    world
        .pull_from(other, vec![record("x2", &[("Name", "Two".into())])])
        .await?;
    let (winner, loser) = (world.account("1").await?.id, world.account("2").await?.id);
    world.pull(vec![merged_into("2", "1")]).await?;
    let input = FollowInput {
        connection: world.connection,
        stream: "Account".to_owned(),
        key: "1".to_owned(),
        entity: "account".to_owned(),
        loser,
        is_conversion: false,
    };
    let late = {
        let world = world.clone();
        async move {
            let mut tx = world.begin().await?;
            let followed =
                identity::follow(&mut tx, &world.tables, RunId::fresh(), &input, false).await?;
            tx.commit().await?;
            Ok(followed)
        }
    };
    // A page of linked records has their rows, and comes to their entities next.
    let mut held = world.begin().await?;
    row(&mut held, other, "x2").await?;
    let kind = world.tables.kind("account")?;
    let takes = async |tx: &mut Tx| {
        let both: [EntityId; 2] = [winner, loser];
        anyhow::ensure!(kind.load(tx, &both).await?.len() == 2);
        Ok(())
    };
    let followed = meets(&world, held, late, takes).await?;
    assert_eq!((followed.moved.len(), followed.is_joined), (1, true));
    assert_eq!(world.account_of(other, "x2").await?.id, winner);
    Ok(())
}

#[tokio::test]
async fn who_decides_a_conflict_comes_to_the_entity_without_the_question() -> Result<()> {
    let world = Arc::new(World::new().await?);
    world.pull(vec![acme("1", "5550001")]).await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", "5550002".into())]).await?;
    world.pull(vec![deleted("1")]).await?;
    let (id, version): (sqlx::types::Uuid, i64) =
        sqlx::query_as("select id, version from conflicts where kind = 'delete'")
            .fetch_one(&world.db.pool().await?)
            .await?;
    let late = {
        let world = world.clone();
        async move {
            let mut tx = world.begin().await?;
            let (tables, user) = (&world.tables, world.user);
            let (id, answer) = (ConflictId(id), Answer::Core);
            let decided = edit::resolve(&mut tx, tables, id, version, &answer, None, user).await;
            Ok(decided.map(drop))
        }
    };
    // Who edits has the entity, and adds to the question what was set.
    let mut held = world.begin().await?;
    let kind = world.tables.kind("account")?;
    kind.load(&mut held, &[account.id]).await?;
    let takes = async |tx: &mut Tx| Ok(conflicts::add_edits(tx, account.id, &[]).await?);
    let decided = meets(&world, held, late, takes).await?;
    anyhow::ensure!(
        matches!(decided, Err(SyncError::Store(StoreError::Stale(_)))),
        "decided over what was not seen: {decided:?}"
    );
    Ok(())
}
