//! What a preview says is what the run then does.

use std::collections::BTreeMap;

use anyhow::Result;
use connector_sdk::{Change, Value};
use engine::ids::{MappingId, RunId};
use engine::outcomes::{Act, Digest, Outcome, Owed, Part, Totals};
use engine::store::mappings::{self, Author, Behind};
use engine::store::{plans, records};
use engine::sync::page::Ledger;
use engine::sync::preview;

use super::world::{MAPPING, World, record};

async fn mapping_of(world: &World) -> Result<MappingId> {
    let mut tx = world.begin().await?;
    let list = mappings::list(&mut tx, Some(world.connection), 1, None).await?;
    Ok(list.items[0].id)
}

/// Stores a text as a draft; its number.
async fn draft(world: &World, text: &str) -> Result<i32> {
    let id = mapping_of(world).await?;
    let mut tx = world.begin().await?;
    let row = mappings::get(&mut tx, id).await?;
    let author = Author::named("a test");
    let version = mappings::append(&mut tx, id, row.version, text, author, None).await?;
    tx.commit().await?;
    Ok(version)
}

/// All of what a draft would do, `limit` records at a time.
async fn look(world: &World, version: i32, limit: i64) -> Result<(Part, Vec<Outcome>)> {
    let id = mapping_of(world).await?;
    let (mut whole, mut outcomes) = (Part::default(), Vec::new());
    loop {
        let mut tx = world.begin().await?;
        let text = mappings::version(&mut tx, id, version).await?.body;
        let plan = plans::drafted(&mut tx, world.connection, "Account", version, &text).await?;
        let after = whole.next.take().unwrap_or_default();
        let looked = preview::look(&mut tx, &world.tables, plan, &after, limit).await?;
        tx.commit().await?;
        whole.totals.add(looked.part.totals);
        whole.digest.add(looked.part.digest);
        whole.next = looked.part.next;
        outcomes.extend(looked.outcomes);
        if whole.next.is_none() {
            return Ok((whole, outcomes));
        }
    }
}

async fn put_in_force(world: &World, version: i32) -> Result<()> {
    let id = mapping_of(world).await?;
    let mut tx = world.begin().await?;
    mappings::put_in_force(&mut tx, id, version, Behind::Superseded).await?;
    tx.commit().await?;
    Ok(())
}

async fn apply(world: &World, limit: i64) -> Result<Part> {
    let mut whole = Part::default();
    let mut ledger = Ledger::default();
    loop {
        let mut tx = world.begin().await?;
        let plan = plans::of_stream(&mut tx, world.connection, "Account").await?;
        let plan = plan.expect("a mapping is in force");
        let after = whole.next.take().unwrap_or_default();
        let run = RunId::fresh();
        let applied =
            preview::apply(&mut tx, &world.tables, &plan, run, &after, limit, ledger).await?;
        ledger = applied.ledger;
        tx.commit().await?;
        whole.totals.add(applied.part.totals);
        whole.digest.add(applied.part.digest);
        whole.next = applied.part.next;
        if whole.next.is_none() {
            return Ok(whole);
        }
    }
}

/// Every row of what a sync touches, as text.
async fn everything(world: &World) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for sql in [
        "select to_jsonb(t)::text from accounts t order by id",
        "select to_jsonb(t)::text from records t order by connection_id, key",
        "select to_jsonb(t)::text from changes t order by id",
        "select to_jsonb(t)::text from conflicts t order by id",
        "select to_jsonb(t)::text from writes t order by id",
        "select to_jsonb(t)::text from echoes t order by entity_id, field",
        "select to_jsonb(t)::text from streams t order by connection_id",
        "select to_jsonb(t)::text from matches t order by id",
        "select to_jsonb(t)::text from link_events t order by id",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&world.db.pool().await?)
            .await?;
        all.extend(rows);
    }
    Ok(all)
}

