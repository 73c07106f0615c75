//! `store/runs/cascade.rs`: runs that were called by one that was cancelled.

use serde_json::json;

use super::client::Transaction;
use super::db::{Mode, Statement};
use super::error::Stop;
use super::journal::end_idle;
use super::rows::{Key, Row, RunRec};
use crate::ids::{RunId, TenantId};
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::lanes::Behind;
use crate::store::runs::{RunState, Stopped};

/// The open runs that one called.
fn called(statement: &mut Statement<'_>, tenant: TenantId, parent: RunId) -> Vec<RunRec> {
    let mut runs = statement.runs();
    runs.retain(|run| run.tenant == tenant && run.woken_parent() == Some(parent));
    runs
}

/// Notes that what a run called is to be cancelled.
pub(super) fn note(
    statement: &mut Statement<'_>,
    tenant: TenantId,
    parent: RunId,
) -> Result<(), Stop> {
    if called(statement, tenant, parent).is_empty() || planted::is(Planted::CalledForgotten) {
        return Ok(());
    }
    statement.insert_once(Key::CancelledParent(tenant, parent), Row::CancelledParent)
}

impl Transaction {
    pub(super) async fn note_all(
        &mut self,
        parents: &[(TenantId, RunId)],
    ) -> Result<(), StoreError> {
        if parents.is_empty() {
            return Ok(());
        }
        self.statement("note cancelled parents", |statement| {
            for (tenant, parent) in parents {
                note(statement, *tenant, *parent)?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn cancel_called(&mut self) -> Result<Stopped, StoreError> {
        let now = self.now;
        let error = json!({"class": "cancelled", "message": "run was cancelled with its parent"});
        let (stopping, ended) = self
            .statement("cancel called", |statement| {
                let mut parents = statement.cancelled_parents();
                parents.retain(|(tenant, run)| {
                    statement.try_lock(&Key::CancelledParent(*tenant, *run), Mode::Update)
                });
                let (mut stopping, mut ended) = (Vec::new(), Vec::new());
                for (tenant, parent) in parents {
                    for mut run in called(statement, tenant, parent) {
                        if run.cancel_requested
                            || !statement.try_lock(&Key::Run(run.id), Mode::Update)
                        {
                            continue;
                        }
                        if run.state == RunState::Running {
                            run.cancel_requested = true;
                            stopping.push((tenant, run.id));
                            statement.set_run(run)?;
                        } else {
                            ended.push(run.clone());
                            statement.end_run(end_idle(run, RunState::Cancelled, &error), now)?;
                        }
                    }
                }
                Ok((stopping, ended))
            })
            .await?;
        let mut all = stopping.clone();
        all.extend(ended.iter().map(|run| (run.tenant, run.id)));
        self.note_all(&all).await?;
        let mut cascade = Stopped {
            stopping: stopping.into_iter().map(|(_, run)| run).collect(),
            ..Stopped::default()
        };
        let mut parents = Vec::new();
        for run in ended {
            cascade.ended.push((run.tenant, run.id));
            let key = run.key.as_deref();
            cascade
                .freed
                .extend(key.map(|key| Behind::key(run.tenant, key)));
            parents.extend(run.woken_parent().map(|parent| (run.tenant, parent)));
        }
        if !parents.is_empty() {
            self.wake(&parents).await?;
        }
        self.statement("forget cancelled parents", |statement| {
            for (tenant, parent) in statement.cancelled_parents() {
                let is_done = called(statement, tenant, parent)
                    .iter()
                    .all(|run| run.cancel_requested);
                if is_done {
                    let key = Key::CancelledParent(tenant, parent);
                    statement.lock(&key, Mode::Update)?;
                    statement.remove(key);
                }
            }
            Ok(())
        })
        .await?;
        Ok(cascade)
    }
}
