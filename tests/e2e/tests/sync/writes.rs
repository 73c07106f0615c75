use anyhow::Result;
use connector_sdk::{ErrorKind, WriteOp};
use engine::sync::outbox::{Outcome, Refusal};

use super::world::{World, record, stored, stored_as};

fn refused(kind: ErrorKind, outcome_unknown: bool) -> Outcome {
    Outcome::Refused(Refusal {
        kind,
        code: Some("CODE".to_owned()),
        message: "no".to_owned(),
        fields: Vec::new(),
        retry_after_ms: Some(0),
        outcome_unknown,
    })
}

async fn edited(world: &World, phone: &str) -> Result<engine::sync::outbox::Outgoing> {
    world
        .pull(vec![record(
            "1",
            &[("Name", "One".into()), ("Phone", "5550000".into())],
        )])
        .await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", phone.into())]).await?;
    let mut batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    Ok(batch.outgoing.remove(0))
}

#[tokio::test]
async fn a_written_value_that_comes_back_is_an_echo_and_writing_ends() -> Result<()> {
    let world = World::new().await?;
    let outgoing = edited(&world, "5551111").await?;
    assert!(matches!(&outgoing.write.op, WriteOp::Update { key, .. } if key == "1"));
    let outcome = stored(&outgoing, "1");
    let settled = world.settle(vec![(outgoing, outcome)]).await?;
    assert_eq!((settled.written, settled.normalised), (1, 0));
    let back = vec![record(
        "1",
        &[("Name", "One".into()), ("Phone", "5551111".into())],
    )];
    let applied = world.pull(back).await?;
    assert_eq!((applied.counts.updated, applied.counts.conflicts), (0, 0));
    assert!(applied.owed.is_empty());
    assert!(world.claim().await?.outgoing.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_echo_of_the_first_of_two_quick_edits_never_brings_it_back() -> Result<()> {
    let world = World::new().await?;
    // A is on its way, its answer has not come; B is set meanwhile; then A comes back by a read.
    let outgoing = edited(&world, "5551111").await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("phone", "5552222".into())]).await?;
    let echo = vec![record(
        "1",
        &[("Name", "One".into()), ("Phone", "5551111".into())],
    )];
    let applied = world.pull(echo).await?;
    assert_eq!(applied.counts.conflicts, 0);
    assert_eq!(world.account("1").await?.value("phone"), "5552222".into());
    let outcome = stored(&outgoing, "1");
    world.settle(vec![(outgoing, outcome)]).await?;
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1, "and B is sent");
    assert_eq!(batch.outgoing[0].sent["phone"], "5552222".into());
    Ok(())
}

