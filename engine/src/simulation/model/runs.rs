//! `store/runs` as far as runs, their parents and their starters use it, and `start_runs` of the
//! migrations.

use std::ops::RangeInclusive;

use super::cascade::note;
use super::client::Transaction;
use super::db::{Mode, Statement};
use super::error::Stop;
use super::journal::{child_ended, end_idle, held, insert_step, lock_held, unsaid};
use super::rows::{DedupeRec, Key, Row, RunRec};
use crate::ids::RunId;
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::activations::Lease;
use crate::store::journal::End;
use crate::store::lanes::{Behind, Lane};
use crate::store::runs::{
    Called, Child, Dedupe, DedupeMode, DedupeUntil, Hold, Outcome, RunRow, RunState, Start,
    Started, Stopped, Wait, delta, due_at, expires_at, version_from_db, version_to_db,
};
use crate::store::steps::StepRow;

impl Transaction {
    pub(crate) async fn start_all(
        &mut self,
        starts: &[Start<'_>],
    ) -> Result<Vec<Outcome>, StoreError> {
        let now = self.now;
        let mut rows = Vec::new();
        for start in starts {
            rows.push(RunRec {
                tenant: start.tenant,
                id: start.id,
                workflow: start.new.workflow.clone(),
                version: version_to_db(start.new.version)?,
                state: RunState::Queued,
                key: start.new.options.key.clone(),
                holds_key: false,
                behind: false,
                lane: None,
                asleep: false,
                priority: start.new.options.priority,
                due_at: Some(due_at(start.new, now)?),
                epoch: 0,
                owner: None,
                attempt: 0,
                cancel_requested: false,
                parent_id: start.lineage.parent_id,
                parent_seq: start.lineage.parent_seq,
                wakes_parent: start.lineage.wakes_parent,
                awaits: 0,
                deadline: start.new.options.deadline.map(|deadline| deadline.at(now)),
                trigger: start.new.options.trigger.clone(),
                connection_id: start.new.options.connection_id,
                stream: start.new.options.stream.clone(),
                input: start.new.input.clone(),
                output: None,
                error: None,
                error_class: None,
                progress: None,
                counts: None,
                created_at: now,
                started_at: None,
                finished_at: None,
                trace: start.new.trace.clone(),
            });
        }
        self.statement("start", |statement| {
            let mut outcomes: Vec<Option<Outcome>> = vec![None; rows.len()];
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|&index| {
                let dedupe = starts[index].new.options.dedupe.as_ref();
                (
                    rows[index].tenant,
                    dedupe.map(|dedupe| dedupe.key.clone()),
                    rows[index].id,
                )
            });
            for index in order {
                let dedupe = starts[index].new.options.dedupe.as_ref();
                outcomes[index] = Some(start(statement, rows[index].clone(), dedupe, now)?);
            }
            Ok(outcomes.into_iter().flatten().collect())
        })
        .await
    }

    pub(crate) async fn insert_fenced(
        &mut self,
        lease: &Lease,
        rows: &[StepRow],
    ) -> Result<bool, StoreError> {
        let held = self
            .statement("fence", |statement| {
                Ok(lock_held(statement, lease, Mode::Share)?.is_some())
            })
            .await?;
        for row in rows.iter().filter(|_| held) {
            self.statement("insert step", |statement| {
                insert_step(statement, lease.id, row)
            })
            .await?;
        }
        Ok(held)
    }

    pub(crate) async fn hold(&mut self, lease: &Lease) -> Result<Hold, StoreError> {
        self.statement("hold run", |statement| {
            Ok(match lock_held(statement, lease, Mode::NoKeyUpdate)? {
                None => Hold::Lost,
                Some(run) if run.cancel_requested && !planted::is(Planted::CallsToTheEnd) => {
                    Hold::Cancelled
                }
                Some(_) => Hold::Held,
            })
        })
        .await
    }

    pub(crate) async fn wait(&mut self, lease: &Lease, wait: &Wait) -> Result<(), StoreError> {
        let now = self.now;
        self.statement("wait", |statement| {
            let Some(mut run) = held(statement, lease) else {
                return Ok(());
            };
            let stops = run.cancel_requested;
            run.state = if stops {
                RunState::Queued
            } else {
                RunState::Waiting
            };
            run.due_at = if stops { Some(now) } else { wait.due_at };
            run.owner = None;
            run.awaits = wait.awaits;
            run.progress = wait.progress.clone().or(run.progress);
            run.counts = wait.counts.clone().or(run.counts);
            statement.set_run(run)
        })
        .await
    }

    pub(crate) async fn child(
        &mut self,
        parent: RunId,
        seq: i32,
    ) -> Result<Option<Child>, StoreError> {
        self.statement("child", |statement| {
            let mut all = statement.runs();
            all.extend(statement.finished());
            Ok(all
                .into_iter()
                .find(|run| run.woken_parent() == Some(parent) && run.parent_seq == Some(seq))
                .map(|run| Child {
                    id: run.id,
                    state: run.state,
                    output: run.output,
                    error: run.error,
                }))
        })
        .await
    }

