//! The composition root: the command line, and the hub put together from its parts.
//!
//! [`Hub`] is the hub of one process, for the program and for tests. Nothing here knows how a part
//! works.

mod admin;
mod cli;
mod database;
mod deletions;
mod demo;
mod files;
mod hub;
mod log;
mod shipped;
mod simulate;
mod terminal;
mod tls;
mod traces;
mod up;

pub use admin::{Phase, rotate};
pub use cli::{Cli, Command, LogFormat};
pub use files::{Data, vault};
pub use hub::{AdminWish, Hub, HubOptions};
pub use log::start_log;
pub use tls::TlsFiles;
pub use traces::Traces;

use anyhow::{Context, Result};

/// Does what the command line says, until it is done or the process is told to stop.
///
/// # Errors
/// With the whole chain of causes, for one line.
pub fn run(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let traces = Traces::from_environment(runtime.handle())?;
    start_log(cli.log_format, traces.as_ref());
    let done = runtime.block_on(async {
        let common = cli.common;
        match cli.command {
            Command::Demo => demo::run(common).await,
            Command::Up => up::run(common).await,
            Command::Serve => up::serve(common).await,
            Command::Work => up::work(common).await,
            Command::Migrate => up::migrate(common).await,
            Command::Simulate(simulate) => simulate::run(common, simulate).await,
            Command::Admin(admin) => admin::run(common, admin).await,
            Command::Pg(pg) => database::control(&common, &pg),
        }
    });
    if let Some(traces) = traces {
        traces.shutdown();
    }
    done
}
