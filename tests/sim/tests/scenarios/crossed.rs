//! Edits that cross, and what comes back of our own.

use anyhow::Result;
use connector_sdk::Value;

use super::{DESCRIPTION, INDUSTRY, PHONE, plain};
use crate::world::World;
use crate::world::plan::{Fault, Habits, Rules};
use crate::world::server::Server;

// 2
#[tokio::test]
async fn edits_of_two_fields_in_the_same_second_both_survive_everywhere() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets_there(0, &key, PHONE, "5550001");
    world
        .sets(account.id, DESCRIPTION, "from the portal")
        .await?;
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550001".into());
    assert_eq!(world.there(0, &key, DESCRIPTION), "from the portal".into());
    let conflicts = "select count(*) from conflicts where tenant_id = $1";
    assert_eq!(world.count(conflicts).await?, 0);
    world.rests().await
}

// 3, with an owner
#[tokio::test]
async fn edits_of_one_field_are_decided_by_its_owner_and_the_loser_is_kept() -> Result<()> {
    let server = Server::new().await?;
    let owning = |rules| Habits { rules, ..plain() };
    for (rules, stands, loses) in [
        (Rules::HubOwns, "ours", "theirs"),
        (Rules::OwnsIndustry, "theirs", "ours"),
    ] {
        let mut world = World::with(&server, &[owning(rules)], None).await?;
        let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
        world.sets(account.id, INDUSTRY, "ours").await?;
        world.sets_there(0, &key, INDUSTRY, "theirs");
        world.read_all(0).await?;
        assert_eq!(world.here(account.id, INDUSTRY).await?, stands.into());
        assert_eq!(world.there(0, &key, INDUSTRY), stands.into());
        let lost: Vec<String> = sqlx::query_scalar(
            "select field ->> 'lost' from changes, jsonb_array_elements(fields) as field
             where tenant_id = $1 and field ? 'lost'",
        )
        .bind(world.tenant.0)
        .fetch_all(&server.pool)
        .await?;
        assert_eq!(lost, [loses]);
        world.rests().await?;
    }
    Ok(())
}

// 3, without an owner
#[tokio::test]
async fn edits_of_one_field_that_nobody_owns_wait_for_a_person_while_others_flow() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
    world.sets(account.id, INDUSTRY, "ours").await?;
    world.sets_there(0, &key, INDUSTRY, "theirs");
    world.sets(account.id, PHONE, "5550001").await?;
    world.rests().await?;
    assert_eq!(world.here(account.id, INDUSTRY).await?, "ours".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "theirs".into());
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    let open = "select count(*) from conflicts where tenant_id = $1 and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    Ok(())
}

// 3, and the system says nothing of the field for a while
#[tokio::test]
async fn a_payload_that_is_silent_on_a_conflict_does_not_close_it() -> Result<()> {
    let server = Server::new().await?;
    let partial = Habits {
        is_partial: true,
        ..plain()
    };
    let mut world = World::with(&server, &[partial], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "before".into())]).await?;
    world.sets(account.id, INDUSTRY, "ours").await?;
    world.sets_there(0, &key, INDUSTRY, "theirs");
    world.read_all(0).await?;
    world.pass(std::time::Duration::from_secs(60));
    world.sets_there(0, &key, PHONE, "5550001");
    world.read_all(0).await?;
    world.pass(std::time::Duration::from_secs(60));
    world.sets_there(0, &key, PHONE, "5550002");
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550002".into());
    let open = "select count(*) from conflicts where tenant_id = $1 and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    world.rests().await
}

// The owner's side stood still: its value goes back all the same.
#[tokio::test]
async fn a_value_of_the_hubs_that_was_changed_over_there_is_put_back() -> Result<()> {
    let server = Server::new().await?;
    let owned = Habits {
        rules: Rules::HubOwns,
        ..plain()
    };
    let mut world = World::with(&server, &[owned], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "ours".into())]).await?;
    world.sets_there(0, &key, INDUSTRY, "theirs");
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, INDUSTRY).await?, "ours".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "ours".into());
    world.rests().await
}

