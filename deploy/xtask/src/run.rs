//! Runs programs: says what runs, how long it took, and in one line what is missing or failed.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::tree;

/// A command in the workspace's root folder.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(tree::root());
    command
}

/// `cargo` in the workspace's root folder, the same one that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    // What `cargo run` tells the program it runs is not meant for the builds started from there.
    for name in [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_NAME",
    ] {
        cargo.env_remove(name);
    }
    // A DATABASE_URL of the person's own is not what the checked queries are checked against.
    if tree::root().join(".sqlx").is_dir() {
        cargo.env("SQLX_OFFLINE", "true");
    }
    cargo
}

/// Runs one step to its end, showing its output; `what` says to a person what is going on.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("▸ {what}");
    let started = Instant::now();
    check(what, command)?;
    eprintln!("  {what}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command to its end without a word of our own.
pub(crate) fn check(what: &str, command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| missing(command, error))?;
    if !status.success() {
        bail!("{what} failed ({status}): {}", shown(command));
    }
    Ok(())
}

/// What a command prints on its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| missing(command, error))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} is not UTF-8", shown(command)))
}

/// Whether a program answers to `--version`.
pub(crate) fn exists(program: &str, arguments: &[&str]) -> bool {
    let quiet = || Stdio::null();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet());
    command.status().is_ok_and(|status| status.success())
}

/// The first of these programs that can be run.
pub(crate) fn first_of<'a>(programs: &[&'a str]) -> Option<&'a str> {
    programs
        .iter()
        .copied()
        .find(|program| exists(program, &["--version"]))
}

/// An environment variable; unset and empty are the same.
#[expect(
    clippy::disallowed_methods,
    reason = "a task runner is configured by its environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `PATH` with a folder in front.
pub(crate) fn path_with(first: &Path) -> Result<OsString> {
    let path = variable("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("PATH cannot be extended")
}

/// What to install for a program that is not there.
fn missing(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() != ErrorKind::NotFound {
        return anyhow::Error::from(error).context(format!("cannot run {program}"));
    }
    let advice = match program.as_str() {
        "npm" | "node" | "npx" => "install Node 20.19 or newer, which brings npm",
        "cargo" => "install Rust 1.95 with rustup",
        "python3" => "install Python 3 (Debian: apt-get install python3-venv)",
        "promtool" => "install Prometheus's tools (Debian: apt-get install prometheus)",
        _ => "install it, or see CONTRIBUTING.md",
    };
    anyhow::anyhow!("{program} is not installed: {advice}")
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
