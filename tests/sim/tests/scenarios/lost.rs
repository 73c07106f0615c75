//! Pages cut short, creates without an answer, records deleted while they were edited.

use anyhow::Result;
use connector_sdk::Removal;
use engine::ids::EntityId;

use super::{CITY, COUNTRY, DESCRIPTION, INDUSTRY, PHONE, plain};
use crate::world::World;
use crate::world::oracle::{carriers, open_conflicts};
use crate::world::peer::NAME;
use crate::world::plan::{Event, Fault, Guard, Habits, Rules, Set};
use crate::world::server::Server;

// 1
#[tokio::test]
async fn records_with_one_stamp_all_arrive_once_though_a_crash_cuts_the_second_page() -> Result<()>
{
    let server = Server::new().await?;
    let tied = Habits {
        whole_seconds: true,
        page: 2_000,
        ..plain()
    };
    let mut world = World::with(&server, &[tied], None).await?;
    for number in 0..2_300 {
        let name = format!("Account {number}");
        world.peers[0].state().create(vec![(NAME, name.into())]);
    }
    world.pull(0, false);
    // Find the place, read, apply, read.
    world.steps(4).await?;
    world.one_step(Fault::Dies).await?;
    world.drain().await?;
    let accounts = "select count(*) from accounts where tenant_id = $1";
    let linked = "select count(distinct key) from records where tenant_id = $1";
    assert_eq!(
        (world.count(accounts).await?, world.count(linked).await?),
        (2_300, 2_300)
    );
    world.pull(0, false);
    world.drain().await?;
    assert_eq!(world.count(accounts).await?, 2_300);
    Ok(())
}

// 9
#[tokio::test]
async fn a_record_deleted_there_and_edited_here_is_asked_about_and_restored_as_itself() -> Result<()>
{
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
    world.sets(account.id, PHONE, "5550002").await?;
    world.peers[0].state().remove(&key, Removal::Deleted);
    world.pull(0, false);
    world.drain().await?;
    assert!(world.entity(account.id).await?.removed_at.is_none());
    let open = "select count(*) from conflicts
                where tenant_id = $1 and kind = 'delete' and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    world
        .happen(&Event::Answer {
            conflict: 0,
            how: 0,
        })
        .await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 1);
    let again = world.peers[0].state().living()[0].clone();
    assert_eq!(world.there(0, &again, PHONE), "5550002".into());
    assert_eq!(world.linked(0, &again).await?.id, account.id);
    let links = "select count(*) from records where tenant_id = $1";
    assert_eq!(
        world.count(links).await?,
        2,
        "the old link is history of the same entity"
    );
    world.rests().await
}

// 11
#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_again_and_not_repeated() -> Result<()> {
    let server = Server::new().await?;
    for refused in [Fault::None, Fault::Locked, Fault::Limited, Fault::TimesOut] {
        let mut world = World::with(&server, &[plain()], None).await?;
        let account = world
            .create_here(&[(NAME, Set::Fresh), (PHONE, Set::Fresh)])
            .await?;
        // Look, apply, claim; then it is made, and the process dies.
        world.steps(3).await?;
        world.one_step(Fault::DiesAfterCall).await?;
        // It is there now, and what the second attempt meets must not make it forgotten.
        world.one_step(refused).await?;
        world.drain().await?;
        world.rests().await?;
        assert_eq!(
            world.peers[0].state().living().len(),
            1,
            "after {refused:?}"
        );
        assert_eq!(carriers(&world, 0, account), 1);
    }
    Ok(())
}

// 11, where the system offers nothing to find it by
#[tokio::test]
async fn a_create_that_cannot_be_found_again_is_left_to_a_person_and_not_repeated() -> Result<()> {
    let server = Server::new().await?;
    let keyless = Habits {
        is_unsearchable: true,
        ..plain()
    };
    let mut world = World::with(&server, &[keyless], None).await?;
    world.create_here(&[(NAME, Set::Fresh)]).await?;
    let other = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.steps(3).await?;
    world.one_step(Fault::DiesAfterCall).await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 2, "each once");
    let parked = "select count(*) from writes
                  where tenant_id = $1 and state = 'failed' and error ->> 'kind' = 'unsupported'";
    assert_eq!(world.count(parked).await?, 2);
    world.sets(other, DESCRIPTION, "later").await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living().len(), 2);
    Ok(())
}

// What changes while a record is being made has no link to be owed by.
#[tokio::test]
async fn an_edit_while_its_record_is_being_made_reaches_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.steps(4).await?;
    world.sets(account, PHONE, "5550001").await?;
    world.drain().await?;
    let key = world.peers[0].state().living()[0].clone();
    assert_eq!(world.there(0, &key, PHONE), "5550001".into());
    world.rests().await
}

