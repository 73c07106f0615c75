//! One turn of a run on a worker, from its claim to the write that ends it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::core::{Active, Core, Incarnation, Shown};
use super::failing::{judge, stored_failure};
use super::patches::MARKER;
use super::registry::{Finish, Finished};
use super::run::{Exit, Run};
use super::shares::Timed;
use super::{Class, Failure, Retry, RunError, StepError};
use crate::queue::Slot;
use crate::store::activations::{Claimed, History, Lease};
use crate::store::attempts::AttemptRow;
use crate::store::journal::{End, Entry, Stays};
use crate::store::runs::{RunState, version_from_db};
use crate::trace::{self, Traced};

/// A claimed run with what it needs to go on.
pub(crate) struct Activation {
    pub(crate) claimed: Claimed,
    pub(crate) history: History,
    pub(crate) incarnation: Arc<Incarnation>,
    pub(crate) slot: Slot,
    pub(crate) timed: Timed,
}

/// How the activation ends for the journal.
struct Ending {
    attempt: Option<AttemptRow>,
    end: End,
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        Self { attempt: None, end }
    }
}

/// Takes the run out of the table of active ones, however the activation ends.
struct Entered<'a>(&'a Core, Lease);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.leave(&self.1);
    }
}

/// Runs an activation. Never fails: whatever goes wrong becomes a state of the run.
pub(crate) async fn activate(core: Arc<Core>, activation: Activation) {
    let Activation {
        claimed,
        history,
        incarnation,
        slot,
        mut timed,
    } = activation;
    timed.begin();
    let lease = claimed.lease;
    let cancelled = CancellationToken::new();
    let shown = Arc::new(Shown::default());
    core.enter(Active {
        lease,
        cancelled: cancelled.clone(),
        shown: Arc::clone(&shown),
    });
    let entered = Entered(&core, lease);
    let begun = Instant::now();
    let deadline = claimed.deadline;
    let awaited = claimed.called || claimed.keyed;
    let out_of_patience = async {
        cancelled.cancelled().await;
        tokio::time::sleep(core.cancel_grace).await;
    };
    let mut traced = Traced::run(&claimed);
    let work = work(&core, claimed, history, cancelled.clone(), shown);
    let work = trace::within(traced.place.take(), work).instrument(traced.span.clone());
    let entry = tokio::select! {
        biased;
        () = core.kill.cancelled() => return,
        () = incarnation.lost.cancelled() => return,
        () = core.grace_over.cancelled() => {
            core.release(vec![lease]);
            return;
        }
        entry = work => entry,
        () = out_of_patience => {
            tracing::warn!(run.id = %lease.id, "run did not stop when asked to and was dropped");
            Some(Entry {
                lease,
                steps: Vec::new(),
                attempts: Vec::new(),
                end: Some(stopped(&core, deadline)),
            })
        }
    };
    let took = begun.elapsed();
    drop(entered);
    slot.worked(took);
    if let Some(end) = entry.as_ref().and_then(|entry| entry.end.as_ref()) {
        traced.span.record("run.state", end.state.as_str());
        if let Some(class) = end.error_class {
            traced.failed(class);
        }
    }
    metrics::counter!("engine_activations_total").increment(1);
    metrics::histogram!("engine_activation_seconds").record(took.as_secs_f64());
    if let Some(entry) = entry {
        let awaited = awaited || core.has_met_limit();
        core.writer.write_last(entry, slot, awaited);
    }
}

/// Runs the workflow's function until the run ends or waits; what is returned is to be written.
async fn work(
    core: &Arc<Core>,
    claimed: Claimed,
    history: History,
    cancelled: CancellationToken,
    shown: Arc<Shown>,
) -> Option<Entry> {
    let lease = claimed.lease;
    let bare = |end: End| {
        Some(Entry {
            lease,
            steps: Vec::new(),
            attempts: Vec::new(),
            end: Some(end),
        })
    };
    if claimed.cancel_requested {
        return bare(stopped(core, claimed.deadline));
    }
    if core.stopping.is_cancelled() {
        return bare(End::queued(None));
    }
    let known = version_from_db(claimed.version)
        .ok()
        .and_then(|version| core.registry.get(&claimed.workflow, version));
    let Some(workflow) = known else {
        let (name, version) = (&claimed.workflow, claimed.version);
        tracing::warn!(run.id = %lease.id, workflow = name, version, "workflow is unknown");
        return bare(End::parked(&format!(
            "workflow {name} version {version} is not known to this release"
        )));
    };
    let about = About {
        workflow: claimed.workflow,
        deadline: claimed.deadline,
        stays: workflow.history || claimed.called,
    };
    let run = Run::new(
        Arc::clone(core),
        lease,
        claimed.trigger,
        history,
        cancelled,
        shown,
    );
    let Finished { run, finish } = (workflow.run)(run, claimed.input).await;
    let left_over = matches!(finish, Finish::Output(_) | Finish::Failed(_))
        .then(|| run.history.iter().find(|row| row.kind != MARKER))
        .flatten();
    let ending = match left_over {
        Some(row) => Some(Ending::from(End::parked(&format!(
            "step {} is journaled as {} {}, but the workflow now ends before it",
            row.seq, row.kind, row.name
        )))),
        None => ending(core, &run, &about, finish),
    };
    let Ending { attempt, mut end } = ending?;
    let (mut steps, mut attempts) = (run.pending, run.pending_attempts);
    attempts.extend(attempt);
    (end.progress, end.counts) = run.shown.get();
    if end.state == RunState::Succeeded && !about.stays {
        // What is pending are the last of its steps; an earlier activation may have written others.
        let pending = usize::try_from(run.seq).is_ok_and(|seq| seq == steps.len());
        let journaled = lease.epoch > 1 || !pending;
        end.stays = Stays::Nothing { journaled };
        steps.clear();
        attempts.clear();
    }
    metrics::counter!(
        "engine_runs_total", "workflow" => about.workflow, "state" => end.state.as_str()
    )
    .increment(1);
    Some(Entry {
        lease,
        steps,
        attempts,
        end: Some(end),
    })
}

