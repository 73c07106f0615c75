//! First pull of many accounts into the core, then one with nothing new and one with 1 % changed.
//!
//! Three processes on this machine: the simulated Salesforce, Postgres with its durable settings,
//! the hub. The same records are also only read (what the simulator and the network cost without a
//! hub) in the same run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use localpg::Cluster;
use serde_json::{Value as Json, json};
use sqlx::PgPool;
use testkit::{Api, HubProcess, binary, until};

use crate::processes::{cpu, cpu_of_tree, postmaster, resident};
use crate::statements::StatementLog;

#[derive(clap::Args)]
pub(crate) struct Pull {
    /// How many accounts.
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// Show the beginnings of the statements of an idle pull.
    #[arg(long)]
    statements: bool,
}

pub(crate) async fn run(options: &Pull) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::open(folder.path().join("pg"))?;
    cluster.start()?;
    let outcome = measured(options, &cluster, folder.path()).await;
    cluster.stop()?;
    outcome
}

async fn measured(options: &Pull, cluster: &Cluster, folder: &Path) -> Result<()> {
    cluster.create_database("syncline")?;
    let there = There::start()?;
    let seeded = there
        .control("seed", Some(&json!({ "accounts": options.records })))
        .await?;
    println!(
        "simulated accounts                {:>12}",
        seeded["rows"]["Account"]
    );
    let only_read = there.read_only(options.records).await?;

    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let hub = HubProcess::start(&cluster.url("syncline"), &data).await?;
    let api = hub.api().await?;
    let pool = PgPool::connect(&cluster.url("syncline")).await?;
    let postmaster = postmaster(cluster)?;
    let connection = connect(&api, &there).await?;
    println!(
        "resident, idle                    {:>12.0} MB",
        resident(hub.pid())?
    );

    let first = pull(&api, &connection, hub.pid(), there.process.id(), postmaster).await?;
    let made: i64 = sqlx::query_scalar("select count(*) from accounts")
        .fetch_one(&pool)
        .await?;
    if u64::try_from(made)? != options.records {
        bail!("{made} accounts were made of {} records", options.records);
    }
    let records = options.records as f64;
    println!(
        "only reading, no hub              {:>12.0} records/s",
        records / only_read.as_secs_f64()
    );
    println!(
        "first pull                        {:>12.0} records/s",
        records / first.took
    );
    println!(
        "  of only reading                 {:>12.2}",
        only_read.as_secs_f64() / first.took
    );
    println!("  took                            {:>12.1} s", first.took);
    println!("  processor: hub                  {:>12.1} s", first.hub);
    println!(
        "  processor: Postgres             {:>12.1} s",
        first.postgres
    );
    println!(
        "  processor: simulator            {:>12.1} s",
        first.simulator
    );
    println!(
        "  Postgres' share of all          {:>12.0} %",
        100.0 * first.postgres / first.all()
    );
    println!(
        "  resident, highest               {:>12.0} MB",
        first.resident
    );
    let size: String =
        sqlx::query_scalar("select pg_size_pretty(pg_database_size(current_database()))")
            .fetch_one(&pool)
            .await?;
    println!("database                          {size:>15}");

    let log = StatementLog::start(&pool, cluster).await?;
    for what in ["next pull, reads the overlap", "idle pull"] {
        let before = there.requests().await?;
        let idle = pull(&api, &connection, hub.pid(), there.process.id(), postmaster).await?;
        idle.print(what, there.requests().await? - before);
    }
    there.change(&pool, options.records / 100).await?;
    let before = there.requests().await?;
    let part = pull(&api, &connection, hub.pid(), there.process.id(), postmaster).await?;
    part.print("pull of 1 % that changed", there.requests().await? - before);
    println!(
        "  of the first pull               {:>12.2} %",
        100.0 * part.took / first.took
    );
    println!(
        "  its processor, of the first     {:>12.2} %",
        100.0 * (part.hub + part.postgres) / (first.hub + first.postgres)
    );
    // Nobody watches this one, so that nothing is counted that only serves the watcher.
    let at_rest = log.during(async { Ok(()) }).await?;
    let with_pull = log.during(start(&api, &connection)).await?;
    println!("statements of an idle hub in 3 s  {:>12}", at_rest.len());
    println!("  and with an idle pull           {:>12}", with_pull.len());
    if options.statements {
        for statement in with_pull {
            println!("    {statement}");
        }
    }
    Ok(())
}

