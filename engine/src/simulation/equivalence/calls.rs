//! The calls of a game, and how chance draws them.

use std::collections::BTreeMap;
use std::time::Duration;

use connector_sdk::trace::{TraceContext, TraceParent, TraceState};
use serde_json::json;

use super::Game;
use crate::clock::Deadline;
use crate::ids::{RunId, TenantId};
use crate::store::activations::{Floor, Group, Lease};
use crate::store::attempts::AttemptRow;
use crate::store::journal::{End, Entry, Stays};
use crate::store::runs::{Dedupe, DedupeMode, DedupeUntil, NewRun, RunState, StartOptions};
use crate::store::steps::StepRow;

/// One call, with all that it needs.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Register(usize),
    Start(Box<NewRun>, TenantId, Option<(RunId, i32)>),
    Claim {
        process: usize,
        runs: i64,
        tenants: i32,
        wakes: bool,
        floors: Vec<(Group, Floor)>,
    },
    Record(Vec<(Lease, Ending)>),
    Histories(Vec<Lease>),
    Release(Vec<Lease>),
    ReleaseOrphans,
    Pulse {
        process: usize,
        buries: bool,
        thorough: bool,
    },
    Free(TenantId, String),
    FreeForgotten,
    OpenDue,
    WakeOverdue,
    EndOverdue,
    CancelCalled,
    UnknownRuns,
    ParkUnknown(TenantId),
    ForgetKeys,
    Wait(Lease, Option<u64>, i32),
    Fenced(Lease, i32),
    Family(Lease, i32),
    Send {
        run: RunId,
        body: u32,
        keyed: bool,
    },
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
    /// And nothing stays; perhaps not of its journal either.
    Vanishes(bool),
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
        let kind = game.rng.below(37);
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
                floors: draw_floors(game),
            },
            (12..=16, Some(lease), _) => draw_record(game, lease),
            (17, Some(lease), _) => Self::Histories(vec![lease]),
            (18, Some(lease), _) => Self::Release(vec![lease]),
            (19, ..) => Self::ReleaseOrphans,
            (20, ..) => Self::Pulse {
                process,
                buries: game.rng.percent(50),
                thorough: game.rng.percent(80),
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
            (34..=35, ..) => Self::CancelCalled,
            _ => Self::Fire(0),
        }
    }
}

/// Of some groups, about where a run of theirs is due.
fn draw_floors(game: &mut Game) -> Vec<(Group, Floor)> {
    let mut floors = BTreeMap::new();
    for _ in 0..game.rng.below(4) {
        let group = Group {
            tenant: *game.rng.choose(&game.tenants),
            workflow: (*game.rng.choose(&["chain", "nap"])).to_owned(),
            version: 1,
            priority: game.rng.below(3) as i16,
        };
        let due = game.clock.now() - Duration::from_micros(game.rng.below(20_000_000));
        let id = game.runs.first().copied();
        floors.insert(group, (due, id.unwrap_or_else(RunId::fresh)));
    }
    floors.into_iter().collect()
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
        key: rng
            .percent(60)
            .then(|| (*rng.choose(&["left", "right"])).to_owned()),
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
        trace: game.rng.percent(30).then(|| TraceContext {
            parent: TraceParent {
                trace: 1 + u128::from(game.rng.below(9)),
                span: 1 + game.rng.below(9),
                flags: 1,
            },
            state: game
                .rng
                .percent(50)
                .then_some("rojo=1")
                .and_then(|one| TraceState::read([one])),
        }),
        options,
    };
    let tenant = parent.map_or(tenant, |(tenant, ..)| tenant);
    Call::Start(
        Box::new(new),
        tenant,
        parent.map(|(_, run, seq)| (run, seq)),
    )
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
            let ending = match game.rng.below(10) {
                0 => Ending::GoesOn(number),
                1 => Ending::GoesOn(game.rng.below(4) as i32),
                2 | 3 => Ending::Succeeds,
                4 => Ending::Fails,
                5 => Ending::Parks,
                6 => Ending::Sleeps(game.rng.below(9_000)),
                7 => Ending::BacksOff(number, game.rng.percent(50)),
                8 => Ending::Vanishes(game.rng.percent(70)),
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
        Ending::Vanishes(journaled) => End {
            stays: Stays::Nothing { journaled },
            ..End::succeeded(b"1".to_vec())
        },
        Ending::Fails => End::failed("bug", json!({"class": "bug", "message": "no", "seq": 3})),
        Ending::Parks => End::parked("it is odd"),
        Ending::Sleeps(millis) => End::queued(Some(now + Duration::from_millis(millis))),
        Ending::Waits => End {
            state: RunState::Waiting,
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