    pub(crate) async fn journal_called(
        &mut self,
        parent: RunId,
        name: &str,
        places: &RangeInclusive<i32>,
    ) -> Result<Vec<Called>, StoreError> {
        self.statement("journal called", |statement| {
            let mut called = Vec::new();
            // Chosen before any is written, as one statement does.
            let mut meant = Vec::new();
            for run in statement.finished() {
                let place = run.parent_seq.filter(|seq| places.contains(seq));
                if let Some(seq) = place.filter(|_| run.woken_parent() == Some(parent))
                    && statement.get(&Key::Step(parent, seq)).is_none()
                {
                    meant.push((seq, run));
                }
            }
            for (seq, run) in meant {
                let succeeded = run.state == RunState::Succeeded;
                let mut error = run.error.unwrap_or_else(unsaid);
                if let Some(error) = error.as_object_mut() {
                    error.remove("seq");
                }
                let child = Called {
                    seq,
                    output: run.output.filter(|_| succeeded),
                    error: Some(error).filter(|_| !succeeded),
                };
                let step = StepRow {
                    seq,
                    name: name.to_owned().into(),
                    key: String::new(),
                    kind: "call".into(),
                    attempt: 1,
                    output: child.output.clone(),
                    error: child.error.clone(),
                    started_at: run.created_at,
                    finished_at: run.finished_at.unwrap_or(run.created_at),
                };
                insert_step(statement, parent, &step)?;
                called.push(child);
            }
            Ok(called)
        })
        .await
    }

    pub(crate) async fn open_called(
        &mut self,
        parent: RunId,
        places: &RangeInclusive<i32>,
    ) -> Result<Vec<i32>, StoreError> {
        self.statement("open called", |statement| {
            Ok(statement
                .runs()
                .into_iter()
                .filter(|run| run.woken_parent() == Some(parent))
                .filter_map(|run| run.parent_seq)
                .filter(|seq| places.contains(seq))
                .collect())
        })
        .await
    }

    pub(crate) async fn has_called(&mut self, parent: RunId, seq: i32) -> Result<bool, StoreError> {
        self.statement("has called", |statement| {
            let mut all = statement.runs();
            all.extend(statement.finished());
            Ok(all.into_iter().any(|run| {
                run.woken_parent() == Some(parent) && run.parent_seq.is_some_and(|at| at >= seq)
            }))
        })
        .await
    }

    /// Cancels a run; its state is then this one.
    pub(crate) async fn stop(
        &mut self,
        id: RunId,
    ) -> Result<Result<RunState, RunState>, StoreError> {
        let (tenant, now) = (self.tenant(), self.now);
        self.statement("cancel", |statement| {
            if statement.run(id).is_some_and(|run| run.tenant == tenant) {
                statement.lock(&Key::Run(id), Mode::Update)?;
            }
            let Some(mut run) = statement.run(id) else {
                let ended = statement.get(&Key::Finished(id));
                return match ended {
                    Some(row) => Ok(Err(row.run().state)),
                    None => Err(StoreError::NotFound(format!("run {id}")).into()),
                };
            };
            note(statement, tenant, id)?;
            if run.state == RunState::Running {
                run.cancel_requested = true;
                statement.set_run(run)?;
                return Ok(Ok(RunState::Running));
            }
            let error = End::cancelled().error.unwrap_or_default();
            let run = end_idle(run, RunState::Cancelled, &error);
            let parent = run.woken_parent();
            statement.end_run(run, now)?;
            if let Some(parent) = parent {
                child_ended(statement, parent, 1, now)?;
            }
            Ok(Ok(RunState::Cancelled))
        })
        .await
    }

    pub(crate) async fn end_overdue(&mut self) -> Result<Stopped, StoreError> {
        let now = self.now;
        let mut overdue = Stopped::default();
        let (stopping, ended) = self
            .statement("end overdue", |statement| {
                let (mut stopping, mut ended) = (Vec::new(), Vec::new());
                let mut due: Vec<_> = statement
                    .runs()
                    .into_iter()
                    .filter(|run| run.deadline.is_some_and(|deadline| deadline <= now))
                    .filter(|run| run.state != RunState::Parked && !run.cancel_requested)
                    .collect();
                due.sort_by_key(|run| run.deadline);
                let error = End::overdue().error.unwrap_or_default();
                for mut run in due {
                    if !statement.try_lock(&Key::Run(run.id), Mode::Update) {
                        continue;
                    }
                    if run.state == RunState::Running {
                        run.cancel_requested = true;
                        stopping.push(run.clone());
                        statement.set_run(run)?;
                    } else {
                        ended.push(run.clone());
                        statement.end_run(end_idle(run, RunState::Failed, &error), now)?;
                    }
                }
                Ok((stopping, ended))
            })
            .await?;
        let stopped: Vec<_> = stopping
            .iter()
            .chain(&ended)
            .map(|run| (run.tenant, run.id))
            .collect();
        overdue.stopping = stopping.into_iter().map(|run| run.id).collect();
        let mut parents = Vec::new();
        for run in ended {
            overdue.ended.push((run.tenant, run.id));
            overdue
                .freed
                .extend(run.key.as_deref().map(|key| Behind::key(run.tenant, key)));
            parents.extend(run.woken_parent().map(|parent| (run.tenant, parent)));
        }
        self.note_all(&stopped).await?;
        if !parents.is_empty() {
            self.wake(&parents).await?;
        }
        Ok(overdue)
    }

