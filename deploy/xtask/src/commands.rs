//! The small commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use localpg::{Cluster, TEST_CLUSTER_VARIABLE};

use crate::clients::Clients;
use crate::node::Node;
use crate::{console, generate, pg, run, saml, test, tree};

#[derive(Subcommand)]
pub(crate) enum Db {
    /// Drop and make the database of the demo anew; the next start migrates it.
    Reset,
    /// Apply the migrations to an empty throw-away database, to see that they do.
    Check,
}

/// A benchmark in a release build. It starts what it measures itself, its Postgres with the durable
/// settings of a real one.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    pg::provide()?;
    let build = [
        "build",
        "--release",
        "--workspace",
        "--bin",
        "bench",
        "--bin",
        "syncline",
    ];
    run::step("cargo build --release", run::cargo().args(build))?;
    let mut bench = run::command(tree::target().join("release/bench"));
    bench
        .args(arguments)
        .env("SYNCLINE_BIN", tree::target().join("release/syncline"));
    run::check("the benchmark", &mut bench)
}

/// Crash tests at once, whatever the processors: half of them wait for a lease to run out.
const THREADS: u8 = 6;

#[derive(clap::Args, Default)]
pub(crate) struct Crash {
    /// How many times in a row; once unless said.
    #[arg(long)]
    times: Option<u32>,
    /// Only the engine's worker processes, without the hub around them.
    #[arg(long)]
    engine: bool,
    /// Random kills of a worker process under load; 15 unless said.
    #[arg(long)]
    kills: Option<u32>,
    /// The first random number; a failed test says which one it had.
    #[arg(long)]
    seed: Option<u64>,
    /// Where they are built, when not with everything else.
    #[arg(skip)]
    target: Option<PathBuf>,
}

impl Crash {
    /// Once, built in this folder.
    pub(crate) fn built_in(target: PathBuf) -> Self {
        Self {
            target: Some(target),
            ..Self::default()
        }
    }
}

/// The tests that kill processes, again and again: what fails once in twenty fails some day.
pub(crate) fn crash(crash: &Crash) -> Result<()> {
    let hub = if crash.engine {
        None
    } else {
        Some(generate::hub()?)
    };
    let throwaway = pg::throwaway()?;
    let times = crash.times.unwrap_or(1);
    for round in 1..=times {
        // With its own features: these tests compile places to die into the engine, and nothing
        // else is to be built with those.
        let mut tests = run::cargo();
        tests.args(["test", "--package", "crash", "--test", "main", "--"]);
        if crash.engine {
            tests.arg("worker::");
        }
        // One line of figures per test.
        tests.args(["--nocapture", "--test-threads", &THREADS.to_string()]);
        if let Some(target) = &crash.target {
            tests.env("CARGO_TARGET_DIR", target);
        }
        tests.env(TEST_CLUSTER_VARIABLE, throwaway.cluster().dir());
        if let Some(hub) = &hub {
            tests.env("SYNCLINE_BIN", hub);
        }
        if let Some(kills) = crash.kills {
            tests.env("SYNCLINE_KILLS", kills.to_string());
        }
        if let Some(seed) = crash.seed {
            tests.env("SYNCLINE_SEED", seed.to_string());
        }
        run::step(
            &format!("crash tests, round {round} of {times}"),
            &mut tests,
        )?;
    }
    Ok(())
}

pub(crate) fn e2e() -> Result<()> {
    let hub = generate::hub()?;
    let throwaway = pg::throwaway()?;
    let mut tests = package_tests("e2e");
    tests
        .env("SYNCLINE_BIN", hub)
        .env(TEST_CLUSTER_VARIABLE, throwaway.cluster().dir());
    run::step("scenarios", &mut tests)
}

pub(crate) fn browser() -> Result<()> {
    let throwaway = pg::throwaway()?;
    let mut left_out = Vec::new();
    test::browser(throwaway.cluster(), &mut left_out)?;
    match left_out.pop() {
        Some(why) => bail!("{why}"),
        None => Ok(()),
    }
}

/// The script of the main job on real data, against a hub of its own.
pub(crate) fn real(arguments: &[String]) -> Result<()> {
    let script = tree::root().join("tests/real/run.sh");
    if !script.is_file() {
        bail!("{} is not there", tree::shown(&script));
    }
    let mut left_out = Vec::new();
    let mut clients = Clients::install(&mut left_out)?;
    if !saml::is_possible() {
        left_out.push(format!("no SAML: apt-get install {}", saml::PACKAGES));
    }
    if let Some(why) = left_out.pop() {
        bail!("{why}");
    }
    clients.and_python(&tree::root().join("tests/real/requirements.txt"))?;
    let hub = generate::hub()?;
    let throwaway = pg::throwaway()?;
    // A hub of another folder, with another key: it has a database of its own.
    throwaway.cluster().create_database("sign_in")?;
    let mut real = run::command("bash");
    real.arg(script)
        .args(arguments)
        .env("SYNCLINE_BIN", hub)
        .env("SYNCLINE_SAML", "1")
        .env("SIGN_IN_DATABASE_URL", throwaway.cluster().url("sign_in"));
    clients.hand_to(&mut real)?;
    run::check(
        "the script",
        pg::with_cluster(&mut real, throwaway.cluster())?,
    )
}

/// The hub with its demo data, and Vite in front of it; Ctrl-C ends both.
pub(crate) fn dev() -> Result<()> {
    pg::provide()?;
    let hub = generate::hub()?;
    let node = Node::find().map_err(anyhow::Error::msg)?;
    let folder = Path::new(console::FOLDER);
    node.install(folder)?;
    let mut vite = node
        .npm(folder, &["run", "dev"])?
        .spawn()
        .context("cannot run npm")?;
    let hub = run::check(
        "the hub",
        run::command(&hub).arg("demo").stdin(Stdio::null()),
    );
    vite.kill()
        .context("cannot stop the console's development server")?;
    vite.wait()?;
    hub
}

pub(crate) fn db(db: &Db) -> Result<()> {
    match db {
        Db::Reset => {
            pg::provide()?;
            let cluster = Cluster::open(localpg::default_dir()?)?;
            let started = cluster.start()?;
            let made = cluster
                .execute("postgres", "drop database if exists syncline with (force)")
                .and_then(|_rows| cluster.create_database("syncline"));
            if started.by_us {
                cluster.stop()?;
            }
            made?;
            println!("the database is empty");
        }
        Db::Check => {
            let throwaway = pg::throwaway()?;
            throwaway.cluster().create_database("checked")?;
            pg::migrate(throwaway.cluster(), "checked")?;
            println!(
                "{} migrations apply to an empty database",
                pg::migrations()?.len()
            );
        }
    }
    Ok(())
}

/// The tests of one crate, built with the features of the whole workspace.
fn package_tests(package: &str) -> std::process::Command {
    let mut tests = run::cargo();
    if run::exists("cargo", &["nextest", "--version"]) {
        tests.args([
            "nextest",
            "run",
            "--workspace",
            "-E",
            &format!("package({package})"),
        ]);
        saml::add_to(&mut tests);
    } else {
        tests.args(["test", "--package", package]);
    }
    tests
}
