//! A simulated world from its beginning to its rest.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::clock::{self, Hands};
use super::executor::Executor;
use super::model::{CALLERS, Client, Db, Key, Row, Server};
use super::plan::{Event, HORIZON, Plan, What};
use super::rng::Rng;
use super::witness::{Witness, host_of};
use super::workload::{
    Ask, Chain, Family, Fleeting, Forlorn, Job, Nap, Place, Shaky, Spread, Tick,
};
use crate::clock::Clock;
use crate::ids::{RunId, ScheduleId, TenantId};
use crate::locked::locked;
use crate::runtime::cron::{Gap, Repeat, Times, Timing};
use crate::runtime::{Engine, Workflow};
use crate::store::Store;
use crate::store::runs::RunState;
use crate::store::schedules::{CatchUp, Overlap, Schedule, ScheduleSpec};

/// The schedule's period: croner counts minutes.
pub(crate) const EVERY: Duration = Duration::from_secs(60);
/// After the last fault everything is at rest within this time.
const PATIENCE: Duration = Duration::from_secs(900);
/// Whoever starts, signals and cancels.
const CALLER: usize = CALLERS;

/// What became of a world.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
    /// How long it took to come to rest after the last fault.
    pub(crate) rested_after: Duration,
    pub(crate) lived: Duration,
    pub(crate) polls: u64,
    pub(crate) runs: usize,
}

/// Runs a plan; the same one always to the same end.
pub(crate) fn simulate(plan: &Plan) -> Outcome {
    let plan = plan.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime for a thread");
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async move {
            let world = World::new(plan);
            let executor = world.executor.clone();
            executor.run(world.live()).await
        })
    }));
    clock::make_ids(None, None);
    outcome.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Outcome {
            wrong: vec![format!("panicked: {}", said.unwrap_or_default())],
            trace: Vec::new(),
            rested_after: Duration::ZERO,
            lived: Duration::ZERO,
            polls: 0,
            runs: 0,
        }
    })
}

pub(super) struct Member {
    pub(super) engine: Option<Arc<Engine>>,
    hands: Hands,
    /// It is being stopped or has died, and comes back by itself.
    is_away: bool,
}

