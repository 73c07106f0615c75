//! A disk that fills up under load: what was started stays, and goes on when there is room again.
//!
//! The server has a file system of its own, in memory and of a fixed size. Only root can make one:
//! elsewhere the test says that it was left out.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::store::StoreError;
use engine::store::runs::{NewRun, StartOptions, start};
use engine::{Clock, Engine, Run, RunError, StepCx, StepError, Store, Tx, TxStep, Workflow};
use localpg::Cluster;

use crate::support::{TestDb, eventually, leave_mark};

/// Megabytes; a fresh cluster with our tables takes half of it.
const SIZE: u32 = 320;

/// A small file system; gone when dropped, and also when this process is killed.
struct SmallDisk {
    dir: PathBuf,
    reaper: Child,
}

impl SmallDisk {
    /// `None`: this user may not mount.
    fn mount() -> Option<Self> {
        let dir = std::env::temp_dir().join(format!("syncline-disk-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={SIZE}m,mode=0755"),
                "tmpfs",
            ])
            .arg(&dir)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            fs::remove_dir(&dir).unwrap();
            return None;
        }
        // Ends when our end of the pipe closes, whatever becomes of us.
        let script = "read -r _; pid=$(head -n 1 \"$1/pg/data/postmaster.pid\" 2>/dev/null) \
                      && kill -QUIT \"$pid\" && sleep 1; umount -l \"$1\"; rmdir \"$1\"";
        let reaper = Command::new("/bin/sh")
            .args(["-c", script, "reaper"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { dir, reaper })
    }

    /// Writes until nothing more goes in.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            loop {
                match file.write(&block) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                        break;
                    }
                }
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        self.reaper.wait().unwrap();
    }
}

/// Takes effect once, and some room each time.
struct Fill(u32);

impl TxStep for Fill {
    const NAME: &'static str = "fill";
    type Output = String;

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<String, StepError> {
        leave_mark(cx, tx, &self.0.to_string()).await?;
        // Digits that differ: what compresses fills no disk.
        let digits: Vec<_> = (0..500).map(|_| uuid::Uuid::now_v7().to_string()).collect();
        Ok(digits.concat())
    }
}

struct Filling;

impl Workflow for Filling {
    const NAME: &'static str = "filling";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        for number in 0..3 {
            cx.tx(Fill(number)).await?;
        }
        Ok(())
    }
}

fn one(cluster: &Cluster, database: &str, sql: &str) -> Option<i64> {
    cluster.execute(database, sql).ok()?.first()?.parse().ok()
}

fn open(dir: &Path) -> Cluster {
    // Postgres wants a folder of its own below one that its user may enter.
    let cluster = Cluster::open(dir.join("pg")).unwrap();
    cluster.start().unwrap();
    cluster
}

async fn start_one(store: &Store, tenant: engine::ids::TenantId) -> Result<(), StoreError> {
    let mut tx = store.begin(tenant).await?;
    let new = NewRun::of::<Filling>(&(), StartOptions::default())?;
    start(&mut tx, new).await?;
    tx.commit().await
}

#[tokio::test]
async fn a_full_disk_loses_no_run_and_the_worker_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: a full disk (only root can make a small one)");
        return;
    };
    let dir = disk.dir.clone();
    let cluster = tokio::task::spawn_blocking(move || open(&dir))
        .await
        .unwrap();
    let db = TestDb::on(cluster.clone()).await.unwrap();
    let store = db.store(Clock::system()).await.unwrap();
    let tenant = engine::ids::TenantId::fresh();
    let insert = format!(
        "insert into tenants (tenant_id, name, created_at) values ('{}', 'test', now())",
        tenant.0
    );
    cluster.execute(db.name(), &insert).unwrap();
    let engine = Engine::builder(db.store(Clock::system()).await.unwrap())
        .register::<Filling>()
        .concurrency(10)
        .start();
    let finished = "select count(*) from finished_runs where state = 'succeeded'";
    let (mut known, mut unknown) = (0_i64, 0_i64);
    let mut refused = 0;
    let begun = Instant::now();
    let mut full_since = None;
    // Started one by one; from the first hundred on nothing more fits on the disk for a while.
    while full_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(6)) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "disk never filled"
        );
        match start_one(&store, tenant).await {
            Ok(()) => known += 1,
            // The server said no: it is not there.
            Err(StoreError::Database(sqlx::Error::Database(_))) => refused += 1,
            Err(_) => {
                // Whether it is there only the database knows.
                unknown += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        if known == 100 && full_since.is_none() {
            disk.fill();
            full_since = Some(Instant::now());
        }
    }
    assert!(refused + unknown > 0, "a full disk was not noticed");
    let while_full = one(&cluster, db.name(), finished);
    disk.free();
    // A server that could not write its log has stopped, as it should; somebody starts it again.
    let again = cluster.clone();
    tokio::task::spawn_blocking(move || {
        if !again.is_running().unwrap() {
            again.start().unwrap();
        }
    })
    .await
    .unwrap();
    eventually("the database answers", || async {
        store.begin(tenant).await.is_ok()
    })
    .await;
    let open = "select count(*) from runs";
    eventually("everything has ended", || async {
        one(&cluster, db.name(), open) == Some(0)
    })
    .await;
    let done = one(&cluster, db.name(), finished).unwrap();
    eprintln!(
        "{known} started, {refused} refused, {unknown} unknown; {while_full:?} done while full, \
         {done} in the end"
    );
    assert!(
        (known..=known + unknown).contains(&done),
        "{known} {unknown} {done}"
    );
    let all = one(&cluster, db.name(), "select count(*) from finished_runs").unwrap();
    assert_eq!(all, done);
    let effects = one(&cluster, db.name(), "select count(*) from run_dedupe").unwrap();
    assert_eq!(effects, 3 * done);
    let counted = one(
        &cluster,
        db.name(),
        "select count(*) from attempts where counts",
    );
    assert_eq!(counted, Some(0), "a full disk used up attempts of steps");
    // The same worker is there and takes more.
    start_one(&store, tenant).await.unwrap();
    eventually("one more is done", || async {
        one(&cluster, db.name(), finished) == Some(done + 1)
    })
    .await;
    engine.shutdown().await;
    store.close().await;
    drop(db);
    tokio::task::spawn_blocking(move || {
        cluster.stop_at_once().unwrap();
        drop(disk);
    })
    .await
    .unwrap();
}