// A record whose reference cannot be resolved is merged anew at every look.
#[tokio::test]
async fn a_push_of_a_record_that_waits_for_its_parent_comes_to_an_end() -> Result<()> {
    let server = Server::new().await?;
    let owned = Habits {
        rules: Rules::HubOwns,
        ..plain()
    };
    let mut world = World::with(&server, &[owned], None).await?;
    let parent = [
        (crate::world::peer::PARENT, "gone".into()),
        (INDUSTRY, "Rail".into()),
    ];
    let (key, _) = world.read_one(0, &parent).await?;
    world.sets_there(0, &key, INDUSTRY, "Air");
    world.read_all(0).await?;
    assert_eq!(world.there(0, &key, INDUSTRY), "Rail".into());
    assert_eq!(world.written(0), 1);
    Ok(())
}

// Who brings something back by an edit holds its values; the others are owed them.
#[tokio::test]
async fn what_an_edit_brings_back_reaches_the_other_systems_and_not_its_own() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain(), plain(), plain()], None).await?;
    let account = world.create_here(&[(NAME, Set::Fresh)]).await?;
    world.drain().await?;
    for peer in 0..3 {
        world.read_all(peer).await?;
    }
    let keys = |peer: usize| world.peers[peer].state().living()[0].clone();
    let (gone, edited, other) = (keys(0), keys(1), keys(2));
    world.peers[0].state().remove(&gone, Removal::Deleted);
    world.read_all(0).await?;
    assert!(world.entity(account).await?.removed_at.is_some());
    world.sets_there(1, &edited, PHONE, "5557777");
    world.read_all(1).await?;
    let (before, remote) = (world.written(1), 1);
    let answer = Event::Answer {
        conflict: 0,
        how: remote,
    };
    world.happen(&answer).await?;
    world.drain().await?;
    assert!(world.entity(account).await?.removed_at.is_none());
    assert_eq!(world.here(account, PHONE).await?, "5557777".into());
    assert_eq!(world.there(2, &other, PHONE), "5557777".into());
    assert_eq!(world.written(1), before, "it holds the values already");
    world.rests().await
}

// Between a create and its receipt a read brings the record, in the system's own form of our values.
#[tokio::test]
async fn a_record_of_ours_that_is_read_before_its_receipt_is_no_conflict_with_ourselves()
-> Result<()> {
    let server = Server::new().await?;
    for (moves_here, moves_there) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::with(&server, &[formal()], None).await?;
        let given = [
            (NAME, Set::Fresh),
            (PHONE, Set::Fresh),
            (DESCRIPTION, Set::Fresh),
        ];
        let account = world.create_here(&given).await?;
        // Look, apply, claim, send: what the system answered is in memory only.
        world.steps(4).await?;
        let key = world.peers[0].state().living()[0].clone();
        if moves_here {
            world.sets(account, NAME, "t71x entered meanwhile").await?;
        }
        if moves_there {
            world.sets_there(0, &key, DESCRIPTION, "t72x set there meanwhile");
        }
        world.read_beside().await?;
        assert_eq!(world.linked(0, &key).await?.id, account);
        world.drain().await?;
        let met = "select count(*) from conflicts where tenant_id = $1";
        let about = format!("moved here: {moves_here}, there: {moves_there}");
        assert_eq!(world.count(met).await?, 0, "{about}");
        let name = world.there(0, &key, NAME);
        assert_eq!(world.here(account, NAME).await?, name, "{about}");
        let is_new = name.as_str().is_some_and(|name| name.starts_with("T71x"));
        assert_eq!(is_new, moves_here, "{about}: {name:?}");
        let there = world.there(0, &key, DESCRIPTION);
        let is_theirs = there.as_str().is_some_and(|text| text.starts_with("T72x"));
        assert_eq!(is_theirs, moves_there, "{about}: {there:?}");
        world.rests().await?;
        assert_eq!(world.peers[0].state().living().len(), 1, "{about}");
    }
    Ok(())
}

// The question over a removal tells of every edit that goes with it, and an answer to an older one counts
// for nothing.
#[tokio::test]
async fn an_edit_after_the_question_over_a_removal_is_part_of_it() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
    world.sets(account.id, PHONE, "5550002").await?;
    world.peers[0].state().remove(&key, Removal::Deleted);
    world.pull(0, false);
    world.drain().await?;
    let before = open_conflicts(&world).await?;
    assert_eq!(before.len(), 1);
    world
        .sets(account.id, DESCRIPTION, "t71x set since")
        .await?;
    let after = open_conflicts(&world).await?;
    assert_eq!(before[0].0, after[0].0);
    assert!(before[0].1 < after[0].1, "seen in an older version");
    let told = "select count(*) from conflicts where tenant_id = $1 and state = 'open'
                and fields -> 'description' ->> 'core' = 't71x set since'
                and fields -> 'phone' ->> 'core' = '5550002'";
    assert_eq!(world.count(told).await?, 1);
    Ok(())
}

