use anyhow::Result;
use connector_sdk::{Change, Record, Value};
use engine::ids::{ApprovalId, RunId};
use engine::store::approvals::{self, ApprovalRow, Kind};
use engine::store::caps::{self, Cap, Caps};
use engine::store::withheld;
use engine::sync::approve::{self, ApplyInput, Found};
use engine::sync::page::{self, Applied, Ledger, Page};

use super::world::{World, deleted, record};

/// Two removals, two values and two new records may be more than a run does.
const TIGHT: Caps = {
    let cap = Cap { count: 2, share: 0 };
    Caps {
        deletes: cap,
        overwrites: cap,
        creates: cap,
    }
};

fn named(key: usize, phone: &str) -> Change {
    let name = format!("Account {key}");
    let fields = [("Name", name.as_str().into()), ("Phone", phone.into())];
    record(&key.to_string(), &fields)
}

/// A stream of ten records, read to its end, with tight caps.
async fn world() -> Result<World> {
    let world = World::new().await?;
    let first: Vec<Change> = (1..=10).map(|key| named(key, "5550001")).collect();
    let applied = within(&world, first, Ledger::default()).await?;
    assert_eq!((applied.counts.created, applied.counts.withheld), (10, 0));
    let mut tx = world.begin().await?;
    caps::put(&mut tx, world.connection, "Account", &TIGHT, 0).await?;
    tx.commit().await?;
    Ok(world)
}

/// Applies a page within the caps.
async fn within(world: &World, changes: Vec<Change>, ledger: Ledger) -> Result<Applied> {
    let mut tx = world.begin().await?;
    let page = World::page(world.connection, changes);
    let applied = page::apply_within(&mut tx, &world.tables, page, ledger).await?;
    tx.commit().await?;
    Ok(applied)
}

async fn open(world: &World) -> Result<Vec<ApprovalRow>> {
    let mut tx = world.begin().await?;
    Ok(approvals::list(&mut tx, Some(true), 50, None).await?.items)
}

async fn living(world: &World) -> Result<i64> {
    world
        .count("select count(*) from accounts where removed_at is null")
        .await
}

/// Approves at most so many changes, of which the system shows by now what `shown` says.
async fn approve(
    world: &World,
    approval: &ApprovalRow,
    most: u64,
    shown: impl Fn(&str) -> Option<Record>,
) -> Result<Applied> {
    let mut tx = world.begin().await?;
    let run = RunId::fresh();
    let input = ApplyInput {
        approval: approval.id,
        connection: world.connection,
        stream: "Account".to_owned(),
        kind: approval.kind,
        most,
        user: world.user,
    };
    approvals::take(&mut tx, approval.id).await?;
    approvals::approve(&mut tx, approval.id, most, world.user, run).await?;
    let limit = i64::try_from(most)?;
    let part = withheld::open_part(&mut tx, approval.id, approve::begin(), limit).await?;
    let found = part.into_iter().map(|(_, key)| Found {
        record: shown(&key),
        key,
    });
    let found = found.collect();
    let applied = approve::apply(&mut tx, &world.tables, &input, run, found).await?;
    approvals::settle(&mut tx, approval.id, run).await?;
    tx.commit().await?;
    Ok(applied)
}

fn upserted(change: Change) -> Option<Record> {
    match change {
        Change::Upsert(record) => Some(record),
        Change::Delete(_) => None,
    }
}

