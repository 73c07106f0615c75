//! Runs that cannot be run, among a thousand that can: they come to rest with a reason, and the
//! process that met them lives.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use engine::runtime::{Class, EngineBuilder, Progress, Retry};
use engine::store::runs::{self, NewRun, StartOptions};
use engine::{Run, RunError, Step, StepCx, StepError, Workflow};
use testkit::{until, until_done};

use super::world::{Load, World};

/// What is wrong with a run, by its input.
struct Bad;

impl Workflow for Bad {
    const NAME: &'static str = "bad";
    type Input = String;
    type Output = String;

    async fn run(cx: &mut Run, what: String) -> Result<String, RunError> {
        match what.as_str() {
            "step panics" => cx.step(Break(Broken::Panics)).await.map(|_none| what),
            "step returns what JSON cannot hold" => {
                cx.step(Break(Broken::Unencodable)).await.map(|_none| what)
            }
            "key with a NUL character" => cx.step(Break(Broken::Key)).await.map(|_none| what),
            "error with a NUL character" => cx.step(Break(Broken::Nul)).await.map(|_none| what),
            "progress with a NUL character" => {
                cx.progress(Progress {
                    done: 1,
                    total: None,
                    unit: "nul \0".into(),
                });
                // Long enough for the progress to be looked at while the run goes on.
                cx.step(Break(Broken::Not)).await.map(|_none| what)
            }
            "workflow panics" => panic!("on purpose"),
            "workflow fails" => Err(RunError::new(Class::Rejected, "on purpose")),
            _ => Ok(what),
        }
    }
}

enum Broken {
    Panics,
    Unencodable,
    Nul,
    Key,
    Not,
}

struct Break(Broken);

impl Step for Break {
    const NAME: &'static str = "break";
    const RETRY: Retry = Retry {
        attempts: 2,
        first: Duration::from_millis(10),
        longest: Duration::from_millis(10),
    };
    /// JSON has no keys that are lists.
    type Output = BTreeMap<Vec<u8>, u8>;

    fn key(&self) -> String {
        match self.0 {
            Broken::Key => "nul \0".into(),
            _ => String::new(),
        }
    }

    async fn run(&self, _cx: &StepCx) -> Result<Self::Output, StepError> {
        match self.0 {
            Broken::Panics => panic!("on purpose"),
            Broken::Unencodable => Ok(BTreeMap::from([(vec![1, 2], 3)])),
            Broken::Nul => Err(StepError::permanent(Class::Rejected, "nul \0 in a message")),
            Broken::Key => Ok(BTreeMap::new()),
            Broken::Not => {
                tokio::time::sleep(Duration::from_millis(2_500)).await;
                Ok(BTreeMap::new())
            }
        }
    }
}

pub(super) fn register(engine: EngineBuilder) -> EngineBuilder {
    engine.register::<Bad>()
}

/// What each comes to, and a part of the reason given.
const ENDS: [(&str, &str, &str); 10] = [
    ("step panics", "failed", "step break panicked"),
    (
        "step returns what JSON cannot hold",
        "failed",
        "cannot be written as JSON",
    ),
    ("error with a NUL character", "failed", "in a message"),
    ("progress with a NUL character", "succeeded", ""),
    ("key with a NUL character", "parked", "cannot be stored"),
    ("workflow fails", "failed", "on purpose"),
    // Tried again later, as a step that panics is.
    ("workflow panics", "queued", ""),
    ("undecodable input", "parked", "input is not the JSON"),
    (
        "input of another type",
        "parked",
        "does not have the fields",
    ),
    ("unknown workflow", "parked", "is not known"),
];

/// How many of each kind.
const EACH: usize = 5;

fn bad_run(what: &str) -> Result<NewRun> {
    let mut new = NewRun::of::<Bad>(&what.to_owned(), StartOptions::default())?;
    match what {
        "undecodable input" => new.input = vec![0xff, 0x00, b'{'],
        "input of another type" => new.input = b"{\"a\": 1}".to_vec(),
        "unknown workflow" => "nobody_knows".clone_into(&mut new.workflow),
        _ => {}
    }
    // To find it by.
    what.clone_into(&mut new.options.trigger);
    Ok(new)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_runs_among_a_thousand_come_to_rest_and_stop_nobody() -> Result<()> {
    let mut world = World::new().await?;
    world.orders.concurrency = 8;
    let mut bad = Vec::new();
    for (what, _, _) in ENDS {
        for _ in 0..EACH {
            bad.push(bad_run(what)?);
        }
    }
    // Before, between and after the good ones.
    for part in bad.chunks(bad.len().div_ceil(3)) {
        let mut tx = world.store.begin(world.tenant).await?;
        runs::start_many(&mut tx, part).await?;
        tx.commit().await?;
        world
            .start(Load {
                five: 334,
                ..Load::default()
            })
            .await?;
    }
    let mut worker = world.worker(|_orders| {}).await?;
    let registration = worker.registered().await?;
    let good = "select count(*) from evidence.runs where workflow = 'five' and state = 'succeeded'";
    let done = until_done("the good runs", Duration::from_secs(60), || async {
        let done = world.count(good).await?;
        Ok((done, (done == 1_002).then_some(())))
    })
    .await;
    if let Err(error) = done {
        return Err(error.context(world.state().await?));
    }
    for (what, state, reason) in ENDS {
        let ended = until(what, Duration::from_secs(40), || async {
            let rows: Vec<(String, Option<String>)> = sqlx::query_as(
                "select state, error ->> 'message' from evidence.runs where trigger = $1",
            )
            .bind(what)
            .fetch_all(&world.sql)
            .await?;
            let all = rows.len() == EACH
                && rows.iter().all(|(now, why)| {
                    now == state && why.as_deref().unwrap_or_default().contains(reason)
                });
            Ok(all.then_some(()))
        })
        .await;
        if let Err(error) = ended {
            return Err(error.context(world.state().await?));
        }
    }
    let panics = "select count(*) from attempts a \
                  where exists (select from evidence.runs r where r.id = a.run_id \
                                and r.trigger = 'workflow panics')";
    let panics = world.count(panics).await?;
    ensure!(
        panics >= i64::try_from(EACH)?,
        "{panics} panics are written down"
    );
    ensure!(worker.is_alive()?, "the worker has ended");
    let log = world.logs(usize::MAX)?;
    let failed: Vec<_> = log
        .lines()
        .filter(|line| line.contains("pulse failed"))
        .collect();
    ensure!(failed.is_empty(), "no sign of life: {failed:?}");
    ensure!(
        worker.registration() == Some(registration),
        "the worker was taken for dead"
    );
    worker.stop().await
}