// 4
#[tokio::test]
async fn the_echo_of_a_first_value_never_brings_it_back_after_a_second() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets(account.id, PHONE, "5550001").await?;
    // Look, apply, claim, send: it is there, and the hub has not heard.
    world.steps(4).await?;
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    world.sets(account.id, PHONE, "5550002").await?;
    world.pull(0, false);
    world.drain().await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550002".into());
    assert_eq!(world.there(0, &key, PHONE), "5550002".into());
    assert_eq!(world.written(0), 2, "A once, B once");
    world.rests().await?;
    let again = "select count(*) from changes, jsonb_array_elements(fields) as field
                 where tenant_id = $1 and kind = 'merged' and field ->> 'new' = '5550001'";
    assert_eq!(world.count(again).await?, 0);
    Ok(())
}

// 4, with a page that was read before the write and is applied after it
#[tokio::test]
async fn a_page_that_has_lain_about_takes_back_nothing_that_was_written_meanwhile() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
    world.sets_there(0, &key, INDUSTRY, "theirs");
    world.pull(0, false);
    // Find the place, read: the page is in hand.
    world.steps(2).await?;
    let page = world.flights.pop().expect("a read is under way");
    world.sets(account.id, PHONE, "5550002").await?;
    world.drain().await?;
    assert_eq!(world.there(0, &key, PHONE), "5550002".into());
    world.flights.push(page);
    world.drain().await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550002".into());
    assert_eq!(world.written(0), 1);
    world.rests().await
}

// 5: the change is real.
#[tokio::test]
async fn what_an_automation_sets_as_our_user_right_after_our_write_is_a_change() -> Result<()> {
    let server = Server::new().await?;
    let automated = Habits {
        automates: 1,
        ..plain()
    };
    let mut world = World::with(&server, &[automated, plain()], None).await?;
    let account = world
        .create_here(&[(0, crate::world::plan::Set::Fresh)])
        .await?;
    world.drain().await?;
    let edit = world.peers[0]
        .state()
        .edits
        .first()
        .cloned()
        .expect("the automation ran");
    world.read_all(0).await?;
    assert_eq!(world.here(account, edit.field).await?, edit.value);
    world.rests().await
}

// 5, second half: a flow that insists on its own value, and a hub that owns the field.
#[tokio::test]
async fn a_field_that_a_flow_rewrites_five_times_is_frozen_and_the_class_names_both_values()
-> Result<()> {
    let server = Server::new().await?;
    let insisting = Habits {
        rules: Rules::HubOwns,
        insists: Some((INDUSTRY, "Theirs".into())),
        ..plain()
    };
    let mut world = World::with(&server, &[insisting], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets(account.id, INDUSTRY, "Ours").await?;
    world.drain().await?;
    // The first write and four that put the value back; then nothing of the field moves any more.
    assert_eq!(world.written(0), 5);
    assert_eq!(world.here(account.id, INDUSTRY).await?, "Ours".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "Theirs".into());
    let mut tx = world.begin().await?;
    engine::store::failures::fold(&mut tx).await?;
    tx.commit().await?;
    let class: (String, Option<String>, String) = sqlx::query_as(
        "select source, about, samples -> 0 ->> 'message' from failure_classes
         where tenant_id = $1 and state = 'open'",
    )
    .bind(world.tenant.0)
    .fetch_one(&server.pool)
    .await?;
    assert_eq!(
        (class.0.as_str(), class.1.as_deref()),
        ("breaker", Some("industry"))
    );
    assert!(
        class.2.contains("\"Ours\"") && class.2.contains("\"Theirs\""),
        "{}",
        class.2
    );
    // Other fields flow, the frozen one does not: neither way.
    world.sets(account.id, PHONE, "5550001").await?;
    world.sets(account.id, INDUSTRY, "Ours again").await?;
    world.read_all(0).await?;
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "Theirs".into());
    assert_eq!(world.here(account.id, INDUSTRY).await?, "Ours again".into());
    world.rests().await?;
    // Let go once the flow is gone: the owner's value goes over.
    world.peers[0].state().habits.insists = None;
    world.releases(account.id, "industry").await?;
    assert_eq!(world.there(0, &key, INDUSTRY), "Ours again".into());
    world.rests().await
}

