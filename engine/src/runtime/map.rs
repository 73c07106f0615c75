//! One step for each of many values, some at once.
//!
//! A map takes a row of its own in the journal, with the number of items, and then one place for
//! each item: the places do not depend on who finishes first. Items are independent, so what one
//! of them did is written while others go on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, FutureExt, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::perform::perform;
use super::run::{Exit, Run};
use super::writer::Written;
use super::{RunError, Step, StepCx, StepError};
use crate::store::activations::PastAttempts;

/// By item; `None` where there is no result yet.
pub(super) type Results<T> = Vec<Option<Result<T, RunError>>>;

/// A map under way.
struct Map<S: Step> {
    /// The place of the first item.
    base: i32,
    /// Those that are not under way.
    steps: Vec<Option<S>>,
    results: Results<S::Output>,
    /// Items that may begin.
    ready: VecDeque<usize>,
    /// Items that back off, by when they may begin again.
    later: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    /// What the other system said that asked for a rest.
    closes_lane: Option<String>,
    /// Nothing new begins; the run is parked with this message.
    parked: Option<String>,
    stops: bool,
}

/// An attempt that has ended.
struct Attempted<S: Step> {
    index: usize,
    step: S,
    cx: StepCx,
    started_at: DateTime<Utc>,
    outcome: Result<(Vec<u8>, S::Output), StepError>,
}

async fn attempt<S: Step>(
    index: usize,
    step: S,
    (cx, started_at): (StepCx, DateTime<Utc>),
) -> Attempted<S> {
    let outcome = perform(&step, &cx).await;
    Attempted {
        index,
        step,
        cx,
        started_at,
        outcome,
    }
}

impl Run {
    /// Runs steps concurrently, at most `width` at once (at least one), and returns what each of
    /// them returned, in their order. They must not depend on each other, and a replay must come
    /// here with the same ones. After a crash only those run again that were not journaled yet.
    /// One that backs off holds no worker once the others are done.
    ///
    /// They share this activation's task: many that compute more than they wait are better runs of
    /// their own ([`Run::call_many`]).
    ///
    /// ```no_run
    /// # use engine::{Run, RunError, Step, StepCx, StepError};
    /// struct Fetch(u32);
    ///
    /// impl Step for Fetch {
    ///     const NAME: &'static str = "fetch";
    ///     type Output = String;
    ///
    ///     fn key(&self) -> String {
    ///         self.0.to_string()
    ///     }
    ///
    ///     async fn run(&self, _cx: &StepCx) -> Result<String, StepError> {
    ///         Ok(format!("page {}", self.0))
    ///     }
    /// }
    ///
    /// async fn fetch_all(cx: &mut Run) -> Result<Vec<String>, RunError> {
    ///     let pages = cx.map_steps((0..1000).map(Fetch).collect(), 8).await?;
    ///     pages.into_iter().collect()
    /// }
    /// ```
    ///
    /// # Errors
    /// In the place of a step that failed for good, its failure; handed on with `?` it fails the
    /// run, and retrying that runs only the failed ones again.
    pub async fn map_steps<S: Step>(
        &mut self,
        steps: Vec<S>,
        width: usize,
    ) -> Result<Vec<Result<S::Output, RunError>>, RunError> {
        let results = self
            .begin_map("step", S::NAME, steps.len(), |index| steps[index].key())
            .await?;
        let base = self.seq;
        let mut map = Map {
            base,
            results,
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            steps: steps.into_iter().map(Some).collect(),
            closes_lane: None,
            parked: None,
            stops: false,
        };
        for index in (0..map.results.len()).filter(|index| map.results[*index].is_none()) {
            match self.past_attempts(place(base, index)).next_at {
                Some(due) => map.later.push(Reverse((due, index))),
                None => map.ready.push_back(index),
            }
        }
        if !(map.ready.is_empty() && map.later.is_empty()) {
            self.check_stop().await;
            self.flush().await;
            self.work_off(&mut map, width.max(1)).await;
        }
        self.seq = place(base, map.results.len());
        Ok(map.results.into_iter().flatten().collect())
    }

    /// Notes how many items a map has, and takes what is journaled of them.
    pub(super) async fn begin_map<T: DeserializeOwned>(
        &mut self,
        kind: &'static str,
        name: &'static str,
        count: usize,
        key: impl Fn(usize) -> String,
    ) -> Result<Results<T>, RunError> {
        let now = self.core.store.clock().now();
        let map = if kind == "call" { "map_call" } else { "map" };
        let journaled = self.noted(map, name, "", count, now).await?;
        if journaled != count {
            let message = format!(
                "the map of {name} before step {} is journaled with {journaled} items, but the \
                 workflow now has {count}",
                self.seq
            );
            return self.leave(Exit::Parked(message)).await;
        }
        let base = self.seq;
        let mut results: Results<T> = std::iter::repeat_with(|| None).take(count).collect();
        while let Some(row) = self
            .history
            .pop_front_if(|row| row.seq < place(base, count))
        {
            let index = usize::try_from(row.seq - base).unwrap_or_default();
            let wanted = key(index);
            if row.kind != kind || row.name != name || row.key != wanted {
                let message = format!(
                    "step {} is journaled as {:?}, but the workflow now has {:?} there",
                    row.seq,
                    format!("{} {} {}", row.kind, row.name, row.key).trim_end(),
                    format!("{kind} {name} {wanted}").trim_end()
                );
                return self.leave(Exit::Parked(message)).await;
            }
            results[index] = Some(self.replayed(row).await);
        }
        if let Some(later) = self.history.front()
            && let Some(missing) = results.iter().position(Option::is_none)
        {
            let message = format!(
                "step {} is journaled, but step {} before it is not",
                later.seq,
                place(base, missing)
            );
            return self.leave(Exit::Parked(message)).await;
        }
        Ok(results)
    }

