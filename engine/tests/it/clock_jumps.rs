//! Clocks that jump by hours, back and forth: runs are late at worst, never lost and never doubled.

use std::time::Duration;

use engine::runtime::{Class, Failure};
use engine::store::runs::{RunState, StartOptions};
use engine::{Clock, Engine, Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};
use serde::{Deserialize, Serialize};

use crate::support::{World, eventually, leave_mark};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Plain,
    /// For half an hour.
    Sleeps,
    /// For a signal, for two hours at most.
    Waits,
    /// For an hour, since the other system says so.
    BacksOff,
    /// Calls one that sleeps.
    Calls,
}

const KINDS: [Kind; 5] = [
    Kind::Plain,
    Kind::Sleeps,
    Kind::Waits,
    Kind::BacksOff,
    Kind::Calls,
];

/// Leaves a row each time it takes effect.
struct Effect(&'static str);

impl TxStep for Effect {
    const NAME: &'static str = "effect";
    type Output = ();

    fn key(&self) -> String {
        self.0.into()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        leave_mark(cx, tx, self.0).await?;
        Ok(())
    }
}

struct Refused;

impl Step for Refused {
    const NAME: &'static str = "refused";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        if cx.attempt() == 1 {
            let failure = Failure::new(Class::RateLimited, "limit is reached");
            return Err(StepError::Later(HOUR, failure));
        }
        Ok(())
    }
}

struct Work;

impl Workflow for Work {
    const NAME: &'static str = "work";
    type Input = Kind;
    type Output = bool;

    async fn run(cx: &mut Run, kind: Kind) -> Result<bool, RunError> {
        cx.tx(Effect("before")).await?;
        let answered = match kind {
            Kind::Plain => true,
            Kind::Sleeps => {
                cx.sleep("half an hour", HOUR / 2).await?;
                true
            }
            Kind::Waits => cx
                .signal::<()>("go", Some((2 * HOUR).into()))
                .await?
                .is_some(),
            Kind::BacksOff => {
                cx.step(Refused).await?;
                true
            }
            Kind::Calls => {
                cx.call::<Self>(Kind::Sleeps, StartOptions::default())
                    .await?
            }
        };
        cx.tx(Effect("after")).await?;
        Ok(answered)
    }
}

async fn engines(world: &World) -> [Engine; 2] {
    let one = async || {
        world
            .engine()
            .await
            .register::<Work>()
            .concurrency(20)
            .start()
    };
    let engines = [one().await, one().await];
    for engine in &engines {
        eventually("it runs", || async { engine.is_running() }).await;
    }
    engines
}

/// Runs that have ended in this way.
async fn ended(world: &World, sql: &'static str) -> i64 {
    world.count(sql).await
}

/// Long enough for every process to have looked.
async fn look_around() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_neither_loses_nor_doubles_a_run() {
    let start = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let clock = Clock::manual(start);
    let world = World::with_clock(clock.clone()).await;
    let engines = engines(&world).await;
    let (each, mut started) = (4, 0);
    let mut first = Vec::new();
    // A round here, one three hours on, one two hours back from there, one a day on and back again.
    let jumps: [(i64, bool); 4] = [(0, true), (3, true), (-2, true), (24, false)];
    for (hours, starts) in jumps {
        match u32::try_from(hours) {
            Ok(hours) => clock.advance(HOUR * hours),
            Err(_) => clock.go_back(HOUR * u32::try_from(-hours).unwrap()),
        }
        look_around().await;
        if !starts {
            continue;
        }
        for kind in KINDS {
            for _ in 0..each {
                let id = world.start::<Work>(&kind).await;
                started += 1;
                if kind == Kind::Waits && first.len() < 2 {
                    first.push(id);
                }
            }
        }
        eventually("the plain ones are done", || async {
            let done = "select count(*) from finished_runs where input = '\"Plain\"'";
            ended(&world, done).await >= started / i64::from(KINDS.len() as i32)
        })
        .await;
        if hours == 0 {
            // Two are answered in time; what the jump then makes late is not answered.
            for id in &first {
                engines[0]
                    .signal(world.tenant, *id, "go", &(), None)
                    .await
                    .unwrap();
            }
            for id in &first {
                world.until(*id, RunState::Succeeded).await;
            }
        }
    }
    clock.go_back(24 * HOUR);
    look_around().await;
    clock.advance(48 * HOUR);
    let children = i64::from(3 * each);
    eventually("everything has ended", || async {
        world.count("select count(*) from runs").await == 0
    })
    .await;
    let succeeded = "select count(*) from finished_runs where state = 'succeeded'";
    assert_eq!(ended(&world, succeeded).await, started + children);
    let late = "select count(*) from finished_runs where output = 'false'";
    assert_eq!(ended(&world, late).await, i64::from(3 * each) - 2);
    let effects = "select count(*) from run_dedupe";
    assert_eq!(world.count(effects).await, 2 * (started + children));
    let doubled = "select count(*) from (select split_part(key, '/', 1), split_part(key, '/', 2)
                   from run_dedupe group by 1, 2 having count(*) > 1) twice";
    assert_eq!(world.count(doubled).await, 0);
    for engine in engines {
        engine.shutdown().await;
    }
}