#[tokio::test]
async fn removals_beyond_the_cap_are_one_question_and_the_rest_of_the_page_proceeds() -> Result<()>
{
    let world = world().await?;
    let mut changes: Vec<Change> = (1..=5).map(|key| deleted(&key.to_string())).collect();
    changes.push(named(6, "5556666"));
    changes.push(named(11, "5550011"));
    let applied = within(&world, changes.clone(), Ledger::default()).await?;
    assert_eq!((applied.counts.deleted, applied.counts.withheld), (0, 5));
    assert_eq!((applied.counts.updated, applied.counts.created), (1, 1));
    assert_eq!(living(&world).await?, 11);
    let asked = open(&world).await?;
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].kind, asked[0].open), (Kind::Delete, 5));

    // The same again is the same question.
    let applied = within(&world, changes, Ledger::default()).await?;
    assert_eq!((applied.counts.deleted, applied.counts.withheld), (0, 5));
    let again = open(&world).await?;
    assert_eq!((again[0].id, again[0].open), (asked[0].id, 5));

    // Two are there again: one is read as such before the approval, one only when it is looked at.
    within(&world, vec![named(1, "5550001")], Ledger::default()).await?;
    assert_eq!(open(&world).await?[0].open, 4);
    let applied = approve(&world, &asked[0], 3, |key| {
        (key == "2").then(|| upserted(named(2, "5550001")))?
    })
    .await?;
    assert_eq!(
        applied.counts.deleted, 2,
        "three were agreed to, one recovered"
    );
    assert_eq!(living(&world).await?, 9);
    let left = open(&world).await?;
    assert_ne!(
        left[0].id, asked[0].id,
        "what was not agreed to is asked again"
    );
    assert_eq!(left[0].open, 1);
    let mut tx = world.begin().await?;
    let settled = approvals::get(&mut tx, asked[0].id).await?;
    assert_eq!(
        (settled.state.as_str(), settled.applied, settled.recovered),
        ("settled", 2, 2)
    );
    let twice = approvals::take(&mut tx, asked[0].id).await.unwrap_err();
    assert!(twice.to_string().contains("approved already"), "{twice}");
    Ok(())
}