/// A system that keeps every value in a form of its own.
fn formal() -> Habits {
    Habits {
        trims: true,
        titles: true,
        truncates: true,
        formats_phones: true,
        ..plain()
    }
}

impl World<'_> {
    /// The push under way sends, the values arrive, and nobody hears of it.
    async fn answer_is_lost(&mut self) -> Result<()> {
        // Look, apply, claim; send, put back.
        self.steps(3).await?;
        self.one_step(Fault::TimesOut).await?;
        self.one_step(Fault::None).await?;
        self.pass(std::time::Duration::from_secs(60));
        Ok(())
    }

    /// A read from its beginning to its first page, beside a push that has claimed its writes.
    pub(super) async fn read_beside(&mut self) -> Result<()> {
        self.pull(0, false);
        for _ in 0..3 {
            let fault = Fault::None;
            self.happen(&Event::Step { pick: 1, fault }).await?;
        }
        Ok(())
    }

    /// Nobody was asked about anything, and both sides hold what was entered here last.
    async fn holds_the_last(&mut self, account: EntityId, last: &str, about: &str) -> Result<()> {
        self.drain().await?;
        let met = "select count(*) from conflicts where tenant_id = $1";
        assert_eq!(self.count(met).await?, 0, "{about}");
        let living = self.peers[0].state().living();
        assert_eq!(living.len(), 1, "{about}");
        let there = self.there(0, &living[0], NAME);
        assert_eq!(self.here(account, NAME).await?, there, "{about}");
        let is_last = there.as_str().is_some_and(|name| name.starts_with(last));
        assert!(is_last, "{about}: {there:?} and not {last}");
        self.rests().await
    }
}

// What a lost create carried is there, and newer values are on their way.
#[tokio::test]
async fn what_a_lost_create_carried_does_not_come_back_over_newer_values() -> Result<()> {
    let server = Server::new().await?;
    for (reads_beside, fails_again) in [(false, false), (true, false), (false, true), (true, true)]
    {
        let mut world = World::with(&server, &[formal()], None).await?;
        let account = world
            .create_here(&[(NAME, Set::Fresh), (PHONE, Set::Fresh)])
            .await?;
        world.answer_is_lost().await?;
        world.sets(account, NAME, "t71x entered since").await?;
        if fails_again {
            world.steps(3).await?;
            world.one_step(Fault::Unreachable).await?;
            world.one_step(Fault::None).await?;
            world.pass(std::time::Duration::from_secs(60));
            world.sets(account, NAME, "t72x entered since").await?;
        }
        if reads_beside {
            world.steps(3).await?;
            world.read_beside().await?;
        }
        let last = if fails_again { "T72x" } else { "T71x" };
        let about = format!("read beside: {reads_beside}, failed again: {fails_again}");
        world.holds_the_last(account, last, &about).await?;
    }
    Ok(())
}

// What the record was made with is agreed, and no more: it lacks what was entered since.
#[tokio::test]
async fn what_was_entered_while_a_create_was_lost_reaches_the_record_that_it_made() -> Result<()> {
    let server = Server::new().await?;
    for rules in [Rules::Ask, Rules::OwnsIndustry, Rules::HubOwns] {
        let habits = Habits { rules, ..plain() };
        let mut world = World::with(&server, &[habits], None).await?;
        let first = [(NAME, Set::Fresh), (COUNTRY, Set::Fresh)];
        let account = world.create_here(&first).await?;
        world.answer_is_lost().await?;
        let since = [
            (COUNTRY, "t71x entered since"),
            (CITY, "t72x entered since"),
            (DESCRIPTION, "t73x entered since"),
        ];
        for (field, text) in since {
            world.sets(account, field, text).await?;
        }
        world.drain().await?;
        let key = world.peers[0].state().living()[0].clone();
        for (field, text) in since {
            assert_eq!(world.there(0, &key, field), text.into(), "{rules:?}");
            assert_eq!(world.here(account, field).await?, text.into(), "{rules:?}");
        }
        let met = "select count(*) from conflicts where tenant_id = $1";
        assert_eq!(world.count(met).await?, 0, "{rules:?}");
        world.rests().await?;
    }
    Ok(())
}

