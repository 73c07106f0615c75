use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use localpg::{Cluster, Programs};

/// Marks the second run of the test below, in which it does the work.
const TRIAL_HOME: &str = "home-of-the-trial";

/// Runs itself again with another home, and as `nobody` if we are root: users do not get more
/// ordinary than that.
#[test]
fn an_ordinary_user_needs_no_rights() {
    if std::env::home_dir().is_some_and(|home| home.ends_with(TRIAL_HOME)) {
        start_and_stop_in_the_default_folder();
        return;
    }
    let dir = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let home = dir.path().join(TRIAL_HOME);
    fs::create_dir(&home).unwrap();
    // The binary itself may lie where nobody cannot go.
    let binary = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let mut trial = Command::new(binary);
    trial.env("SYNCLINE_PG_BIN", programs_for_everybody(dir.path()));
    trial
        .args([
            "--exact",
            "user::an_ordinary_user_needs_no_rights",
            "--nocapture",
        ])
        .env("HOME", &home)
        .env_remove("XDG_DATA_HOME")
        .current_dir("/");
    if localpg::current_uid().unwrap() == 0 {
        chown(&home, Some(65534), Some(65534)).unwrap();
        trial.uid(65534).gid(65534);
    }
    let output = trial.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

/// The programs in use; those from npm are copied, for the checkout may be closed to others.
fn programs_for_everybody(dir: &Path) -> PathBuf {
    let bin = Programs::find().unwrap().bin;
    if !bin.to_string_lossy().contains("node_modules") {
        return bin;
    }
    let copied = Command::new("cp")
        .arg("-a")
        .arg(bin.parent().unwrap())
        .arg(dir)
        .status();
    assert!(copied.unwrap().success());
    dir.join("native/bin")
}

fn start_and_stop_in_the_default_folder() {
    let dir = localpg::default_dir().unwrap();
    assert!(dir.starts_with(std::env::home_dir().unwrap()));
    let cluster = Cluster::open(dir).unwrap();
    assert!(cluster.start().unwrap().by_us);
    let answer = cluster.execute("postgres", "select current_user");
    cluster.stop().unwrap();
    assert_eq!(answer.unwrap(), ["syncline"]);
}

#[test]
fn root_is_told_when_postgres_could_not_enter_the_folder() {
    if localpg::current_uid().unwrap() != 0 {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap(); // as /root has
    let error = Cluster::open(dir.path().join("pg"))
        .unwrap()
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("may not enter"), "{error}");
    assert!(error.contains("/var/lib/syncline/pg"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
