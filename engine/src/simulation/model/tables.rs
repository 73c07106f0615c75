//! The tables, as statements read and write them.

use chrono::{DateTime, Utc};

use super::db::{Mode, Statement};
use super::error::Stop;
use super::rows::{DedupeRec, Key, LaneRec, ProcessRec, Row, RunRec, SignalRec};
use crate::ids::{ProcessId, RunId, SignalId, TenantId};

impl Statement<'_> {
    pub(super) fn runs(&mut self) -> Vec<RunRec> {
        self.range(Key::Run(RunId::MIN), Key::Run(RunId::MAX))
            .iter()
            .map(|(_, row)| row.run().clone())
            .collect()
    }

    pub(super) fn finished(&mut self) -> Vec<RunRec> {
        self.range(Key::Finished(RunId::MIN), Key::Finished(RunId::MAX))
            .iter()
            .map(|(_, row)| row.run().clone())
            .collect()
    }

    pub(super) fn run(&mut self, id: RunId) -> Option<RunRec> {
        self.get(&Key::Run(id)).map(|row| row.run().clone())
    }

    /// `update runs … where id = …`.
    pub(super) fn set_run(&mut self, run: RunRec) -> Result<(), Stop> {
        self.lock(&Key::Run(run.id), Mode::NoKeyUpdate)?;
        self.put(Key::Run(run.id), Row::Run(Box::new(run)));
        Ok(())
    }

    /// Moves a run to the finished ones.
    pub(super) fn end_run(&mut self, run: RunRec, now: DateTime<Utc>) -> Result<(), Stop> {
        self.lock(&Key::Run(run.id), Mode::Update)?;
        self.remove(Key::Run(run.id));
        let run = RunRec {
            holds_key: false,
            behind: false,
            lane: None,
            asleep: false,
            due_at: None,
            owner: None,
            awaits: 0,
            finished_at: Some(now),
            ..run
        };
        self.insert(Key::Finished(run.id), Row::Run(Box::new(run)))
    }

    /// In the order of their keys.
    pub(super) fn cancelled_parents(&mut self) -> Vec<(TenantId, RunId)> {
        let all = |id, run| Key::CancelledParent(TenantId(id), run);
        let (from, to) = (
            all(uuid::Uuid::nil(), RunId::MIN),
            all(uuid::Uuid::max(), RunId::MAX),
        );
        self.range(from, to)
            .into_iter()
            .map(|(key, _)| match key {
                Key::CancelledParent(tenant, run) => (tenant, run),
                other => panic!("{other:?} is no cancelled parent"),
            })
            .collect()
    }

    pub(super) fn processes(&mut self) -> Vec<(ProcessId, ProcessRec)> {
        let all = |id| Key::Process(ProcessId(id));
        self.range(all(uuid::Uuid::nil()), all(uuid::Uuid::max()))
            .into_iter()
            .map(|(key, row)| match key {
                Key::Process(id) => (id, row.process().clone()),
                other => panic!("{other:?} is no process"),
            })
            .collect()
    }

    pub(super) fn lane(&mut self, tenant: TenantId, kind: &str, name: &str) -> Option<LaneRec> {
        let key = Key::Lane(tenant, kind.to_owned(), name.to_owned());
        self.get(&key).map(|row| row.lane().clone())
    }

    pub(super) fn lanes(&mut self) -> Vec<(Key, LaneRec)> {
        let nobody = |id| Key::Lane(TenantId(id), String::new(), String::new());
        self.range(nobody(uuid::Uuid::nil()), nobody(uuid::Uuid::max()))
            .into_iter()
            .map(|(key, row)| (key, row.lane().clone()))
            .collect()
    }

    pub(super) fn signals(&mut self, run: RunId) -> Vec<(SignalId, SignalRec)> {
        let of = |id| Key::Signal(run, SignalId(id));
        self.range(of(uuid::Uuid::nil()), of(uuid::Uuid::max()))
            .into_iter()
            .map(|(key, row)| match key {
                Key::Signal(_, id) => (id, row.signal().clone()),
                other => panic!("{other:?} is no signal"),
            })
            .collect()
    }

    pub(super) fn dedupe(&mut self, key: &Key) -> Option<DedupeRec> {
        self.get(key).map(|row| row.dedupe().clone())
    }
}
