//! A preview of a mapping over all stored snapshots: when its first hundred rows can be read, and when
//! it is done.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use localpg::Cluster;
use reqwest::Method;
use serde_json::json;
use testkit::{HubProcess, until};

use crate::processes::postmaster;
use crate::pull::{There, connect, pull};

#[derive(clap::Args)]
pub(crate) struct Preview {
    /// How many accounts.
    #[arg(long, default_value_t = 10_000)]
    records: u64,
    /// How often.
    #[arg(long, default_value_t = 3)]
    times: u32,
}

pub(crate) async fn run(options: &Preview) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::open(folder.path().join("pg"))?;
    cluster.start()?;
    let outcome = measured(options, &cluster, folder.path()).await;
    cluster.stop()?;
    outcome
}

async fn measured(options: &Preview, cluster: &Cluster, folder: &Path) -> Result<()> {
    cluster.create_database("syncline")?;
    let there = There::start()?;
    there
        .control("seed", Some(&json!({ "accounts": options.records })))
        .await?;
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let hub = HubProcess::start(&cluster.url("syncline"), &data).await?;
    let api = hub.api().await?;
    let postmaster = postmaster(cluster)?;
    let connection = connect(&api, &there).await?;
    pull(&api, &connection, hub.pid(), there.process.id(), postmaster).await?;
    let list = api.get("/mappings").await?;
    let mappings = list["items"].as_array().context("mappings are a list")?;
    let mapping = mappings
        .iter()
        .find(|one| one["entity"] == "account")
        .context("accounts have a mapping")?;
    let path = format!("/mappings/{}", mapping["id"].as_str().context("an id")?);
    let read = api.send(Method::GET, &path, None, None).await?;
    let etag = read.etag.clone();
    let mapping = read.ok()?;
    let text = mapping["text"].as_str().context("a text")?;
    // Every record gets another name.
    let louder = text.replacen("in = \"trim\"", "in = \"trim | upper\"\nout = \"trim\"", 1);
    ensure!(louder != text, "the shipped mapping trims names");
    let body = json!({"text": louder, "publish": false});
    let saved = api
        .send(Method::PUT, &path, etag.as_deref(), Some(&body))
        .await?;
    let version = saved.ok()?["newest_version"].clone();
    for _ in 0..options.times {
        let begun = Instant::now();
        let order = json!({"version": version, "live": 0});
        let preview = api.post(&format!("{path}/previews"), &order).await?;
        let id = preview["id"].as_str().context("an id")?.to_owned();
        let one = format!("{path}/previews/{id}");
        let rows = format!("{one}/rows?limit=100");
        until("the first rows", Duration::from_secs(120), || async {
            let rows = api.get(&rows).await?;
            let count = rows["items"].as_array().map_or(0, Vec::len);
            Ok((count >= 100).then_some(()))
        })
        .await?;
        let first = begun.elapsed();
        let done = until("the end", Duration::from_secs(600), || async {
            let shown = api.get(&one).await?;
            Ok((shown["state"] == "done").then_some(shown))
        })
        .await?;
        let took = begun.elapsed();
        println!(
            "preview of {:>9} records: first 100 rows {:>6.2} s, all {:>7.2} s, {} updates",
            options.records,
            first.as_secs_f64(),
            took.as_secs_f64(),
            done["counts"]["updates"],
        );
    }
    Ok(())
}