#[tokio::test]
async fn a_value_that_the_system_stores_in_another_form_is_agreed_on_and_not_written_again()
-> Result<()> {
    let world = World::new().await?;
    let outgoing = edited(&world, "5551111").await?;
    let outcome = stored_as(&outgoing, "1", &[("Phone", "(555) 9999".into())]);
    let settled = world.settle(vec![(outgoing, outcome)]).await?;
    assert_eq!(settled.normalised, 1);
    assert_eq!(
        world.account("1").await?.value("phone"),
        "(555) 9999".into()
    );
    let back = vec![record(
        "1",
        &[("Name", "One".into()), ("Phone", "(555) 9999".into())],
    )];
    let applied = world.pull(back).await?;
    assert_eq!(applied.counts.updated, 0);
    assert!(world.claim().await?.outgoing.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_transient_refusal_is_tried_again_and_a_rejection_is_left_to_a_person() -> Result<()> {
    let world = World::new().await?;
    let outgoing = edited(&world, "5551111").await?;
    let settled = world
        .settle(vec![(outgoing, refused(ErrorKind::Transient, false))])
        .await?;
    assert_eq!((settled.retried, settled.failed), (1, 0));
    let mut batch = world.claim().await?;
    let again = batch.outgoing.remove(0);
    assert_eq!((again.attempt, again.look_first), (2, false));
    let settled = world
        .settle(vec![(again, refused(ErrorKind::Rejected, false))])
        .await?;
    assert_eq!((settled.retried, settled.failed), (0, 1));
    assert!(world.claim().await?.outgoing.is_empty());
    let failed = "select count(*) from writes where state = 'failed' and error ->> 'code' = 'CODE'";
    assert_eq!(world.count(failed).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_retried_write_gives_way_to_a_newer_intent() -> Result<()> {
    let world = World::new().await?;
    let outgoing = edited(&world, "5551111").await?;
    let account = world.account("1").await?;
    world.edit(&account, &[("name", "Uno".into())]).await?;
    world
        .settle(vec![(outgoing, refused(ErrorKind::Transient, false))])
        .await?;
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    let fields: Vec<&String> = batch.outgoing[0].sent.keys().collect();
    assert_eq!(fields, ["name", "phone"]);
    Ok(())
}

#[tokio::test]
async fn a_create_whose_outcome_is_unknown_is_looked_for_before_it_is_repeated() -> Result<()> {
    let world = World::new().await?;
    let mut tx = world.begin().await?;
    let fields = super::world::values(&[("name", "Made here".into())]);
    let made =
        engine::sync::edit::create(&mut tx, &world.tables, "account", fields, world.user).await?;
    tx.commit().await?;
    assert_eq!(made.owed.len(), 1);
    let mut batch = world.claim().await?;
    let outgoing = batch.outgoing.remove(0);
    assert!(matches!(outgoing.write.op, WriteOp::Create { .. }));
    assert_eq!(outgoing.write.hub_id, made.entity.id.0.to_string());
    world
        .settle(vec![(outgoing, refused(ErrorKind::Transient, true))])
        .await?;
    let mut batch = world.claim().await?;
    let again = batch.outgoing.remove(0);
    assert!(again.look_first);
    let outcome = stored(&again, "9");
    world.settle(vec![(again, outcome)]).await?;
    assert_eq!(world.account("9").await?.id, made.entity.id);
    Ok(())
}

#[tokio::test]
async fn writes_that_a_dead_run_had_claimed_are_taken_up_by_the_next() -> Result<()> {
    let world = World::new().await?;
    let lost = edited(&world, "5551111").await?;
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 1);
    assert_eq!(batch.outgoing[0].id, lost.id);
    assert!(batch.outgoing[0].look_first);
    Ok(())
}

#[tokio::test]
async fn a_hundred_records_are_claimed_and_settled_in_one_go() -> Result<()> {
    let world = World::new().await?;
    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let page = names
        .iter()
        .map(|key| record(key, &[("Name", key.as_str().into())]))
        .collect();
    world.pull(page).await?;
    for key in &names {
        let account = world.account(key).await?;
        world.edit(&account, &[("phone", "5551111".into())]).await?;
    }
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 100);
    let outcomes = batch.outgoing.into_iter().map(|outgoing| {
        let WriteOp::Update { key, .. } = &outgoing.write.op else {
            panic!("not an update")
        };
        let outcome = stored(&outgoing, key);
        (outgoing, outcome)
    });
    let settled = world.settle(outcomes.collect()).await?;
    assert_eq!(settled.written, 100);
    assert!(world.claim().await?.outgoing.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_edit_that_was_not_there_at_the_look_waits_for_the_next_look() -> Result<()> {
    let world = World::new().await?;
    let page = vec![
        record("1", &[("Name", "One".into()), ("Phone", "5550000".into())]),
        record("2", &[("Name", "Two".into()), ("Phone", "5550000".into())]),
    ];
    world.pull(page).await?;
    let (one, two) = (world.account("1").await?, world.account("2").await?);
    let one = world.edit(&one, &[("phone", "5551111".into())]).await?;
    // Begun before the look, committed after it.
    let mut late = world.begin().await?;
    let fields = super::world::values(&[("phone", "5552222".into())]);
    let (tables, user) = (&world.tables, world.user);
    engine::sync::edit::edit(
        &mut late,
        tables,
        "account",
        two.id,
        two.version,
        fields,
        user,
    )
    .await?;
    let seen = world.due(world.connection).await?;
    assert_eq!(seen.len(), 1);
    late.commit().await?;
    world.edit(&one, &[("name", "Uno".into())]).await?;
    let batch = world.claim_seen(world.connection, &seen).await?;
    assert!(
        batch.outgoing.is_empty(),
        "one was asked more of, the other was not seen"
    );
    assert_eq!(world.claim().await?.outgoing.len(), 2);
    Ok(())
}

fn refused_as(kind: ErrorKind, code: &str, field: &str) -> Outcome {
    Outcome::Refused(Refusal {
        kind,
        code: Some(code.to_owned()),
        message: "a rule over there refuses the record".to_owned(),
        fields: vec![field.to_owned()],
        retry_after_ms: Some(0),
        outcome_unknown: false,
    })
}

// Scenario 20. That locked rows go grouped by parent and alone is the connector's (its tests).
#[tokio::test]
async fn of_two_hundred_rows_one_is_refused_eleven_are_locked_and_a_retry_touches_one() -> Result<()>
{
    let world = World::new().await?;
    let keys: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    let page = keys
        .iter()
        .map(|key| record(key, &[("Name", key.as_str().into())]));
    world.pull(page.collect()).await?;
    for key in &keys {
        let account = world.account(key).await?;
        world.edit(&account, &[("phone", "5551111".into())]).await?;
    }
    let batch = world.claim().await?;
    assert_eq!(batch.outgoing.len(), 200);
    let answer = |outgoing: engine::sync::outbox::Outgoing, is_first: bool| {
        let WriteOp::Update { key, .. } = &outgoing.write.op else {
            panic!("not an update")
        };
        let outcome = match key.parse::<u32>().unwrap() {
            7 => refused_as(
                ErrorKind::Rejected,
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "Phone",
            ),
            100..111 if is_first => refused_as(ErrorKind::Transient, "UNABLE_TO_LOCK_ROW", ""),
            _ => stored(&outgoing, key),
        };
        (outgoing, outcome)
    };
    let first = batch.outgoing.into_iter().map(|row| answer(row, true));
    let settled = world.settle(first.collect()).await?;
    assert_eq!(
        (settled.written, settled.failed, settled.retried),
        (188, 1, 11)
    );
    let again = world.claim().await?;
    assert_eq!(again.outgoing.len(), 11, "the locked ones alone");
    let again = again.outgoing.into_iter().map(|row| answer(row, false));
    assert_eq!(world.settle(again.collect()).await?.written, 11);
    assert!(world.claim().await?.outgoing.is_empty());

    let mut tx = world.begin().await?;
    engine::store::failures::fold(&mut tx).await?;
    let query = engine::store::failures::ClassQuery {
        is_open: Some(true),
        ..Default::default()
    };
    let open = engine::store::failures::list(&mut tx, query, 10, None)
        .await?
        .items;
    assert_eq!(open.len(), 1, "{open:?}");
    let class = &open[0];
    assert_eq!(
        class.code.as_deref(),
        Some("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    );
    assert_eq!((class.about.as_deref(), class.things), (Some("Phone"), 1));
    let input = engine::sync::again::RetryInput {
        class: class.id,
        connection: class.connection,
        stream: class.stream.clone(),
        source: class.source,
        until: tx.now(),
        most: 1,
        user: world.user,
        about: class.about.clone(),
        only: None,
    };
    let run = engine::ids::RunId::fresh();
    let done = engine::sync::again::apply(&mut tx, &world.tables, &input, run, "", 100).await?;
    assert_eq!(done.done, 1);
    tx.commit().await?;
    assert_eq!(world.claim().await?.outgoing.len(), 1);
    Ok(())
}

// A row's condition holds its field back on the way out as well.
#[tokio::test]
async fn a_field_whose_condition_does_not_hold_is_neither_read_nor_written() -> Result<()> {
    let world = World::new().await?;
    let mapping = super::world::MAPPING.replacen(
        "remote = \"Phone\"",
        "remote = \"Phone\"\nwhen = \"Industry = 'Rail'\"",
        1,
    );
    let other = world.connect("Second", &mapping).await?;
    let fields = |industry: &str| {
        [
            ("Name", "One".into()),
            ("Phone", "5550000".into()),
            ("Industry", industry.into()),
        ]
    };
    world
        .pull_from(other, vec![record("1", &fields("Air"))])
        .await?;
    let account = world.account_of(other, "1").await?;
    assert!(account.value("phone").is_null(), "not read");
    world.edit(&account, &[("phone", "5551111".into())]).await?;
    assert!(
        world.claim_for(other).await?.outgoing.is_empty(),
        "not written"
    );
    // Once it holds, both sides are merged like any other.
    world
        .pull_from(other, vec![record("1", &fields("Rail"))])
        .await?;
    let account = world.account_of(other, "1").await?;
    world.edit(&account, &[("phone", "5552222".into())]).await?;
    let sent = world.claim_for(other).await?.outgoing;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].sent["phone"], "5552222".into());
    Ok(())
}