#[tokio::test]
async fn values_written_over_beyond_the_cap_are_withheld_record_by_record() -> Result<()> {
    let world = world().await?;
    let page = (1..=5).map(|key| named(key, "5559999")).collect();
    let applied = within(&world, page, Ledger::default()).await?;
    assert_eq!((applied.counts.updated, applied.counts.withheld), (2, 3));
    let phones = "select count(*) from accounts where phone = '5559999'";
    assert_eq!(world.count(phones).await?, 2);
    // The next page of the run has no room left; a record that writes over nothing needs none.
    let empty = [("Name", "Account 7".into()), ("Industry", "Rail".into())];
    let page = vec![named(6, "5559999"), record("7", &empty)];
    let applied = within(&world, page, applied.ledger).await?;
    assert_eq!((applied.counts.updated, applied.counts.withheld), (1, 1));
    let asked = open(&world).await?;
    assert_eq!((asked[0].kind, asked[0].open), (Kind::Overwrite, 4));

    // The next run has room, but not for what waits for an answer.
    let page = vec![named(5, "5558888")];
    let applied = within(&world, page, Ledger::default()).await?;
    assert_eq!((applied.counts.updated, applied.counts.withheld), (0, 1));

    // What the system shows by now is applied, not what was withheld.
    let shown = |key: &str| upserted(named(key.parse().ok()?, "5557777"));
    let applied = approve(&world, &asked[0], 10, shown).await?;
    assert_eq!(applied.counts.updated, 4);
    let phones = "select count(*) from accounts where phone = '5557777'";
    assert_eq!(world.count(phones).await?, 4);
    assert!(open(&world).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn new_records_beyond_the_cap_are_withheld_and_their_children_wait() -> Result<()> {
    let world = world().await?;
    let child = [
        ("Name", Value::text("Child")),
        ("ParentId", Value::text("13")),
    ];
    let page = vec![
        named(11, "5550001"),
        record("12", &child),
        named(13, "5550001"),
    ];
    let applied = within(&world, page, Ledger::default()).await?;
    assert_eq!((applied.counts.created, applied.counts.withheld), (2, 1));
    let child = world.account("12").await?;
    assert_eq!(child.value("parent"), Value::Null);
    let asked = open(&world).await?;
    assert_eq!((asked[0].kind, asked[0].open), (Kind::Create, 1));
    let applied = approve(&world, &asked[0], 1, |_| upserted(named(13, "5550001"))).await?;
    assert_eq!(applied.counts.created, 1);
    let mut tx = world.begin().await?;
    let run = RunId::fresh();
    let (connection, tables) = (world.connection, &world.tables);
    page::apply_waiting(&mut tx, tables, connection, "Account", run, "", 10).await?;
    tx.commit().await?;
    let parent = world.account("13").await?;
    let child = world.account("12").await?;
    assert_eq!(
        child.value("parent"),
        parent.id.0.to_string().as_str().into()
    );
    Ok(())
}

#[tokio::test]
async fn a_share_of_a_large_stream_is_more_than_a_count() -> Result<()> {
    let world = world().await?;
    let mut tx = world.begin().await?;
    let half = Caps {
        deletes: Cap {
            count: 2,
            share: 50,
        },
        ..TIGHT
    };
    caps::put(&mut tx, world.connection, "Account", &half, 1).await?;
    tx.commit().await?;
    let page =
        |keys: std::ops::RangeInclusive<usize>| keys.map(|key| deleted(&key.to_string())).collect();
    let applied = within(&world, page(1..=5), Ledger::default()).await?;
    assert_eq!((applied.counts.deleted, applied.counts.withheld), (5, 0));
    // In the same run, and of the records there were when it began to count.
    let applied = within(&world, page(6..=6), applied.ledger).await?;
    assert_eq!((applied.counts.deleted, applied.counts.withheld), (0, 1));
    Ok(())
}

/// Scenario 7 of the ways in which synchronising breaks: the permission was narrowed, the list answers
/// with nothing.
#[tokio::test]
async fn an_empty_but_successful_listing_removes_nothing() -> Result<()> {
    let world = world().await?;
    let mut tx = world.begin().await?;
    let page = Page {
        cursor: Some((
            connector_sdk::Cursor("end".to_owned()),
            engine::store::plans::Phase::Incremental,
        )),
        ..World::page(world.connection, Vec::new())
    };
    page::apply_within(&mut tx, &world.tables, page, Ledger::default()).await?;
    tx.commit().await?;
    assert_eq!(living(&world).await?, 10);
    assert!(open(&world).await?.is_empty(), "absence is no removal");
    Ok(())
}

#[tokio::test]
async fn another_tenant_has_neither_the_caps_nor_the_questions() -> Result<()> {
    let world = world().await?;
    let page = (1..=5).map(|key| deleted(&key.to_string())).collect();
    within(&world, page, Ledger::default()).await?;
    let asked: ApprovalId = open(&world).await?[0].id;
    let mut tx = world.store.begin(engine::ids::TenantId::fresh()).await?;
    let (theirs, version) = caps::get(&mut tx, world.connection, "Account").await?;
    assert_eq!((theirs, version), (Caps::default(), 0));
    assert!(approvals::get(&mut tx, asked).await.is_err());
    let list = withheld::list(&mut tx, asked, 10, None).await?;
    assert!(list.items.is_empty());
    Ok(())
}

// Scenario 19: a table with empty columns, as somebody brings it.
#[tokio::test]
async fn five_thousand_empty_cells_do_not_wipe_five_thousand_values() -> Result<()> {
    const RECORDS: usize = 5_000;
    let world = World::new().await?;
    let mut ledger = Ledger::default();
    for part in (0..RECORDS).collect::<Vec<_>>().chunks(1_000) {
        let page = part.iter().map(|key| named(*key, "5550001")).collect();
        ledger = within(&world, page, ledger).await?.ledger;
    }
    let phones = "select count(*) from accounts where phone is not null";
    assert_eq!(world.count(phones).await?, 5_000);
    let (mut ledger, mut withheld) = (Ledger::default(), 0);
    for part in (0..RECORDS).collect::<Vec<_>>().chunks(1_000) {
        let page = part.iter().map(|key| named(*key, "")).collect();
        let applied = within(&world, page, ledger).await?;
        (ledger, withheld) = (applied.ledger, withheld + applied.counts.withheld);
    }
    assert_eq!((withheld, world.count(phones).await?), (4_000, 4_000));
    let asked = open(&world).await?;
    assert_eq!((asked[0].kind, asked[0].open), (Kind::Overwrite, 4_000));
    // Declined, and brought again by a run of tomorrow: nothing of it happens by itself.
    let page = vec![named(4_999, "")];
    let applied = within(&world, page, Ledger::default()).await?;
    assert_eq!((applied.counts.updated, applied.counts.withheld), (0, 1));
    Ok(())
}