async fn start(api: &Api, connection: &str) -> Result<()> {
    let path = format!("/connections/{connection}/streams/Account/pull");
    api.post(&path, &json!({})).await?;
    Ok(())
}

pub(crate) async fn connect(api: &Api, there: &There) -> Result<String> {
    let config = json!({
        "login_url": there.base,
        "auth": {
            "kind": "client_credentials",
            "client_id": there.client_id,
            "client_secret": there.client_secret,
        },
    });
    let new = json!({ "system": "salesforce", "name": "Salesforce", "config": config });
    let connection = api.post("/connections", &new).await?;
    let connection = connection["id"].as_str().context("no id")?.to_owned();
    let setup = json!({ "enabled": true, "entity": "account" });
    let path = format!("/connections/{connection}/streams/Account");
    api.send("PUT".parse()?, &path, None, Some(&setup))
        .await?
        .ok()?;
    for schedule in api.all("/schedules").await? {
        let path = format!("/schedules/{}", schedule["id"].as_str().context("no id")?);
        api.patch(&path, &json!({ "paused": true })).await?;
    }
    Ok(connection)
}

pub(crate) struct Figures {
    took: f64,
    hub: f64,
    simulator: f64,
    postgres: f64,
    resident: f64,
    counts: Json,
}

impl Figures {
    fn all(&self) -> f64 {
        self.hub + self.simulator + self.postgres
    }

    fn print(&self, what: &str, requests: u64) {
        println!("{what:<34}{:>12.2} s", self.took);
        println!(
            "  records looked at               {:>12}",
            self.counts["read"]
        );
        println!(
            "  changed                         {:>12}",
            self.counts["updated"]
        );
        println!("  requests                        {requests:>12}");
    }
}

pub(crate) async fn pull(
    api: &Api,
    connection: &str,
    hub: u32,
    simulator: u32,
    postmaster: u32,
) -> Result<Figures> {
    let before = (cpu(hub)?, cpu(simulator)?, cpu_of_tree(postmaster)?);
    let started = Instant::now();
    let path = format!("/connections/{connection}/streams/Account/pull");
    let run = api.post(&path, &json!({})).await?;
    let run = format!("/runs/{}", run["run_id"].as_str().context("no run")?);
    let mut highest: f64 = 0.0;
    let ended = until("the end of the pull", Duration::from_secs(1_800), || {
        highest = highest.max(resident(hub).unwrap_or_default());
        let run = run.clone();
        async move {
            let run = api.get(&run).await?;
            match run["state"].as_str() {
                Some("succeeded") => Ok(Some(run)),
                Some("failed" | "cancelled" | "parked") => bail!("the run ended badly: {run}"),
                _ => Ok(None),
            }
        }
    })
    .await?;
    Ok(Figures {
        took: started.elapsed().as_secs_f64(),
        hub: cpu(hub)? - before.0,
        simulator: cpu(simulator)? - before.1,
        postgres: cpu_of_tree(postmaster)? - before.2,
        resident: highest,
        counts: ended["counts"].clone(),
    })
}

/// The simulated Salesforce in a process of its own.
pub(crate) struct There {
    pub(crate) process: Child,
    base: String,
    client_id: String,
    client_secret: String,
    client: reqwest::Client,
}

