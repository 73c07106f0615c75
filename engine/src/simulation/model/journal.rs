//! `store/journal.rs`: the group commit.

use serde_json::json;

use super::client::Transaction;
use super::db::{Mode, Statement};
use super::error::Stop;
use super::rows::{Key, LaneRec, Row, RunRec};
use crate::ids::{RunId, SignalId, TenantId};
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::activations::Lease;
use crate::store::journal::{End, Entry, Recorded, Stays};
use crate::store::lanes::Behind;
use crate::store::runs::RunState;
use crate::store::steps::StepRow;

/// The run, if the lease still stands.
pub(super) fn held(statement: &mut Statement<'_>, lease: &Lease) -> Option<RunRec> {
    let fence = !planted::is(Planted::NoFence);
    statement.run(lease.id).filter(|run| {
        run.tenant == lease.tenant
            && (!fence || (run.epoch == lease.epoch && run.owner == Some(lease.owner)))
    })
}

/// The run, locked, if the lease still stands.
pub(super) fn lock_held(
    statement: &mut Statement<'_>,
    lease: &Lease,
    mode: Mode,
) -> Result<Option<RunRec>, Stop> {
    if held(statement, lease).is_none() {
        return Ok(None);
    }
    statement.lock(&Key::Run(lease.id), mode)?;
    Ok(held(statement, lease))
}

pub(super) fn insert_step(
    statement: &mut Statement<'_>,
    run: RunId,
    step: &StepRow,
) -> Result<(), Stop> {
    statement.insert(Key::Step(run, step.seq), Row::Step(step.clone()))
}

impl Transaction {
    pub(crate) async fn record(&mut self, entries: &[Entry]) -> Result<Recorded, StoreError> {
        let mut recorded = Recorded::default();
        let going: Vec<_> = entries.iter().filter(|entry| entry.end.is_none()).collect();
        let (over, not_over): (Vec<_>, Vec<_>) = entries
            .iter()
            .filter_map(|entry| Some((entry.lease, entry.end.as_ref()?)))
            .partition(|(_, end)| end.state.is_final());
        if !going.is_empty() {
            let held = self
                .statement("journal", |statement| {
                    let mut held = Vec::new();
                    for entry in &going {
                        if let Some(run) = lock_held(statement, &entry.lease, Mode::Share)? {
                            held.push((run.id, run.cancel_requested));
                            for step in &entry.steps {
                                insert_step(statement, run.id, step)?;
                            }
                        }
                    }
                    Ok(held)
                })
                .await?;
            recorded.written.extend(held);
        }
        if !not_over.is_empty() {
            self.give_back(&not_over, &mut recorded).await?;
            let told: Vec<_> = not_over
                .iter()
                .filter(|(lease, _)| recorded.written.contains_key(&lease.id))
                .filter_map(|(lease, end)| Some((*lease, end.due_at?, end.closes_lane.clone()?)))
                .collect();
            if !told.is_empty() {
                self.close_after(&told).await?;
            }
        }
        if !over.is_empty() {
            self.finish(&over, &mut recorded).await?;
        }
        self.insert_steps_and_attempts(entries, &recorded).await?;
        self.forget_journals(&over, &recorded).await?;
        Ok(recorded)
    }

