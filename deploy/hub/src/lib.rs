//! The composition root: the command line, and the hub put together from its parts.
//!
//! [`Hub`] is the hub of one process, for the program and for tests. Nothing here knows how a part
//! works.

mod admin;
mod cli;
mod database;
mod demo;
mod files;
mod hub;
mod log;
mod shipped;
mod simulate;
mod terminal;
mod up;

pub use cli::{Cli, Command};
pub use files::{Data, vault_key};
pub use hub::{AdminWish, Hub, HubOptions};

use anyhow::{Context, Result};

/// Does what the command line says, until it is done or the process is told to stop.
///
/// # Errors
/// With the whole chain of causes, for one line.
pub fn run(cli: Cli) -> Result<()> {
    log::start(cli.log_format);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(async {
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
    })
}
