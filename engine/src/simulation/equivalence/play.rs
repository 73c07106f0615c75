//! The calls of a game.

use std::time::Duration;

use serde_json::json;

use super::Game;
use crate::clock::Deadline;
use crate::ids::{RunId, TenantId};
use crate::store::activations::{self, Lease, Wanted};
use crate::store::attempts::AttemptRow;
use crate::store::journal::{self, End, Entry};
use crate::store::lanes::{self, Behind};
use crate::store::processes::{self, UnknownRuns};
use crate::store::runs::{
    self, Dedupe, DedupeMode, DedupeUntil, Lineage, NewRun, StartOptions, Wait,
};
use crate::store::schedules;
use crate::store::steps::{self, StepRow};
use crate::store::{Store, StoreError, signals};

/// One call, with all that it needs.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Register(usize),
    Start(Box<NewRun>, TenantId, Option<(RunId, i32)>),
    Claim { process: usize, runs: i64, tenants: i32, wakes: bool },
    Record(Vec<(Lease, Ending)>),
    Histories(Vec<Lease>),
    Release(Vec<Lease>),
    ReleaseOrphans,
    Pulse { process: usize, buries: bool },
    Free(TenantId, String),
    FreeForgotten,
    OpenDue,
    WakeOverdue,
    EndOverdue,
    UnknownRuns,
    ParkUnknown(TenantId),
    ForgetKeys,
    Wait(Lease, Option<u64>, i32),
    Fenced(Lease, i32),
    Family(Lease, i32),
    Send { run: RunId, body: u32, keyed: bool },
    Take(Lease, i32),
    Cancel(RunId),
    Get(RunId),
    Fire(usize),
}

/// How an entry of the journal ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    GoesOn(i32),
    Succeeds,
    Fails,
    Parks,
    Sleeps(u64),
    BacksOff(i32, bool),
    Waits,
}

/// What a call taught of both sides.
#[derive(Default)]
pub(super) struct Learned {
    pub(super) runs: Vec<RunId>,
    pub(super) leases: Vec<Lease>,
}

impl Call {
    pub(super) fn draw(game: &mut Game) -> Self {
        let process = game.rng.below(game.members.len() as u64) as usize;
        let kind = game.rng.below(34);
        let lease = (!game.leases.is_empty()).then(|| {
            // Mostly the newer ones: the others are stale.
            let last = game.leases.len() as u64;
            let back = game.rng.below(last.min(8));
            game.leases[(last - 1 - back) as usize]
        });
        let run = (!game.runs.is_empty()).then(|| *game.rng.choose(&game.runs));
        let tenant = *game.rng.choose(&game.tenants);
        match (kind, lease, run) {
            (0..=6, ..) => draw_start(game, tenant),
            (7..=11, ..) => Self::Claim {
                process,
                runs: 1 + game.rng.below(6) as i64,
                tenants: 1 + game.rng.below(3) as i32,
                wakes: game.rng.percent(60),
            },
            (12..=16, Some(lease), _) => draw_record(game, lease),
            (17, Some(lease), _) => Self::Histories(vec![lease]),
            (18, Some(lease), _) => Self::Release(vec![lease]),
            (19, ..) => Self::ReleaseOrphans,
            (20, ..) => Self::Pulse {
                process,
                buries: game.rng.percent(50),
            },
            (21, ..) => Self::Free(tenant, "left".to_owned()),
            (22, ..) => Self::FreeForgotten,
            (23, ..) => Self::OpenDue,
            (24, ..) => Self::WakeOverdue,
            (25, ..) => Self::EndOverdue,
            (26, ..) => Self::UnknownRuns,
            (27, ..) if game.rng.percent(30) => Self::ParkUnknown(tenant),
            (27, ..) => Self::ForgetKeys,
            (28, Some(lease), _) => {
                let due = game.rng.percent(50).then(|| game.rng.below(9_000));
                Self::Wait(lease, due, game.rng.below(3) as i32)
            }
            (29, Some(lease), _) => Self::Fenced(lease, game.rng.below(5) as i32),
            (30, Some(lease), _) => Self::Family(lease, game.rng.below(3) as i32),
            (31, _, Some(run)) => Self::Send {
                run,
                body: game.rng.below(4) as u32,
                keyed: game.rng.percent(60),
            },
            (32, Some(lease), _) => Self::Take(lease, 7),
            (33, _, Some(run)) if game.rng.percent(50) => Self::Cancel(run),
            (33, _, Some(run)) => Self::Get(run),
            _ => Self::Fire(0),
        }
    }
}