/// Another text: upper-case names, another owner, phones that only come in, a text that is no
/// number.
fn changed() -> String {
    MAPPING
        .replace(
            "remote = \"Name\"",
            "remote = \"Name\"\nin = \"upper\"\nout = \"lower\"",
        )
        .replace("owner = \"remote\"", "owner = \"core\"")
        .replace(
            "remote = \"Employees\"\npolicy = \"max\"",
            "remote = \"Notes\"\nin = \"number\"",
        )
        .replace("remote = \"Phone\"", "remote = \"Fax\"")
}

/// Eleven accounts: edited here, edited there, both, with parents, with texts that are no numbers;
/// some of them are in a second system too.
async fn furnish(world: &World) -> Result<()> {
    let page: Vec<Change> = (1..=11)
        .map(|number: i64| {
            let key = format!("{number:02}");
            let parent = if number % 4 == 0 {
                Value::from("01")
            } else if number == 7 {
                Value::from("not there")
            } else {
                Value::Null
            };
            record(
                &key,
                &[
                    ("Name", format!("Name {number}").into()),
                    ("Phone", format!("555000{number:02}").into()),
                    ("Fax", format!("555100{number:02}").into()),
                    ("Industry", "Rail".into()),
                    ("Notes", if number % 3 == 0 { "many" } else { "12" }.into()),
                    ("BillingCity", "Bern".into()),
                    ("BillingCountry", "CH".into()),
                    ("ParentId", parent),
                ],
            )
        })
        .collect();
    world.pull(page).await?;
    for (key, field, value) in [("02", "phone", "5559999"), ("05", "industry", "Air")] {
        let account = world.account(key).await?;
        world.edit(&account, &[(field, value.into())]).await?;
    }
    let second = world.connect("Second", MAPPING).await?;
    let mut there = Vec::new();
    for key in ["01", "03"] {
        let id = world.account(key).await?.id.0.to_string();
        there.push(record(
            &format!("s{key}"),
            &[("Hub_Id__c", id.into()), ("Name", "Other".into())],
        ));
    }
    world.pull_from(second, there).await?;
    Ok(())
}

#[tokio::test]
async fn a_preview_says_to_the_byte_what_the_run_then_does_and_writes_nothing() -> Result<()> {
    let world = World::new().await?;
    furnish(&world).await?;
    let version = draft(&world, &changed()).await?;
    let before = everything(&world).await?;

    let (said, outcomes) = look(&world, version, 3).await?;
    assert_eq!(
        everything(&world).await?,
        before,
        "a preview writes nothing"
    );
    let (again, _) = look(&world, version, 100).await?;
    assert_eq!(again.digest, said.digest, "whatever the parts");
    assert_eq!(again.totals, said.totals);
    assert_eq!(said.totals.read, 11);
    assert_eq!(said.totals.updates, 11);
    assert_eq!(said.totals.fields["name"], 9, "two wait for a person");
    assert_eq!(said.totals.failed, 3, "texts that are no numbers");
    assert_eq!(said.totals.waiting, 1);
    assert!(said.totals.conflicts > 0, "{:?}", said.totals);
    let cause = &said.totals.causes[0];
    assert_eq!((said.totals.causes.len(), cause.records), (1, 3));
    assert_eq!(
        (cause.core.as_str(), cause.remote.as_str()),
        ("employees", "Notes")
    );
    let owed = |owed: &[Owed]| -> BTreeMap<bool, u64> {
        owed.iter()
            .map(|owed| (owed.connection == world.connection, owed.writes))
            .collect()
    };
    assert_eq!(
        owed(&said.totals.owed)[&false],
        2,
        "the second system is told of two"
    );

    put_in_force(&world, version).await?;
    let did = apply(&world, 5).await?;
    assert_eq!(did.digest, said.digest);
    let without_owed = Totals {
        owed: Vec::new(),
        ..said.totals.clone()
    };
    assert_eq!(did.totals, without_owed);

    // And what was told is what is stored by now.
    let mut conflicts = 0;
    for outcome in &outcomes {
        let merged = outcome.merged.as_ref().expect("all were merged");
        let mut tx = world.begin().await?;
        let keys = [outcome.key.clone()];
        let linked = records::by_keys(&mut tx, world.connection, "Account", &keys).await?;
        let linked = &linked[&outcome.key];
        assert_eq!(linked.base, merged.base, "{}", outcome.key);
        assert_eq!(linked.mapping_version, version);
        drop(tx);
        let entity = world.entity(linked.entity_id).await?;
        assert_eq!(Some(entity.id), outcome.entity_id);
        for change in &merged.changes {
            assert_eq!(entity.value(&change.field), change.new, "{}", outcome.key);
        }
        conflicts += merged.conflicts.len();
    }
    let open = "select count(*) from conflicts where state = 'open' and connection_id = \
                (select connection_id from records where key = '01')";
    assert_eq!(world.count(open).await?, i64::try_from(conflicts)?);
    // Some of them were owed before.
    let told = outcomes.iter().filter(|outcome| {
        let merged = outcome.merged.as_ref();
        merged.is_some_and(|merged| !merged.push.is_empty())
    });
    for outcome in told.clone() {
        let pending = "select count(*) from writes w join records r on r.entity_id = w.entity_id \
                       and r.connection_id = w.connection_id \
                       where w.state = 'pending' and r.key = $1";
        let pending: i64 = sqlx::query_scalar(pending)
            .bind(&outcome.key)
            .fetch_one(&world.db.pool().await?)
            .await?;
        assert_eq!(pending, 1, "{}", outcome.key);
    }
    assert_eq!(told.count() as u64, owed(&said.totals.owed)[&true]);

    let (rest, _) = look(&world, version, 100).await?;
    assert_eq!(rest.totals, Totals::default(), "nothing is left to do");
    assert_eq!(rest.digest, Digest::default());
    Ok(())
}

