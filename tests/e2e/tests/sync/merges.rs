//! Records that became one in their system: what other systems have of the loser goes to the winner.

use anyhow::Result;
use connector_sdk::{Change, Removal, Tombstone, WriteOp};
use engine::ids::{ConnectionId, RunId};
use engine::store::coverage;
use engine::sync::identity::{self, FollowInput, Followed};

use super::world::{MAPPING, World, deleted, record};

/// Two accounts of the first system, the second of which another system has too.
async fn world() -> Result<(World, ConnectionId, FollowInput)> {
    let world = World::new().await?;
    let by_name = MAPPING.replace("hub_id = \"Hub_Id__c\"", "strong = [\"name\"]");
    let other = world.connect("Second", &by_name).await?;
    let one = record("1", &[("Name", "One".into()), ("Phone", "5550001".into())]);
    let two = record("2", &[("Name", "Two".into()), ("Industry", "Steel".into())]);
    world.pull(vec![one, two]).await?;
    let loser = world.account("2").await?.id;
    let linked = record("x2", &[("Name", "two".into())]);
    let applied = world.pull_from(other, vec![linked]).await?;
    assert_eq!((applied.counts.linked, applied.counts.created), (1, 0));
    assert_eq!(world.account_of(other, "x2").await?.id, loser);
    let input = FollowInput {
        connection: world.connection,
        stream: "Account".to_owned(),
        key: "1".to_owned(),
        entity: "account".to_owned(),
        loser,
        is_conversion: false,
    };
    Ok((world, other, input))
}

pub(super) fn merged_into(key: &str, winner: &str) -> Change {
    Change::Delete(Tombstone {
        key: key.to_owned(),
        removed_at: None,
        removal: Removal::MergedInto {
            key: winner.to_owned(),
        },
    })
}

async fn follow(world: &World, input: &FollowInput, commits: bool) -> Result<Followed> {
    let mut tx = world.begin().await?;
    let followed = identity::follow(&mut tx, &world.tables, RunId::fresh(), input, false).await?;
    if commits {
        tx.commit().await?;
    }
    Ok(followed)
}

#[tokio::test]
async fn what_another_system_has_of_the_loser_goes_to_the_winner() -> Result<()> {
    let (world, other, input) = world().await?;
    world.pull(vec![merged_into("2", "1")]).await?;
    let started = "select count(*) from runs where workflow = 'follow_merge'";
    assert_eq!(world.count(started).await?, 1);
    // Whoever follows it dies before it is stored, and somebody else begins anew.
    follow(&world, &input, false).await?;
    assert_eq!(world.account_of(other, "x2").await?.id, input.loser);
    let followed = follow(&world, &input, true).await?;
    assert_eq!((followed.moved.len(), followed.kept.len()), (1, 0));
    assert!(followed.is_joined && !followed.is_early);
    let winner = world.account("1").await?;
    assert_eq!(world.account_of(other, "x2").await?.id, winner.id);
    // The winner's own values stand, and what it had not is the loser's.
    assert_eq!(winner.value("phone"), "5550001".into());
    assert_eq!(winner.value("industry"), "Steel".into());
    assert!(world.entity(input.loser).await?.removed_at.is_some());
    // Done twice, nothing is done.
    let again = follow(&world, &input, true).await?;
    assert_eq!((again.moved.len(), again.is_joined), (0, false));
    Ok(())
}

#[tokio::test]
async fn a_winner_that_was_not_read_yet_is_waited_for() -> Result<()> {
    let (world, other, mut input) = world().await?;
    input.key = "3".to_owned();
    world.pull(vec![merged_into("2", "3")]).await?;
    let early = follow(&world, &input, true).await?;
    assert!(early.is_early && !early.is_joined);
    assert_eq!(world.account_of(other, "x2").await?.id, input.loser);
    let mut tx = world.begin().await?;
    let asked = coverage::open(&mut tx, world.connection, "Account").await?;
    assert_eq!(asked[0].keys, Some(vec!["3".to_owned()]));
    drop(tx);
    let sweeps = "select count(*) from runs where workflow = 'sweep_stream'";
    assert_eq!(world.count(sweeps).await?, 1);
    let three = record("3", &[("Name", "Three".into())]);
    world.pull(vec![three]).await?;
    assert!(follow(&world, &input, true).await?.is_joined);
    let winner = world.account("3").await?.id;
    assert_eq!(world.account_of(other, "x2").await?.id, winner);
    Ok(())
}

#[tokio::test]
async fn what_the_winner_has_of_its_own_there_stays_and_so_does_the_losers() -> Result<()> {
    let (world, other, input) = world().await?;
    let own = record("x1", &[("Name", "One".into())]);
    world.pull_from(other, vec![own]).await?;
    world.pull(vec![merged_into("2", "1")]).await?;
    let followed = follow(&world, &input, true).await?;
    assert_eq!((followed.moved.len(), followed.kept.len()), (0, 1));
    assert!(!followed.is_joined);
    let winner = world.account("1").await?.id;
    assert_eq!(world.account_of(other, "x1").await?.id, winner);
    assert_eq!(world.account_of(other, "x2").await?.id, input.loser);
    assert!(world.entity(input.loser).await?.removed_at.is_none());
    Ok(())
}