/// Of a claimed run, what its end depends on.
struct About {
    workflow: String,
    deadline: Option<DateTime<Utc>>,
    /// Whether it stays to be read if it succeeds.
    stays: bool,
}

/// The end of a run that was asked to stop: by a person, or because its time is over.
fn stopped(core: &Core, deadline: Option<DateTime<Utc>>) -> End {
    if deadline.is_some_and(|deadline| deadline <= core.store.clock().now()) {
        End::overdue()
    } else {
        End::cancelled()
    }
}

/// `None`: nothing is to be written.
fn ending(core: &Core, run: &Run, about: &About, finish: Finish) -> Option<Ending> {
    Some(match finish {
        Finish::Output(output) => match core.too_long("output of the run", &output) {
            Some(message) => End::parked(&message).into(),
            None => End::succeeded(output).into(),
        },
        Finish::Failed(_) if run.cancelled.is_cancelled() => stopped(core, about.deadline).into(),
        Finish::Failed(error) => failed(run, &error).into(),
        Finish::BadInput(message) => End::parked(&message).into(),
        Finish::Panicked => panicked(core, run, &about.workflow),
        Finish::Exit(exit) => match exit {
            Exit::Lost | Exit::Left => return None,
            Exit::Unknown => {
                core.release(vec![run.lease]);
                return None;
            }
            Exit::Released => End::queued(None).into(),
            Exit::Cancelled => stopped(core, about.deadline).into(),
            Exit::Asleep(due, closes_lane) => {
                let mut end = End::queued(Some(due));
                end.closes_lane = closes_lane;
                end.into()
            }
            Exit::Parked(message) => {
                tracing::warn!(run.id = %run.lease.id, message, "run is parked");
                End::parked(&message).into()
            }
            Exit::BackOff(attempt, closes_lane) => back_off(attempt, closes_lane),
        },
    })
}

fn failed(run: &Run, error: &RunError) -> End {
    let failure = error.failure();
    let mut stored = stored_failure(failure);
    if let Some(seq) = error.seq {
        stored["seq"] = seq.into();
    }
    tracing::warn!(
        run.id = %run.lease.id, class = failure.class.as_str(), error = %failure,
        source = failure.source.as_deref().map(tracing::field::display),
        "run failed"
    );
    End::failed(failure.class.as_str(), stored)
}

fn back_off(attempt: AttemptRow, closes_lane: Option<String>) -> Ending {
    let mut end = End::queued(attempt.next_at);
    end.attempt = attempt.attempt;
    end.closes_lane = closes_lane;
    Ending {
        attempt: Some(attempt),
        end,
    }
}

/// A panic outside a step is retried like one inside: the attempt counts for the step that the run
/// was about to come to.
fn panicked(core: &Core, run: &Run, workflow: &str) -> Ending {
    let failure = Failure::new(Class::Bug, format!("workflow {workflow} panicked"));
    let error = StepError::Transient(failure);
    let past = run.past_attempts(run.seq);
    let judged = judge(&run.lease, run.seq, past, Retry::DEFAULT, error);
    tracing::error!(run.id = %run.lease.id, workflow, "workflow panicked");
    let now = core.store.clock().now();
    let stored = stored_failure(&judged.failure);
    let attempt = AttemptRow {
        seq: run.seq,
        attempt: i32::try_from(past.last + 1).unwrap_or(i32::MAX),
        name: workflow.to_owned(),
        key: String::new(),
        error: stored.clone(),
        started_at: now,
        finished_at: now,
        next_at: judged.wait.map(|wait| now + wait),
        counts: judged.counts,
    };
    if judged.wait.is_some() {
        return back_off(attempt, None);
    }
    Ending {
        attempt: Some(attempt),
        end: End::failed(judged.failure.class.as_str(), stored),
    }
}
