//! Other people's client libraries, which our tests run against our simulators: the proof that a
//! simulator behaves as the system it stands for.
//!
//! A system's folder `clients/`, and the portal's, names the libraries in `package.json` and `requirements.txt`. Here
//! they are only installed; the system's own tests use them, and skip with a word what is missing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::node::Node;
use crate::{run, tree};

/// The installed libraries.
pub(crate) struct Clients {
    node: Option<Node>,
    python: Option<PathBuf>,
}

impl Clients {
    /// Installs them all; what cannot be goes on the list.
    pub(crate) fn install(left_out: &mut Vec<String>) -> Result<Self> {
        let mut clients = Self {
            node: None,
            python: None,
        };
        for folder in folders()? {
            let name = tree::shown(&folder);
            if folder.join("package-lock.json").is_file() {
                match Node::find() {
                    Err(why) => left_out.push(format!("{name}: {why}")),
                    Ok(node) => {
                        node.install(&folder)?;
                        clients.node = Some(node);
                    }
                }
            }
            if folder.join("requirements.txt").is_file() {
                match install_python(&folder.join("requirements.txt")) {
                    Err(error) => left_out.push(format!("{name}: {error:#}")),
                    Ok(environment) => clients.python = Some(environment),
                }
            }
        }
        Ok(clients)
    }

    /// Adds what a test needs beyond the systems' own libraries.
    pub(crate) fn and_python(&mut self, requirements: &std::path::Path) -> Result<()> {
        self.python = Some(install_python(requirements)?);
        Ok(())
    }

    /// Tells a test run where they are.
    pub(crate) fn hand_to(&self, tests: &mut Command) -> Result<()> {
        if let Some(node) = &self.node {
            node.hand_to(tests)?;
        }
        if let Some(python) = &self.python {
            tests.env("SYNCLINE_PYTHON", python);
        }
        Ok(())
    }
}

fn folders() -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(tree::root().join("connectors")).context("cannot read connectors")? {
        let clients = entry?.path().join("clients");
        if clients.is_dir() {
            folders.push(clients);
        }
    }
    // Identity providers, for `cargo x real`.
    folders.push(tree::root().join("tests/real/clients"));
    // What judges our sign-in: `portal-api/clients`.
    folders.push(tree::root().join("portal-api/clients"));
    folders.sort();
    Ok(folders)
}

/// One Python environment for all systems, in the build folder.
fn install_python(requirements: &std::path::Path) -> Result<PathBuf> {
    let environment = tree::target().join("python");
    let done = environment.join(tree::shown(requirements).replace('/', "-"));
    if !tree::is_stale(&done, requirements) {
        return Ok(environment);
    }
    if !environment.join("bin/pip").is_file() {
        if !run::exists("python3", &["-c", "import venv, ensurepip"]) {
            anyhow::bail!("Python's venv is not installed (Debian: apt-get install python3-venv)");
        }
        let mut make = run::command("python3");
        run::step(
            "Python environment",
            make.args(["-m", "venv"]).arg(&environment),
        )?;
    }
    let mut pip = run::command(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements);
    run::step(
        &format!("Python packages of {}", tree::shown(requirements)),
        &mut pip,
    )?;
    fs::copy(requirements, &done).context("cannot note what was installed")?;
    Ok(environment)
}
