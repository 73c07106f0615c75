//! Everything that CI runs, in its order: what fails often and fast comes first.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{commands, demo, generate, pg, run, sqlx, test};

type Part = (&'static str, fn() -> Result<()>);

const PARTS: [Part; 12] = [
    ("format", format),
    ("house", house),
    ("checked queries", || sqlx::run(true)),
    ("clippy", clippy),
    ("dependencies", dependencies),
    ("documentation", documentation),
    ("generated files", || generate::run(true)),
    ("tests", || test::run(&test::Test::strict())),
    ("Postgres from npm", npm_postgres),
    ("demo", || demo::run(&demo::Demo::once())),
    ("real data", || commands::real(&[])),
    ("crash tests", || {
        commands::crash(&commands::Crash::default())
    }),
];

/// These parts, or all, to the first that fails; then a table of times.
pub(crate) fn run(wanted: &[String]) -> Result<()> {
    let names = PARTS.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        anyhow::bail!(
            "no part is named {unknown:?}; there are: {}",
            names.join(", ")
        );
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let parts: Vec<Part> = PARTS
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
        .collect();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut failed = None;
    for &(name, part) in &parts {
        eprintln!("━━ {name}");
        let started = Instant::now();
        let done = part();
        times.push((name, started.elapsed()));
        if let Err(error) = done {
            failed = Some(error.context(format!("failed: {name}")));
            break;
        }
    }
    println!();
    for (name, time) in &times {
        println!("{name:<18} {:>7.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:<18} {:>7.1} s", "together", total.as_secs_f64());
    if failed.is_some() && times.len() < parts.len() {
        let rest: Vec<_> = parts[times.len()..].iter().map(|(name, _)| *name).collect();
        println!("not run: {}", rest.join(", "));
    }
    let passed = times.len() - usize::from(failed.is_some());
    println!(
        "parts: {passed} passed, {} failed",
        usize::from(failed.is_some())
    );
    failed.map_or(Ok(()), Err)
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
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    run::step("cargo clippy", run::cargo().args(arguments))
}

fn house() -> Result<()> {
    run::step(
        "house rules",
        run::cargo().args(["test", "--quiet", "--package", "house"]),
    )
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
