use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use connector_salesforce::sim::{Answer, AnswerFault, SimOptions};
use serde_json::{Value as Json, json};
use sqlx::PgPool;
use testdb::TestDb;
use testkit::{Api, HubProcess, Salesforce, until, until_done};

/// A killed process's work must go on within this time.
const RESUMED: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(60);

struct World {
    db: TestDb,
    pool: PgPool,
    salesforce: Salesforce,
    data: tempfile::TempDir,
    connection: String,
}

impl World {
    /// A hub that is connected to a simulated Salesforce with `accounts` accounts, not yet read.
    async fn new(accounts: usize) -> Result<(Self, HubProcess, Api)> {
        let db = TestDb::new().await?;
        let pool = db.pool().await?;
        let salesforce = Salesforce::start(SimOptions::default()).await?;
        salesforce.sim.seed_accounts(accounts);
        let data = tempfile::tempdir()?;
        let hub = HubProcess::start(&db.url(), data.path()).await?;
        let api = hub.api().await?;
        let mut config = salesforce.config();
        // Pages of a query, so that a kill falls between many of them.
        config["bulk_threshold"] = json!(1_000_000);
        config["page_size"] = json!(200);
        let new = json!({ "system": "salesforce", "name": "Salesforce", "config": config });
        let connection = api.post("/connections", &new).await?;
        let connection = connection["id"].as_str().context("no id")?.to_owned();
        let world = Self {
            db,
            pool,
            salesforce,
            data,
            connection,
        };
        let path = format!("/connections/{}/streams/Account", world.connection);
        let setup = json!({ "enabled": true, "entity": "account" });
        api.send("PUT".parse()?, &path, None, Some(&setup))
            .await?
            .ok()?;
        // Reads happen when a test asks for them.
        for schedule in api.all("/schedules").await? {
            let path = format!("/schedules/{}", schedule["id"].as_str().context("no id")?);
            api.patch(&path, &json!({ "paused": true })).await?;
        }
        Ok((world, hub, api))
    }

    async fn pull(&self, api: &Api) -> Result<String> {
        let path = format!("/connections/{}/streams/Account/pull", self.connection);
        let run = api.post(&path, &json!({})).await?;
        Ok(run["run_id"].as_str().context("no run")?.to_owned())
    }

    async fn restart(&self) -> Result<(HubProcess, Api)> {
        let hub = HubProcess::start(&self.db.url(), self.data.path()).await?;
        let api = hub.api().await?;
        Ok((hub, api))
    }