impl There {
    pub(crate) fn start() -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let listen = format!("127.0.0.1:{port}");
        let mut process = Command::new(binary()?)
            .args(["simulate", "salesforce", "--listen", &listen])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let (mut client_id, mut client_secret) = (None, None);
        let told = process.stdout.take().context("no output")?;
        for line in BufReader::new(told).lines() {
            let line = line?;
            match line.trim().split_once('=') {
                Some(("client_id", value)) => client_id = Some(value.to_owned()),
                Some(("client_secret", value)) => client_secret = Some(value.to_owned()),
                _ => {}
            }
            if client_id.is_some() && client_secret.is_some() {
                break;
            }
        }
        Ok(Self {
            process,
            base: format!("http://{listen}"),
            client_id: client_id.context("the simulator told no client id")?,
            client_secret: client_secret.context("the simulator told no client secret")?,
            client: client()?,
        })
    }

    pub(crate) async fn control(&self, path: &str, body: Option<&Json>) -> Result<Json> {
        let url = format!("{}/__control/{path}", self.base);
        let request = match body {
            Some(body) => self.client.post(url).json(body),
            None => self.client.get(url),
        };
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Gives so many records another number over there.
    async fn change(&self, pool: &PgPool, count: u64) -> Result<()> {
        let keys: Vec<String> = sqlx::query_scalar("select key from records order by key limit $1")
            .bind(i64::try_from(count)?)
            .fetch_all(pool)
            .await?;
        for (number, key) in keys.iter().enumerate() {
            let fields = json!({ "Phone": format!("+49 30 {number:07}") });
            let row = json!({ "op": "update", "object": "Account", "id": key, "fields": fields });
            self.control("rows", Some(&row)).await?;
        }
        Ok(())
    }

    async fn requests(&self) -> Result<u64> {
        let told = self.control("requests", None).await?;
        let counts = told["requests"].as_object().context("no counts")?;
        Ok(counts.values().filter_map(Json::as_u64).sum())
    }

    /// Reads all accounts by the Bulk API as the hub does, and throws them away.
    async fn read_only(&self, records: u64) -> Result<Duration> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
        ];
        let url = format!("{}/services/oauth2/token", self.base);
        let token: Json = self
            .client
            .post(url)
            .form(&form)
            .send()
            .await?
            .json()
            .await?;
        let token = token["access_token"]
            .as_str()
            .context("no token")?
            .to_owned();
        let started = Instant::now();
        let jobs = format!("{}/services/data/v62.0/jobs/query", self.base);
        let query = json!({ "operation": "query", "query": QUERY });
        let job: Json = self
            .client
            .post(&jobs)
            .bearer_auth(&token)
            .json(&query)
            .send()
            .await?
            .json()
            .await?;
        let job = format!("{jobs}/{}", job["id"].as_str().context("no job")?);
        until("the bulk job", Duration::from_secs(60), || async {
            let state: Json = self
                .client
                .get(&job)
                .bearer_auth(&token)
                .send()
                .await?
                .json()
                .await?;
            Ok((state["state"] == "JobComplete").then_some(()))
        })
        .await?;
        let (mut locator, mut lines) = (String::new(), 0);
        loop {
            let url = format!("{job}/results?maxRecords=5000{locator}");
            let answer = self.client.get(url).bearer_auth(&token).send().await?;
            let next = answer
                .headers()
                .get("sforce-locator")
                .context("no locator")?;
            let next = next.to_str()?.to_owned();
            let body = answer.bytes().await?;
            lines += body.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
            if next == "null" {
                break;
            }
            locator = format!("&locator={next}");
        }
        if lines < records {
            bail!("only {lines} lines of {records} records came");
        }
        Ok(started.elapsed())
    }
}

const QUERY: &str = "SELECT Id, Name, Industry, Type, Phone, Website, Description, AnnualRevenue, \
    NumberOfEmployees, BillingStreet, BillingCity, BillingState, BillingPostalCode, \
    BillingCountry, Tier__c, Products_Owned__c, ParentId, SystemModstamp FROM Account";

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark is a client from outside"
)]
fn client() -> Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(reqwest::Client::builder()
        .timeout(Duration::from_secs(120))
        .build()?)
}

impl Drop for There {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
