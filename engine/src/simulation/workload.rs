//! What simulated runs do: something of everything the runtime offers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::witness::Witness;
use crate::runtime::{Class, Retry, Run, RunError, Step, StepCx, StepError, TxStep, Workflow};
use crate::store::Tx;
use crate::store::runs::StartOptions;

/// Input of every workflow here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Which start it was.
    pub(crate) number: u32,
    pub(crate) steps: u8,
    /// This step fails as often before it succeeds.
    pub(crate) flaky: Option<(u8, u8)>,
    /// Its last step fails for good.
    pub(crate) bad: bool,
    /// Milliseconds of a step.
    pub(crate) slow: u64,
    /// Held while it is open.
    pub(crate) key: Option<String>,
    /// Milliseconds that it sleeps, or waits at most for a signal.
    pub(crate) rest: Option<u64>,
}

impl Job {
    /// Whether this step of a chain touches the database.
    pub(crate) fn counts(&self, index: u8) -> bool {
        index % 3 == 1 && index + 1 < self.steps
    }
}

/// Which process a step runs in.
pub(crate) struct Place(pub(crate) usize);

pub(crate) const RETRY: Retry = Retry {
    attempts: 8,
    first: Duration::from_millis(80),
    longest: Duration::from_secs(2),
};

/// Touches the outside: returns another number each time it runs.
struct Act {
    index: u8,
    job: Job,
}

impl Step for Act {
    const NAME: &'static str = "act";
    const RETRY: Retry = RETRY;
    type Output = u64;

    fn key(&self) -> String {
        self.index.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<u64, StepError> {
        let witness = cx.service::<Witness>()?;
        witness.step_begins(cx, cx.service::<Place>()?.0);
        if self.job.slow > 0 {
            tokio::time::sleep(Duration::from_millis(self.job.slow)).await;
        }
        if self.job.bad && self.index + 1 == self.job.steps {
            return Err(StepError::permanent(Class::Rejected, "it is bad"));
        }
        if let Some((index, times)) = self.job.flaky
            && index == self.index
            && witness.failures(cx) < times
        {
            witness.note_failure(cx);
            let wait = Duration::from_millis(300);
            match times % 4 {
                0 => panic!("on purpose"),
                1 => return Err(StepError::transient("it is flaky")),
                2 => return Err(StepError::retry_after(wait, "it is busy")),
                _ => {}
            }
            let failure = crate::runtime::Failure::new(Class::Transient, "it is locked");
            return Err(StepError::Later(wait, failure));
        }
        Ok(witness.fresh())
    }
}

/// Touches the database: its effect is counted.
struct Count {
    index: u8,
    /// Milliseconds between its effect and its end.
    slow: u64,
}

impl TxStep for Count {
    const NAME: &'static str = "count";
    const RETRY: Retry = Retry {
        attempts: 40,
        ..RETRY
    };
    type Output = u32;

    fn key(&self) -> String {
        self.index.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<u32, StepError> {
        let (_, key) = cx.step();
        let (run, key) = (cx.run_id(), key.to_owned());
        let model = tx
            .model()
            .ok_or_else(|| StepError::bug("there is no model"))?;
        let count = model.effect(run, &key).await?;
        tokio::time::sleep(Duration::from_millis(self.slow)).await;
        Ok(count)
    }
}

/// Steps of both kinds, one after the other.
pub(crate) struct Chain;

impl Workflow for Chain {
    const NAME: &'static str = "chain";
    type Input = Job;
    type Output = Vec<u64>;

    fn key(job: &Job) -> Option<String> {
        job.key.clone()
    }

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        chain(cx, job).await
    }
}

async fn chain(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
    let mut outputs = Vec::new();
    for index in 0..job.steps {
        outputs.push(if job.counts(index) {
            let slow = job.slow;
            cx.tx(Count { index, slow }).await?.into()
        } else {
            let job = job.clone();
            cx.step(Act { index, job }).await?
        });
    }
    Ok(outputs)
}

/// A chain of which nothing stays.
pub(crate) struct Fleeting;

impl Workflow for Fleeting {
    const NAME: &'static str = "fleeting";
    const HISTORY: bool = false;
    type Input = Job;
    type Output = Vec<u64>;