    async fn give_back(
        &mut self,
        ends: &[(Lease, &End)],
        recorded: &mut Recorded,
    ) -> Result<(), StoreError> {
        let now = self.now;
        let given = self
            .statement("give back", |statement| {
                let mut given = Vec::new();
                for (lease, end) in ends {
                    if let Some(run) = lock_held(statement, lease, Mode::NoKeyUpdate)? {
                        let run = given_back(run, end, now);
                        given.push(run.clone());
                        statement.set_run(run)?;
                    }
                }
                Ok(given)
            })
            .await?;
        for run in given {
            recorded.written.insert(run.id, run.cancel_requested);
            if let Some(key) = run.key.as_deref().filter(|_| !run.holds_key) {
                recorded.freed.push(Behind::key(run.tenant, key));
            }
            if run.state == RunState::Queued
                && let Some(due) = run.due_at.filter(|due| *due <= now)
            {
                recorded.requeued = Some(recorded.requeued.map_or(due, |first| first.min(due)));
            }
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        ends: &[(Lease, &End)],
        recorded: &mut Recorded,
    ) -> Result<(), StoreError> {
        let now = self.now;
        let ended = self
            .statement("finish", |statement| {
                let mut ended = Vec::new();
                for (lease, end) in ends {
                    if let Some(run) = lock_held(statement, lease, Mode::Update)? {
                        let still_open = run.clone();
                        let run = ended_with(run, end);
                        ended.push(run.clone());
                        if end.stays == Stays::All && !is_forgotten_wrongly(&run) {
                            statement.end_run(run, now)?;
                        } else {
                            statement.remove(Key::Run(run.id));
                        }
                        if planted::is(Planted::EndedTwice) {
                            let key = Key::Run(still_open.id);
                            statement.put(key, Row::Run(Box::new(still_open)));
                        }
                    }
                }
                Ok(ended)
            })
            .await?;
        let mut parents = Vec::new();
        for run in ended {
            recorded.written.insert(run.id, run.cancel_requested);
            recorded
                .freed
                .extend(run.key.as_deref().map(|key| Behind::key(run.tenant, key)));
            parents.extend(run.woken_parent().map(|parent| (run.tenant, parent)));
        }
        if !parents.is_empty() {
            self.wake(&parents).await?;
            recorded.woke = true;
        }
        Ok(())
    }

    async fn forget_journals(
        &mut self,
        over: &[(Lease, &End)],
        recorded: &Recorded,
    ) -> Result<(), StoreError> {
        let forgotten: Vec<_> = over
            .iter()
            .filter(|(_, end)| end.stays == Stays::Nothing { journaled: true })
            .map(|(lease, _)| lease.id)
            .filter(|run| recorded.written.contains_key(run))
            .collect();
        if forgotten.is_empty() {
            return Ok(());
        }
        self.statement("forget journals", |statement| {
            for run in &forgotten {
                let all = [
                    (Key::Step(*run, i32::MIN), Key::Step(*run, i32::MAX)),
                    (
                        Key::Attempt(*run, i32::MIN, i32::MIN),
                        Key::Attempt(*run, i32::MAX, i32::MAX),
                    ),
                    (
                        Key::Signal(*run, SignalId(uuid::Uuid::nil())),
                        Key::Signal(*run, SignalId(uuid::Uuid::max())),
                    ),
                ];
                for (from, to) in all {
                    for (key, _) in statement.range(from, to) {
                        statement.remove(key);
                    }
                }
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn wake(&mut self, parents: &[(TenantId, RunId)]) -> Result<(), StoreError> {
        let now = self.now;
        self.statement("wake parents", |statement| {
            let mut counts = std::collections::BTreeMap::new();
            for (_, parent) in parents {
                *counts.entry(*parent).or_insert(0) += 1;
            }
            for (parent, ended) in counts {
                child_ended(statement, parent, ended, now)?;
            }
            Ok(())
        })
        .await
    }

    async fn insert_steps_and_attempts(
        &mut self,
        entries: &[Entry],
        recorded: &Recorded,
    ) -> Result<(), StoreError> {
        let written: Vec<_> = entries
            .iter()
            .filter(|entry| recorded.written.contains_key(&entry.lease.id))
            .collect();
        let over: Vec<_> = written.iter().filter(|entry| entry.end.is_some()).collect();
        if over.iter().any(|entry| !entry.steps.is_empty()) {
            self.statement("insert steps", |statement| {
                for entry in &over {
                    for step in &entry.steps {
                        insert_step(statement, entry.lease.id, step)?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        if written.iter().any(|entry| !entry.attempts.is_empty()) {
            self.statement("insert attempts", |statement| {
                for entry in &written {
                    for attempt in &entry.attempts {
                        let key = Key::Attempt(entry.lease.id, attempt.seq, attempt.attempt);
                        statement.insert(key, Row::Attempt(attempt.clone()))?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn close_after(
        &mut self,
        told: &[(Lease, chrono::DateTime<chrono::Utc>, String)],
    ) -> Result<(), StoreError> {
        self.statement("close lanes", |statement| {
            for (lease, until, reason) in told {
                let Some(run) = statement.run(lease.id) else {
                    continue;
                };
                let (kind, name) = match (run.connection_id, run.key) {
                    (Some(id), _) => ("connection", id.0.to_string()),
                    (None, Some(key)) => ("key", key),
                    (None, None) => continue,
                };
                let key = Key::Lane(run.tenant, kind.to_owned(), name.clone());
                statement.lock(&key, Mode::NoKeyUpdate)?;
                let lane = statement.lane(run.tenant, kind, &name).unwrap_or_default();
                if lane.closed_until.is_none_or(|before| before < *until) {
                    let lane = LaneRec {
                        closed_until: Some(*until),
                        closed_reason: Some(reason.clone()),
                        ..lane
                    };
                    statement.put(key, Row::Lane(lane));
                }
            }
            Ok(())
        })
        .await
    }
}

/// Counts ended children for a parent and queues it if it waits for no more.
pub(super) fn child_ended(
    statement: &mut Statement<'_>,
    parent: RunId,
    ended: i32,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Stop> {
    if planted::is(Planted::ParentNotWoken) || statement.run(parent).is_none() {
        return Ok(());
    }
    statement.lock(&Key::Run(parent), Mode::NoKeyUpdate)?;
    let Some(mut run) = statement.run(parent) else {
        return Ok(());
    };
    if run.state == RunState::Waiting && run.awaits <= ended {
        run.state = RunState::Queued;
        run.due_at = Some(now);
    }
    run.awaits = (run.awaits - ended).max(0);
    statement.set_run(run)
}

fn given_back(run: RunRec, end: &End, now: chrono::DateTime<chrono::Utc>) -> RunRec {
    let stops = run.cancel_requested && !planted::is(Planted::CancelForgotten);
    let pausing = matches!(end.state, RunState::Queued | RunState::Waiting);
    RunRec {
        state: if stops { RunState::Queued } else { end.state },
        owner: None,
        asleep: end.state == RunState::Queued && !stops && end.due_at.is_some_and(|due| due > now),
        due_at: if stops {
            Some(now)
        } else if end.state == RunState::Queued {
            end.due_at.or(run.due_at)
        } else {
            end.due_at
        },
        holds_key: run.holds_key && pausing,
        cancel_requested: stops,
        error: end.error.clone(),
        error_class: end.error_class.map(str::to_owned),
        attempt: end.attempt,
        progress: end.progress.clone().or(run.progress),
        counts: end.counts.clone().or(run.counts),
        ..run
    }
}

/// The planted fault.
fn is_forgotten_wrongly(run: &RunRec) -> bool {
    planted::is(Planted::FailureForgotten) && run.workflow == "fleeting"
}

fn ended_with(run: RunRec, end: &End) -> RunRec {
    RunRec {
        state: end.state,
        attempt: end.attempt,
        output: end.output.clone(),
        error: end.error.clone(),
        error_class: end.error_class.map(str::to_owned),
        progress: end.progress.clone().or(run.progress),
        counts: end.counts.clone().or(run.counts),
        ..run
    }
}

/// Ends a run that is not running, as its cancellation or its deadline does.
pub(super) fn end_idle(run: RunRec, state: RunState, error: &serde_json::Value) -> RunRec {
    RunRec {
        state,
        cancel_requested: true,
        output: None,
        error: Some(error.clone()),
        error_class: error["class"].as_str().map(str::to_owned),
        ..run
    }
}

/// As the SQL writes it for children that failed without saying why.
pub(super) fn unsaid() -> serde_json::Value {
    json!({"class": "bug", "message": "run failed"})
}
