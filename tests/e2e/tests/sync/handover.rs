//! From history to what changes now: nothing older over something newer, and no change between them.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Change, Cursor, Gap, GapReason, Value};
use engine::Clock;
use engine::ids::RunId;
use engine::store::coverage;
use engine::store::plans::{Pass, Phase};
use engine::sync::page::{self, Ledger, Origin, Page};
use engine::sync::sweep::{self, Found};

use super::world::{World, record};

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

/// A record without a stamp, so that nothing of it says how old it is.
fn unstamped(key: &str, phone: &str) -> Change {
    let fields = [("Name", Value::from("One")), ("Phone", phone.into())];
    match record(key, &fields) {
        Change::Upsert(mut record) => {
            record.changed_at = None;
            Change::Upsert(record)
        }
        gone @ Change::Delete(_) => gone,
    }
}

/// A page of history that was asked for at this time.
async fn history(world: &World, changes: Vec<Change>, asked: DateTime<Utc>) -> Result<u64> {
    let mut tx = world.begin().await?;
    let page = Page {
        cursor: Some((Cursor("page 2".to_owned()), Phase::Full)),
        origin: Origin::Listing(asked),
        ..World::page(world.connection, changes)
    };
    let applied = page::apply(&mut tx, &world.tables, page).await?;
    tx.commit().await?;
    Ok(applied.counts.updated)
}

async fn phone(world: &World) -> Result<Value> {
    Ok(world.account("1").await?.value("phone"))
}

#[tokio::test]
async fn a_change_inside_the_window_is_not_overwritten_by_older_history() -> Result<()> {
    let world = World::new().await?;
    world.pull(vec![unstamped("1", "5550001")]).await?;
    // The window opens: history is asked for. A change comes and is applied. The chunk follows.
    let asked = now();
    world.pull(vec![unstamped("1", "5550002")]).await?;
    assert_eq!(
        history(&world, vec![unstamped("1", "5550001")], asked).await?,
        0
    );
    assert_eq!(phone(&world).await?, "5550002".into());
    // The next window is behind the change: what it brings is newer.
    let later = now() + TimeDelta::seconds(1);
    assert_eq!(
        history(&world, vec![unstamped("1", "5550003")], later).await?,
        1
    );
    assert_eq!(phone(&world).await?, "5550003".into());
    // Stamps decide where there are any, whenever the page was asked for.
    let fields = [("Name", Value::from("One")), ("Phone", "5550004".into())];
    let mut stamped = record("1", &fields);
    if let Change::Upsert(record) = &mut stamped {
        record.changed_at = Some(now());
    }
    world.pull(vec![stamped.clone()]).await?;
    assert_eq!(phone(&world).await?, "5550004".into());
    let older = record("1", &[("Name", "One".into()), ("Phone", "5550001".into())]);
    assert_eq!(
        history(&world, vec![older], later + TimeDelta::hours(1)).await?,
        0
    );
    assert_eq!(phone(&world).await?, "5550004".into());
    Ok(())
}

/// What is covered, and when the pass under way began.
async fn covered(world: &World) -> Result<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
    let mut tx = world.begin().await?;
    let known = coverage::of_stream(&mut tx, world.connection, "Account").await?;
    Ok((known.covered_to, known.pass_began_at))
}

