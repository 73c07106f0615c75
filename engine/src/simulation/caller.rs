//! Who asks a simulated world for something: an API that starts, signals and cancels, and asks again
//! until it is answered.

use std::time::Duration;

use super::model;
use super::plan::Once;
use super::workload::{Ask, Chain, Family, Fleeting, Forlorn, Job, Nap, Shaky, Spread};
use super::world::World;
use crate::locked::locked;
use crate::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, StartOptions, Started};
use crate::store::{StoreError, signals};

impl World {
    pub(super) async fn begin_run(
        &self,
        workflow: &'static str,
        job: Job,
        once: Option<(Once, u8)>,
        deadline: Option<Duration>,
        together: bool,
    ) {
        let number = job.number;
        let dedupe = once.map(|(once, tag)| dedupe(once, tag));
        let options = StartOptions {
            // A column that nothing else uses here: which runs were meant to be one.
            stream: dedupe.as_ref().map(|dedupe| dedupe.key.clone()),
            dedupe,
            deadline: deadline.map(Into::into),
            ..StartOptions::default()
        };
        let new = match workflow {
            "fleeting" => NewRun::of::<Fleeting>(&job, options),
            "nap" => NewRun::of::<Nap>(&job, options),
            "ask" => NewRun::of::<Ask>(&job, options),
            "family" => NewRun::of::<Family>(&job, options),
            "forlorn" => NewRun::of::<Forlorn>(&job, options),
            "spread" => NewRun::of::<Spread>(&job, options),
            "shaky" => NewRun::of::<Shaky>(&job, options),
            _ => NewRun::of::<Chain>(&job, options),
        };
        let mut new = new.expect("a job is JSON");
        match workflow {
            "unknown" => new.workflow = "unknown".to_owned(),
            "unreadable" => new.input = b"{".to_vec(),
            _ => {}
        }
        // As an API's caller does: again until it is answered. Without a dedupe key that may start
        // two, which is the caller's affair.
        for _ in 0..5 {
            let started = if together && workflow == "chain" {
                self.start_by_engine(&job, &new.options).await
            } else {
                self.start_in_tx(&new).await
            };
            match started {
                Ok(started) => {
                    let run = started.id();
                    self.server
                        .note(|| format!("start {number} is {workflow} {run}"));
                    self.witness.started(number, run, workflow);
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(700)).await,
            }
        }
    }

    async fn start_in_tx(&self, new: &NewRun) -> Result<Started, StoreError> {
        let mut tx = self.caller.begin(self.tenant).await?;
        let started = runs::start(&mut tx, new.clone()).await?;
        tx.commit().await?;
        Ok(started)
    }

    async fn start_by_engine(
        &self,
        job: &Job,
        options: &StartOptions,
    ) -> Result<Started, StoreError> {
        let engine = locked(&self.members)
            .iter()
            .find_map(|member| member.engine.clone());
        match engine {
            Some(engine) => {
                engine
                    .start::<Chain>(self.tenant, job, options.clone())
                    .await
            }
            None => Err(model::lost()),
        }
    }

    pub(super) async fn send(&self, start: u32, body: u32) {
        let Some(run) = self.witness.run_of(start) else {
            return;
        };
        for _ in 0..8 {
            let sent = async {
                let mut tx = self.caller.begin(self.tenant).await?;
                let (text, key) = (body.to_string(), format!("signal {body}"));
                signals::send(&mut tx, run, "go", text.as_bytes(), Some(&key)).await?;
                tx.commit().await
            };
            match sent.await {
                Ok(()) => {
                    self.witness.sent(run, body, true);
                    return;
                }
                Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => return,
                Err(_) => self.witness.sent(run, body, false),
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }

    pub(super) async fn cancel(&self, start: u32) {
        let Some(run) = self.witness.run_of(start) else {
            return;
        };
        for _ in 0..8 {
            let cancelled = async {
                let mut tx = self.caller.begin(self.tenant).await?;
                runs::cancel(&mut tx, run).await?;
                tx.commit().await
            };
            match cancelled.await {
                Ok(()) => {
                    self.server.note(|| format!("{run} is cancelled"));
                    self.witness.cancelled(run);
                    return;
                }
                Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(700)).await,
            }
        }
    }
}

fn dedupe(once: Once, tag: u8) -> Dedupe {
    let day = DedupeUntil::Elapsed(Duration::from_secs(86_400));
    let (until, mode, kind) = match once {
        Once::Existing => (day, DedupeMode::Existing, "once"),
        Once::Replace => (DedupeUntil::Begun, DedupeMode::Replace, "replace"),
        Once::UntilEnded => (DedupeUntil::Ended, DedupeMode::Existing, "ended"),
    };
    Dedupe {
        key: format!("{kind}/{tag}"),
        until,
        mode,
    }
}
