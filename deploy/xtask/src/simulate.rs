//! `cargo x simulate`: a part of the hub in virtual time, with faults that a seed decides.

use anyhow::Result;
use clap::ValueEnum;

use crate::run;

#[derive(clap::Args)]
pub(crate) struct Simulate {
    /// What is simulated.
    #[arg(default_value = "sync")]
    what: What,
    /// How many seeds are tried.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first of them; a failing one says which it was.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Show everything that happened in a failing one, not only the end.
    #[arg(long)]
    trace: bool,
    /// In a release build: worth its time for thousands of seeds.
    #[arg(long)]
    release: bool,
}

/// Each is a test in the crate that it simulates.
#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The sync core with two or three systems, on a real Postgres.
    Sync,
    /// The runtime of the engine, several processes of it, on a model of the database.
    Engine,
}

impl What {
    /// The package, where in it, and the test that tries seeds.
    fn test(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Sync => (
                "sim",
                &["--test", "main"],
                "seeds::whatever_breaks_no_edit_is_lost_and_all_sides_come_to_agree",
            ),
            Self::Engine => (
                "engine",
                &["--lib"],
                "simulation::tests::whatever_breaks_every_run_ends_once_and_no_journaled_step_runs_again",
            ),
        }
    }
}

pub(crate) fn run(simulate: &Simulate) -> Result<()> {
    let (package, target, test) = simulate.what.test();
    let mut tests = run::cargo();
    tests.args(["test", "--quiet", "--package", package]);
    tests.args(target);
    if simulate.release {
        tests.arg("--release");
    }
    tests
        .args(["--", "--exact", test, "--nocapture"])
        .env("SYNCLINE_SEED", simulate.from.to_string())
        .env("SYNCLINE_SEEDS", simulate.seeds.to_string());
    if simulate.trace {
        tests.env("SYNCLINE_TRACE", "1");
    }
    run::step("simulation", &mut tests)
}