fn draw_start(game: &mut Game, tenant: TenantId) -> Call {
    let rng = &mut game.rng;
    let modes = [
        DedupeMode::Existing,
        DedupeMode::Replace,
        DedupeMode::Reject,
        DedupeMode::Debounce {
            window: Duration::from_secs(2),
            longest: Duration::from_secs(5),
        },
    ];
    let untils = [
        DedupeUntil::Elapsed(Duration::from_secs(20)),
        DedupeUntil::Begun,
        DedupeUntil::Ended,
    ];
    let dedupe = rng.percent(40).then(|| Dedupe {
        key: format!("once/{}", rng.below(3)),
        until: *rng.choose(&untils),
        mode: *rng.choose(&modes),
    });
    let now = game.clock.now();
    let debounced = dedupe
        .as_ref()
        .is_some_and(|dedupe| matches!(dedupe.mode, DedupeMode::Debounce { .. }));
    let options = StartOptions {
        key: rng.percent(60).then(|| (*rng.choose(&["left", "right"])).to_owned()),
        priority: rng.below(3) as i16,
        due_at: (!debounced && rng.percent(30))
            .then(|| now + Duration::from_micros(rng.below(20_000_000))),
        deadline: rng
            .percent(20)
            .then(|| Deadline::After(Duration::from_secs(rng.below(60)))),
        dedupe,
        connection_id: rng.percent(20).then_some(game.connection),
        ..StartOptions::default()
    };
    let parent = (!game.leases.is_empty() && game.rng.percent(40)).then(|| {
        let lease = *game.rng.choose(&game.leases);
        (lease.tenant, lease.id, 10 + game.rng.below(3) as i32)
    });
    let new = NewRun {
        workflow: (*game.rng.choose(&["chain", "chain", "nap", "strange"])).to_owned(),
        version: 1,
        input: format!("{}", game.call).into_bytes(),
        parent_id: parent.map(|(_, run, _)| run),
        options,
    };
    let tenant = parent.map_or(tenant, |(tenant, ..)| tenant);
    Call::Start(Box::new(new), tenant, parent.map(|(_, run, seq)| (run, seq)))
}

fn draw_record(game: &mut Game, lease: Lease) -> Call {
    let mut entries = vec![lease];
    for _ in 0..game.rng.below(3) {
        let other = *game.rng.choose(&game.leases);
        if entries.iter().all(|lease| lease.id != other.id) {
            entries.push(other);
        }
    }
    let with_ends = entries
        .into_iter()
        .map(|lease| {
            let number = game.call as i32;
            let ending = match game.rng.below(9) {
                0 => Ending::GoesOn(number),
                1 => Ending::GoesOn(game.rng.below(4) as i32),
                2 | 3 => Ending::Succeeds,
                4 => Ending::Fails,
                5 => Ending::Parks,
                6 => Ending::Sleeps(game.rng.below(9_000)),
                7 => Ending::BacksOff(number, game.rng.percent(50)),
                _ => Ending::Waits,
            };
            (lease, ending)
        })
        .collect();
    Call::Record(with_ends)
}

pub(super) fn step(seq: i32, game: &Game) -> StepRow {
    let now = game.clock.now();
    StepRow {
        seq,
        name: "act".into(),
        key: String::new(),
        kind: "step".into(),
        attempt: 1,
        output: Some(format!("{seq}").into_bytes()),
        error: None,
        started_at: now,
        finished_at: now,
    }
}

pub(super) fn entry(lease: Lease, ending: Ending, game: &Game) -> Entry {
    let now = game.clock.now();
    let mut entry = Entry {
        lease,
        steps: Vec::new(),
        attempts: Vec::new(),
        end: None,
    };
    entry.end = Some(match ending {
        Ending::GoesOn(seq) => {
            entry.steps.push(step(seq, game));
            return entry;
        }
        Ending::Succeeds => End::succeeded(b"1".to_vec()),
        Ending::Fails => End::failed("bug", json!({"class": "bug", "message": "no", "seq": 3})),
        Ending::Parks => End::parked("it is odd"),
        Ending::Sleeps(millis) => End::queued(Some(now + Duration::from_millis(millis))),
        Ending::Waits => End {
            state: runs::RunState::Waiting,
            ..End::queued(None)
        },
        Ending::BacksOff(attempt, closes) => {
            let next_at = Some(now + Duration::from_secs(3));
            entry.attempts.push(AttemptRow {
                seq: 2,
                attempt,
                name: "act".to_owned(),
                key: String::new(),
                error: json!({"class": "transient", "message": "later"}),
                started_at: now,
                finished_at: now,
                next_at,
                counts: true,
            });
            End {
                attempt,
                closes_lane: closes.then(|| "busy".to_owned()),
                progress: Some(json!({"done": 1, "total": null, "unit": "records"})),
                ..End::queued(next_at)
            }
        }
    });
    entry
}

