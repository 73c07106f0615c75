//! Seeds, replays, planted faults.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::world::plan::{Family, Plan};
use crate::world::planted::Planted;
use crate::world::rest::{Outcome, simulate};
use crate::world::server::Server;
use crate::world::shrink::shrink;

/// Seeds of an ordinary test run; `cargo x simulate` tries as many as one likes.
const SEEDS: u64 = 200;
/// A planted fault is found within so many seeds, or the simulation is worth nothing.
const ENOUGH: u64 = SEEDS;

/// A number from the environment, which `cargo x simulate` sets.
#[expect(
    clippy::disallowed_methods,
    reason = "how a command hands numbers to a test"
)]
fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn alone<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(work)
}

/// What a number of worlds came to.
#[derive(Default)]
struct Tried {
    failing: Option<(u64, Outcome)>,
    written: u64,
    edits: usize,
    unseen: usize,
    refused: u64,
    conflicts: usize,
    rounds: [u64; 8],
}

/// Looks at these seeds on all processors, up to the first that fails.
fn try_seeds(seeds: std::ops::Range<u64>) -> Tried {
    let next = AtomicU64::new(seeds.start);
    let tried: Mutex<Tried> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                alone(async {
                    let server = Server::new().await.expect("there is a server");
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let has_failed = || locked(&tried).failing.is_some();
                        if seed >= seeds.end || has_failed() {
                            return;
                        }
                        let outcome = simulate(&server, &Plan::of(seed), None).await;
                        let mut tried = locked(&tried);
                        tried.add(seed, outcome);
                    }
                });
            });
        }
    });
    std::mem::take(&mut *locked(&tried))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tried {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.written += outcome.written;
        self.edits += outcome.edits;
        self.unseen += outcome.unseen;
        self.refused += outcome.refused;
        self.conflicts += outcome.conflicts;
        self.rounds[outcome.rounds as usize] += 1;
        let first = self.failing.as_ref().map_or(u64::MAX, |(seed, _)| *seed);
        if !outcome.wrong.is_empty() && seed < first {
            self.failing = Some((seed, outcome));
        }
    }
}

/// What somebody who has to find the cause wants to see.
async fn report(server: &Server, seed: u64, wrong: &[String], planted: Option<Planted>) -> String {
    let least = shrink(server, &Plan::of(seed), &wrong[0], planted).await;
    let again = simulate(server, &least, planted).await;
    let lines = again.trace.len();
    let shown = match asked("SYNCLINE_TRACE") {
        Some(_) => lines,
        None => 60,
    };
    format!(
        "seed {seed} fails: {wrong:#?}\n\nwith the least of its events: {least:#?}\n\n{:#?}\n\nits \
         last lines:\n{}\n\nagain: cargo x simulate sync --from {seed} --seeds 1 --trace",
        again.wrong,
        again.trace[lines.saturating_sub(shown)..].join("\n"),
    )
}

#[test]
fn whatever_breaks_no_edit_is_lost_and_all_sides_come_to_agree() {
    all_is_well(Family::Edits);
}

#[test]
fn whatever_a_feed_does_not_tell_is_found_by_sweeps() {
    all_is_well(Family::Feeds);
}

#[test]
fn whosever_a_record_is_each_comes_to_one_entity_and_loses_nothing() {
    all_is_well(Family::Identity);
}

