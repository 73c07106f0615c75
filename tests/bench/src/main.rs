//! Benchmarks of the hub: `cargo x bench <name>`. Each prints a table of figures and takes what it
//! compares with in the same run, because machines are shared and noisy.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod fields;
mod processes;
mod pull;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Mapping and merging alone, in memory.
    Fields,
    /// First and idle pull of accounts from the simulated Salesforce.
    Pull(pull::Pull),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Fields => fields::run(),
        Bench::Pull(pull) => pull::run(&pull).await,
    }
}
