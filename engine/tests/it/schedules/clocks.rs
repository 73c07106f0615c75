//! Clocks that are wrong by hours or weeks: each nominal time fires once at most, and what a jump leaves
//! out is what the catch-up policy says, no more.

use std::time::Duration;

use engine::Clock;
use engine::store::schedules::{CatchUp, Overlap, ScheduleSpec};

use super::{at, engines, every, insert, look_around, next, nominals, pass, shut_down, spec};
use crate::support::{World, eventually};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What three engines do with a schedule of every five minutes when the clock jumps by so much, back
/// and on again; `caught_up`: so many of the missed times are to be made up for.
async fn jump_about(catch_up: CatchUp, limit: u16, caught_up: i64, jump: Duration) {
    let case = format!("{catch_up:?} {jump:?}");
    let clock = Clock::manual(at("10:00:30"));
    let world = World::with_clock(clock.clone()).await;
    let spec = ScheduleSpec {
        timing: every("*/5 * * * *"),
        overlap: Overlap::Queue,
        catch_up,
        catch_up_limit: limit,
        ..spec(0)
    };
    let id = insert(&world, &spec).await;
    let engines = engines(&world, 3).await;
    pass(&world, id, &clock, 2).await;
    let before = nominals(&world).await;
    assert_eq!(before.len(), 2, "{case}");

    // On: late by more than what counts as in time.
    clock.advance(jump + 2 * MINUTE);
    eventually("it has caught up", || async {
        next(&world, id).await.at > clock.now()
    })
    .await;
    look_around().await;
    let newest = (clock.now() - 2 * MINUTE).timestamp();
    let missed = (0..caught_up).rev().map(|back| newest - back * 300);
    let wanted: Vec<i64> = before.iter().copied().chain(missed).collect();
    assert_eq!(nominals(&world).await, wanted, "{case}");

    // Back, farther back, and on again to where it was: none of these times comes again.
    for (back, on) in [(jump, Duration::ZERO), (jump, 2 * jump)] {
        clock.go_back(back);
        look_around().await;
        assert_eq!(nominals(&world).await, wanted, "{case}");
        clock.advance(on);
        look_around().await;
        assert_eq!(nominals(&world).await, wanted, "{case}");
    }

    // And from there it goes on as if nothing had been.
    pass(&world, id, &clock, 2).await;
    look_around().await;
    let following = [newest + 300, newest + 600];
    let all: Vec<i64> = wanted.iter().copied().chain(following).collect();
    assert_eq!(nominals(&world).await, all, "{case}");
    shut_down(engines).await;
}

#[tokio::test]
async fn a_jump_of_the_clock_fires_what_was_missed_by_policy_and_nothing_twice() {
    let weeks = 40 * 24 * HOUR;
    // Not all at once: each case has three engines, and the cluster serves other tests too.
    for (catch_up, limit, caught_up) in [
        (CatchUp::None, 10, 0),
        (CatchUp::One, 10, 1),
        (CatchUp::All, 5, 5),
    ] {
        tokio::join!(
            jump_about(catch_up, limit, caught_up, 3 * HOUR),
            jump_about(catch_up, limit, caught_up, weeks),
        );
    }
}