#[derive(Clone)]
pub(super) struct World {
    plan: Arc<Plan>,
    executor: Executor,
    pub(super) server: Server,
    pub(super) witness: Arc<Witness>,
    pub(super) members: Arc<Mutex<Vec<Member>>>,
    pub(super) caller: Store,
    pub(super) tenant: TenantId,
    begun: Instant,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut rng = Rng::new(plan.seed ^ 0x5eed);
        let at = DateTime::<Utc>::from_timestamp(1_800_000_000 + i64::from(rng.below(60) as u8), 0)
            .expect("a time");
        let started = (Instant::now(), at);
        let exact = Hands::new(started, 0);
        clock::make_ids(Some(rng.part("ids")), Some(exact.clone()));
        let executor = Executor::new(rng.part("executor"));
        let server = Server::new(rng.part("server"), at);
        server.state().slowest = plan.slowest;
        let witness = Witness::new(server.clone(), plan.cut_off());
        let members = plan
            .skews
            .iter()
            .map(|skew| Member {
                engine: None,
                hands: Hands::new(started, *skew),
                is_away: false,
            })
            .collect();
        let client = Client {
            server: server.clone(),
            process: CALLER,
        };
        Self {
            executor,
            witness,
            members: Arc::new(Mutex::new(members)),
            caller: Store::simulated(client, Clock::simulated(exact)),
            tenant: TenantId::fresh(),
            begun: started.0,
            server,
            plan: Arc::new(plan),
        }
    }

    async fn live(self) -> Outcome {
        self.set_up();
        for process in 0..self.plan.processes {
            self.start(process).await;
        }
        let mut doing = Vec::new();
        for event in self.plan.events.clone() {
            let world = self.clone();
            // The caller's tasks are never stopped.
            doing.push(self.executor.spawn(CALLER, async move {
                tokio::time::sleep_until(world.begun + event.at).await;
                world.happen(event).await;
            }));
        }
        tokio::time::sleep_until(self.begun + HORIZON).await;
        self.server.heal();
        for process in 0..self.plan.processes {
            self.executor.go_on(process);
        }
        self.server.note(|| "no more faults".to_owned());
        let healed = Instant::now();
        for one in doing {
            one.await;
        }
        // The clocks of processes differ by some seconds: each has seen the last minute.
        tokio::time::sleep(Duration::from_secs(20)).await;
        self.pause_schedule();
        // What went to sleep by a clock that was ahead sleeps for as long: that time passes at once.
        self.jump(
            None,
            i64::try_from(self.plan.late().as_millis()).unwrap_or(0),
        );
        while !self.is_at_rest() && healed.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.witness.judge_end();
        let state = self.server.state();
        Outcome {
            wrong: self.witness.verdict(),
            trace: state.trace.clone(),
            rested_after: healed.elapsed(),
            lived: self.begun.elapsed(),
            polls: self.executor.polls(),
            runs: state.db.finished_runs().count() + state.db.open_runs().count(),
        }
    }

    fn set_up(&self) {
        let mut state = self.server.state();
        if let Some(most) = self.plan.key_limit {
            let key = Key::Lane(self.tenant, "key".to_owned(), "left".to_owned());
            let lane = super::model::LaneRec {
                max_running: Some(most),
                ..Default::default()
            };
            state.db.put(key, Row::Lane(lane));
        }
        if self.plan.has_schedule {
            let id = ScheduleId::fresh();
            let schedule = schedule(id, self.caller.clock().now());
            let row = Row::Schedule(self.tenant, Box::new(schedule));
            state.db.put(Key::Schedule(id), row);
        }
    }

    fn pause_schedule(&self) {
        let mut state = self.server.state();
        let schedules = state.db.rows().iter().find_map(|(key, row)| match &**row {
            Row::Schedule(tenant, schedule) => Some((key.clone(), *tenant, schedule.clone())),
            _ => None,
        });
        if let Some((key, tenant, mut schedule)) = schedules {
            schedule.spec.pause = Some(crate::store::schedules::Pause {
                by: crate::store::schedules::PausedBy::Person,
                reason: None,
            });
            state.db.put(key, Row::Schedule(tenant, schedule));
        }
    }

    /// Whether nothing is left to be done by anybody.
    fn is_at_rest(&self) -> bool {
        let state = self.server.state();
        let waits_for_nobody = |db: &Db, run: RunId| {
            !db.rows()
                .range(Key::Signal(run, crate::ids::SignalId(uuid::Uuid::nil()))..)
                .take_while(|(key, _)| matches!(key, Key::Signal(of, _) if *of == run))
                .any(|(_, row)| row.signal().taken_seq.is_none())
        };
        let is_noted = state
            .db
            .rows()
            .keys()
            .any(|key| matches!(key, Key::CancelledParent(..)));
        !is_noted
            && state.db.open_runs().all(|run| match run.state {
                RunState::Parked => true,
                RunState::Waiting if run.workflow == "ask" => {
                    run.due_at.is_none()
                        && run.deadline.is_none()
                        && waits_for_nobody(&state.db, run.id)
                }
                _ => false,
            })
    }

    /// Starts a process, or starts it again.
    async fn start(&self, process: usize) {
        let client = Client {
            server: self.server.clone(),
            process,
        };
        let hands = locked(&self.members)[process].hands.clone();
        let store = Store::simulated(client, Clock::simulated(hands));
        let witness = Arc::clone(&self.witness);
        let concurrency = self.plan.concurrency;
        // Every other world begins its claims at floors.
        let apart = Duration::from_secs(2 * (self.plan.seed % 2));
        let starting = async move {
            Engine::builder(store)
                .service(witness)
                .service(Arc::new(Place(process)))
                .host(host_of(process))
                .concurrency(concurrency)
                .grace(Duration::from_secs(3))
                .cancel_grace(Duration::from_secs(1))
                .park_unknown_after(Duration::from_secs(8))
                .look_everywhere_after(apart)
                .register::<Chain>()
                .register::<Fleeting>()
                .register::<Nap>()
                .register::<Ask>()
                .register::<Family>()
                .register::<Forlorn>()
                .register::<Spread>()
                .register::<Shaky>()
                .register::<Tick>()
                .start()
        };
        let engine = self.executor.spawn(process, starting).await;
        let mut members = locked(&self.members);
        members[process].engine = Some(Arc::new(engine));
        members[process].is_away = false;
        self.server.note(|| format!("p{process} starts"));
    }

    /// Takes a process's engine, unless it is away already.
    fn take(&self, process: usize) -> Option<Arc<Engine>> {
        let member = &mut locked(&self.members)[process];
        if std::mem::replace(&mut member.is_away, true) {
            return None;
        }
        member.engine.take()
    }

    async fn happen(&self, event: Event) {
        if event.what.is_fault() {
            self.server.note(|| format!("fault {:?}", event.what));
        }
        match event.what {
            What::Start {
                workflow,
                job,
                once,
                deadline,
                together,
            } => {
                self.begin_run(workflow, job, once, deadline, together)
                    .await;
            }
            What::Signal { start, body } => self.send(start, body).await,
            What::Cancel { start } => self.cancel(start).await,
            What::Kill {
                process,
                polls,
                down,
            } => self.kill(process, polls, down).await,
            What::ShutDown { process, down } => self.shut_down(process, down).await,
            What::Freeze { process, time } => {
                self.executor.stop(process);
                tokio::time::sleep(time).await;
                self.executor.go_on(process);
                self.server.note(|| format!("p{process} goes on"));
            }
            What::Cut { process, time } => self.server.cut(process, time),
            What::Reset {
                process,
                with_session,
            } => self.server.reset(process, with_session),
            What::LoseCommit {
                process,
                how,
                of_step,
            } => self.server.lose_commit(process, how, of_step),
            What::Restart { down, crash } => self.server.restart(down, crash),
            What::Jump { process, by_millis } => {
                self.jump(Some(process), by_millis);
            }
            What::Astray {
                process,
                by_millis,
                time,
            } => {
                self.jump(process, by_millis);
                tokio::time::sleep(time).await;
                self.jump(process, -by_millis);
                self.server.note(|| "clocks are right again".to_owned());
            }
            What::Deaf { time } => self.server.deafen(time),
        }
    }

    /// Sets the clock of one process, or of all.
    fn jump(&self, process: Option<usize>, by_millis: i64) {
        for (number, member) in locked(&self.members).iter().enumerate() {
            if process.is_none_or(|one| one == number) {
                member.hands.jump(by_millis);
            }
        }
    }

    async fn kill(&self, process: usize, polls: u64, down: Duration) {
        let Some(engine) = self.take(process) else {
            return;
        };
        if polls > 0 {
            self.executor.doom(process, polls);
            let by = Instant::now() + Duration::from_secs(3);
            while self.executor.is_doomed(process) && Instant::now() < by {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.executor.kill(process);
        drop(engine);
        self.server.gone(process);
        self.server.note(|| format!("p{process} is dead"));
        tokio::time::sleep(down).await;
        self.start(process).await;
    }

    async fn shut_down(&self, process: usize, down: Duration) {
        let Some(engine) = self.take(process) else {
            return;
        };
        // One that a caller has in hand just now is killed, as is one that takes too long.
        if let Ok(engine) = Arc::try_unwrap(engine) {
            let stopping = self.executor.spawn(process, engine.shutdown());
            let in_time = tokio::time::timeout(Duration::from_secs(30), stopping).await;
            let in_time = in_time.is_ok();
            self.server
                .note(|| format!("p{process} has stopped: {in_time}"));
        }
        self.executor.kill(process);
        self.server.gone(process);
        tokio::time::sleep(down).await;
        self.start(process).await;
    }
}

impl Plan {
    /// Processes whose way to the database is broken at some time.
    fn cut_off(&self) -> BTreeSet<usize> {
        let mut cut_off = BTreeSet::new();
        for event in &self.events {
            match event.what {
                What::Cut { process, .. }
                | What::Reset { process, .. }
                | What::LoseCommit { process, .. } => {
                    cut_off.insert(process);
                }
                What::Restart { .. } => cut_off.extend(0..self.processes),
                _ => {}
            }
        }
        cut_off
    }
}

/// Every minute, every one of them, whoever was away.
fn schedule(id: ScheduleId, now: DateTime<Utc>) -> Schedule {
    let timing = Timing {
        cron: "* * * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        gap: Gap::RunAfter,
        repeat: Repeat::Once,
        starts_at: None,
        ends_at: None,
        jitter_seconds: 0,
    };
    let next = Times::new(&timing)
        .and_then(|times| times.first(id, now))
        .expect("there is a next minute");
    Schedule {
        id,
        spec: ScheduleSpec {
            name: "tick".to_owned(),
            workflow: Tick::NAME.to_owned(),
            workflow_version: 1,
            input: serde_json::to_value(Job::default()).expect("a job is JSON"),
            key: None,
            connection_id: None,
            stream: None,
            timing,
            overlap: Overlap::Queue,
            catch_up: CatchUp::All,
            // More than the minutes that clocks may jump by.
            catch_up_limit: 1_000,
            pause: None,
        },
        paused_at: None,
        next: Some(next),
        last_nominal: None,
        last_at: None,
        last_run_id: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
