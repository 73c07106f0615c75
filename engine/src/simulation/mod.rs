//! Deterministic simulation: the engine's own code, several processes of it, on a model of the
//! database, in virtual time, with faults; all of it decided by one number.

mod clock;
mod executor;
mod model;
mod plan;
mod planted;
mod rng;
mod witness;
mod workload;
mod world;

pub(crate) use clock::{Hands, fresh_id};
pub(crate) use executor::own;
pub(crate) use model::{Client, Session, Transaction};

#[test]
fn try_seeds() {
    std::panic::set_hook(Box::new(|_| {}));
    let from: u64 = std::env::var("SYNCLINE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::var("SYNCLINE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let t = std::time::Instant::now();
    let mut bad = 0;
    for seed in from..from + n {
        let plan = plan::Plan::of(seed);
        let o = world::simulate(&plan);
        if !o.wrong.is_empty() {
            bad += 1;
            eprintln!("seed {seed}: {} runs, rested after {:?}: {:#?}", o.runs, o.rested_after, &o.wrong[..o.wrong.len().min(4)]);
            if n == 1 { for l in &o.trace { eprintln!("{l}"); } eprintln!("{plan:#?}"); }
        }
    }
    eprintln!("{bad} bad of {n}, {:?} each", t.elapsed() / n as u32);
}
