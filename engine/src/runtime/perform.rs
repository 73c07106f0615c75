//! One attempt of a step, within its limits of time.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use serde::Serialize;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Class, Failure, Step, StepCx, StepError};
use crate::locked::locked;
use crate::trace;

/// When a step last said that it goes on.
pub(super) struct Beat(Mutex<Instant>);

impl Beat {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(super) fn now(&self) {
        *locked(&self.0) = Instant::now();
    }

    fn last(&self) -> Instant {
        *locked(&self.0)
    }
}

/// How long an attempt may take, and how long it may say nothing.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) timeout: Option<Duration>,
    pub(super) heartbeat: Option<Duration>,
}

/// Runs a step once; its output, stored and not.
pub(super) async fn perform<S: Step>(
    step: &S,
    cx: &StepCx,
) -> Result<(Vec<u8>, S::Output), StepError> {
    let patience = Patience {
        timeout: S::TIMEOUT,
        heartbeat: S::HEARTBEAT,
    };
    let output = within(cx, patience, Box::pin(step.run(cx))).await?;
    Ok((encode(S::NAME, &output)?, output))
}

/// Drives the code of a step until it ends, panics or is out of time; then it is dropped.
pub(super) async fn within<T>(
    cx: &StepCx,
    patience: Patience,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let begun = Instant::now();
    cx.beat.now();
    let work = trace::within(cx.traced.place.clone(), work).instrument(cx.traced.span.clone());
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    loop {
        let ends = patience.timeout.map(|time| begun + time);
        let silent = patience.heartbeat.map(|time| cx.beat.last() + time);
        let Some(next) = ends.into_iter().chain(silent).min() else {
            let ended = work.await;
            return ended.unwrap_or_else(|panic| Err(panicked(cx.name, panic)));
        };
        tokio::select! {
            biased;
            ended = &mut work => {
                return ended.unwrap_or_else(|panic| Err(panicked(cx.name, panic)));
            }
            () = tokio::time::sleep_until(next) => {}
        }
        let now = Instant::now();
        if let Some(time) = patience.timeout.filter(|time| begun + *time <= now) {
            return Err(out_of_time(cx.name, "took longer than", time));
        }
        if let Some(time) = patience
            .heartbeat
            .filter(|time| cx.beat.last() + *time <= now)
        {
            return Err(out_of_time(cx.name, "gave no sign of life for", time));
        }
    }
}

fn out_of_time(step: &str, what: &str, time: Duration) -> StepError {
    let message = format!("step {step} {what} {time:?}");
    StepError::Transient(Failure::new(Class::Transient, message).with_code("timeout"))
}

/// What it said went to the panic hook; it may hold data and is not stored.
fn panicked(step: &str, _said: Box<dyn Any + Send>) -> StepError {
    StepError::Transient(Failure::new(Class::Bug, format!("step {step} panicked")))
}

pub(super) fn encode<T: Serialize>(step: &str, output: &T) -> Result<Vec<u8>, StepError> {
    serde_json::to_vec(output).map_err(|error| {
        let message = format!("output of step {step} cannot be written as JSON");
        StepError::Permanent(Failure::new(Class::Bug, message).with_source(error))
    })
}
