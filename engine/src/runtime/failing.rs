//! What follows from an attempt that failed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::run::{Exit, Run};
use super::{Class, Failure, Retry, RunError, StepCx, StepError};
use crate::store::activations::{Lease, PastAttempts};
use crate::store::attempts::AttemptRow;
use crate::store::steps::StepRow;

impl Run {
    /// What follows from a failed attempt: another one later, or the failure for the workflow.
    pub(super) async fn failed(
        &mut self,
        kind: &'static str,
        cx: &StepCx,
        started_at: DateTime<Utc>,
        retry: Retry,
        error: StepError,
    ) -> RunError {
        if self.cancelled.is_cancelled() {
            return self.leave(Exit::Cancelled).await;
        }
        let (judged, attempt) = self.judged(cx, started_at, retry, error);
        if judged.wait.is_some() {
            return self.leave(judged.back_off(attempt)).await;
        }
        self.seq += 1;
        self.gave_up(kind, cx, started_at, attempt, judged.failure)
    }

    /// What follows from a failed attempt, and its row.
    pub(super) fn judged(
        &self,
        cx: &StepCx,
        started_at: DateTime<Utc>,
        retry: Retry,
        error: StepError,
    ) -> (Judged, AttemptRow) {
        let past = self.past_attempts(cx.seq);
        let judged = judge(&self.lease, cx.seq, past, retry, error);
        tracing::info!(
            run.id = %self.lease.id, step = cx.name, attempt = cx.attempt, error = %judged.failure,
            source = judged.failure.source.as_deref().map(tracing::field::display),
            "attempt failed"
        );
        cx.traced.failed(judged.failure.class.as_str());
        metrics::counter!("engine_attempts_failed_total", "class" => judged.failure.class.as_str())
            .increment(1);
        let now = self.core.store.clock().now();
        let attempt = AttemptRow {
            seq: cx.seq,
            attempt: i32::try_from(cx.attempt).unwrap_or(i32::MAX),
            name: cx.name.into(),
            key: cx.key.clone(),
            error: stored_failure(&judged.failure),
            started_at,
            finished_at: now,
            next_at: judged.wait.map(|wait| now + wait),
            counts: judged.counts,
        };
        (judged, attempt)
    }

    /// Journals a step whose last attempt has failed.
    pub(super) fn gave_up(
        &mut self,
        kind: &'static str,
        cx: &StepCx,
        started_at: DateTime<Utc>,
        attempt: AttemptRow,
        failure: Failure,
    ) -> RunError {
        let row = self.row(kind, cx, started_at, None);
        self.pending.push(StepRow {
            error: Some(attempt.error.clone()),
            ..row
        });
        self.pending_attempts.push(attempt);
        RunError::at(failure, cx.seq)
    }
}

/// A failed attempt, judged.
pub(super) struct Judged {
    /// Until the next attempt; `None`: there is none.
    pub(super) wait: Option<Duration>,
    pub(super) failure: Failure,
    pub(super) counts: bool,
    /// The other system wants to be left alone until then.
    pub(super) closes_lane: bool,
}

impl Judged {
    /// The end of an activation that waits for the next attempt.
    pub(super) fn back_off(&self, attempt: AttemptRow) -> Exit {
        let closes_lane = self.closes_lane.then(|| self.failure.message.clone());
        Exit::BackOff(attempt, closes_lane)
    }
}

pub(super) fn judge(
    lease: &Lease,
    seq: i32,
    past: PastAttempts,
    retry: Retry,
    error: StepError,
) -> Judged {
    let closes_lane = matches!(error, StepError::RetryAfter(..));
    let (wait, failure, counts) = match error {
        StepError::Transient(failure) => {
            let counted = past.counted + 1;
            // The last eight bytes of a UUID v7 are random.
            let (_, random) = lease.id.0.as_u64_pair();
            let seed = random.wrapping_add(u64::from(seq.unsigned_abs()));
            let wait = (counted < retry.attempts).then(|| retry.delay(counted, seed));
            (wait, failure, true)
        }
        StepError::RetryAfter(after, failure) | StepError::Later(after, failure) => {
            (Some(after), failure, false)
        }
        StepError::Permanent(failure) => (None, failure, true),
        StepError::Cancelled => {
            let failure = Failure::new(Class::Cancelled, "step stopped by itself");
            (None, failure, true)
        }
    };
    Judged {
        wait,
        failure,
        counts,
        closes_lane,
    }
}

/// As stored; jsonb takes no NUL character.
pub(super) fn stored_failure(failure: &Failure) -> Json {
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let mut stored = json!({
        "class": failure.class,
        "message": clean(&failure.message),
    });
    if let Some(code) = &failure.code {
        stored["code"] = clean(code).into();
    }
    stored
}
