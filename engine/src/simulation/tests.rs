//! Seeds, replays, planted faults.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::model::Lost;
use super::plan::{Event, Plan, What};
use super::planted::{Planted, plant};
use super::shrink::shrink;
use super::workload::Job;
use super::world::{Outcome, simulate};
use crate::locked::locked;

/// Seeds of an ordinary test run; `cargo x simulate` tries as many as one likes.
const SEEDS: u64 = 200;
/// A planted fault is found within so many seeds, or the simulation is worth nothing.
const ENOUGH: u64 = 400;

/// A number from the environment, which `cargo x simulate` sets.
#[expect(
    clippy::disallowed_methods,
    reason = "how a command hands numbers to a test"
)]
pub(super) fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

/// Panics on purpose are part of a simulated world and not of the test's output.
fn keep_quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let said = panic.payload().downcast_ref::<&str>();
            if said.is_none_or(|said| !said.contains("on purpose")) {
                before(panic);
            }
        }));
    });
}

/// What a number of worlds came to.
#[derive(Default)]
struct Tried {
    /// The first that failed.
    failing: Option<(u64, Outcome)>,
    runs: usize,
    /// The longest that one took to come to rest after its last fault.
    rested_after: Duration,
    lived: Duration,
}

/// Looks at these seeds on all processors, up to the first that fails.
fn try_seeds(seeds: std::ops::Range<u64>, planted: Option<Planted>) -> Tried {
    keep_quiet();
    let next = AtomicU64::new(seeds.start);
    let tried: Mutex<Tried> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                plant(planted);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let known = locked(&tried).failing.as_ref().map(|(seed, _)| *seed);
                    if seed >= seeds.end || known.is_some_and(|known| known < seed) {
                        return;
                    }
                    let outcome = simulate(&Plan::of(seed));
                    let mut tried = locked(&tried);
                    tried.runs += outcome.runs;
                    tried.lived += outcome.lived;
                    tried.rested_after = tried.rested_after.max(outcome.rested_after);
                    let first = tried.failing.as_ref().map_or(u64::MAX, |(seed, _)| *seed);
                    if !outcome.wrong.is_empty() && seed < first {
                        tried.failing = Some((seed, outcome));
                    }
                }
            });
        }
    });
    std::mem::take(&mut *locked(&tried))
}

/// What somebody who has to find the cause wants to see.
fn report(seed: u64, outcome: &Outcome) -> String {
    let least = shrink(&Plan::of(seed));
    let again = simulate(&least);
    let lines = again.trace.len();
    let shown = if asked("SYNCLINE_TRACE").is_some() {
        lines
    } else {
        60
    };
    format!(
        "seed {seed} fails: {:#?}\n\nwith the least of its events: {least:#?}\n\n{:#?}\n\nits last \
         lines:\n{}\n\nagain: cargo x simulate engine --from {seed} --seeds 1 --trace",
        outcome.wrong,
        again.wrong,
        again.trace[lines.saturating_sub(shown)..].join("\n"),
    )
}

#[test]
fn whatever_breaks_every_run_ends_once_and_no_journaled_step_runs_again() {
    let from = asked("SYNCLINE_SEED").unwrap_or(1);
    let seeds = asked("SYNCLINE_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let tried = try_seeds(from..from + seeds, None);
    if let Some((seed, outcome)) = &tried.failing {
        panic!("{}", report(*seed, outcome));
    }
    eprintln!(
        "{seeds} seeds from {from}: all is well with {} runs in {} virtual hours, at rest {} s after \
         the last fault at the latest; {:.1} s",
        tried.runs,
        tried.lived.as_secs() / 3600,
        tried.rested_after.as_secs(),
        begun.elapsed().as_secs_f64(),
    );
}

#[test]
fn a_seed_always_gives_the_same_world() {
    keep_quiet();
    for seed in [3, 14, 15, 92] {
        let (first, second) = (simulate(&Plan::of(seed)), simulate(&Plan::of(seed)));
        let differs = first
            .trace
            .iter()
            .zip(&second.trace)
            .position(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
        assert_eq!(first.polls, second.polls, "seed {seed}");
    }
    let (one, other) = (simulate(&Plan::of(1)), simulate(&Plan::of(2)));
    assert_ne!(one.trace, other.trace);
}

#[test]
fn a_failing_seed_is_told_with_the_least_of_its_events_and_how_to_see_it_again() {
    let tried = try_seeds(1..1 + ENOUGH, Some(Planted::EffectApart));
    let (seed, outcome) = tried.failing.unwrap();
    plant(Some(Planted::EffectApart));
    let (whole, least) = (Plan::of(seed), shrink(&Plan::of(seed)));
    let told = report(seed, &outcome);
    plant(None);
    assert!(least.events.len() < whole.events.len() / 2, "{least:#?}");
    assert!(
        least
            .events
            .iter()
            .all(|event| whole.events.contains(event))
    );
    let command = format!("cargo x simulate engine --from {seed} --seeds 1");
    assert!(
        told.contains(&command) && told.contains("took effect"),
        "{told}"
    );
}

#[test]
fn every_planted_fault_is_found() {
    let mut missed = Vec::new();
    for (fault, hint) in Planted::ALL {
        assert!(hint <= ENOUGH, "{fault:?}");
        let found = try_seeds(hint..hint + 1, Some(fault)).failing;
        match found.or_else(|| try_seeds(1..1 + ENOUGH, Some(fault)).failing) {
            Some((seed, outcome)) => eprintln!("{fault:?}: seed {seed}: {}", outcome.wrong[0]),
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "not found in {ENOUGH} seeds: {missed:?}");
}

/// One process, one run, and the commit of its claim goes unheard.
fn unheard_claim(how: Lost) -> Plan {
    let at = Duration::from_millis;
    let start = What::Start {
        workflow: "chain",
        job: Job {
            steps: 3,
            ..Job::default()
        },
        once: None,
        deadline: None,
        together: false,
    };
    Plan {
        seed: 1,
        processes: 1,
        concurrency: 2,
        slowest: at(1),
        skews: vec![0],
        key_limit: None,
        has_schedule: false,
        events: vec![
            Event {
                at: at(5_300),
                what: What::LoseCommit {
                    process: 0,
                    how,
                    of_step: false,
                },
            },
            Event {
                at: at(5_301),
                what: start,
            },
        ],
    }
}

#[test]
fn a_claim_whose_commit_goes_unheard_keeps_no_run() {
    for how in [
        Lost::Before,
        Lost::After,
        Lost::Late(Duration::from_millis(1_700)),
    ] {
        let outcome = simulate(&unheard_claim(how));
        let position = outcome.trace.iter().position(|line| line.contains("lost"));
        let position = position.unwrap_or_else(|| panic!("{how:?} did not happen"));
        assert!(outcome.trace[position - 1].contains("claim"), "{how:?}");
        assert_eq!(outcome.wrong, Vec::<String>::new(), "{how:?}");
    }
}