    async fn count(&self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    /// What is under way, for the message of a failure.
    async fn state(&self) -> Result<String> {
        let runs = "select string_agg(format('%s %s due %s owner %s %s', workflow, state, due_at - now(), owner, error), E'\n') from all_runs where state <> 'succeeded'";
        let writes = "select string_agg(format('%s: %s, due %s, %s', state, n, due, error), E'\n') from (select state, count(*) n, min(due_at) - now() due, max(error::text) error from writes group by state) s";
        let (runs, writes): (Option<String>, Option<String>) = (
            sqlx::query_scalar(runs).fetch_one(&self.pool).await?,
            sqlx::query_scalar(writes).fetch_one(&self.pool).await?,
        );
        let log = std::fs::read_to_string(self.data.path().join("hub.log"))?;
        let log = &log[log.len().saturating_sub(3_000)..];
        Ok(format!("runs: {runs:?}\nwrites: {writes:?}\n{log}"))
    }

    /// `waited`, and what was under way if it was in vain.
    async fn told<T>(&self, waited: Result<T>) -> Result<T> {
        match waited {
            Ok(value) => Ok(value),
            Err(error) => Err(error.context(self.state().await?)),
        }
    }

    async fn until_count(&self, what: &str, sql: &'static str, at_least: i64) -> Result<i64> {
        let waited = until(what, LONG, || async {
            let count = self.count(sql).await?;
            Ok((count >= at_least).then_some(count))
        });
        self.told(waited.await).await
    }

    /// The run once it succeeded. It may take as long as it likes, so long as it goes on reading.
    async fn ended(&self, api: &Api, run: &str) -> Result<Json> {
        let waited = until_done("the end of the run", LONG, || async {
            let run = api.get(&format!("/runs/{run}")).await?;
            let state = run["state"].as_str().context("no state")?;
            ensure!(
                !["failed", "cancelled", "parked"].contains(&state),
                "the run ended badly: {run}"
            );
            let is_over = state == "succeeded";
            Ok((self.count(ACCOUNTS_READ).await?, is_over.then_some(run)))
        });
        self.told(waited.await).await
    }
}

const ACCOUNTS_READ: &str = "select count(*) from accounts";

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_killed_goes_on_with_nothing_lost_and_nothing_doubled() -> Result<()> {
    const ACCOUNTS: usize = 12_000;
    let (world, hub, api) = World::new(ACCOUNTS).await?;
    let run = world.pull(&api).await?;
    let mut before = world
        .until_count("the first pages", ACCOUNTS_READ, 1_000)
        .await?;
    let mut hub = hub;
    let mut api = api;
    for _ in 0..2 {
        hub.kill()?;
        let killed = Instant::now();
        (hub, api) = world.restart().await?;
        let after = world
            .until_count("a page after the kill", ACCOUNTS_READ, before + 1)
            .await?;
        ensure!(
            killed.elapsed() < RESUMED,
            "resumed after {:?}",
            killed.elapsed()
        );
        before = after;
    }
    let ended = world.ended(&api, &run).await?;
    let expected = i64::try_from(ACCOUNTS)?;
    assert_eq!(world.count(ACCOUNTS_READ).await?, expected);
    assert_eq!(world.count("select count(*) from records").await?, expected);
    assert_eq!(
        world
            .count("select count(distinct entity_id) from records")
            .await?,
        expected
    );
    assert_eq!(ended["counts"]["created"], json!(expected), "{ended}");
    assert_eq!(
        world.salesforce.sim.writes(),
        0,
        "a pull writes nothing over there"
    );
    drop(hub);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_killed_writes_every_edit_and_creates_nothing_twice() -> Result<()> {
    const ACCOUNTS: usize = 300;
    const NEW: usize = 60;
    const GROUPS: usize = 5;
    let (world, hub, api) = World::new(ACCOUNTS).await?;
    let run = world.pull(&api).await?;
    world.ended(&api, &run).await?;

    // Each answer takes a while, so that the kill falls between the call and its receipt.
    world.salesforce.sim.faults().answers.push(AnswerFault {
        on: Some("collection".to_owned()),
        skip: 0,
        times: u32::MAX,
        answer: Answer::Slow { ms: 400 },
    });
    let accounts = api.all("/accounts").await?;
    assert_eq!(accounts.len(), ACCOUNTS);
    let (mut hub, mut api, mut kills) = (hub, api, 0);
    for (group, accounts) in accounts.chunks(ACCOUNTS / GROUPS).enumerate() {
        for (number, account) in accounts.iter().enumerate() {
            let path = format!("/accounts/{}", account["id"].as_str().context("no id")?);
            let number = group * ACCOUNTS / GROUPS + number;
            api.patch(&path, &json!({ "fields": { "phone": phone(number) } }))
                .await?;
        }
        for number in 0..NEW / GROUPS {
            let fields = json!({ "fields": { "name": format!("Made here {group}-{number}") } });
            api.post("/accounts", &fields).await?;
        }
        // In the middle of a call, or between a call and its receipt.
        let sending = "select count(*) from writes where state = 'sending'";
        let caught = until("a write on its way", LONG, || async {
            Ok(
                match (world.count(sending).await?, world.count(OPEN).await?) {
                    (0, 0) => Some(false),
                    (0, _) => None,
                    _ => Some(true),
                },
            )
        })
        .await;
        let caught = world.told(caught).await?;
        kills += i32::from(caught);
        hub.kill()?;
        (hub, api) = world.restart().await?;
    }
    ensure!(kills >= 3, "only {kills} kills met a write on its way");
    let settled = until_done("the last write to settle", LONG, || async {
        let open = world.count(OPEN).await?;
        Ok((-open, (open == 0).then_some(())))
    });
    world.told(settled.await).await?;
    world.salesforce.sim.faults().answers.clear();

    let sim = &world.salesforce.sim;
    assert_eq!(
        sim.count("Account"),
        ACCOUNTS + NEW,
        "nothing created twice"
    );
    assert_eq!(
        world
            .count("select count(*) from writes where state = 'failed'")
            .await?,
        0
    );
    let linked = "select count(distinct entity_id) from records where removed_at is null";
    assert_eq!(world.count(linked).await?, i64::try_from(ACCOUNTS + NEW)?);
    for (number, account) in accounts.iter().enumerate() {
        let key = account["links"][0]["key"].as_str().context("no link")?;
        let there = sim.get("Account", key).context("account is gone")?;
        assert_eq!(there["Phone"], json!(phone(number)), "account {key}");
    }
    drop(hub);
    Ok(())
}

const OPEN: &str = "select count(*) from writes where state in ('pending', 'sending')";

fn phone(number: usize) -> String {
    format!("+1 555 010 {number:04}")
}
