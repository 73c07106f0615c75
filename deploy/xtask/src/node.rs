//! Node and npm: new enough, or made so, or said in one line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{run, tree};

/// The newer Node that npm can bring where only an old one is installed (Debian 12: 18).
const NODE_FROM_NPM: &str = "22.23.3";

/// A way to run npm and what it starts.
pub(crate) struct Node {
    /// A folder to put in front of `PATH`.
    bin: Option<PathBuf>,
}

impl Node {
    /// The Node to use, or one line that says what to install.
    pub(crate) fn find() -> Result<Self, String> {
        let needed = "install Node 20.19 or newer (with npm)";
        if !run::exists("npm", &["--version"]) {
            return Err(format!("npm is not installed: {needed}"));
        }
        let version = version_of(Path::new("node"));
        if version.as_deref().is_some_and(is_new_enough) {
            return Ok(Self { bin: None });
        }
        let found = version.unwrap_or_else(|| "none".to_owned());
        match fetch() {
            Ok(bin) => Ok(Self { bin: Some(bin) }),
            Err(error) => Err(format!("Node is {found}, too old: {needed} ({error:#})")),
        }
    }

    /// `npm` with these arguments, in a folder given from the root.
    pub(crate) fn npm(&self, folder: &Path, arguments: &[&str]) -> Result<Command> {
        let mut npm = run::command("npm");
        npm.args(arguments).current_dir(tree::root().join(folder));
        self.hand_to(&mut npm)?;
        Ok(npm)
    }

    /// Makes a command find this Node.
    pub(crate) fn hand_to(&self, command: &mut Command) -> Result<()> {
        if let Some(bin) = &self.bin {
            command.env("PATH", run::path_with(bin)?);
        }
        Ok(())
    }

    /// Installs the packages of a folder unless they are there and not older than the lock file.
    pub(crate) fn install(&self, folder: &Path) -> Result<()> {
        let dir = tree::root().join(folder);
        let installed = dir.join("node_modules/.package-lock.json");
        if !tree::is_stale(&installed, &dir.join("package-lock.json")) {
            return Ok(());
        }
        let mut ci = self.npm(folder, &["ci", "--no-audit", "--no-fund"])?;
        run::step(&format!("npm packages of {}", tree::shown(&dir)), &mut ci)
    }
}

fn version_of(node: &Path) -> Option<String> {
    let mut command = Command::new(node);
    let output = command
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What Vite runs on: 20.19 and later of 20, 22.12 and later.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _))
}

/// Installs the npm package that holds nothing but a `node` program, in the user's cache.
fn fetch() -> Result<PathBuf> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        (os, arch) => anyhow::bail!("npm has no Node for {os} on {arch}"),
    };
    let home = std::env::home_dir().context("the home folder is unknown")?;
    let dir = home.join(".cache/syncline/node");
    let bin = dir
        .join("node_modules")
        .join(format!("node-{platform}"))
        .join("bin");
    if version_of(&bin.join("node"))
        .as_deref()
        .is_some_and(is_new_enough)
    {
        return Ok(bin);
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let package = format!("node-{platform}@{NODE_FROM_NPM}");
    let mut install = run::command("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(&dir)
        .arg(package);
    run::step("a newer Node, from npm", install.stdout(Stdio::null()))?;
    match version_of(&bin.join("node")) {
        Some(version) if is_new_enough(&version) => Ok(bin),
        _ => anyhow::bail!("the Node from npm does not run here"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn only_versions_that_vite_runs_on_are_taken() {
        for good in ["v20.19.0", "v20.20.2", "v22.12.0", "v22.23.3", "v24.0.0"] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in ["v18.20.4", "v20.18.9", "v21.7.0", "v22.11.0", "", "node"] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }
}
