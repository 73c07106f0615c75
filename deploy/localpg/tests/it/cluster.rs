use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use localpg::{Cluster, Started};

/// A folder that the account `postgres` may enter when the tests run as root.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .unwrap();
    open_to_all(dir.path());
    dir
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stops the server even when the test fails.
struct Stopped(Cluster);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.stop().unwrap();
    }
}

fn open(dir: impl AsRef<Path>) -> Stopped {
    Stopped(Cluster::open(dir).unwrap())
}

#[test]
fn a_cluster_starts_keeps_its_data_and_stops() {
    let dir = folder();
    let home = dir.path().join("pg");
    let cluster = open(&home);
    assert!(!cluster.0.is_running().unwrap());
    assert_eq!(
        cluster.0.start().unwrap(),
        Started {
            by_us: true,
            created: true
        }
    );
    assert!(cluster.0.is_running().unwrap());
    assert!(cluster.0.create_database("hub").unwrap());
    assert!(!cluster.0.create_database("hub").unwrap());
    cluster
        .0
        .execute(
            "hub",
            "create table t (a int); insert into t values (1), (2), (null)",
        )
        .unwrap();
    assert_eq!(
        cluster.0.start().unwrap(),
        Started {
            by_us: false,
            created: false
        }
    );
    cluster.0.stop().unwrap();
    assert!(!cluster.0.is_running().unwrap());
    cluster.0.stop().unwrap();

    let again = Cluster::open(&home).unwrap();
    assert_eq!(
        again.start().unwrap(),
        Started {
            by_us: true,
            created: false
        }
    );
    let rows = again
        .execute("hub", "select a from t order by a nulls last")
        .unwrap();
    assert_eq!(rows, ["1", "2", ""]);
}

#[test]
fn nobody_else_may_enter_the_folder() {
    let dir = folder();
    let cluster = open(dir.path().join("pg"));
    cluster.0.start().unwrap();
    assert_eq!(fs::metadata(cluster.0.dir()).unwrap().mode() & 0o777, 0o700);
    let listening = cluster
        .0
        .execute("postgres", "show listen_addresses")
        .unwrap();
    assert_eq!(listening, [""]);
}

#[test]
fn a_refused_statement_says_why() {
    let dir = folder();
    let cluster = open(dir.path().join("pg"));
    cluster.0.start().unwrap();
    let error = cluster
        .0
        .execute("postgres", "select nothing_like_it()")
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("function nothing_like_it() does not exist"),
        "{text}"
    );
    assert!(text.contains("at character 8"), "{text}");
    let error = cluster.0.execute("missing", "select 1").unwrap_err();
    assert!(format!("{error:#}").contains("database \"missing\" does not exist"));
}

#[test]
fn several_processes_may_start_it_at_once_and_one_does() {
    let dir = folder();
    let cluster = open(dir.path().join("pg"));
    let started: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| cluster.0.start().unwrap().by_us))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(started.iter().filter(|by_us| **by_us).count(), 1);
}

#[test]
fn a_path_too_long_for_a_socket_and_with_spaces_works() {
    let dir = folder();
    let home = dir.path().join("a long name ".repeat(12).trim_end());
    let cluster = open(&home);
    cluster.0.start().unwrap();
    assert!(cluster.0.url("postgres").contains("/tmp/syncline-"));
    assert_eq!(cluster.0.execute("postgres", "select 1").unwrap(), ["1"]);
    let socket_dir = cluster
        .0
        .execute("postgres", "show unix_socket_directories")
        .unwrap();
    cluster.0.stop().unwrap();
    fs::remove_dir_all(&socket_dir[0]).unwrap();
}

#[test]
fn what_a_killed_start_left_behind_does_no_harm() {
    let dir = folder();
    let cluster = open(dir.path().join("pg"));
    fs::create_dir_all(cluster.0.dir().join("data.new/base")).unwrap();
    cluster.0.start().unwrap();
    cluster.0.stop().unwrap();
    // After a crash the pid in the file may be any process: here it is this test.
    let pid_file = cluster.0.dir().join("data/postmaster.pid");
    fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    assert!(!cluster.0.is_running().unwrap());
    if cfg!(target_os = "linux") {
        assert!(cluster.0.start().unwrap().by_us);
    }
}

#[test]
fn data_of_a_version_that_is_not_there_is_refused_in_one_line() {
    let dir = folder();
    fs::create_dir_all(dir.path().join("pg/data")).unwrap();
    fs::write(dir.path().join("pg/data/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::open(dir.path().join("pg"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("made by Postgres 9"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_server_that_cannot_start_tells_its_last_words() {
    let dir = folder();
    let cluster = open(dir.path().join("pg"));
    cluster.0.start().unwrap();
    cluster.0.stop().unwrap();
    fs::write(
        cluster.0.dir().join("data/postgresql.conf"),
        "no_such_setting = 1\n",
    )
    .unwrap();
    let error = cluster.0.start().unwrap_err().to_string();
    assert!(error.contains("configuration file"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
