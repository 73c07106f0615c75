//! `cargo x test`: the second command of a newcomer. Provides what the tests need where it can,
//! leaves nothing running, and says at the end what it left out and why.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use localpg::{Cluster, TEST_CLUSTER_VARIABLE};

use crate::clients::Clients;
use crate::node::Node;
use crate::{console, demo, generate, pg, run, saml, tree};

const BROWSER_TESTS: &str = "tests/browser";
/// Who signs in to a hub that is gone after the tests.
const EMAIL: &str = "admin@syncline.test";
const PASSWORD: &str = "only for these tests";

#[derive(clap::Args)]
pub(crate) struct Test {
    /// Fail when something would be left out.
    #[arg(long)]
    strict: bool,
}

/// What was not tested, and why.
type LeftOut = Vec<String>;

/// Rust tests at once per processor: most of them wait for Postgres, or for time to pass. Those that
/// measure run alone, where nextest runs them (`.config/nextest.toml`).
const THREADS_PER_CORE: usize = 3;

/// Those, for where there is no nextest; the same as there.
const ALONE: [&str; 5] = [
    "claims::an_idle_process_asks_once_a_second",
    "flat::neither_work_nor_reading_costs_more_the_more_has_been_done",
    "signals::runs_that_wait_hold_no_slot_and_wake_at_once",
    "lanes::a_paused_lane_lets_nothing_begin_and_a_resumed_one_everything_at_once",
    "crashes::a_process_that_was_buried_registers_again_and_drops_its_runs",
];

pub(crate) fn run(test: &Test) -> Result<()> {
    let mut left_out = LeftOut::new();
    if !saml::is_possible() {
        left_out.push(format!("SAML: Debian: apt-get install {}", saml::PACKAGES));
    }
    if !run::exists("cc", &["--version"]) {
        bail!("no C compiler: install one (Debian: apt-get install build-essential)");
    }
    let throwaway = pg::throwaway()?;
    rust(throwaway.cluster(), &mut left_out)?;
    examples(throwaway.cluster(), &mut left_out)?;
    console_tests(throwaway.cluster(), &mut left_out)?;
    browser(throwaway.cluster(), &mut left_out)?;
    drop(throwaway);
    if left_out.is_empty() {
        println!("nothing was left out but the crash tests (cargo x crash)");
        return Ok(());
    }
    println!("left out:");
    for what in &left_out {
        println!("  {what}");
    }
    println!("  crash tests: cargo x crash");
    if test.strict {
        bail!("{} parts were left out", left_out.len());
    }
    Ok(())
}

/// Some of the tests, on a cluster of their own, as CI runs them: what is left out has failed.
pub(crate) fn strict(tests: fn(&Cluster, &mut LeftOut) -> Result<()>) -> Result<()> {
    let mut left_out = LeftOut::new();
    let throwaway = pg::throwaway()?;
    tests(throwaway.cluster(), &mut left_out)?;
    if left_out.is_empty() {
        return Ok(());
    }
    bail!("left out: {}", left_out.join("; "))
}

/// All crates but those of the crash tests, which take minutes: with nextest where it is installed.
fn workspace(with_nextest: bool) -> Command {
    let arguments = if with_nextest {
        "nextest run --workspace --exclude crash"
    } else {
        "test --workspace --exclude crash --lib --bins --tests"
    };
    let mut tests = run::cargo();
    tests.args(arguments.split(' '));
    saml::add_to(&mut tests);
    tests
}

fn has_nextest() -> bool {
    run::exists("cargo", &["nextest", "--version"])
}

/// Builds what the Rust tests need, and the hub.
pub(crate) fn build() -> Result<()> {
    run::step(
        "cargo build of the tests",
        workspace(has_nextest()).arg("--no-run"),
    )?;
    generate::hub().map(|_hub| ())
}

pub(crate) fn rust(cluster: &Cluster, left_out: &mut LeftOut) -> Result<()> {
    let clients = Clients::install(left_out)?;
    let hub = generate::hub()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores * THREADS_PER_CORE).to_string();
    let prepared = |with_nextest| -> Result<Command> {
        let mut tests = workspace(with_nextest);
        tests
            .env("SYNCLINE_BIN", &hub)
            .env(TEST_CLUSTER_VARIABLE, cluster.dir());
        clients.hand_to(&mut tests)?;
        Ok(tests)
    };
    if has_nextest() {
        let mut tests = prepared(true)?;
        tests.args(["--no-tests", "warn", "--no-fail-fast"]);
        tests.args(["--test-threads", &threads]);
        return run::step("Rust tests", &mut tests);
    }
    let mut tests = prepared(false)?;
    tests.args(["--no-fail-fast", "--", "--test-threads", &threads]);
    for name in ALONE {
        tests.args(["--skip", name]);
    }
    run::step("Rust tests", &mut tests)?;
    let mut alone = prepared(false)?;
    alone.args(["--", "--test-threads", "1", "--exact"]);
    alone.args(ALONE);
    run::step("Rust tests that run alone", &mut alone)
}