#[tokio::test]
async fn a_record_that_moves_in_between_is_seen_in_the_digest() -> Result<()> {
    let world = World::new().await?;
    furnish(&world).await?;
    let version = draft(&world, &changed()).await?;
    let (said, _) = look(&world, version, 100).await?;
    let account = world.account("06").await?;
    world.edit(&account, &[("name", "Edited".into())]).await?;
    put_in_force(&world, version).await?;
    assert_ne!(apply(&world, 100).await?.digest, said.digest);
    Ok(())
}

#[tokio::test]
async fn records_as_the_system_has_them_now_are_looked_at_beside_the_snapshots() -> Result<()> {
    let world = World::new().await?;
    furnish(&world).await?;
    let version = draft(&world, &changed()).await?;
    let id = mapping_of(&world).await?;
    let before = everything(&world).await?;
    let mut tx = world.begin().await?;
    let text = mappings::version(&mut tx, id, version).await?.body;
    let plan = plans::drafted(&mut tx, world.connection, "Account", version, &text).await?;
    let Change::Upsert(there) = record("04", &[("Name", "Newer".into())]) else {
        unreachable!("a record is one")
    };
    let found = vec![("04".to_owned(), Some(there)), ("02".to_owned(), None)];
    let looked = preview::look_live(&mut tx, &world.tables, plan, found).await?;
    tx.commit().await?;
    let acts: Vec<(&str, Act)> = looked
        .outcomes
        .iter()
        .map(|outcome| (outcome.key.as_str(), outcome.act))
        .collect();
    assert_eq!(acts, [("04", Act::Update), ("02", Act::Delete)]);
    let merged = looked.outcomes[0].merged.as_ref().expect("it was merged");
    assert_eq!(merged.changes[0].new, "NEWER".into());
    assert_eq!(everything(&world).await?, before);
    Ok(())
}

