use anyhow::Result;
use chrono::{DateTime, Utc};
use connector_sdk::WriteOp;
use engine::ids::RunId;
use engine::store::changes::Kept;
use engine::sync::undo::{self, Act, Counts, Item, Place, Undoing};

use super::world::{World, deleted, record, stored};

fn now() -> DateTime<Utc> {
    engine::Clock::system().now()
}

/// A run of the first connection's stream between two moments.
fn of(world: &World, run: RunId, from: DateTime<Utc>) -> Undoing {
    Undoing {
        run,
        source: Some((world.connection, "Account".to_owned())),
        from,
        to: now(),
    }
}

/// What undoing would do, looked at `limit` things at a time.
async fn look(world: &World, undoing: &Undoing, limit: i64) -> Result<(Counts, Vec<Item>)> {
    let (mut counts, mut items) = (Counts::default(), Vec::new());
    let mut place = Some(Place::default());
    while let Some(from) = place {
        let mut tx = world.begin().await?;
        let looked = undo::look(&mut tx, &world.tables, undoing, &from, limit).await?;
        counts.add(&looked.counts);
        items.extend(looked.items);
        place = looked.next;
    }
    Ok((counts, items))
}

/// Undoes, two things at a time, and holds what was done against what was said; returns the run that
/// did it.
async fn undo(world: &World, undoing: &Undoing) -> Result<(RunId, Counts)> {
    let (said, _) = look(world, undoing, 500).await?;
    let run = RunId::fresh();
    let mut counts = Counts::default();
    let mut place = Some(Place::default());
    while let Some(from) = place {
        let mut tx = world.begin().await?;
        let by = (run, world.user);
        let done = undo::apply(&mut tx, &world.tables, undoing, &from, 2, by).await?;
        tx.commit().await?;
        counts.add(&done.counts);
        place = done.next;
    }
    assert_eq!(counts, said);
    Ok((run, counts))
}

/// A run without a stream of its own.
fn undo_of(run: RunId) -> Undoing {
    Undoing {
        run,
        source: None,
        from: DateTime::UNIX_EPOCH,
        to: now(),
    }
}

#[tokio::test]
async fn values_go_back_and_are_owed_and_what_was_changed_since_stays() -> Result<()> {
    let world = World::new().await?;
    let named = |key: &str, name: &str, phone: &str| {
        record(key, &[("Name", name.into()), ("Phone", phone.into())])
    };
    let before = vec![named("1", "One", "5550001"), named("2", "Two", "5550002")];
    world.pull(before).await?;
    let (run, from) = (RunId::fresh(), now());
    let after = vec![named("1", "Uno", "5551111"), named("2", "Dos", "5552222")];
    world.pull_as(run, world.connection, after).await?;
    let two = world.account("2").await?;
    world.edit(&two, &[("phone", "5559999".into())]).await?;
    world.claim().await?;

    let undoing = of(&world, run, from);
    let (_, counts) = undo(&world, &undoing).await?;
    assert_eq!((counts.restored, counts.fields), (2, 3));
    assert_eq!(counts.kept, [(Kept::Changed, 1)].into());
    let (one, two) = (world.account("1").await?, world.account("2").await?);
    assert_eq!(one.value("name"), "One".into());
    assert_eq!(one.value("phone"), "5550001".into());
    assert_eq!(two.value("name"), "Two".into());
    assert_eq!(two.value("phone"), "5559999".into(), "somebody's since");

    let batch = world.claim().await?;
    let sent: Vec<_> = batch.outgoing.iter().map(|one| &one.sent["name"]).collect();
    assert_eq!(sent.len(), 2);
    assert!(sent.contains(&&"One".into()) && sent.contains(&&"Two".into()));

    let (again, _) = look(&world, &undoing, 500).await?;
    assert_eq!((again.restored, again.fields), (0, 0), "once is enough");
    Ok(())
}

#[tokio::test]
async fn values_that_move_together_go_back_together_or_stay() -> Result<()> {
    let world = World::new().await?;
    let at = |city: &str, country: &str| {
        let place = [
            ("Name", "One".into()),
            ("BillingCity", city.into()),
            ("BillingCountry", country.into()),
        ];
        vec![record("1", &place)]
    };
    world.pull(at("Bern", "CH")).await?;
    let (run, from) = (RunId::fresh(), now());
    world
        .pull_as(run, world.connection, at("Lyon", "FR"))
        .await?;
    let account = world.account("1").await?;
    world
        .edit(&account, &[("billing_city", "Paris".into())])
        .await?;
    let (_, counts) = undo(&world, &of(&world, run, from)).await?;
    assert_eq!(counts.fields, 0);
    let kept = [(Kept::Changed, 1), (Kept::GroupChanged, 1)];
    assert_eq!(counts.kept, kept.into());
    let account = world.account("1").await?;
    assert_eq!(account.value("billing_country"), "FR".into());
    Ok(())
}