    /// Runs what has no result yet; returns when everything has one, else ends the activation.
    async fn work_off<S: Step>(&mut self, map: &mut Map<S>, width: usize) {
        let mut working = FuturesUnordered::new();
        let mut writing: Option<BoxFuture<'static, Written>> = None;
        let (cancelled, stopping) = (self.cancelled.clone(), self.core.stopping.clone());
        loop {
            // Who waits for the journal holds up what would have to be run again.
            while working.len() < width
                && self.pending.len() < width
                && let Some((index, step)) = map.next(self.core.store.clock().now())
            {
                let seq = place(map.base, index);
                let begun = self.attempt_at(seq, S::NAME, step.key());
                working.push(attempt(index, step, begun));
            }
            let nothing_more = map.stops || map.ready.is_empty();
            if working.is_empty() && writing.is_none() && nothing_more {
                break;
            }
            if writing.is_none() && !(self.pending.is_empty() && self.pending_attempts.is_empty()) {
                writing = Some(self.write_pending().boxed());
            }
            let has_room = working.len() < width && self.pending.len() < width;
            let pause = map
                .pause(self.core.store.clock().now())
                .filter(|_| has_room);
            tokio::select! {
                biased;
                () = cancelled.cancelled(), if !map.stops => map.stops = true,
                () = stopping.cancelled(), if !map.stops => map.stops = true,
                Some(attempted) = working.next() => self.settle(map, attempted),
                Some(written) = OptionFuture::from(writing.as_mut()) => {
                    writing = None;
                    if let Written::Done { cancel_requested } = written {
                        if cancel_requested {
                            cancelled.cancel();
                        }
                    } else {
                        self.after_write(written).await;
                    }
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
        if map.results.iter().all(Option::is_some) {
            return;
        }
        if let Some(message) = map.parked.take() {
            return self.leave(Exit::Parked(message)).await;
        }
        self.check_stop().await;
        if let Some(Reverse((due, _))) = map.later.peek() {
            let exit = Exit::Asleep(*due, map.closes_lane.take());
            return self.leave(exit).await;
        }
    }

    fn settle<S: Step>(&mut self, map: &mut Map<S>, attempted: Attempted<S>) {
        let Attempted {
            index,
            step,
            cx,
            started_at,
            outcome,
        } = attempted;
        let error = match outcome {
            Ok((stored, output)) => {
                let what = format!("output of step {} {}", S::NAME, cx.key);
                if let Some(message) = self.core.too_long(what.trim_end(), &stored) {
                    map.parked.get_or_insert(message);
                    map.stops = true;
                    return;
                }
                let row = self.row("step", &cx, started_at, Some(stored));
                self.pending.push(row);
                map.results[index] = Some(Ok(output));
                return;
            }
            Err(error) => error,
        };
        if self.cancelled.is_cancelled() {
            map.stops = true;
            return;
        }
        let (judged, row) = self.judged(&cx, started_at, S::RETRY, error);
        let Some(due) = row.next_at else {
            let failure = self.gave_up("step", &cx, started_at, row, judged.failure);
            map.results[index] = Some(Err(failure));
            return;
        };
        if judged.closes_lane {
            // The others would be told the same.
            let rests = map.ready.drain(..).map(|index| Reverse((due, index)));
            map.later.extend(rests);
            map.closes_lane = Some(judged.failure.message.clone());
        }
        let past = self.past_attempts(cx.seq);
        let past = PastAttempts {
            last: cx.attempt,
            counted: past.counted + u32::from(judged.counts),
            next_at: Some(due),
        };
        self.past.insert(cx.seq, past);
        self.pending_attempts.push(row);
        map.steps[index] = Some(step);
        map.later.push(Reverse((due, index)));
    }
}

impl<S: Step> Map<S> {
    /// An item that may begin now.
    fn next(&mut self, now: DateTime<Utc>) -> Option<(usize, S)> {
        if self.stops {
            return None;
        }
        if let Some(Reverse((due, index))) = self.later.peek()
            && *due <= now
        {
            self.ready.push_front(*index);
            self.later.pop();
        }
        let index = self.ready.pop_front()?;
        Some((index, self.steps[index].take()?))
    }

    /// Until an item that backs off may begin again.
    fn pause(&self, now: DateTime<Utc>) -> Option<std::time::Duration> {
        let Reverse((due, _)) = self.later.peek().filter(|_| !self.stops)?;
        Some((*due - now).to_std().unwrap_or_default())
    }
}

/// The place of an item in the journal.
pub(super) fn place(base: i32, index: usize) -> i32 {
    base.saturating_add(i32::try_from(index).unwrap_or(i32::MAX))
}