/// The examples in the documentation: of the crates that have some (the house test holds that).
pub(crate) fn examples(cluster: &Cluster, _left_out: &mut LeftOut) -> Result<()> {
    let mut examples = run::cargo();
    // As the tests were built: the crash tests would bring features of their own.
    let arguments = "test --workspace --exclude crash --doc --quiet";
    examples.args(arguments.split(' '));
    saml::add_to(&mut examples);
    examples.env(TEST_CLUSTER_VARIABLE, cluster.dir());
    run::step("examples in the documentation", &mut examples)
}

pub(crate) fn console_tests(_cluster: &Cluster, left_out: &mut LeftOut) -> Result<()> {
    let folder = Path::new(console::FOLDER);
    if !tree::root().join(folder).join("package.json").is_file() {
        left_out.push(format!("console: {} has no package.json", folder.display()));
        return Ok(());
    }
    match Node::find() {
        Err(why) => left_out.push(format!("console: {why}")),
        Ok(node) => {
            node.install(folder)?;
            run::step(
                "console: types, lint, words",
                &mut node.npm(folder, &["run", "check"])?,
            )?;
            run::step(
                "console: component tests",
                &mut node.npm(folder, &["run", "test"])?,
            )?;
        }
    }
    Ok(())
}

/// The console in a real browser, as a real hub with the demo's data serves it.
pub(crate) fn browser(cluster: &Cluster, left_out: &mut LeftOut) -> Result<()> {
    let folder = Path::new(BROWSER_TESTS);
    if !tree::root().join(folder).is_dir() {
        left_out.push(format!("browser tests: {BROWSER_TESTS} is not there"));
        return Ok(());
    }
    let Some(chromium) = chromium() else {
        left_out.push(
            "browser tests: Chromium is not installed (Debian: apt-get install chromium)"
                .to_owned(),
        );
        return Ok(());
    };
    let node = match Node::find() {
        Ok(node) => node,
        Err(why) => {
            left_out.push(format!("browser tests: {why}"));
            return Ok(());
        }
    };
    if let Err(why) = console::build()? {
        left_out.push(format!("browser tests: no console: {why}"));
        return Ok(());
    }
    node.install(folder)?;
    run::step(
        "browser tests: types",
        &mut node.npm(folder, &["run", "--silent", "check"])?,
    )?;
    // Again, because the hub holds the console that was there when it was compiled.
    let hub = generate::hub()?;
    let demo = demo_on(cluster, &hub)?;
    // The console's pages of tenants are for whoever looks after all of them.
    let mut operator = run::command(&hub);
    operator
        .args(["admin", "operator", "--email", EMAIL])
        .env("DATABASE_URL", cluster.url("browser"));
    run::step("browser tests: an operator", &mut operator)?;
    let mut tests = node.npm(folder, &["test"])?;
    tests
        .env("CHROMIUM", chromium)
        .env("SYNCLINE_URL", &demo.address)
        .env("SYNCLINE_EMAIL", EMAIL)
        .env("SYNCLINE_PASSWORD", PASSWORD);
    let tested = run::step("browser tests", &mut tests);
    let stopped = demo.stop();
    tested.and(stopped.map(|_took| ()))
}

/// The one that `CHROMIUM` names, or the one that is installed.
fn chromium() -> Option<String> {
    run::variable("CHROMIUM").or_else(|| {
        run::first_of(&["chromium", "chromium-browser", "google-chrome"]).map(str::to_owned)
    })
}

/// A demo that is ready, in a new database of the cluster.
fn demo_on(cluster: &Cluster, hub: &Path) -> Result<demo::Running> {
    cluster.create_database("browser")?;
    let mut command = run::command(hub);
    command
        .env("DATABASE_URL", cluster.url("browser"))
        .env("SYNCLINE_ADMIN_EMAIL", EMAIL)
        .env("SYNCLINE_ADMIN_PASSWORD", PASSWORD)
        // The one that the tests bring along.
        .env("SYNCLINE_PRIVATE_PROVIDERS", "true");
    let demo = demo::Running::start(command, &[])?;
    demo.wait_until_ready()?;
    Ok(demo)
}