    fn key(job: &Job) -> Option<String> {
        job.key.clone()
    }

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        chain(cx, job).await
    }
}

/// Steps with a sleep between them.
pub(crate) struct Nap;

impl Workflow for Nap {
    const NAME: &'static str = "nap";
    type Input = Job;
    type Output = Vec<u64>;

    fn key(job: &Job) -> Option<String> {
        job.key.clone()
    }

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        let rest = Duration::from_millis(job.rest.unwrap_or(500));
        let mut outputs = Vec::new();
        for index in 0..job.steps {
            let job = job.clone();
            outputs.push(cx.step(Act { index, job }).await?);
            cx.sleep("rest", rest).await?;
        }
        Ok(outputs)
    }
}

/// Waits for as many signals as it has steps.
pub(crate) struct Ask;

impl Workflow for Ask {
    const NAME: &'static str = "ask";
    type Input = Job;
    type Output = Vec<Option<u32>>;

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<Option<u32>>, RunError> {
        let mut answers = Vec::new();
        for index in 0..job.steps {
            let deadline = job.rest.map(|rest| Duration::from_millis(rest).into());
            answers.push(cx.signal::<u32>("go", deadline).await?);
            let job = job.clone();
            cx.step(Act { index, job }).await?;
        }
        Ok(answers)
    }
}

/// A run and its children: one, then some at once.
pub(crate) struct Family;

impl Workflow for Family {
    const NAME: &'static str = "family";
    type Input = Job;
    type Output = Vec<u64>;

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        let child = |bad| Job {
            steps: 2,
            key: None,
            bad,
            ..job.clone()
        };
        let options = StartOptions::default();
        let mut outputs = cx.call::<Fleeting>(child(false), options.clone()).await?;
        let inputs: Vec<_> = (0..job.steps)
            .map(|index| child(job.bad && index == 0))
            .collect();
        for result in cx.call_many::<Chain>(&inputs, 2, &options).await? {
            match result {
                Ok(more) => outputs.extend(more),
                Err(error) if error.class() == Class::Rejected => outputs.push(0),
                Err(error) => return Err(error),
            }
        }
        Ok(outputs)
    }
}

/// One step for each of some.
pub(crate) struct Spread;

impl Workflow for Spread {
    const NAME: &'static str = "spread";
    type Input = Job;
    type Output = Vec<u64>;

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        let acts = (0..job.steps)
            .map(|index| Act {
                index,
                job: job.clone(),
            })
            .collect();
        cx.map_steps(acts, 3).await?.into_iter().collect()
    }
}

/// Panics outside its steps the first times.
pub(crate) struct Shaky;

impl Workflow for Shaky {
    const NAME: &'static str = "shaky";
    type Input = Job;
    type Output = Vec<u64>;

    async fn run(cx: &mut Run, job: Job) -> Result<Vec<u64>, RunError> {
        let witness: Arc<Witness> = cx.service()?;
        let output = cx
            .step(Act {
                index: 0,
                job: job.clone(),
            })
            .await?;
        assert!(witness.panicked(cx.run_id()) >= 2, "on purpose");
        Ok(vec![output])
    }
}

/// Calls one like itself, and the last one a run that waits for ever: somebody has to end it, and all
/// the others with it.
pub(crate) struct Forlorn;

impl Workflow for Forlorn {
    const NAME: &'static str = "forlorn";
    type Input = Job;
    type Output = ();

    async fn run(cx: &mut Run, job: Job) -> Result<(), RunError> {
        cx.step(Act {
            index: 0,
            job: job.clone(),
        })
        .await?;
        let options = StartOptions::default();
        if job.steps > 1 {
            let steps = job.steps - 1;
            cx.call::<Self>(Job { steps, ..job }, options).await
        } else {
            let rest = None;
            cx.call::<Ask>(Job { rest, ..job }, options).await?;
            Ok(())
        }
    }
}

/// Started by a schedule.
pub(crate) struct Tick;

impl Workflow for Tick {
    const NAME: &'static str = "tick";
    type Input = Job;
    type Output = ();

    async fn run(cx: &mut Run, job: Job) -> Result<(), RunError> {
        cx.step(Act { index: 0, job }).await?;
        Ok(())
    }
}
