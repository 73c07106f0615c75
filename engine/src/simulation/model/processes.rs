//! `store/processes.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::client::Transaction;
use super::db::Mode;
use super::rows::{Key, ProcessRec, Row};
use crate::ids::ProcessId;
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::processes::{Pulse, SILENCE, UnknownRuns};
use crate::store::runs::RunState;

fn patience() -> TimeDelta {
    let seconds = if planted::is(Planted::LivingBuried) {
        2.0
    } else {
        SILENCE
    };
    TimeDelta::milliseconds((seconds * 1000.0) as i64)
}

fn first(times: impl Iterator<Item = Option<DateTime<Utc>>>) -> Option<DateTime<Utc>> {
    times.flatten().min()
}

impl Transaction {
    pub(crate) async fn register(
        &mut self,
        id: ProcessId,
        host: &str,
        lock_key: i64,
        knows: &[String],
    ) -> Result<(), StoreError> {
        let seen_at = self.server.now();
        self.statement("register", |statement| {
            let process = ProcessRec {
                host: host.to_owned(),
                lock_key,
                seen_at,
                knows: knows.to_vec(),
            };
            statement.insert(Key::Process(id), Row::Process(process))
        })
        .await
    }

    pub(crate) async fn pulse(
        &mut self,
        me: ProcessId,
        thorough: bool,
    ) -> Result<Pulse, StoreError> {
        let server = self.server.clone();
        self.statement("pulse", |statement| {
            // The state is locked by whoever makes the statement.
            let now = statement.server_time();
            let mine = Key::Process(me);
            let mut alive = false;
            if statement.get(&mine).is_some() {
                statement.lock(&mine, Mode::NoKeyUpdate)?;
                if let Some(row) = statement.get(&mine) {
                    let process = ProcessRec {
                        seen_at: now,
                        ..row.process().clone()
                    };
                    statement.put(mine.clone(), Row::Process(process));
                    alive = true;
                }
            }
            let mut dead = Vec::new();
            for (id, process) in statement.processes() {
                if id == me {
                    continue;
                }
                let lock = Key::Session(process.lock_key);
                let is_free = statement.session_is_free(process.lock_key)
                    && statement.try_lock(&lock, Mode::Update);
                if is_free || process.seen_at < now - patience() {
                    dead.push(id);
                }
            }
            let runs = statement.runs();
            let queued = || runs.iter().filter(|run| run.state == RunState::Queued);
            let schedules = statement.schedules();
            let orphans = !statement.cancelled_parents().is_empty();
            let closed = statement
                .lanes()
                .into_iter()
                .map(|(_, lane)| lane.closed_until);
            Ok(Pulse {
                alive,
                dead,
                cancelled: runs
                    .iter()
                    .filter(|run| run.owner == Some(me) && run.cancel_requested)
                    .map(|run| run.id)
                    .collect(),
                ready: thorough && queued().any(|run| run.is_ready()),
                next_due: first(
                    queued()
                        .filter(|run| thorough && run.asleep && !run.behind)
                        .map(|run| run.due_at),
                ),
                next_wait: first(
                    runs.iter()
                        .filter(|run| thorough && run.state == RunState::Waiting)
                        .map(|run| run.due_at),
                ),
                next_schedule: first(
                    schedules
                        .iter()
                        .filter(|(_, schedule)| schedule.spec.pause.is_none())
                        .map(|(_, schedule)| schedule.next.map(|next| next.at)),
                ),
                next_deadline: first(
                    runs.iter()
                        .filter(|run| {
                            thorough && run.state != RunState::Parked && !run.cancel_requested
                        })
                        .map(|run| run.deadline),
                ),
                next_opening: first(closed),
                behind: thorough && queued().any(|run| run.behind),
                orphans,
            })
        })
        .await
        .inspect(|pulse| {
            for dead in &pulse.dead {
                server.note(|| format!("found dead: {dead}"));
            }
        })
    }

    pub(crate) async fn bury(&mut self, id: ProcessId) -> Result<u64, StoreError> {
        self.statement("bury", |statement| {
            let key = Key::Process(id);
            if statement.get(&key).is_some() {
                statement.lock(&key, Mode::Update)?;
                statement.remove(key);
            }
            Ok(())
        })
        .await?;
        self.release_all(id).await
    }

    pub(crate) async fn unknown_runs(&mut self) -> Result<Vec<UnknownRuns>, StoreError> {
        let server = self.server.clone();
        let now = server.now();
        self.statement("unknown runs", |statement| {
            let processes = statement.processes();
            let ready: BTreeSet<_> = statement
                .runs()
                .into_iter()
                .filter(|run| run.is_ready())
                .map(|run| (run.tenant, run.workflow, run.version))
                .collect();
            Ok(ready
                .into_iter()
                .filter(|(_, workflow, version)| {
                    let name = format!("{workflow}/{version}");
                    !processes.iter().any(|(_, process)| {
                        process.seen_at > now - patience() && process.knows.contains(&name)
                    })
                })
                .map(|(tenant, workflow, version)| UnknownRuns {
                    tenant,
                    workflow,
                    version,
                })
                .collect())
        })
        .await
    }
}
