//! Everything that CI runs, and what has to come before what.

mod beside;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{commands, console, demo, generate, pg, run, saml, sqlx, test, tree};

/// A thing that CI runs by itself.
struct Part {
    name: &'static str,
    /// What must have passed before this begins.
    after: &'static [&'static str],
    /// Compiles for nobody but itself: takes what time the others leave.
    background: bool,
    run: fn() -> Result<()>,
}

/// Those that measure time (Rust tests, crash tests) run beside compilers, which give way, but not
/// beside each other.
const PARTS: [Part; 18] = [
    part("format", &[], format),
    part("house", &[], house),
    part("dependencies", &[], dependencies),
    part("alerts", &[], alerts),
    part("console", &[], || must(console::build()?)),
    part("build", &["house", "console"], test::build).in_background(),
    part("clippy and queries", &["build"], clippy_and_queries).in_background(),
    part("build for crash tests", &["build"], build_for_crash).in_background(),
    part("documentation", &["clippy and queries"], documentation).in_background(),
    part("Rust tests", &["build"], || test::strict(test::rust)),
    part("examples", &["Rust tests"], || test::strict(test::examples)),
    // Waits a second at most for what should appear: the compilers give way to it.
    part("console tests", &["console"], || {
        test::strict(test::console_tests)
    }),
    part("generated files", &["build", "console tests"], || {
        generate::run(true)
    }),
    part(
        "crash tests",
        &["Rust tests", "build for crash tests"],
        || commands::crash(&commands::Crash::built_in(target("crash"))),
    ),
    // A browser paints on all cores, and each step has its time: after what else needs them.
    part(
        "browser tests",
        &["console tests", "crash tests", "clippy and queries"],
        || test::strict(test::browser),
    ),
    part("demo", &["Rust tests"], || demo::run(&demo::Demo::once())),
    part("real data", &["demo"], || commands::real(&[])),
    part("Postgres from npm", &["real data"], npm_postgres),
];

const fn part(name: &'static str, after: &'static [&'static str], run: fn() -> Result<()>) -> Part {
    Part {
        name,
        after,
        background: false,
        run,
    }
}

impl Part {
    const fn in_background(self) -> Self {
        Self {
            background: true,
            ..self
        }
    }
}

/// These parts, or all, beside each other as far as they may; one alone without a log between.
pub(crate) fn run(wanted: &[String]) -> Result<()> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !PARTS.iter().any(|part| part.name == name.as_str()))
    {
        let names = PARTS.map(|part| part.name);
        anyhow::bail!(
            "no part is named {unknown:?}; there are: {}",
            names.join(", ")
        );
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let parts: Vec<Part> = PARTS
        .into_iter()
        .filter(|part| is_wanted(part.name))
        .collect();
    match &parts[..] {
        [one] => (one.run)(),
        parts => beside::run(parts),
    }
}

fn must(done: Result<(), String>) -> Result<()> {
    done.map_err(anyhow::Error::msg)
}

/// A folder for builds that share nothing with the tests': in one folder only one cargo builds at a
/// time.
fn target(name: &str) -> PathBuf {
    tree::target().join(name)
}

/// What needs no tests: for before a commit.
pub(crate) fn lint() -> Result<()> {
    format()?;
    clippy()?;
    dependencies()
}

fn format() -> Result<()> {
    run::step("cargo fmt", run::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    run::step("cargo clippy", &mut clippy_command())
}

fn clippy_command() -> Command {
    let mut clippy = run::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets"]);
    saml::add_to(&mut clippy).args(["--", "-D", "warnings"]);
    clippy
}

/// Clippy against a migrated database instead of `.sqlx`: one compilation for both checks.
fn clippy_and_queries() -> Result<()> {
    let target = target("check");
    let mut clean = run::cargo();
    clean.args(["clean", "--workspace", "--quiet"]);
    // Cargo does not see that the database has changed.
    run::step(
        "forgetting the workspace's own crates",
        clean.env("CARGO_TARGET_DIR", &target),
    )?;
    let mut clippy = clippy_command();
    clippy.env("CARGO_TARGET_DIR", &target);
    sqlx::check("cargo clippy against a migrated database", &mut clippy)
}

/// What the crash tests are made of, with their own features.
fn build_for_crash() -> Result<()> {
    run::step(
        "cargo build",
        run::cargo()
            .args(["test", "--package", "crash", "--no-run"])
            .env("CARGO_TARGET_DIR", target("crash")),
    )
}

fn house() -> Result<()> {
    run::step(
        "house rules",
        run::cargo().args(["test", "--quiet", "--package", "house"]),
    )
}

/// Which figures ring, as Prometheus itself judges them.
fn alerts() -> Result<()> {
    let mut rules = run::command("promtool");
    rules.args(["test", "rules", "deploy/alerts/test.yaml"]);
    run::step("alerts", &mut rules)
}

/// The other Postgres that newcomers get: the tests that run servers, and every migration.
fn npm_postgres() -> Result<()> {
    let bin = pg::packaged()?;
    let mut tests = run::cargo();
    tests
        .args(["test", "--package", "localpg", "--quiet"])
        .env("SYNCLINE_PG_BIN", &bin);
    run::step("localpg with the Postgres from npm", &mut tests)?;
    let this = std::env::current_exe().context("cannot tell where this program is")?;
    let mut check = run::command(this);
    check.args(["db", "check"]).env("SYNCLINE_PG_BIN", &bin);
    run::step("migrations on the Postgres from npm", &mut check)
}

fn documentation() -> Result<()> {
    let mut doc = run::cargo();
    doc.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ]);
    saml::add_to(&mut doc).env("CARGO_TARGET_DIR", target("check"));
    run::step("cargo doc", doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Licences, sources and bans always; advisories when their database can be fetched, for it comes
/// from a code host that not every network lets through.
fn dependencies() -> Result<()> {
    if !run::exists("cargo", &["deny", "--version"]) {
        anyhow::bail!("cargo-deny is not installed: cargo install cargo-deny --locked");
    }
    let deny = |what: &[&str]| {
        let mut deny = run::cargo();
        deny.args(["deny", "--workspace", "--all-features"])
            .args(what);
        deny
    };
    run::step(
        "cargo deny: bans, licences, sources",
        &mut deny(&["check", "bans", "licenses", "sources"]),
    )?;
    let fetched = deny(&["fetch", "db"])
        .output()
        .context("cannot run cargo deny")?;
    if fetched.status.success() {
        return run::step(
            "cargo deny: advisories",
            &mut deny(&["check", "advisories", "--disable-fetch"]),
        );
    }
    println!("NOT CHECKED: security advisories. Their database cannot be fetched from here:");
    let said = String::from_utf8_lossy(&fetched.stderr);
    let reason = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    println!("  {}", reason.unwrap_or("cargo deny fetch failed"));
    println!("  Run `cargo deny check advisories` where the network allows it.");
    Ok(())
}
