//! Other people's client libraries against our simulators: the proof that a simulator behaves as
//! the system it stands for.
//!
//! A system's folder `clients/` holds `requirements.txt` and `package.json` for the libraries, and
//! `run.sh`, which starts `$SYNCLINE_BIN simulate <system>` and runs the scripts with `python3` and
//! `node` of its `PATH`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::node::Node;
use crate::{run, tree};

pub(crate) fn run(hub: &Path, left_out: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(tree::root().join("connectors")).context("cannot read connectors")? {
        let clients = entry?.path().join("clients");
        if !clients.join("run.sh").is_file() {
            continue;
        }
        let name = tree::shown(&clients);
        match prepare(&clients)? {
            Err(why) => left_out.push(format!("{name}: {why}")),
            Ok((node, python)) => {
                let mut script = node.program("bash", &clients)?;
                let path = script
                    .get_envs()
                    .find_map(|(name, value)| (name == "PATH").then_some(value).flatten())
                    .map(ToOwned::to_owned);
                let bin = python.join("bin");
                script.arg("run.sh").env("SYNCLINE_BIN", hub);
                script.env("PATH", run::path_with(&bin, path)?);
                run::step(&format!("client libraries: {name}"), &mut script)?;
            }
        }
    }
    Ok(())
}

/// Installs the libraries; inside, one line why they cannot be.
fn prepare(clients: &Path) -> Result<Result<(Node, PathBuf), String>> {
    let node = match Node::find() {
        Ok(node) => node,
        Err(why) => return Ok(Err(why)),
    };
    if clients.join("package-lock.json").is_file() {
        node.install(clients)?;
    }
    let requirements = clients.join("requirements.txt");
    let venv = tree::target()
        .join("clients")
        .join(tree::shown(clients).replace('/', "-"));
    let installed = venv.join("requirements.txt");
    if requirements.is_file() && tree::is_stale(&installed, &requirements) {
        if !run::exists("python3", &["-c", "import venv, ensurepip"]) {
            let advice = "Python's venv is not installed (Debian: apt-get install python3-venv)";
            return Ok(Err(advice.to_owned()));
        }
        let mut make = run::command("python3");
        run::step(
            "Python environment",
            make.args(["-m", "venv", "--clear"]).arg(&venv),
        )?;
        let mut pip = run::command(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&requirements);
        run::step("Python client libraries", &mut pip)?;
        fs::copy(&requirements, &installed).context("cannot note what was installed")?;
    }
    Ok(Ok((node, venv)))
}