#[tokio::test]
async fn what_comes_with_the_end_of_the_record_it_replaces_is_linked_in_its_place() -> Result<()> {
    let (world, other, input) = world().await?;
    let two = world.account("2").await?;
    world.edit(&two, &[("phone", "5552222".into())]).await?;
    let instead = record("x3", &[("Name", "Two".into())]);
    let page = vec![deleted("x2"), instead.clone()];
    let applied = world.pull_from(other, page).await?;
    // Whether the account is to go is asked, as it was edited here.
    assert_eq!((applied.counts.deleted, applied.counts.conflicts), (1, 1));
    assert_eq!((applied.counts.created, applied.in_doubt), (0, 1));
    let again = world.pull_from(other, vec![instead]).await?;
    assert_eq!((again.counts.linked, again.counts.created), (1, 0));
    assert_eq!(world.account_of(other, "x3").await?.id, input.loser);
    Ok(())
}

// 10, as far as the core goes: no connector has a stream of leads yet.
#[tokio::test]
async fn scenario_10_what_a_converted_lead_was_to_be_given_is_written_to_the_contact_it_became()
-> Result<()> {
    let world = World::new().await?;
    let mut tx = world.begin().await?;
    let leads = MAPPING.replace("stream = \"Account\"", "stream = \"Lead\"");
    World::add_stream(&mut tx, world.connection, "Lead", &leads).await?;
    tx.commit().await?;
    let by_name = MAPPING.replace("hub_id = \"Hub_Id__c\"", "strong = [\"name\"]");
    let other = world.connect("Second", &by_name).await?;
    let values = [
        ("Name", "One".into()),
        ("Phone", "5550001".into()),
        ("BillingCity", "Bonn".into()),
        ("BillingCountry", "Germany".into()),
    ];
    world.pull_in("Lead", vec![record("l1", &values)]).await?;
    world
        .pull_from(other, vec![record("x1", &[("Name", "one".into())])])
        .await?;
    let lead = world.account_of(other, "x1").await?;
    let edits = [
        ("phone", "5559999".into()),
        ("billing_city", "Berlin".into()),
    ];
    world.edit(&lead, &edits).await?;

    // It becomes a contact with what it held, and somebody over there changes half of the address.
    let mut contact = values.clone();
    contact[3].1 = "Austria".into();
    world.pull(vec![record("c1", &contact)]).await?;
    let converted = Change::Delete(Tombstone {
        key: "l1".to_owned(),
        removed_at: None,
        removal: Removal::ConvertedInto {
            stream: "Account".into(),
            key: "c1".to_owned(),
        },
    });
    world.pull_in("Lead", vec![converted]).await?;
    let to_lead = "select count(*) from writes where stream = 'Lead' and state = 'pending'";
    assert_eq!(world.count(to_lead).await?, 0, "it takes none any more");
    let input = FollowInput {
        connection: world.connection,
        stream: "Account".to_owned(),
        key: "c1".to_owned(),
        entity: "account".to_owned(),
        loser: lead.id,
        is_conversion: true,
    };
    let followed = follow(&world, &input, true).await?;
    assert!(followed.is_joined && !followed.is_early);
    let stays = world.account("c1").await?;
    assert_eq!(world.account_of(other, "x1").await?.id, stays.id);
    assert!(world.entity(lead.id).await?.removed_at.is_some());

    // The edit goes to the contact; what moves together with a change over there does not.
    assert_eq!(stays.value("phone"), "5559999".into());
    assert_eq!(stays.value("billing_city"), "Bonn".into());
    let batch = world.claim().await?;
    let sent: Vec<_> = batch.outgoing.iter().map(|row| &row.write.op).collect();
    let [WriteOp::Update { key, fields }] = sent[..] else {
        panic!("one update: {sent:?}");
    };
    assert_eq!((key.as_str(), &fields["Phone"]), ("c1", &"5559999".into()));
    assert!(!fields.contains_key("BillingCity"), "{fields:?}");
    let kept = "select count(*) from changes, jsonb_array_elements(fields) as field
                where kind = 'kept' and field ->> 'lost' like '%Berlin%'";
    assert_eq!(world.count(kept).await?, 1, "and is in the history");
    assert_eq!(world.count(to_lead).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_strong_key_finds_the_one_that_has_it_among_many_that_are_like_it() -> Result<()> {
    let world = World::new().await?;
    let all = |prefix: &str| -> Vec<Change> {
        (0..60)
            .map(|n| {
                record(
                    &format!("{prefix}{n}"),
                    &[("Name", format!("Acme {n}").into())],
                )
            })
            .collect()
    };
    world.pull(all("a")).await?;
    let by_name = MAPPING.replace("hub_id = \"Hub_Id__c\"", "strong = [\"name\"]");
    let other = world.connect("Second", &by_name).await?;
    let applied = world.pull_from(other, all("b")).await?;
    assert_eq!((applied.counts.linked, applied.counts.created), (60, 0));
    assert_eq!(
        world.account_of(other, "b59").await?.id,
        world.account("a59").await?.id
    );
    Ok(())
}
