//! What the worker process runs.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use engine::runtime::{Class, Failure, Retry};
use engine::store::StoreError;
use engine::store::runs::StartOptions;
use engine::{Run, RunError, Step, StepCx, StepError, Tx, TxStep, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a step did, as one line of the file that all worker processes append to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) run: Uuid,
    pub(crate) seq: i32,
    pub(crate) attempt: u32,
    /// Different for every execution: the journal says which one it holds.
    pub(crate) token: Uuid,
    /// The key of a run that must be alone with it.
    pub(crate) key: Option<u32>,
}

/// Bytes of a line. The system writes page by page and ends a killed process in between: lines that
/// cross no page are there in whole or not at all.
const LINE: usize = 256;

/// The file of effects, opened for appending; each line is one write.
pub(crate) struct Effects {
    pub(crate) file: File,
    /// How long a step takes.
    pub(crate) pause: Duration,
}

impl Effects {
    fn add(&self, cx: &StepCx, key: Option<u32>) -> Result<Uuid, StepError> {
        let (run, seq) = identity(cx)?;
        let effect = Effect {
            run,
            seq,
            attempt: cx.attempt(),
            token: Uuid::now_v7(),
            key,
        };
        let mut line = serde_json::to_vec(&effect).map_err(|error| bug(&error))?;
        line.resize(LINE - 1, b' ');
        line.push(b'\n');
        (&self.file).write_all(&line).map_err(|error| bug(&error))?;
        Ok(effect.token)
    }
}

/// The run and the place of a step, from the key that other systems are given.
fn identity(cx: &StepCx) -> Result<(Uuid, i32), StepError> {
    let key = cx.idempotency_key();
    let seq = key.rsplit('.').next().and_then(|seq| seq.parse().ok());
    Ok((
        cx.run_id().0,
        seq.ok_or_else(|| bug(&"key without a place"))?,
    ))
}

fn bug(what: &dyn std::fmt::Display) -> StepError {
    StepError::bug(what.to_string())
}

/// A step with an effect outside of the database; its output is the token.
struct Touch {
    number: u32,
    /// Attempts that fail.
    fails: u32,
    key: Option<u32>,
}

impl Touch {
    fn number(number: u32) -> Self {
        Self {
            number,
            fails: 0,
            key: None,
        }
    }
}

impl Step for Touch {
    const NAME: &'static str = "touch";
    const RETRY: Retry = Retry {
        attempts: 5,
        first: Duration::from_millis(20),
        longest: Duration::from_millis(50),
    };
    type Output = Uuid;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<Uuid, StepError> {
        let effects: Arc<Effects> = cx.service()?;
        let token = effects.add(cx, self.key)?;
        tokio::time::sleep(effects.pause).await;
        if cx.attempt() <= self.fails {
            let failure = Failure::new(Class::Transient, token.to_string());
            return Err(StepError::Transient(failure));
        }
        Ok(token)
    }
}

/// A step whose effect is a row; its output is the token in it.
struct Insert(u32);

impl TxStep for Insert {
    const NAME: &'static str = "insert";
    type Output = Uuid;

    fn key(&self) -> String {
        self.0.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Uuid, StepError> {
        let (run, seq) = identity(cx)?;
        let token = Uuid::now_v7();
        sqlx::query("insert into evidence.inserts (run_id, seq, token) values ($1, $2, $3)")
            .bind(run)
            .bind(seq)
            .bind(token)
            .execute(tx.conn())
            .await
            .map_err(StoreError::from)?;
        Ok(token)
    }
}

/// Five steps with effects outside.
pub(crate) struct Five;

impl Workflow for Five {
    const NAME: &'static str = "five";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        for step in 0..5 {
            cx.step(Touch::number(step)).await?;
        }
        Ok(number)
    }
}

/// Five transactional steps.
pub(crate) struct FiveTx;

impl Workflow for FiveTx {
    const NAME: &'static str = "five_tx";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        for step in 0..5 {
            cx.tx(Insert(step)).await?;
        }
        Ok(number)
    }
}

pub(crate) struct Sleeper;

impl Workflow for Sleeper {
    const NAME: &'static str = "sleeper";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        cx.step(Touch::number(0)).await?;
        cx.sleep("rest", Duration::from_millis(150)).await?;
        cx.tx(Insert(0)).await?;
        Ok(number)
    }
}

pub(crate) struct Child;

impl Workflow for Child {
    const NAME: &'static str = "child";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        cx.step(Touch::number(0)).await?;
        cx.tx(Insert(0)).await?;
        Ok(number)
    }
}

/// Waits for two children, one after the other, and starts a third that it does not wait for.
pub(crate) struct Parent;

impl Workflow for Parent {
    const NAME: &'static str = "parent";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        let first = cx.call::<Child>(number, StartOptions::default()).await?;
        cx.start::<Child>(number, StartOptions::default()).await?;
        let second = cx.call::<Child>(number, StartOptions::default()).await?;
        cx.tx(Insert(0)).await?;
        if (first, second) != (number, number) {
            return Err(RunError::new(
                Class::Bug,
                "a child returned another's number",
            ));
        }
        Ok(number)
    }
}

/// Fails twice and then does not.
pub(crate) struct Retrying;

impl Workflow for Retrying {
    const NAME: &'static str = "retrying";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        cx.step(Touch {
            number: 0,
            fails: 2,
            key: None,
        })
        .await?;
        cx.tx(Insert(0)).await?;
        Ok(number)
    }
}

/// One at a time for each key.
pub(crate) struct Keyed;

impl Workflow for Keyed {
    const NAME: &'static str = "keyed";
    type Input = u32;
    type Output = u32;

    fn key(input: &u32) -> Option<String> {
        Some(format!("key {input}"))
    }

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        for step in 0..2 {
            cx.step(Touch {
                number: step,
                fails: 0,
                key: Some(number),
            })
            .await?;
        }
        cx.sleep("hold", Duration::from_millis(10)).await?;
        cx.step(Touch {
            number: 2,
            fails: 0,
            key: Some(number),
        })
        .await?;
        Ok(number)
    }
}

/// One step, and it ends without a word to the database in between.
pub(crate) struct One;

impl Workflow for One {
    const NAME: &'static str = "one";
    type Input = u32;
    type Output = u32;

    async fn run(cx: &mut Run, number: u32) -> Result<u32, RunError> {
        cx.step(Touch::number(0)).await?;
        Ok(number)
    }
}