/// Applies a page of a pass; `None` loses it before it is committed.
async fn page_of(world: &World, number: u8, pass: Pass, is_committed: bool) -> Result<()> {
    let mut tx = world.begin().await?;
    let phase = if pass.is_over {
        Phase::Incremental
    } else {
        Phase::Full
    };
    let key = number.to_string();
    let page = Page {
        cursor: Some((Cursor(format!("page {number}")), phase)),
        pass: Some(pass),
        ..World::page(world.connection, vec![unstamped(&key, "5550001")])
    };
    page::apply_within(&mut tx, &world.tables, page, Ledger::default()).await?;
    if is_committed {
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_pass_covers_up_to_its_own_beginning_wherever_it_was_cut() -> Result<()> {
    let world = World::new().await?;
    let at = |minute: u32| -> DateTime<Utc> {
        let text = format!("2026-11-20T10:{minute:02}:00Z");
        text.parse().unwrap_or_default()
    };
    let pass = |minute, is_anew, is_over| Pass {
        began_at: at(minute),
        is_anew,
        is_over,
    };
    // Window open: nothing is applied yet, nothing is covered.
    assert_eq!(covered(&world).await?, (None, None));
    page_of(&world, 1, pass(1, true, false), true).await?;
    assert_eq!(covered(&world).await?, (None, Some(at(1))));
    // Chunk buffered: the process dies before it is committed, twice.
    page_of(&world, 2, pass(1, false, false), false).await?;
    page_of(&world, 3, pass(1, false, true), false).await?;
    assert_eq!(covered(&world).await?, (None, Some(at(1))));
    // Another run takes it up, later: the feed was noted when the first one began.
    page_of(&world, 2, pass(20, false, false), true).await?;
    assert_eq!(covered(&world).await?, (None, Some(at(1))));
    // Window closed.
    page_of(&world, 3, pass(20, false, true), true).await?;
    assert_eq!(covered(&world).await?, (Some(at(1)), None));
    // From then on each pass covers up to where it began, and never less.
    page_of(&world, 4, pass(30, false, true), true).await?;
    assert_eq!(covered(&world).await?, (Some(at(30)), None));
    page_of(&world, 5, pass(25, true, true), true).await?;
    assert_eq!(covered(&world).await?, (Some(at(30)), None));
    // A read of everything that broke off leaves what was covered.
    page_of(&world, 6, pass(40, true, false), true).await?;
    assert_eq!(covered(&world).await?, (Some(at(30)), Some(at(40))));
    Ok(())
}

#[tokio::test]
async fn a_gap_begins_where_the_stream_was_covered_to_and_is_noted_once() -> Result<()> {
    let world = World::new().await?;
    let pass = Pass {
        began_at: now() - TimeDelta::hours(1),
        is_anew: true,
        is_over: true,
    };
    page_of(&world, 1, pass, true).await?;
    let gap = |from, to, keys: &[&str]| Gap {
        reason: GapReason::Overflow,
        from,
        to,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    let (then, now) = (now() - TimeDelta::minutes(9), now());
    let told = [
        gap(None, None, &[]),
        gap(Some(then), Some(now), &["b", "a", "b"]),
        gap(Some(then), Some(now), &["a", "b"]),
        // Ends before it begins, and in the future.
        gap(Some(now), Some(then), &[]),
        gap(Some(then), Some(now + TimeDelta::days(400)), &[]),
    ];
    let mut tx = world.begin().await?;
    let run = RunId::fresh();
    let noted = coverage::note(&mut tx, world.connection, "Account", run, &told).await?;
    assert_eq!(noted, 4, "the same told twice is one");
    let open = coverage::open(&mut tx, world.connection, "Account").await?;
    assert_eq!(
        open[0].from_at.map(|at| at.timestamp()),
        Some(pass.began_at.timestamp())
    );
    assert_eq!(
        open[1].keys.as_deref(),
        Some(&["a".to_owned(), "b".to_owned()][..])
    );
    assert_eq!(open[2].from_at, Some(open[2].to_at), "a moment");
    assert!(open[3].to_at <= tx.now(), "not longer than until now");
    // Another tenant neither sees nor closes them.
    tx.commit().await?;
    let mut theirs = world.store.begin(engine::ids::TenantId::fresh()).await?;
    assert!(
        coverage::open(&mut theirs, world.connection, "Account")
            .await?
            .is_empty()
    );
    assert_eq!(coverage::close(&mut theirs, &[open[0].id], run).await?, 0);
    Ok(())
}

/// Approving late, after what was withheld by a sweep was removed in another way, harms nothing.
#[tokio::test]
async fn absences_of_one_sweep_are_one_decision_in_however_many_parts() -> Result<()> {
    let world = World::new().await?;
    let all: Vec<Change> = (0..40)
        .map(|key| unstamped(&key.to_string(), "5550001"))
        .collect();
    world.pull(all).await?;
    let mut ledger = Ledger::default();
    let run = RunId::fresh();
    // Eleven of forty in parts of four: each part would be below a cap of ten.
    let (mut deleted, mut withheld) = (0, 0);
    for part in [0..4, 4..8, 8..11] {
        let mut tx = world.begin().await?;
        let keys: Vec<String> = part.map(|key| key.to_string()).collect();
        let place = (world.connection, "Account");
        let removed = sweep::remove(&mut tx, &world.tables, place, run, keys, ledger, 11).await?;
        tx.commit().await?;
        ledger = removed.applied.ledger;
        deleted += removed.applied.counts.deleted;
        withheld += removed.applied.counts.withheld;
    }
    assert_eq!((deleted, withheld), (0, 11));
    let living = "select count(*) from accounts where removed_at is null";
    assert_eq!(world.count(living).await?, 40);
    let asked = "select count(*) from approvals where state = 'open' and kind = 'delete'";
    assert_eq!(world.count(asked).await?, 1);
    // Ten are within it.
    let mut tx = world.begin().await?;
    let keys: Vec<String> = (20..30).map(|key| key.to_string()).collect();
    let place = (world.connection, "Account");
    let run = RunId::fresh();
    let removed = sweep::remove(
        &mut tx,
        &world.tables,
        place,
        run,
        keys,
        Ledger::default(),
        10,
    )
    .await?;
    tx.commit().await?;
    assert_eq!(removed.applied.counts.deleted, 10);
    Ok(())
}

/// A sweep's page lies about while something newer is read: the newer stands, and is no difference.
#[tokio::test]
async fn a_sweep_finds_no_difference_in_what_it_read_too_early() -> Result<()> {
    let world = World::new().await?;
    let stamped = |phone: &str, minute: i64| {
        let fields = [("Name", Value::from("One")), ("Phone", phone.into())];
        let mut change = record("1", &fields);
        if let Change::Upsert(record) = &mut change {
            record.changed_at = Some(DateTime::UNIX_EPOCH + TimeDelta::minutes(minute));
        }
        change
    };
    world.pull(vec![stamped("5550002", 2)]).await?;
    let mut tx = world.begin().await?;
    let found = Found {
        connection: world.connection,
        stream: "Account".to_owned(),
        run: RunId::fresh(),
        changes: vec![stamped("5550001", 1)],
        origin: Origin::Listing(now()),
    };
    let compared = sweep::compare(&mut tx, &world.tables, found, Ledger::default()).await?;
    tx.commit().await?;
    assert_eq!(compared.differing.len(), 0, "{compared:?}");
    assert_eq!(phone(&world).await?, "5550002".into());
    Ok(())
}