#[tokio::test]
async fn what_the_system_owns_is_not_put_back_against_it() -> Result<()> {
    let world = World::new().await?;
    let of_industry = |industry: &str| {
        let fields = [("Name", "One".into()), ("Industry", industry.into())];
        vec![record("1", &fields)]
    };
    world.pull(of_industry("Rail")).await?;
    let (run, from) = (RunId::fresh(), now());
    world
        .pull_as(run, world.connection, of_industry("Air"))
        .await?;
    let (counts, items) = look(&world, &of(&world, run, from), 500).await?;
    assert_eq!(counts.kept, [(Kept::OneWay, 1)].into());
    assert_eq!(items[0].act, Act::Restore);
    assert_eq!(items[0].fields[0].kept, Some(Kept::OneWay));
    Ok(())
}

#[tokio::test]
async fn what_a_run_made_goes_stays_out_and_comes_back_when_that_is_undone() -> Result<()> {
    let world = World::new().await?;
    let (run, from) = (RunId::fresh(), now());
    let page = || {
        ["1", "2", "3"].map(|key| record(key, &[("Name", key.into()), ("Phone", "5550000".into())]))
    };
    world
        .pull_as(run, world.connection, page().to_vec())
        .await?;
    let three = world.account("3").await?;
    world.edit(&three, &[("phone", "5553333".into())]).await?;
    let (back, counts) = undo(&world, &of(&world, run, from)).await?;
    assert_eq!(counts.removed, 2);
    assert_eq!(counts.kept, [(Kept::Changed, 1)].into());
    assert!(world.account("1").await?.removed_at.is_some());
    assert!(world.account("3").await?.removed_at.is_none());

    let applied = world.pull(page().to_vec()).await?;
    assert_eq!((applied.counts.excluded, applied.counts.created), (2, 0));
    assert!(
        world.account("1").await?.removed_at.is_some(),
        "it stays out"
    );
    assert_eq!(world.count("select count(*) from accounts").await?, 3);

    let (_, counts) = undo(&world, &undo_of(back)).await?;
    assert_eq!((counts.revived, counts.removed), (2, 0));
    assert!(world.account("1").await?.removed_at.is_none());
    let renamed = vec![record("1", &[("Name", "Uno".into())])];
    let applied = world.pull(renamed).await?;
    assert_eq!((applied.counts.updated, applied.counts.excluded), (1, 0));
    Ok(())
}

#[tokio::test]
async fn what_a_run_removed_comes_back_and_is_made_again_over_there() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "One".into())])])
        .await?;
    let account = world.account("1").await?;
    let (run, from) = (RunId::fresh(), now());
    world
        .pull_as(run, world.connection, vec![deleted("1")])
        .await?;
    assert!(world.entity(account.id).await?.removed_at.is_some());
    let (_, counts) = undo(&world, &of(&world, run, from)).await?;
    assert_eq!(counts.revived, 1);
    assert!(world.entity(account.id).await?.removed_at.is_none());
    let batch = world.claim().await?;
    assert!(matches!(batch.outgoing[0].write.op, WriteOp::Create { .. }));
    Ok(())
}

#[tokio::test]
async fn what_a_push_wrote_goes_back_to_what_was_there() -> Result<()> {
    let world = World::new().await?;
    let fields = [("Name", "One".into()), ("Phone", "5550001".into())];
    world.pull(vec![record("1", &fields)]).await?;
    let account = world.account("1").await?;
    let account = world.edit(&account, &[("phone", "5551111".into())]).await?;
    let from = now();
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    let run = world.run_of_write(outgoing.id).await?;
    let outcome = stored(&outgoing, "1");
    world.settle(vec![(outgoing, outcome)]).await?;
    let (_, counts) = undo(&world, &of(&world, run, from)).await?;
    assert_eq!((counts.restored, counts.fields), (1, 1));
    let account = world.entity(account.id).await?;
    assert_eq!(account.value("phone"), "5550001".into());
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing[0].sent["phone"], "5550001".into());
    Ok(())
}
