//! `store/activations.rs` but the claim: loading, giving back, waking.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::client::Transaction;
use super::db::Mode;
use super::journal::held;
use super::rows::{Key, Row, RunRec};
use crate::ids::{ProcessId, RunId};
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::activations::{History, Lease, PastAttempts, Woken};
use crate::store::lanes::Behind;
use crate::store::processes::UnknownRuns;
use crate::store::runs::RunState;
use crate::store::time_used::TimeUsed;

/// Most runs that one statement wakes or parks.
const MOST: usize = 1000;

/// Queues a running run again.
fn released(run: RunRec) -> RunRec {
    RunRec {
        state: RunState::Queued,
        owner: None,
        ..run
    }
}

impl Transaction {
    pub(crate) async fn wake_sleepers(&mut self) -> Result<Woken, StoreError> {
        let now = self.now;
        self.statement("wake sleepers", |statement| {
            let mut asleep: Vec<_> = statement
                .runs()
                .into_iter()
                .filter(|run| run.state == RunState::Queued && run.asleep && !run.behind)
                .collect();
            asleep.sort_by_key(|run| run.due_at);
            let next = asleep
                .iter()
                .filter_map(|run| run.due_at)
                .find(|due| *due > now);
            let (mut woken, mut earliest) = (0, None);
            for mut run in asleep {
                let is_due = run.due_at.is_some_and(|due| due <= now);
                if !is_due || woken == MOST || !statement.try_lock(&Key::Run(run.id), Mode::Update)
                {
                    continue;
                }
                woken += 1;
                earliest = earliest.or(run.due_at);
                run.asleep = false;
                statement.set_run(run)?;
            }
            let next = if woken == MOST { Some(now) } else { next };
            Ok(Woken { earliest, next })
        })
        .await
    }

    pub(crate) async fn histories(&mut self, leases: &[Lease]) -> Result<Vec<History>, StoreError> {
        let mut histories = self
            .statement("load steps", |statement| {
                let mut histories = Vec::new();
                for lease in leases {
                    let (from, to) = (Key::Step(lease.id, i32::MIN), Key::Step(lease.id, i32::MAX));
                    let rows = statement.range(from, to);
                    histories.push(History {
                        steps: rows.iter().map(|(_, row)| row.step().clone()).collect(),
                        attempts: BTreeMap::new(),
                    });
                }
                Ok(histories)
            })
            .await?;
        if planted::is(Planted::LastStepRunsAgain) {
            for history in &mut histories {
                history.steps.pop();
            }
        }
        let attempts = self
            .statement("load attempts", |statement| {
                let mut attempts = Vec::new();
                for lease in leases {
                    let from = Key::Attempt(lease.id, i32::MIN, i32::MIN);
                    let to = Key::Attempt(lease.id, i32::MAX, i32::MAX);
                    attempts.push(statement.range(from, to));
                }
                Ok(attempts)
            })
            .await?;
        if planted::is(Planted::BackOffForgotten) {
            return Ok(histories);
        }
        for (history, rows) in histories.iter_mut().zip(attempts) {
            for (_, row) in rows {
                let row = row.attempt();
                if history.steps.iter().any(|step| step.seq == row.seq) {
                    continue;
                }
                let past: &mut PastAttempts = history.attempts.entry(row.seq).or_default();
                past.last = past.last.max(row.attempt.unsigned_abs());
                past.counted += u32::from(row.counts);
                past.next_at = past.next_at.max(row.next_at);
            }
        }
        Ok(histories)
    }

