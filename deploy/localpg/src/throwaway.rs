//! Clusters for tests and benchmarks: fast because nothing has to survive.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::cluster::Cluster;
use crate::programs::Programs;
use crate::{environment, user};

/// Names the folder of a cluster that tests are to use instead of the shared one.
pub const TEST_CLUSTER_VARIABLE: &str = "SYNCLINE_TEST_PG";

const FAST: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c autovacuum=off -c max_wal_size=4GB -c checkpoint_timeout=1d";

/// Memory that must be free before it is used: 200 tests leave some 300 MB behind.
const ENOUGH_MEMORY_KB: u64 = 1 << 20;

/// The running cluster that all test processes of this user share. The first one starts it; it is
/// left running for the next test run, until [`stop_test_cluster`].
///
/// # Errors
/// As [`Cluster::open`] and [`Cluster::start`].
pub fn test_cluster() -> Result<Cluster> {
    let cluster = open_test_cluster()?;
    cluster.start()?;
    Ok(cluster)
}

/// Stops the shared test cluster and removes its data; returns whether there was one.
///
/// # Errors
/// When it does not stop.
pub fn stop_test_cluster() -> Result<bool> {
    let cluster = open_test_cluster()?;
    let existed = cluster.data().exists();
    cluster.stop()?;
    cluster.remove()?;
    Ok(existed)
}

fn open_test_cluster() -> Result<Cluster> {
    if let Some(dir) = environment::folder(TEST_CLUSTER_VARIABLE) {
        return Cluster::open_with(&dir, FAST);
    }
    // One for each version: the programs found change when another Postgres is installed.
    let name = format!(
        "syncline-test-{}-{}",
        user::current_uid()?,
        Programs::find()?.major
    );
    let in_memory = Path::new("/dev/shm").join(&name);
    let dir = if in_memory.exists() || memory_is_free() {
        in_memory
    } else {
        on_disk(&name)?
    };
    Cluster::open_with(&dir, FAST)
}

/// Whether `/dev/shm` has a gigabyte free. A clone of a database is 700 small files: 200 tests take
/// 9 s in memory and 75 s on disk.
fn memory_is_free() -> bool {
    let Ok(output) = Command::new("df")
        .args(["-Pk", "/dev/shm"])
        .stderr(Stdio::null())
        .output()
    else {
        return false;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let free = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3));
    free.and_then(|free| free.parse::<u64>().ok())
        .is_some_and(|free| free >= ENOUGH_MEMORY_KB)
}

/// `target/pg-test` of the workspace around the current folder; the temporary folder elsewhere, or
/// when the account that must run Postgres cannot enter the workspace.
fn on_disk(name: &str) -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    let workspace = here
        .ancestors()
        .filter(|dir| dir.join("Cargo.lock").is_file())
        .last();
    let target = workspace.map(|workspace| workspace.join("target/pg-test").join(name));
    let account = user::account_for_postgres()?;
    let usable = target.filter(|target| {
        account
            .as_ref()
            .is_none_or(|account| user::closed_parent(target, account).is_none())
    });
    Ok(usable.unwrap_or_else(|| std::env::temp_dir().join(name)))
}

/// A running cluster of its own that is stopped and removed when dropped, and also when this
/// process is killed.
#[derive(Debug)]
pub struct Throwaway {
    cluster: Cluster,
    reaper: Option<Child>,
}

impl Throwaway {
    /// Makes and starts one.
    ///
    /// # Errors
    /// As [`Cluster::open`] and [`Cluster::start`].
    pub fn start() -> Result<Self> {
        let mut number = 0;
        let dir = loop {
            let name = format!("syncline-run-{}-{number}", std::process::id());
            let dir = if memory_is_free() {
                Path::new("/dev/shm").join(&name)
            } else {
                on_disk(&name)?
            };
            if let Some(parent) = dir.parent() {
                fs::create_dir_all(parent)
                    .with_context(|| format!("cannot make {}", parent.display()))?;
            }
            match fs::create_dir(&dir) {
                Ok(()) => break dir,
                // Left over from a process that had our id, or a second one of this process.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", dir.display()));
                }
            }
        };
        let cluster = Cluster::open_with(&dir, FAST)?;
        cluster.start()?;
        // From here on dropping cleans up, also when the reaper cannot be started.
        let mut throwaway = Self {
            cluster,
            reaper: None,
        };
        throwaway.reaper = Some(throwaway.start_reaper()?);
        Ok(throwaway)
    }

    /// The running cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A shell that waits for our end of a pipe to close, which the system does even when we are
    /// killed, and then stops the server. In a process group of its own, so that Ctrl-C in the
    /// terminal does not reach it.
    fn start_reaper(&self) -> Result<Child> {
        let script = "read -r _; \"$1\" -D \"$2/data\" -m immediate -s stop; rm -rf \"$2\"";
        let pg_ctl = self.cluster.command("pg_ctl")?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", script, "syncline-reaper"])
            .arg(pg_ctl.get_program())
            .arg(self.cluster.dir())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        user::run_as(&mut shell, self.cluster.account());
        shell.spawn().context("cannot run /bin/sh")
    }
}

impl Drop for Throwaway {
    /// Waits for the reaper; a failure can only be told, so it names the folder that is left.
    fn drop(&mut self) {
        let stopped = match self.reaper.take() {
            Some(mut reaper) => {
                drop(reaper.stdin.take());
                reaper.wait().map(|_status| ()).map_err(anyhow::Error::from)
            }
            None => self.cluster.stop(),
        };
        if let Err(error) = stopped.and_then(|()| self.cluster.remove()) {
            eprintln!(
                "a throw-away Postgres is left in {}: {error:#}",
                self.cluster.dir().display()
            );
        }
    }
}
