//! `cargo x …`: every habit of this workspace as a command. Drives cargo, npm and Postgres; knows
//! nothing of the hub itself.
//!
//! It must be there in seconds, because it is the first thing a newcomer compiles: so it has few
//! dependencies, and runs programs instead of linking libraries. Everything is built in the dev
//! profile and for the whole workspace, so that each command reuses what the one before built.

#![expect(
    clippy::print_stdout,
    reason = "a task runner talks to the person who ran it"
)]

mod ci;
mod clients;
mod commands;
mod console;
mod demo;
mod generate;
mod http;
mod new;
mod node;
mod pg;
mod run;
mod saml;
mod simulate;
mod sqlx;
mod test;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The habits of this workspace.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything, start a Postgres if need be, and run the hub with demo data.
    Demo(demo::Demo),
    /// Run all tests; Postgres is provided, and what is left out is said at the end.
    Test(test::Test),
    /// Everything that CI runs, in its order.
    Ci {
        /// Only these parts, by the names that the table at the end has.
        parts: Vec<String>,
    },
    /// Rewrite the generated files: registry, checksums of migrations, openapi.json, schema.d.ts.
    Gen {
        /// Change nothing; fail if something would change.
        #[arg(long)]
        check: bool,
    },
    /// Rewrite `.sqlx`, what the checked queries know of the database.
    Sqlx {
        /// Change nothing; fail if something would change.
        #[arg(long)]
        check: bool,
    },
    /// The private Postgres clusters of this machine.
    #[command(subcommand)]
    Pg(pg::Pg),
    /// Start something new from a template.
    #[command(subcommand)]
    New(new::New),
    /// Run a benchmark in a release build, on a throw-away Postgres.
    Bench {
        /// Which one, and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the tests that kill the worker process.
    Crash(commands::Crash),
    /// Run a part of the hub in virtual time, with faults that a seed decides.
    Simulate(simulate::Simulate),
    /// Run the scenarios through the whole hub in one process.
    E2e,
    /// Run the console's tests in a real browser.
    Browser,
    /// Push real data through a running hub and print the figures.
    Real {
        /// Handed to the script.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the hub and the console's development server together.
    Dev,
    /// The database of `cargo x demo` and `cargo x dev`.
    #[command(subcommand)]
    Db(commands::Db),
    /// Format, lint and check dependencies as CI does.
    Lint,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Demo(demo) => demo::run(&demo),
        Task::Test(test) => test::run(&test),
        Task::Ci { parts } => ci::run(&parts),
        Task::Gen { check } => generate::run(check),
        Task::Sqlx { check } => sqlx::run(check),
        Task::Pg(pg) => pg::run(&pg),
        Task::New(new) => new::run(&new),
        Task::Bench { arguments } => commands::bench(&arguments),
        Task::Crash(crash) => commands::crash(&crash),
        Task::Simulate(simulate) => simulate::run(&simulate),
        Task::E2e => commands::e2e(),
        Task::Browser => commands::browser(),
        Task::Real { arguments } => commands::real(&arguments),
        Task::Dev => commands::dev(),
        Task::Db(db) => commands::db(&db),
        Task::Lint => ci::lint(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo x: {error:#}");
            ExitCode::FAILURE
        }
    }
}
