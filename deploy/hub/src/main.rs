//! `syncline`: the hub's one program.

use std::process::ExitCode;

use clap::Parser as _;

/// A page of records is many thousand small values; the system's allocator took two fifths of the
/// time of a pull.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = hub::Cli::parse();
    match hub::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what failed, and why, from the outside in.
            let line = format!("{error:#}").replace('\n', " ");
            eprintln!("syncline: {line}");
            ExitCode::FAILURE
        }
    }
}