/// Whoever asks for seeds says which worlds are meant, whichever of the tests is run.
fn all_is_well(family: Family) {
    let from = asked("SYNCLINE_SEED").unwrap_or(family.first());
    let seeds = asked("SYNCLINE_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let tried = try_seeds(from..from + seeds);
    if let Some((seed, outcome)) = &tried.failing {
        let told = alone(async {
            let server = Server::new().await.expect("there is a server");
            report(&server, *seed, &outcome.wrong, None).await
        });
        panic!("{told}");
    }
    eprintln!(
        "{seeds} seeds from {from}: all is well with {} edits, {} writes, {} conflicts; between look and \
         write: none gone over where systems write under a condition ({} writes refused), {} gone over \
         where they keep a history, each of them kept; worlds by rounds until quiet: {:?}; {:.1} s",
        tried.edits,
        tried.written,
        tried.conflicts,
        tried.refused,
        tried.unseen,
        tried.rounds,
        begun.elapsed().as_secs_f64(),
    );
}

/// Each showed a fault once, which had no test of its own.
#[test]
fn what_failed_once_holds() {
    alone(async {
        let server = Server::new().await.unwrap();
        for seed in [
            1_655, 1_713, 1_913, 2_370, 3_028, 3_132, 3_239, 3_240, 3_477, 3_945, 4_022, 4_532,
            5_723, 6_284, 6_641, 7_149, 7_520, 9_875, 11_002, 12_102, 12_615, 12_954, 16_516,
            18_389, 18_613, 18_761, 1_000_261, 1_002_221, 2_000_298, 2_000_689, 2_000_876,
        ] {
            let outcome = simulate(&server, &Plan::of(seed), None).await;
            assert_eq!(outcome.wrong, Vec::<String>::new(), "seed {seed}");
        }
    });
}

#[test]
fn a_seed_always_gives_the_same_world() {
    alone(async {
        let server = Server::new().await.unwrap();
        for seed in [3, 14, 15] {
            let first = simulate(&server, &Plan::of(seed), None).await;
            let second = simulate(&server, &Plan::of(seed), None).await;
            assert_eq!(
                numbered(&first.trace),
                numbered(&second.trace),
                "seed {seed}"
            );
        }
    });
}

/// A trace with the ids that the hub gave, which are new every time, as numbers in their order.
fn numbered(trace: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    let line = |line: &String| {
        let parts = line.split('"').map(|part| {
            if part.len() != 36 || part.matches('-').count() != 4 {
                return part.to_owned();
            }
            let place = known.iter().position(|id| id == part);
            let place = place.unwrap_or_else(|| {
                known.push(part.to_owned());
                known.len() - 1
            });
            format!("id {place}")
        });
        parts.collect::<Vec<_>>().join("\"")
    };
    trace.iter().map(line).collect()
}

#[test]
fn a_failing_seed_is_told_with_the_least_of_its_events_and_how_to_see_it_again() {
    alone(async {
        let server = Server::new().await.unwrap();
        let planted = Some(Planted::OriginForgotten);
        let whole = Plan::of(1);
        let outcome = simulate(&server, &whole, planted).await;
        assert!(!outcome.wrong.is_empty());
        let least = shrink(&server, &whole, &outcome.wrong[0], planted).await;
        assert!(least.events.len() < whole.events.len() / 4, "{least:#?}");
        assert!(
            least
                .events
                .iter()
                .all(|event| whole.events.contains(event))
        );
        let told = report(&server, 1, &outcome.wrong, planted).await;
        let command = "cargo x simulate sync --from 1 --seeds 1 --trace";
        assert!(
            told.contains(command) && told.contains("no origin"),
            "{told}"
        );
    });
}

#[test]
fn every_planted_fault_is_found() {
    let next = AtomicUsize::new(0);
    let missed: Mutex<Vec<Planted>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                alone(async {
                    let server = Server::new().await.unwrap();
                    let faults = || Planted::ALL.get(next.fetch_add(1, Ordering::Relaxed));
                    while let Some(&(fault, hint)) = faults() {
                        match first_failing(&server, fault, hint).await {
                            Some((seed, wrong)) => eprintln!("{fault:?}: seed {seed}: {wrong}"),
                            None => missed.lock().unwrap().push(fault),
                        }
                    }
                });
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found in {ENOUGH} seeds: {missed:?}");
}

async fn first_failing(server: &Server, fault: Planted, hint: u64) -> Option<(u64, String)> {
    let first = fault.family().first();
    let seeds = first..first + ENOUGH;
    assert!(seeds.contains(&hint), "{fault:?}");
    for seed in std::iter::once(hint).chain(seeds) {
        let outcome = simulate(server, &Plan::of(seed), Some(fault)).await;
        if let Some(wrong) = outcome.wrong.into_iter().next() {
            // It has to be the fault that shows.
            let without = simulate(server, &Plan::of(seed), None).await;
            if without.wrong.is_empty() {
                return Some((seed, wrong));
            }
        }
    }
    None
}
