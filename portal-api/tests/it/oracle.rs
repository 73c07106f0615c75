//! Our codes against somebody else's: PyPI's pyotp reads the address from our picture and makes the code
//! that signs in.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::Clock;
use serde_json::json;

use crate::world::{PASSWORD, World};

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own to take settings from"
)]
fn setting(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn python() -> PathBuf {
    match setting("SYNCLINE_PYTHON") {
        Some(environment) => Path::new(&environment).join("bin/python"),
        None => PathBuf::from("python3"),
    }
}

/// Skips with a word, or fails in CI.
fn skip(what: &str) {
    assert!(setting("CI").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

fn has_pyotp(python: &Path) -> bool {
    let probe = Command::new(python).args(["-c", "import pyotp"]).output();
    probe.is_ok_and(|output| output.status.success())
}

/// The code of this address at a moment. The address goes by standard input: it is a secret.
fn code(python: &Path, uri: &str, at: i64) -> String {
    let script = "import pyotp, sys; uri, at = sys.stdin.read().split(); \
                  print(pyotp.parse_uri(uri).at(int(at)))";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{uri} {at}").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_code_that_pyotp_makes_signs_in() {
    let python = python();
    if !has_pyotp(&python) {
        return skip(
            "pyotp is not installed: make a venv, `pip install -r \
             portal-api/clients/requirements.txt`, and set SYNCLINE_PYTHON to it",
        );
    }
    for start in [
        "2026-11-20T08:00:00Z",
        "2038-01-19T03:14:07Z",
        "2100-02-28T23:59:59Z",
    ] {
        let clock = Clock::manual(start.parse().unwrap());
        let world = World::with_clock(clock.clone()).await;
        let made = world
            .admin
            .post("/factors/totp", &json!({}))
            .await
            .expect(201);
        let uri = made["uri"].as_str().unwrap();
        let first = code(&python, uri, clock.now().timestamp());
        let confirm = json!({"code": first});
        world
            .admin
            .post("/factors/totp/confirm", &confirm)
            .await
            .expect(200);
        clock.advance(Duration::from_secs(60));
        let mut client = world.stranger();
        let body = json!({"email": "admin@one.example", "password": PASSWORD});
        let answer = client.post("/session", &body).await;
        client.keep(&answer);
        answer.expect(202);
        let second = code(&python, uri, clock.now().timestamp());
        let body = json!({"method": "totp", "code": second});
        client.post("/session/second", &body).await.expect(200);
    }
}