#[tokio::test]
async fn values_that_do_not_come_back_as_they_went_out_are_named() -> Result<()> {
    let world = World::new().await?;
    world
        .pull(vec![record("1", &[("Name", "Ärger".into())])])
        .await?;
    // Upper case in, lower case out and in again is the same; a cut is not.
    let lossy = MAPPING.replace(
        "remote = \"Name\"",
        "remote = \"Name\"\nin = \"trim\"\nout = \"truncate(3)\"",
    );
    let version = draft(&world, &lossy).await?;
    let (said, outcomes) = look(&world, version, 100).await?;
    assert_eq!(said.totals.not_kept, 1);
    assert!(outcomes[0].not_kept.contains("name"));
    let (kept, _) = look(&world, draft(&world, &changed()).await?, 100).await?;
    assert_eq!(kept.totals.not_kept, 0);
    Ok(())
}

/// The mapping with a domain, and with these rules of whose a record is.
fn linking(rules: &str) -> String {
    let hub_id = "hub_id = \"Hub_Id__c\"";
    let text = MAPPING.replace(hub_id, &format!("{hub_id}\n{rules}"));
    format!("{text}\n[[field]]\ncore = \"domain\"\nremote = \"Notes\"\n")
}

#[tokio::test]
async fn what_is_held_is_looked_at_too_and_becomes_what_was_said() -> Result<()> {
    let world = World::new().await?;
    let other = world.connect("Second", &linking("")).await?;
    let here = |key: &str, name: &str, phone: &str, domain: &str| {
        let fields = [("Name", name), ("Phone", phone), ("Notes", domain)];
        record(key, &fields.map(|(field, text)| (field, text.into())))
    };
    let known = vec![
        here("x1", "Acme", "5550001", "acme.example"),
        here("x2", "Birch", "5550002", "birch.example"),
        here("x3", "Cedar", "5550003", "cedar.example"),
    ];
    world.pull_from(other, known).await?;
    let similar = "similar = [\"name\", \"phone\"]";
    let asks = draft(&world, &linking(similar)).await?;
    put_in_force(&world, asks).await?;
    let alike = vec![
        here("1", "Acme", "5550001", "acme.example"),
        here("2", "Birch", "5550002", "birches.example"),
        here("3", "Cedar", "5550003", "cedar.example"),
        here("4", "Dogwood", "5550004", "dogwood.example"),
    ];
    let applied = world.pull(alike).await?;
    assert_eq!((applied.counts.held, applied.counts.created), (3, 1));

    // A domain says whose it is; where that is another one, it is asked as before.
    let strong = linking(&format!("strong = [\"domain\"]\n{similar}"));
    let version = draft(&world, &strong).await?;
    let before = everything(&world).await?;
    let (part, outcomes) = look(&world, version, 2).await?;
    assert_eq!(
        everything(&world).await?,
        before,
        "a preview stores nothing"
    );
    let totals = &part.totals;
    assert_eq!(
        (totals.read, totals.links, totals.holds, totals.creates),
        (4, 2, 1, 0)
    );
    let act = |key: &str| {
        let mut outcomes = outcomes.iter().filter(|outcome| outcome.key == key);
        outcomes.next().map(|outcome| outcome.act)
    };
    assert_eq!(act("2"), Some(Act::Hold));

    put_in_force(&world, version).await?;
    let applied = apply(&world, 3).await?;
    assert_eq!(applied.digest, part.digest);
    assert_eq!(
        world.account("1").await?.id,
        world.account_of(other, "x1").await?.id
    );
    assert_eq!(
        world.account("3").await?.id,
        world.account_of(other, "x3").await?.id
    );
    assert_eq!(
        world
            .count("select count(*) from matches where state = 'open'")
            .await?,
        1
    );
    assert_eq!(
        apply(&world, 3).await?,
        Part::default(),
        "there is nothing left to do"
    );

    // Where nothing is asked any more, what is still held becomes one of its own.
    let version = draft(&world, &linking("")).await?;
    let (part, _) = look(&world, version, 10).await?;
    assert_eq!(
        (part.totals.read, part.totals.creates, part.totals.holds),
        (4, 1, 0)
    );
    put_in_force(&world, version).await?;
    assert_eq!(apply(&world, 10).await?.digest, part.digest);
    assert_eq!(
        world
            .count("select count(*) from matches where state = 'open'")
            .await?,
        0
    );
    Ok(())
}
