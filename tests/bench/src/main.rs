//! Benchmarks of the hub: `cargo x bench <name>`. Each prints a table of figures and takes what it
//! compares with in the same run, because machines are shared and noisy.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod engine;
mod fields;
mod processes;
mod pull;
mod sessions;
mod statements;

use clap::{Parser, Subcommand};

/// The hub's own; the hand-written ceiling has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Runs, steps and starts of the engine beside a hand-written ceiling.
    Engine(engine::EngineBench),
    /// Mapping and merging alone, in memory.
    Fields,
    /// First and idle pull of accounts from the simulated Salesforce.
    Pull(pull::Pull),
    /// The permission check alone, and requests among ten thousand active sessions.
    Sessions(sessions::SessionsBench),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Engine(engine) => engine::run(&engine).await,
        Bench::Fields => fields::run(),
        Bench::Pull(pull) => pull::run(&pull).await,
        Bench::Sessions(sessions) => sessions::run(&sessions).await,
    }
}