/// An answer in a form that both sides have: errors by their kind and code.
pub(super) fn answer(answered: Result<String, StoreError>) -> String {
    match answered {
        Ok(answer) => answer,
        Err(StoreError::Database(sqlx::Error::Database(error))) => {
            format!("code {:?}", error.code())
        }
        Err(error) => format!("error {error}"),
    }
}

pub(super) async fn play(
    game: &Game,
    store: &Store,
    call: &Call,
    learned: &mut Learned,
) -> String {
    answer(make(game, store, call, learned).await)
}

async fn make(
    game: &Game,
    store: &Store,
    call: &Call,
    learned: &mut Learned,
) -> Result<String, StoreError> {
    let lease_of = |lease: &Lease| store.begin_brief(lease.tenant);
    Ok(match call {
        Call::Start(new, tenant, place) => {
            let mut tx = store.begin(*tenant).await?;
            let id = RunId::fresh();
            let lineage = Lineage {
                parent_id: new.parent_id,
                parent_seq: place.map(|(_, seq)| seq),
                wakes_parent: place.is_some(),
            };
            let started = runs::start_as(&mut tx, id, new, lineage).await?;
            tx.commit().await?;
            learned.runs.push(started.id());
            format!("{started:?}")
        }
        Call::Claim {
            process,
            runs,
            tenants,
            wakes,
        } => {
            let mut tx = activations::begin_claim(store).await?;
            let next = if *wakes {
                activations::wake_sleepers(&mut tx).await?
            } else {
                None
            };
            let used = json!({"others": [0.5, 0.25], game.tenants[0].0.to_string(): [3.0, 0.5]});
            let wanted = Wanted {
                runs: *runs,
                after: None,
                tenants: *tenants,
                ageing: Duration::from_secs(4),
                used: &used,
            };
            let owner = game.members[*process].id;
            let claim = activations::claim(&mut tx, owner, &wanted).await?;
            tx.commit().await?;
            learned.leases.extend(claim.runs.iter().map(|run| run.lease));
            format!("{next:?} {claim:?}")
        }
        Call::Record(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(lease, ending)| entry(*lease, *ending, game))
                .collect();
            let mut tx = activations::begin_record(store).await?;
            let mut recorded = journal::record(&mut tx, &entries).await?;
            tx.commit().await?;
            let mut written: Vec<_> = recorded.written.into_iter().collect();
            written.sort();
            recorded.freed.sort_by_key(|behind| format!("{behind:?}"));
            let (freed, woke, requeued) = (recorded.freed, recorded.woke, recorded.requeued);
            format!("{written:?} {freed:?} {woke} {requeued}")
        }
        Call::Histories(leases) => {
            let mut tx = activations::begin_load(store).await?;
            let histories = activations::histories(&mut tx, leases).await?;
            tx.commit().await?;
            format!("{histories:?}")
        }
        Call::Wait(lease, due, awaits) => {
            let mut tx = lease_of(lease).await?;
            let held = runs::hold(&mut tx, lease).await?;
            let wait = Wait {
                due_at: due.map(|due| tx.now() + Duration::from_millis(due)),
                awaits: *awaits,
                ..Wait::default()
            };
            runs::wait(&mut tx, lease, wait).await?;
            tx.commit().await?;
            format!("{held}")
        }
        Call::Fenced(lease, seq) => {
            let mut tx = store.begin(lease.tenant).await?;
            let rows = [step(*seq, game), step(*seq + 5, game)];
            let written = steps::insert_fenced(&mut tx, lease, &rows).await?;
            tx.commit().await?;
            format!("{written}")
        }
        Call::Family(lease, seq) => {
            let places = 10..=10 + *seq;
            let mut tx = lease_of(lease).await?;
            // A child's place is unique in life, not in a game: journaling two of one place fails.
            let called = runs::journal_called(&mut tx, lease.id, "chain", &places).await?;
            let mut called: Vec<_> = called.into_iter().map(|one| format!("{one:?}")).collect();
            called.sort();
            let mut open = runs::open_called(&mut tx, lease.id, &places).await?;
            open.sort_unstable();
            let has = runs::has_called(&mut tx, lease.id, 11).await?;
            tx.commit().await?;
            format!("{called:?} {open:?} {has}")
        }
        Call::Send { run, body, keyed } => {
            let tenant = tenant_of(game, *run);
            let mut tx = store.begin(tenant).await?;
            let key = keyed.then(|| format!("signal {body}"));
            let text = body.to_string();
            let sent = signals::send(&mut tx, *run, "go", text.as_bytes(), key.as_deref()).await?;
            tx.commit().await?;
            format!("{sent}")
        }
        Call::Take(lease, seq) => {
            let mut tx = store.begin(lease.tenant).await?;
            let first = signals::first(&mut tx, lease.id, "go").await?;
            if let Some((id, _)) = &first {
                signals::take(&mut tx, lease.id, *id, *seq).await?;
            }
            tx.commit().await?;
            format!("{first:?}")
        }
        Call::Cancel(run) => {
            let mut tx = store.begin(tenant_of(game, *run)).await?;
            let state = runs::cancel(&mut tx, *run).await?;
            tx.commit().await?;
            format!("{state:?}")
        }
        Call::Get(run) => {
            let mut tx = store.begin(tenant_of(game, *run)).await?;
            let row = runs::get(&mut tx, *run).await?;
            format!("{:?} {:?} {:?}", row.state, row.activations, row.output)
        }
        Call::Fire(index) => fire(game, store, *index).await?,
        other => system(game, store, other).await?,
    })
}