// The system's form of what a lost update carried is nobody's change.
#[tokio::test]
async fn what_a_lost_update_carried_is_no_conflict_with_ourselves() -> Result<()> {
    let server = Server::new().await?;
    let hours = std::time::Duration::from_secs(2 * 60 * 60);
    for (moves, is_late) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::with(&server, &[formal()], None).await?;
        let (_, account) = world.read_one(0, &[]).await?;
        world.sets(account.id, NAME, " t71x  entered first").await?;
        world.answer_is_lost().await?;
        if moves {
            world.sets(account.id, NAME, "t72x entered since").await?;
        }
        if is_late {
            // Later than an echo is waited for.
            world.pass(hours);
        }
        let last = if moves { "T72x" } else { "T71x" };
        let about = format!("moved: {moves}, late: {is_late}");
        world.holds_the_last(account.id, last, &about).await?;
    }
    Ok(())
}

// The second call finds the record moved, by the first.
#[tokio::test]
async fn an_update_that_is_called_again_is_no_conflict_with_ourselves() -> Result<()> {
    let server = Server::new().await?;
    for moves in [false, true] {
        let habits = Habits {
            guard: Guard::Condition,
            ..formal()
        };
        let mut world = World::with(&server, &[habits], None).await?;
        let (_, account) = world.read_one(0, &[]).await?;
        world.sets(account.id, NAME, " t71x  entered first").await?;
        world.steps(3).await?;
        world.one_step(Fault::DiesAfterCall).await?;
        if moves {
            world.sets(account.id, NAME, "t72x entered since").await?;
        }
        let last = if moves { "T72x" } else { "T71x" };
        let about = format!("moved: {moves}");
        world.holds_the_last(account.id, last, &about).await?;
    }
    Ok(())
}

// A read comes between an update and its answer.
#[tokio::test]
async fn an_update_that_is_read_before_its_answer_is_no_conflict_with_ourselves() -> Result<()> {
    let server = Server::new().await?;
    for moves in [false, true] {
        let mut world = World::with(&server, &[formal()], None).await?;
        let (_, account) = world.read_one(0, &[]).await?;
        world.sets(account.id, NAME, " t71x  entered first").await?;
        // Look, apply, claim, send: what the system answered is in memory only.
        world.steps(4).await?;
        if moves {
            world.sets(account.id, NAME, "t72x entered since").await?;
        }
        world.read_beside().await?;
        let last = if moves { "T72x" } else { "T71x" };
        let about = format!("moved: {moves}");
        world.holds_the_last(account.id, last, &about).await?;
    }
    Ok(())
}

// What the record held before looks like a shortened form of what did not arrive.
#[tokio::test]
async fn what_stands_there_is_not_taken_for_a_form_of_what_never_arrived() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(INDUSTRY, "Rail".into())]).await?;
    world.sets(account.id, INDUSTRY, "Railways").await?;
    world.steps(3).await?;
    // The push is gone before it sends, and nobody knows that nothing arrived.
    world.flights.clear();
    world.sets_there(0, &key, PHONE, "5550009");
    world.read_all(0).await?;
    assert_eq!(world.here(account.id, INDUSTRY).await?, "Railways".into());
    assert_eq!(world.there(0, &key, INDUSTRY), "Railways".into());
    world.rests().await
}

// What somebody sets over there meanwhile is theirs, whatever is in doubt.
#[tokio::test]
async fn a_change_there_after_a_lost_update_is_asked_about() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[formal()], None).await?;
    let (key, account) = world.read_one(0, &[]).await?;
    world.sets(account.id, NAME, "t71x entered first").await?;
    world.answer_is_lost().await?;
    world.sets(account.id, NAME, "t72x entered since").await?;
    world.sets_there(0, &key, NAME, "t73x set there");
    world.drain().await?;
    let open = "select count(*) from conflicts where tenant_id = $1 and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    assert_eq!(world.there(0, &key, NAME), "T73x set the".into());
    world.rests().await
}

// A push is cancelled by a person while its writes are under way, and nobody asks for anything since.
#[tokio::test]
async fn what_a_cancelled_push_left_behind_goes_out_after_the_next_read() -> Result<()> {
    let server = Server::new().await?;
    for steps in [3, 4] {
        let mut world = World::with(&server, &[plain()], None).await?;
        let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
        world.sets(account.id, PHONE, "5550002").await?;
        // While it sends, or before it has settled.
        world.steps(steps).await?;
        world.one_step(Fault::Cancelled).await?;
        let under_way = "select count(*) from writes where tenant_id = $1 and state = 'sending'";
        assert_eq!(world.count(under_way).await?, 1, "after {steps} steps");
        world.read_all(0).await?;
        assert_eq!(world.count(under_way).await?, 0, "after {steps} steps");
        assert_eq!(world.there(0, &key, PHONE), "5550002".into());
        world.rests().await?;
    }
    Ok(())
}
