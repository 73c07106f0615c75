//! Deliveries twice, in disorder and days late.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, TimeDelta};
use connector_sdk::{Change, Value};
use engine::ids::RunId;
use engine::sync::page;

use super::world::{World, record};

/// What a record of the system held so many hours after the beginning: whole records, each with its stamp.
fn told(key: &str, hours: i64, name: &str, phone: &str) -> Change {
    let fields = [
        ("Name", name.into()),
        ("Phone", phone.into()),
        (
            "ParentId",
            if key == "1" { Value::Null } else { "1".into() },
        ),
    ];
    let mut change = record(key, &fields);
    if let Change::Upsert(record) = &mut change {
        record.changed_at = Some(DateTime::UNIX_EPOCH + TimeDelta::hours(hours));
    }
    change
}

/// What the hub holds of both records: name, phone, and whether the second hangs below the first.
async fn held(world: &World) -> Result<BTreeMap<&'static str, (Value, Value, bool)>> {
    let parent = world.account("1").await?.id.0.to_string();
    let mut held = BTreeMap::new();
    for key in ["1", "2"] {
        let account = world.account(key).await?;
        let is_below = account.value("parent") == parent.as_str().into();
        let values = (account.value("name"), account.value("phone"), is_below);
        held.insert(key, values);
    }
    Ok(held)
}

// 12; no connector receives webhooks yet, so that this is what the core does with them.
#[tokio::test]
async fn scenario_12_deliveries_twice_in_disorder_and_days_late_end_where_ordered_ones_do()
-> Result<()> {
    let story = || {
        vec![
            told("1", 0, "One", "5550001"),
            told("2", 0, "Two", "5550002"),
            told("2", 1, "Two", "5552222"),
            told("1", 2, "Uno", "5550001"),
            told("2", 3, "Dos", "5552222"),
        ]
    };
    let ordered = World::new().await?;
    for change in story() {
        ordered.pull(vec![change]).await?;
    }
    let world = World::new().await?;
    // The updates before what they update, the child before its parent, each three times.
    for change in story().into_iter().rev() {
        for _ in 0..3 {
            world.pull(vec![change.clone()]).await?;
        }
    }
    let mut tx = world.begin().await?;
    let (tables, connection, run) = (&world.tables, world.connection, RunId::fresh());
    page::apply_waiting(&mut tx, tables, connection, "Account", run, "", 100).await?;
    tx.commit().await?;
    assert_eq!(held(&world).await?, held(&ordered).await?);
    assert_eq!(
        held(&world).await?["2"],
        ("Dos".into(), "5552222".into(), true)
    );

    // One comes 70 hours late, on a record that somebody edited here meanwhile.
    let two = world.account("2").await?;
    world.edit(&two, &[("phone", "5559999".into())]).await?;
    let late = world.pull(vec![told("2", 1, "Two", "5552222")]).await?;
    assert_eq!((late.counts.unchanged, late.counts.updated), (1, 0));
    assert_eq!(
        held(&world).await?["2"],
        ("Dos".into(), "5559999".into(), true)
    );
    assert_eq!(world.count("select count(*) from conflicts").await?, 0);
    assert_eq!(world.count("select count(*) from accounts").await?, 2);
    Ok(())
}
