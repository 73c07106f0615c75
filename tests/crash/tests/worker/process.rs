//! The worker as a process: this test program, run again for the one test that is the worker.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use engine::failpoints::{self, Failpoint};
use engine::{Clock, Engine, Store, StoreOptions};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::{bad, workflows};

/// What a worker process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) url: String,
    /// The file of effects.
    pub(crate) effects: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) concurrency: usize,
    /// How long a step takes, in milliseconds.
    pub(crate) pause_ms: u64,
    /// Where to die, and after how many times.
    pub(crate) die_at: Option<(String, u32)>,
    /// Where to stand still, once.
    pub(crate) hang_at: Option<String>,
}

/// The ending of a file with [`Orders`], which is this program's last argument in a worker process.
/// The test harness takes it for one more name to look for.
const ORDERS: &str = "orders.json";

/// The worker's side: with orders it works until its standard input is closed. Without, as in any
/// other run of all tests, there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn works_when_it_is_given_orders() -> Result<()> {
    let Some(orders) = std::env::args()
        .next_back()
        .filter(|argument| argument.ends_with(ORDERS))
    else {
        return Ok(());
    };
    let orders: Orders = serde_json::from_slice(&std::fs::read(orders)?)?;
    let append = |path: &Path| {
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
    };
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(append(&orders.log)?)
        .init();
    if let Some((place, skip)) = &orders.die_at {
        let place = Failpoint::named(place).context("unknown failpoint")?;
        failpoints::arm(place, *skip);
    }
    if let Some(place) = &orders.hang_at {
        let place = Failpoint::named(place).context("unknown failpoint")?;
        failpoints::hang(place, || say("hangs"));
    }
    let options = StoreOptions {
        max_connections: 10,
        acquire_timeout: Duration::from_secs(5),
        ..StoreOptions::default()
    };
    let store = Store::connect(&orders.url, &options, Clock::system()).await?;
    let effects = workflows::Effects {
        file: append(&orders.effects)?,
        pause: Duration::from_millis(orders.pause_ms),
    };
    let engine = Engine::builder(store)
        .host("worker")
        .service(Arc::new(effects))
        .concurrency(orders.concurrency)
        .grace(Duration::from_secs(5))
        .park_unknown_after(Duration::from_secs(1))
        .register::<workflows::Five>()
        .register::<workflows::FiveTx>()
        .register::<workflows::Sleeper>()
        .register::<workflows::Child>()
        .register::<workflows::Parent>()
        .register::<workflows::Retrying>()
        .register::<workflows::Keyed>()
        .register::<workflows::One>();
    let engine = bad::register(engine).start();
    let mut known = None;
    let (close, mut closed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // An error ends the worker as well.
        drop(std::io::stdin().read_to_end(&mut rest));
        close.send(()).ok();
    });
    loop {
        tokio::select! {
            _ = &mut closed => break,
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        if engine.process_id() != known {
            known = engine.process_id();
            let id = known.map_or_else(String::new, |id| id.0.to_string());
            say(&format!("process {id}"));
        }
    }
    engine.shutdown().await;
    Ok(())
}

/// A line for the test; a test that does not listen any more has ended.
fn say(line: &str) {
    let mut stdout = std::io::stdout();
    drop(write!(stdout, "\n{line}\n"));
    drop(stdout.flush());
}

/// The test's side. Dropped without [`Worker::stop`] it is killed.
pub(crate) struct Worker {
    child: Child,
    stdin: ChildStdin,
    registered: watch::Receiver<Option<Uuid>>,
    hung: watch::Receiver<bool>,
}

impl Worker {
    pub(crate) async fn start(orders: &Orders) -> Result<Self> {
        let path = orders.log.with_extension(ORDERS);
        std::fs::write(&path, serde_json::to_vec(orders)?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker::process::works_when_it_is_given_orders", "--exact"])
            .arg("--nocapture")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (told, registered) = watch::channel(None);
        let (hangs, hung) = watch::channel(false);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(id) = line.strip_prefix("process ") {
                    told.send_replace(id.parse().ok());
                } else if line == "hangs" {
                    hangs.send_replace(true);
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            registered,
            hung,
        })
    }

    /// The registration that it told last.
    pub(crate) fn registration(&self) -> Option<Uuid> {
        *self.registered.borrow()
    }

    /// Its registration, once it has one.
    pub(crate) async fn registered(&mut self) -> Result<Uuid> {
        let registered = self.registered.wait_for(Option::is_some);
        let id = *tokio::time::timeout(Duration::from_secs(20), registered)
            .await
            .context("the worker did not register")?
            .context("the worker has ended")?;
        id.context("no id")
    }

    /// Waits until it has come to the place where it stands still.
    pub(crate) async fn hangs(&mut self) -> Result<()> {
        let hung = self.hung.wait_for(|hung| *hung);
        tokio::time::timeout(Duration::from_secs(20), hung)
            .await
            .context("the worker did not come to the place")?
            .context("the worker has ended")?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the worker has ended")
    }

    pub(crate) fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until it has died by itself.
    pub(crate) async fn died(&mut self) -> Result<ExitStatus> {
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("the worker goes on")?
            .context("the worker cannot be waited for")
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let status = std::process::Command::new("kill")
            .args([format!("-{name}"), self.pid()?.to_string()])
            .status()?;
        ensure!(status.success(), "kill -{name} failed");
        Ok(())
    }

    /// Lets it end in an orderly way.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.stdin);
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait())
            .await
            .context("the worker does not stop")??;
        ensure!(ended.success(), "the worker ended with {ended}");
        Ok(())
    }
}