fn tenant_of(game: &Game, run: RunId) -> TenantId {
    let state = game.server.state();
    let key = [
        crate::simulation::model::Key::Run(run),
        crate::simulation::model::Key::Finished(run),
    ];
    let found = key.iter().find_map(|key| state.db.get(key));
    found.map_or(game.tenants[0], |row| row.run().tenant)
}

async fn fire(game: &Game, store: &Store, index: usize) -> Result<String, StoreError> {
    let id = game.schedules[index];
    let mut tx = store.begin_system().await?;
    let due = schedules::due(&mut tx, &["chain".to_owned()]).await?;
    tx.commit().await?;
    let mut tx = store.begin(game.tenants[0]).await?;
    let fired = schedules::fire(&mut tx, id, 1, |_| Ok(None)).await;
    tx.commit().await?;
    Ok(format!("{} {fired:?}", due.len()))
}

/// Calls in a transaction of the hub's own.
async fn system(game: &Game, store: &Store, call: &Call) -> Result<String, StoreError> {
    let mut tx = store.begin_system().await?;
    let answer = match call {
        Call::Register(index) => {
            let member = &game.members[*index];
            let knows = ["chain/1".to_owned(), "nap/1".to_owned()];
            let host = format!("h{index}");
            processes::register(&mut tx, member.id, &host, member.lock_key, &knows).await?;
            String::new()
        }
        Call::Release(leases) => format!("{}", activations::release(&mut tx, leases).await?),
        Call::ReleaseOrphans => format!("{}", activations::release_orphans(&mut tx).await?),
        Call::Pulse { process, buries } => {
            let mut pulse = processes::pulse(&mut tx, game.members[*process].id).await?;
            pulse.dead.sort();
            pulse.cancelled.sort();
            for dead in pulse.dead.iter().filter(|_| *buries) {
                processes::bury(&mut tx, *dead).await?;
            }
            format!("{pulse:?}")
        }
        Call::Free(tenant, key) => {
            let lanes = [Behind::key(*tenant, key), Behind::key(*tenant, key)];
            format!("{}", lanes::free_for_claim(&mut tx, &lanes).await?)
        }
        Call::FreeForgotten => format!("{}", lanes::free_forgotten(&mut tx).await?),
        Call::OpenDue => {
            lanes::open_due(&mut tx).await?;
            String::new()
        }
        Call::WakeOverdue => format!("{}", activations::wake_overdue(&mut tx).await?),
        Call::EndOverdue => {
            let mut overdue = runs::end_overdue(&mut tx).await?;
            overdue.failed.sort();
            overdue.stopping.sort();
            overdue.freed.sort_by_key(|behind| format!("{behind:?}"));
            format!("{overdue:?}")
        }
        Call::UnknownRuns => format!("{:?}", processes::unknown_runs(&mut tx).await?),
        Call::ParkUnknown(tenant) => {
            let unknown = UnknownRuns {
                tenant: *tenant,
                workflow: "strange".to_owned(),
                version: 1,
            };
            let mut parked = activations::park_unknown(&mut tx, &unknown, "nobody").await?;
            parked.sort_by_key(|(run, _)| *run);
            format!("{parked:?}")
        }
        Call::ForgetKeys => {
            activations::forget_expired_keys(&mut tx).await?;
            String::new()
        }
        other => panic!("{other:?} is a call of a tenant"),
    };
    tx.commit().await?;
    Ok(answer)
}