    pub(crate) async fn release(&mut self, leases: &[Lease]) -> Result<u64, StoreError> {
        self.statement("release", |statement| {
            let mut count = 0;
            for lease in leases {
                if held(statement, lease).is_none() {
                    continue;
                }
                statement.lock(&Key::Run(lease.id), Mode::NoKeyUpdate)?;
                if let Some(run) = held(statement, lease) {
                    statement.set_run(released(run))?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }

    pub(super) async fn release_all(&mut self, owner: ProcessId) -> Result<u64, StoreError> {
        if planted::is(Planted::NotReleased) {
            return Ok(0);
        }
        self.release_where("release all", |run| run.owner == Some(owner))
            .await
    }

    pub(crate) async fn release_orphans(&mut self) -> Result<u64, StoreError> {
        if planted::is(Planted::NotReleased) {
            return Ok(0);
        }
        self.statement("release orphans", |statement| {
            let processes: Vec<_> = statement.processes().into_iter().map(|one| one.0).collect();
            let mut count = 0;
            for run in statement.runs() {
                if run.owner.is_some_and(|owner| !processes.contains(&owner)) {
                    statement.set_run(released(run))?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }

    async fn release_where(
        &mut self,
        what: &'static str,
        which: impl Fn(&RunRec) -> bool + Send,
    ) -> Result<u64, StoreError> {
        self.statement(what, |statement| {
            let mut count = 0;
            for run in statement.runs() {
                if run.state == RunState::Running && which(&run) {
                    statement.set_run(released(run))?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }

    pub(crate) async fn park_unknown(
        &mut self,
        unknown: &UnknownRuns,
        message: &str,
    ) -> Result<Vec<(RunId, Option<Behind>)>, StoreError> {
        self.statement("park unknown", |statement| {
            let mut parked = Vec::new();
            for mut run in statement.runs() {
                let is_meant = run.is_ready()
                    && (run.tenant, &run.workflow, run.version)
                        == (unknown.tenant, &unknown.workflow, unknown.version);
                if !is_meant || !statement.try_lock(&Key::Run(run.id), Mode::Update) {
                    continue;
                }
                run.state = RunState::Parked;
                run.due_at = None;
                run.holds_key = false;
                run.error_class = Some("bug".to_owned());
                run.error = Some(json!({"class": "bug", "message": message, "code": "parked"}));
                let freed = run.key.as_deref().map(|key| Behind::key(run.tenant, key));
                parked.push((run.id, freed));
                statement.set_run(run)?;
            }
            Ok(parked)
        })
        .await
    }

    pub(crate) async fn wake_overdue(&mut self) -> Result<u64, StoreError> {
        let now = self.now;
        self.statement("wake overdue", |statement| {
            let mut count = 0;
            for mut run in statement.runs() {
                let is_due =
                    run.state == RunState::Waiting && run.due_at.is_some_and(|due| due <= now);
                if is_due && statement.try_lock(&Key::Run(run.id), Mode::Update) {
                    run.state = RunState::Queued;
                    statement.set_run(run)?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }

    pub(crate) async fn show_progress(
        &mut self,
        rows: &[(Lease, Option<Json>, Option<Json>)],
    ) -> Result<(), StoreError> {
        self.statement("show progress", |statement| {
            for (lease, progress, counts) in rows {
                if held(statement, lease).is_none() {
                    continue;
                }
                statement.lock(&Key::Run(lease.id), Mode::NoKeyUpdate)?;
                if let Some(mut run) = held(statement, lease) {
                    run.progress = progress.clone().or(run.progress);
                    run.counts = counts.clone().or(run.counts);
                    statement.set_run(run)?;
                }
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn forget_expired_keys(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        self.statement("forget keys", |statement| {
            let of = |id, key: &str| Key::Dedupe(crate::ids::TenantId(id), key.to_owned());
            let (from, to) = (
                of(uuid::Uuid::nil(), ""),
                of(uuid::Uuid::max(), "\u{10ffff}"),
            );
            for (key, row) in statement.range(from, to) {
                if row.dedupe().expires_at < now {
                    statement.lock(&key, Mode::Update)?;
                    statement.remove(key);
                }
            }
            Ok(())
        })
        .await
    }

    /// What others used is not known here: every process counts for itself.
    pub(crate) async fn add_time_used(
        &mut self,
        _more: &[TimeUsed],
    ) -> Result<Vec<TimeUsed>, StoreError> {
        self.statement("time used", |_| Ok(Vec::new())).await
    }

    pub(crate) async fn forget_time_used(&mut self) -> Result<(), StoreError> {
        self.statement("forget time used", |_| Ok(())).await
    }

    pub(crate) async fn oldest_snapshot(&mut self) -> Result<Duration, StoreError> {
        self.statement("oldest snapshot", |_| Ok(Duration::ZERO))
            .await
    }

    /// What a transactional step of the simulation does: it counts how often.
    pub(crate) async fn effect(&mut self, run: RunId, step: &str) -> Result<u32, StoreError> {
        let key = Key::Effect(run, step.to_owned());
        let count = self
            .statement("effect", |statement| {
                statement.lock(&key, Mode::NoKeyUpdate)?;
                let before = match statement.get(&key).as_deref() {
                    Some(Row::Effect(count)) => *count,
                    _ => 0,
                };
                statement.put(key.clone(), Row::Effect(before + 1));
                Ok(before + 1)
            })
            .await?;
        if planted::is(Planted::EffectApart) {
            self.commit_part(&key);
        }
        Ok(count)
    }
}
