//! Clients that others wrote, unmodified, against the simulator on a real port.
//!
//! They need `npm ci` in `clients/` and a Python with `clients/requirements.txt`; without them the
//! test says so and passes, except in CI (`CI` set), where both must be there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use connector_salesforce::sim::{SimOptions, Simulator};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A setting of the machine the tests run on.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own to take settings from"
)]
fn setting(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Skips with a word, or fails in CI.
fn skip(what: &str) {
    assert!(setting("CI").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

/// Runs one client against a fresh organisation and shows what it said if it failed.
async fn run(mut command: Command) {
    let sim = Simulator::new(SimOptions::default());
    sim.seed_accounts(4_100);
    sim.seed_contacts(100);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = {
        let sim = sim.clone();
        tokio::spawn(async move {
            sim.serve(listener, async {
                // A dropped sender is a reason to stop too.
                stopped.await.unwrap_or_default();
            })
            .await
        })
    };
    command
        .current_dir(clients())
        .arg(format!("http://{address}"))
        .args([
            sim.client_id(),
            sim.client_secret(),
            sim.username(),
            sim.password(),
        ]);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output
        .expect("the client's thread ends")
        .expect("the client starts");
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.ends_with(" passed, 0 failed") && !last.starts_with("0 "),
        "{said}"
    );
    assert_eq!(sim.count("Account"), 4_100, "the client cleans up");
    stop.send(()).expect("the server still runs");
    server
        .await
        .expect("the server's task ends")
        .expect("the server ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jsforce_logs_in_reads_and_writes() {
    if !clients().join("node_modules/jsforce").is_dir() {
        return skip("jsforce is not installed: run `npm ci` in connectors/salesforce/clients");
    }
    if Command::new("node").arg("--version").output().is_err() {
        return skip("node is not installed");
    }
    let mut command = Command::new("node");
    command.arg("jsforce.mjs");
    run(command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simple_salesforce_logs_in_reads_and_writes() {
    let python = match setting("SYNCLINE_PYTHON") {
        Some(venv) => Path::new(&venv).join("bin/python"),
        None => PathBuf::from("python3"),
    };
    let probe = Command::new(&python)
        .args(["-c", "import simple_salesforce"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skip(
            "simple-salesforce is not installed: make a venv, `pip install -r \
             connectors/salesforce/clients/requirements.txt`, and set SYNCLINE_PYTHON to it",
        );
    }
    let mut command = Command::new(python);
    command.arg("simple_salesforce_check.py");
    run(command).await;
}