// 5: slower than ten minutes, but the same two values for ever.
#[tokio::test]
async fn two_values_that_take_turns_slowly_are_frozen_too() -> Result<()> {
    let server = Server::new().await?;
    let owned = Habits {
        rules: Rules::HubOwns,
        ..plain()
    };
    let mut world = World::with(&server, &[owned], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets(account.id, INDUSTRY, "Ours").await?;
    world.drain().await?;
    for _ in 0..8 {
        world.pass(std::time::Duration::from_secs(9 * 60));
        world.sets_there(0, &key, INDUSTRY, "Theirs");
        world.read_all(0).await?;
    }
    assert_eq!(world.written(0), 5, "the fifth change is not put back");
    assert_eq!(world.there(0, &key, INDUSTRY), "Theirs".into());
    world.rests().await
}

// A person who corrects a value again and again freezes nothing, whatever form the system gives it.
#[tokio::test]
async fn a_form_of_what_a_person_enters_is_a_near_miss_and_freezes_nothing() -> Result<()> {
    let server = Server::new().await?;
    let titled = Habits {
        titles: true,
        ..plain()
    };
    let mut world = World::with(&server, &[titled], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    for number in 1..=7 {
        let text = format!("text {number}");
        world.sets(account.id, DESCRIPTION, text).await?;
        world.drain().await?;
    }
    assert_eq!(world.there(0, &key, DESCRIPTION), "Text 7".into());
    assert_eq!(world.here(account.id, DESCRIPTION).await?, "Text 7".into());
    let misses = "select coalesce(sum(count), 0)::bigint from near_misses where tenant_id = $1";
    assert_eq!(world.count(misses).await?, 7);
    let frozen = "select count(*) from rewrites where tenant_id = $1";
    assert_eq!(world.count(frozen).await?, 0);
    world.rests().await
}

// 6: no payload of these systems says who changed a record.
#[tokio::test]
async fn without_an_actor_nothing_loops_and_no_change_of_a_person_is_dropped() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets(account.id, PHONE, "5550001").await?;
    world.drain().await?;
    world.sets_there(0, &key, PHONE, "5550002");
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550002".into());
    // What was ours once is a person's now.
    world.sets_there(0, &key, PHONE, "5550001");
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, PHONE).await?, "5550001".into());
    assert_eq!(world.written(0), 1);
    world.rests().await
}

// 19
#[tokio::test]
async fn missing_leaves_a_value_and_null_or_empty_clears_it() -> Result<()> {
    let server = Server::new().await?;
    let partial = Habits {
        is_partial: true,
        ..plain()
    };
    for cleared in [Value::Null, "".into()] {
        let mut world = World::with(&server, std::slice::from_ref(&partial), None).await?;
        let values = [(PHONE, Value::from("5550001")), (INDUSTRY, "Rail".into())];
        let (key, account) = world.read_one(0, &values).await?;
        world.pass(std::time::Duration::from_secs(60));
        world.sets_there(0, &key, INDUSTRY, "Air");
        world.read_all(0).await?;
        assert_eq!(world.here(account.id, INDUSTRY).await?, "Air".into());
        assert_eq!(
            world.here(account.id, PHONE).await?,
            "5550001".into(),
            "not said"
        );
        world.sets_there(0, &key, PHONE, cleared);
        world.read_all(0).await?;
        assert!(world.here(account.id, PHONE).await?.is_null());
        world.rests().await?;
    }
    Ok(())
}

// What was set over there between our write and its read-back was not written by us.
#[tokio::test]
async fn a_change_that_is_first_seen_in_a_read_back_is_merged_by_the_next_read() -> Result<()> {
    let server = Server::new().await?;
    let automated = Habits {
        automates: 3,
        ..plain()
    };
    let mut world = World::with(&server, &[automated], None).await?;
    let (_, account) = world.read_one(0, &[]).await?;
    for number in 1..4 {
        world
            .sets(account.id, PHONE, format!("555000{number}"))
            .await?;
        world.drain().await?;
        world.one_step(Fault::None).await?;
        world.drain().await?;
    }
    assert_eq!(world.peers[0].state().edits.len(), 1 + 3);
    world.rests().await
}