    pub(crate) async fn run_row(&mut self, id: RunId) -> Result<RunRow, StoreError> {
        let tenant = self.tenant();
        let run = self
            .statement("read run", |statement| {
                let run = match statement.run(id) {
                    None => statement
                        .get(&Key::Finished(id))
                        .map(|row| row.run().clone()),
                    open => open,
                };
                Ok(run.filter(|run| run.tenant == tenant))
            })
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("run {id}")))?;
        Ok(RunRow {
            tenant: run.tenant,
            id: run.id,
            workflow: run.workflow,
            version: version_from_db(run.version)?,
            state: run.state,
            key: run.key,
            priority: run.priority,
            due_at: run.due_at,
            activations: run.epoch,
            owner: run.owner,
            failed_attempts: run.attempt,
            cancel_requested: run.cancel_requested,
            parent_id: run.parent_id,
            forked_from: None,
            deadline: run.deadline,
            trigger: run.trigger,
            connection_id: run.connection_id,
            stream: run.stream,
            input: Some(run.input),
            output: run.output,
            error: run.error,
            progress: None,
            counts: None,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            behind: run.lane.as_deref().map(Lane::read).transpose()?,
            trace: run.trace,
        })
    }
}

/// One turn of the loop in `start_runs`.
fn start(
    statement: &mut Statement<'_>,
    run: RunRec,
    dedupe: Option<&Dedupe>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Outcome, Stop> {
    let id = run.id;
    if let Some(dedupe) = dedupe {
        let key = Key::Dedupe(run.tenant, dedupe.key.clone());
        let mine = DedupeRec {
            run: id,
            expires_at: expires_at(dedupe, now),
        };
        statement.lock(&key, Mode::Update)?;
        let is_blind = planted::is(Planted::NoDedupe)
            || (planted::is(Planted::FiredTwice) && dedupe.key.starts_with("schedule/"));
        if let Some(holder) = statement.dedupe(&key).filter(|_| !is_blind) {
            if statement.run(holder.run).is_some() {
                statement.lock(&Key::Run(holder.run), Mode::NoKeyUpdate)?;
            }
            let held = statement.run(holder.run);
            let waits = held
                .as_ref()
                .is_some_and(|held| held.state == RunState::Queued && held.started_at.is_none());
            let holds = holder.expires_at > now
                && match dedupe.until {
                    DedupeUntil::Elapsed(_) => true,
                    DedupeUntil::Begun => waits,
                    DedupeUntil::Ended => held.is_some(),
                };
            match (dedupe.mode, held) {
                (DedupeMode::Existing, _) if holds => {
                    return Ok(Outcome::Started(Started::Existing(holder.run)));
                }
                (DedupeMode::Reject, _) if holds => return Ok(Outcome::Rejected(holder.run)),
                (mode, Some(held)) if holds && waits => {
                    statement.set_run(replaced(held, run, mode, now))?;
                    return Ok(Outcome::Started(Started::Existing(holder.run)));
                }
                _ => {}
            }
        }
        statement.put(key, Row::Dedupe(mine));
    }
    statement.insert(Key::Run(id), Row::Run(Box::new(run)))?;
    Ok(Outcome::Started(Started::New(id)))
}

/// A run that waits to begin, with everything of a newer start.
fn replaced(
    held: RunRec,
    new: RunRec,
    mode: DedupeMode,
    now: chrono::DateTime<chrono::Utc>,
) -> RunRec {
    let due_at = match mode {
        DedupeMode::Debounce { window, longest } => {
            Some((now + delta(window)).min(held.created_at + delta(longest)))
        }
        _ => new.due_at,
    };
    RunRec {
        workflow: new.workflow,
        version: new.version,
        key: new.key,
        priority: new.priority,
        parent_id: new.parent_id,
        trigger: new.trigger,
        connection_id: new.connection_id,
        stream: new.stream,
        input: new.input,
        deadline: new.deadline,
        trace: new.trace,
        due_at,
        behind: false,
        asleep: false,
        ..held
    }
}
