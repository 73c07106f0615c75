//! `demo`: the main job on a machine with nothing installed. A simulated Salesforce with data, a
//! connection to it with both streams in two-way sync, and a schedule.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use connector_salesforce::sim::{SimOptions, Simulator};
use domain::pulls;
use domain::streams::{Setup, set_up as set_up_stream};
use domain::tenants::{self, NewTenant};
use engine::ids::{ConnectionId, TenantId};
use engine::store::connections;
use engine::store::streams;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::Common;
use crate::database::Database;
use crate::files::Data;
use crate::hub::Hub;
use crate::shipped;
use crate::terminal::{say, stop_on_signal};
use crate::up::{announce, options, until_stopped};

const ACCOUNTS: usize = 500;
const CONTACTS: usize = 1_000;
/// How much of what happened to the simulator a killed demo may forget.
const KEEP_EVERY: Duration = Duration::from_secs(1);
const CONNECTION: &str = "Salesforce (simulated)";
const STREAMS: [(&str, &str); 2] = [("Account", "account"), ("Contact", "contact")];

pub(crate) async fn run(common: Common) -> Result<()> {
    let stop = stop_on_signal()?;
    let data = Data::of_demo(&common)?;
    let database = Database::find(&common, &data).await?;
    let outcome = show(&common, &data, &database, &stop).await;
    let stopped = database.stop().await;
    outcome.and(stopped)
}

async fn show(
    common: &Common,
    data: &Data,
    database: &Database,
    stop: &CancellationToken,
) -> Result<()> {
    let tenant = NewTenant {
        name: "Demo".to_owned(),
        environment: "demo".to_owned(),
    };
    let hub = Hub::start(options(common, data, &database.url, tenant)?).await?;
    let served = CancellationToken::new();
    let (simulator, address, keeping) = simulate(data, served.clone()).await?;
    set_up(&hub, &simulator, address)
        .await
        .context("cannot set up the demo's connection")?;
    announce(&hub)?;
    let accounts = simulator.count("Account");
    say(&format!(
        "Simulated Salesforce is at http://{address}: {accounts} accounts"
    ))?;
    let outcome = until_stopped(hub, stop).await;
    // After the hub, which may be writing to it until then.
    served.cancel();
    keeping
        .await
        .context("keeping the simulator's data was interrupted")??;
    outcome
}

/// The simulator of an earlier start with all that happened to it, or a new one with data. It is
/// kept in the data folder while it runs, until `stop`.
async fn simulate(
    data: &Data,
    stop: CancellationToken,
) -> Result<(Simulator, SocketAddr, JoinHandle<std::io::Result<()>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("no free port")?;
    let address = listener
        .local_addr()
        .context("cannot tell the simulator's address")?;
    let file = data.simulated_salesforce();
    let simulator = match Simulator::load(SimOptions::default(), &file)? {
        Some(simulator) => simulator,
        None => {
            let simulator = Simulator::new(SimOptions::default());
            simulator.seed_accounts(ACCOUNTS);
            simulator.seed_contacts(CONTACTS);
            simulator
        }
    };
    let (served, stopped) = (simulator.clone(), CancellationToken::new());
    let ended = stopped.clone().drop_guard();
    tokio::spawn(async move {
        let _ended = ended;
        if let Err(error) = served.serve(listener, stop.cancelled_owned()).await {
            tracing::error!(%error, "simulated Salesforce ended");
        }
    });
    let kept = simulator.clone();
    let keeping = tokio::spawn(async move {
        kept.keep(&file, KEEP_EVERY, stopped.cancelled_owned())
            .await
    });
    Ok((simulator, address, keeping))
}

/// Connects the simulator, or leads the connection of an earlier start to it.
async fn set_up(hub: &Hub, simulator: &Simulator, address: SocketAddr) -> Result<()> {
    let mut tx = hub.store.begin_system().await?;
    let known = tenants::list(&mut tx).await?;
    drop(tx);
    let tenant = *known.first().context("there is no tenant")?;
    let config = json!({
        "login_url": format!("http://{address}"),
        "auth": {
            "kind": "client_credentials",
            "client_id": simulator.client_id(),
            "client_secret": simulator.client_secret(),
        },
    });
    let connection = connect(hub, tenant, config).await?;
    let checked = hub.peers.check(tenant, connection).await?;
    if let Some(error) = checked.error {
        return Err(error.into());
    }
    for (stream, entity) in STREAMS {
        sync(hub, tenant, connection, stream, entity).await?;
    }
    Ok(())
}

async fn connect(hub: &Hub, tenant: TenantId, config: Json) -> Result<ConnectionId> {
    let mut tx = hub.store.begin(tenant).await?;
    let all = connections::list(&mut tx, 200, None).await?;
    let known = all
        .items
        .into_iter()
        .find(|connection| connection.name == CONNECTION);
    let id = match known {
        Some(known) => {
            hub.peers
                .change(&mut tx, known.id, known.version, None, Some(config))
                .await?;
            known.id
        }
        None => {
            hub.peers
                .create(&mut tx, "salesforce", CONNECTION, config)
                .await?
        }
    };
    tx.commit().await?;
    Ok(id)
}

/// Puts a stream into two-way sync, once, and reads it.
async fn sync(
    hub: &Hub,
    tenant: TenantId,
    connection: ConnectionId,
    stream: &str,
    entity: &str,
) -> Result<()> {
    let mut tx = hub.store.begin(tenant).await?;
    let rows = streams::list(&mut tx, connection).await?;
    drop(tx); // the system is asked next
    if !rows.iter().any(|row| row.stream == stream) {
        let found = hub.peers.discover(tenant, connection).await?;
        let description = found
            .iter()
            .find(|found| found.name.as_str() == stream)
            .with_context(|| format!("the simulator has no stream {stream}"))?;
        let mut tx = hub.store.begin(tenant).await?;
        let setup = Setup {
            connection,
            description,
            entity,
            enabled: true,
            // Somebody is looking on.
            how_often: ("every minute", "* * * * *"),
        };
        set_up_stream(&mut tx, &shipped::mappings(), setup).await?;
        tx.commit().await?;
    }
    let mut tx = hub.store.begin(tenant).await?;
    pulls::start(&mut tx, connection, stream, false).await?;
    Ok(tx.commit().await?)
}
