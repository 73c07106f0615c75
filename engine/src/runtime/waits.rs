//! Waiting without holding a worker: for a time, for a signal.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::registry::place_of;
use super::run::{Exit, Run};
use super::{Retry, RunError, StepError};
use crate::clock::Deadline;
use crate::store::runs::{self, Hold, Wait};
use crate::store::steps::{self, StepRow};
use crate::store::{StoreError, Tx, signals};

/// What a run found when it looked for a signal.
enum Found {
    /// This one, JSON; nobody else sends or takes one before the transaction ends.
    Signal(Tx, Vec<u8>),
    TooLate,
    /// The run waits now.
    Waiting,
    Cancelled,
    Lost,
    /// With what is wrong.
    Unreadable(String),
}

impl Run {
    /// Waits without holding a worker; the time counts from when the run first got here.
    ///
    /// # Errors
    /// None today.
    pub async fn sleep(&mut self, name: &'static str, time: Duration) -> Result<(), RunError> {
        let due = Deadline::After(time).at(self.core.store.clock().now());
        self.sleep_until(name, due).await
    }

    /// Waits without holding a worker, until the time given when the run first got here.
    ///
    /// # Errors
    /// None today.
    pub async fn sleep_until(
        &mut self,
        name: &'static str,
        at: DateTime<Utc>,
    ) -> Result<(), RunError> {
        let due = self.noted("sleep", name, "", at, at).await?;
        if due > self.core.store.clock().now() {
            return self.leave(Exit::Asleep(due, None)).await;
        }
        Ok(())
    }

    /// Waits for a signal without holding a worker, and takes it: each is taken once, those of one
    /// name in the order of sending. One sent before the run came here is found. `None`: the
    /// deadline, which counts from when the run first got here, has passed and none is there; one
    /// that came late, but before the run looked, is taken all the same.
    ///
    /// A signal that is not a `T` parks the run and stays untaken: a release that reads it goes on
    /// by [`runs::retry`], or an operator removes it by [`signals::discard`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use engine::{Run, RunError, Workflow};
    /// struct Approve;
    ///
    /// impl Workflow for Approve {
    ///     const NAME: &'static str = "approve";
    ///     type Input = String;
    ///     type Output = bool;
    ///
    ///     async fn run(cx: &mut Run, _subject: String) -> Result<bool, RunError> {
    ///         let week = Duration::from_secs(7 * 86_400);
    ///         let answer = cx.signal::<bool>("answer", Some(week.into())).await?;
    ///         Ok(answer.unwrap_or(false))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// A database that fails for longer than retries allow.
    pub async fn signal<T: DeserializeOwned>(
        &mut self,
        name: &str,
        deadline: Option<Deadline>,
    ) -> Result<Option<T>, RunError> {
        let due = match deadline {
            None => None,
            Some(deadline) => {
                let due = deadline.at(self.core.store.clock().now());
                Some(self.noted("wait", "signal", name, due, due).await?)
            }
        };
        if let Some(row) = self.next("signal", "signal", name).await {
            let taken = self.replayed::<Option<(T,)>>(row).await?;
            return Ok(taken.map(|(body,)| body));
        }
        if !self.pending_attempts.is_empty() {
            self.flush().await;
        }
        let (cx, started_at) = self.attempt("signal", name.to_owned());
        let error = match self.look_for::<T>(name, due).await {
            Ok(Found::Signal(tx, body)) => {
                let stored = [b"[".as_slice(), &body, b"]"].concat();
                let row = self.row("signal", &cx, started_at, Some(stored));
                match self.commit(tx, row.clone()).await {
                    Ok(()) => {
                        let taken = self.replayed::<Option<(T,)>>(row).await?;
                        return Ok(taken.map(|(body,)| body));
                    }
                    Err(error) => error,
                }
            }
            Ok(Found::TooLate) => {
                let row = self.row("signal", &cx, started_at, Some(b"null".to_vec()));
                self.pending.push(row);
                self.seq += 1;
                return Ok(None);
            }
            Ok(Found::Waiting) => {
                if let Some(due) = due {
                    self.core.waits_until(due);
                }
                return self.leave(Exit::Left).await;
            }
            Ok(Found::Cancelled) => return self.leave(Exit::Cancelled).await,
            Ok(Found::Lost) => return self.leave(Exit::Lost).await,
            Ok(Found::Unreadable(message)) => return self.leave(Exit::Parked(message)).await,
            Err(error) => StepError::from(error),
        };
        Err(self
            .failed("signal", &cx, started_at, Retry::DEFAULT, error)
            .await)
    }

    /// Takes the first signal of this name or, when there is none, goes to wait; in one transaction.
    async fn look_for<T: DeserializeOwned>(
        &self,
        name: &str,
        due: Option<DateTime<Utc>>,
    ) -> Result<Found, StoreError> {
        let lease = &self.lease;
        let mut tx = self.core.store.begin_brief(lease.tenant).await?;
        match runs::hold(&mut tx, lease).await? {
            Hold::Held => {}
            Hold::Cancelled => return Ok(Found::Cancelled),
            Hold::Lost => return Ok(Found::Lost),
        }
        // From here on a sender waits for this transaction, or has been seen by it.
        if let Some((id, body)) = signals::first(&mut tx, lease.id, name).await? {
            if let Err(error) = serde_json::from_slice::<T>(&body) {
                let place = place_of(&error);
                return Ok(Found::Unreadable(format!(
                    "signal {id} is not what {name} wants here {place}"
                )));
            }
            signals::take(&mut tx, lease.id, id, self.seq).await?;
            return Ok(Found::Signal(tx, body));
        }
        if due.is_some_and(|due| due <= tx.now()) {
            return Ok(Found::TooLate);
        }
        if !steps::insert_fenced(&mut tx, lease, &self.pending).await? {
            return Ok(Found::Lost);
        }
        let wait = Wait {
            due_at: due,
            ..self.wait()
        };
        runs::wait(&mut tx, lease, wait).await?;
        tx.commit().await?;
        Ok(Found::Waiting)
    }

    /// A wait with what the run shows of itself.
    pub(super) fn wait(&self) -> Wait {
        let (progress, counts) = self.shown.get();
        Wait {
            progress,
            counts,
            ..Wait::default()
        }
    }

    /// What was noted when the run first got here: `fresh`, if that is now. `until` is shown as the
    /// time when it is over.
    pub(super) async fn noted<T: Serialize + DeserializeOwned>(
        &mut self,
        kind: &'static str,
        name: &'static str,
        key: &str,
        fresh: T,
        until: DateTime<Utc>,
    ) -> Result<T, RunError> {
        if let Some(row) = self.next(kind, name, key).await {
            return self.replayed(row).await;
        }
        let now = self.core.store.clock().now();
        let stored = serde_json::to_vec(&fresh).map_err(StoreError::Encode)?;
        self.pending.push(StepRow {
            seq: self.seq,
            name: name.into(),
            key: key.into(),
            kind: kind.into(),
            attempt: 1,
            output: Some(stored),
            error: None,
            started_at: now,
            finished_at: until.max(now),
        });
        self.seq += 1;
        Ok(fresh)
    }
}
