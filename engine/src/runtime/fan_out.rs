//! A run for each of many inputs, some at once, and what became of each.

use serde::de::DeserializeOwned;

use super::children::from_run;
use super::map::{Results, place};
use super::run::{Exit, Run};
use super::{Failure, Retry, RunError, StepError, Workflow};
use crate::store::runs::{self, Called, Hold, NewRun, StartOptions, Wait};
use crate::store::steps;

/// What a parent found when it looked after its children.
enum Looked {
    /// These have ended; all others had before.
    Done(Vec<Called>),
    /// The parent waits now.
    Waiting,
    Cancelled,
    Lost,
}

/// Children of one map.
struct Family {
    /// The place of the first one.
    base: i32,
    name: &'static str,
    width: usize,
    /// Those without a result, by index.
    left: Vec<(usize, NewRun)>,
}

impl Run {
    /// Starts a run for each input, at most `width` (at least one) of them open at once, waits for
    /// their ends without holding a worker, and returns what became of each, in the order of the
    /// inputs. New ones are started when half of the width has ended, so that thousands of
    /// children wake their parent some dozens of times. A replay must come here with the same
    /// inputs. A child must not need the key its parent holds.
    ///
    /// ```no_run
    /// # use engine::runtime::Class;
    /// # use engine::store::runs::StartOptions;
    /// # use engine::{Run, RunError, Workflow};
    /// struct Count;
    ///
    /// impl Workflow for Count {
    ///     const NAME: &'static str = "count";
    ///     type Input = String;
    ///     type Output = usize;
    ///
    ///     async fn run(_cx: &mut Run, line: String) -> Result<usize, RunError> {
    ///         Ok(line.split_whitespace().count())
    ///     }
    /// }
    ///
    /// async fn count_all(cx: &mut Run, lines: Vec<String>) -> Result<usize, RunError> {
    ///     let counts = cx
    ///         .call_many::<Count>(&lines, 50, &StartOptions::default())
    ///         .await?;
    ///     // One that failed is an item's result, not the parent's failure.
    ///     Ok(counts.into_iter().flatten().sum())
    /// }
    /// ```
    ///
    /// # Errors
    /// Inputs that cannot be encoded. In the place of a child its failure, with its class: handed on
    /// with `?` it fails the parent, and retrying that starts new children for the failed ones only.
    pub async fn call_many<W: Workflow>(
        &mut self,
        inputs: &[W::Input],
        width: usize,
        options: &StartOptions,
    ) -> Result<Vec<Result<W::Output, RunError>>, RunError> {
        let count = inputs.len();
        let mut results: Results<W::Output> = self
            .begin_map("call", W::NAME, count, |_| String::new())
            .await?;
        let base = self.seq;
        let mut family = Family {
            base,
            name: W::NAME,
            width: width.max(1),
            left: Vec::new(),
        };
        let options = StartOptions {
            dedupe: None,
            ..from_run(options.clone())
        };
        for (index, input) in inputs.iter().enumerate() {
            if results[index].is_none() {
                let mut new = NewRun::of::<W>(input, options.clone())?;
                new.parent_id = Some(self.run_id());
                family.left.push((index, new));
            }
        }
        if !family.left.is_empty() {
            self.check_stop().await;
            self.gather(&family, &mut results).await;
        }
        self.seq = place(base, count);
        Ok(results.into_iter().flatten().collect())
    }

    /// Returns when every child has ended; else the run waits.
    async fn gather<T: DeserializeOwned>(&mut self, family: &Family, results: &mut Results<T>) {
        if !self.pending_attempts.is_empty() {
            self.flush().await;
        }
        // The place of an item that is not journaled.
        let first = family.left.first().map_or(0, |(index, _)| *index);
        let seq = place(family.base, first);
        let (cx, started_at) = self.attempt_at(seq, family.name, String::new());
        let called = match self.look_after_all(family).await {
            Ok(Looked::Done(called)) => called,
            Ok(Looked::Waiting) => return self.leave(Exit::Left).await,
            Ok(Looked::Cancelled) => return self.leave(Exit::Cancelled).await,
            Ok(Looked::Lost) => return self.leave(Exit::Lost).await,
            Err(error) => {
                let (judged, row) = self.judged(&cx, started_at, Retry::DEFAULT, error);
                if judged.wait.is_some() {
                    return self.leave(judged.back_off(row)).await;
                }
                // No item's failure: without a row of its own nothing may follow it.
                self.pending_attempts.push(row);
                return self.leave(Exit::Parked(judged.failure.message)).await;
            }
        };
        for child in called {
            let index = usize::try_from(child.seq - family.base).unwrap_or_default();
            let result = match child.error {
                Some(error) => Err(match serde_json::from_value::<Failure>(error) {
                    Ok(failure) => RunError::at(failure, child.seq),
                    Err(_) => return self.unreadable(family.name).await,
                }),
                None => {
                    let output = child.output.as_deref().unwrap_or(b"null");
                    match serde_json::from_slice(output) {
                        Ok(output) => Ok(output),
                        Err(_) => return self.unreadable(family.name).await,
                    }
                }
            };
            results[index] = Some(result);
        }
    }

    async fn unreadable<T>(&mut self, name: &str) -> T {
        let message = format!("output of a run of {name} cannot be read");
        self.leave(Exit::Parked(message)).await
    }

    /// Journals the children that have ended, starts those there is room for and goes to wait if
    /// any is open; in one transaction.
    async fn look_after_all(&mut self, family: &Family) -> Result<Looked, StepError> {
        let lease = self.lease;
        let mut tx = self.core.store.begin_brief(lease.tenant).await?;
        match runs::hold(&mut tx, &lease).await? {
            Hold::Held => {}
            Hold::Cancelled => return Ok(Looked::Cancelled),
            Hold::Lost => return Ok(Looked::Lost),
        }
        // From here on the end of a child waits for this transaction, or is seen by it.
        if !steps::insert_fenced(&mut tx, &lease, &self.pending).await? {
            return Ok(Looked::Lost);
        }
        let first = family.left.first().map_or(0, |(index, _)| *index);
        let last = family.left.last().map_or(0, |(index, _)| *index);
        let places = place(family.base, first)..=place(family.base, last);
        let called = runs::journal_called(&mut tx, lease.id, family.name, &places).await?;
        let open = runs::open_called(&mut tx, lease.id, &places).await?;
        let ended: Vec<i32> = called.iter().map(|child| child.seq).collect();
        let room = family.width.saturating_sub(open.len());
        let mut waiting = 0_usize;
        let mut new = Vec::new();
        for (index, run) in &family.left {
            let seq = place(family.base, *index);
            if open.contains(&seq) || ended.contains(&seq) {
                continue;
            }
            if new.len() < room {
                new.push((run, Some(seq)));
            } else {
                waiting += 1;
            }
        }
        runs::start_called(&mut tx, &new).await?;
        let open = open.len() + new.len();
        if open > 0 {
            // The last ones are waited for together.
            let awaited = if waiting == 0 { open } else { open.div_ceil(2) };
            let wait = Wait {
                awaits: i32::try_from(awaited).unwrap_or(i32::MAX),
                ..self.wait()
            };
            runs::wait(&mut tx, &lease, wait).await?;
            self.commit_all(tx).await?;
            return Ok(Looked::Waiting);
        }
        self.commit_all(tx).await?;
        self.pending.clear();
        Ok(Looked::Done(called))
    }
}
