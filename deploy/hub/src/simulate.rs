//! `simulate`: a system that behaves like the real one, in memory.

use anyhow::{Context, Result};
use connector_salesforce::sim::{SimOptions, Simulator};
use tokio::net::TcpListener;

use crate::cli::{Common, Simulate, SimulatedSystem};
use crate::terminal::{say, stop_on_signal};

pub(crate) async fn run(common: Common, simulate: Simulate) -> Result<()> {
    match simulate.system {
        SimulatedSystem::Salesforce => salesforce(common, simulate).await,
    }
}

async fn salesforce(common: Common, simulate: Simulate) -> Result<()> {
    let stop = stop_on_signal()?;
    let address = common.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another with --listen"))?;
    let address = listener
        .local_addr()
        .context("cannot tell the served address")?;
    let simulator = Simulator::new(SimOptions {
        client_id: simulate.client_id,
        client_secret: simulate.client_secret,
        ..SimOptions::default()
    });
    simulator.seed_accounts(simulate.accounts);
    simulator.seed_contacts(simulate.contacts);
    say(&format!("Simulated Salesforce is at http://{address}"))?;
    say(&format!("client_id={}", simulator.client_id()))?;
    say(&format!("client_secret={}", simulator.client_secret()))?;
    simulator
        .serve(listener, stop.cancelled_owned())
        .await
        .context("serving failed")
}
