//! `store/schedules` as far as firing asks for it.

use chrono::{DateTime, Utc};

use super::client::Transaction;
use super::db::{Mode, Statement};
use super::rows::{Key, Row};
use crate::ids::{RunId, ScheduleId, TenantId};
use crate::runtime::cron::Firing;
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::schedules::{Due, Schedule};

fn find(statement: &mut Statement<'_>, id: ScheduleId) -> Option<(TenantId, Schedule)> {
    match statement.get(&Key::Schedule(id)).as_deref() {
        Some(Row::Schedule(tenant, schedule)) => Some((*tenant, (**schedule).clone())),
        _ => None,
    }
}

impl Statement<'_> {
    pub(super) fn schedules(&mut self) -> Vec<(TenantId, Schedule)> {
        let of = |id| Key::Schedule(ScheduleId(id));
        self.range(of(uuid::Uuid::nil()), of(uuid::Uuid::max()))
            .into_iter()
            .filter_map(|(_, row)| match &*row {
                Row::Schedule(tenant, schedule) => Some((*tenant, (**schedule).clone())),
                _ => None,
            })
            .collect()
    }
}

fn is_due(schedule: &Schedule, now: DateTime<Utc>) -> bool {
    schedule.spec.pause.is_none() && schedule.next.is_some_and(|next| next.at <= now)
}

impl Transaction {
    pub(crate) async fn due_schedules(
        &mut self,
        workflows: &[String],
    ) -> Result<Vec<Due>, StoreError> {
        let now = self.now;
        self.statement("due schedules", |statement| {
            let mut due: Vec<_> = statement
                .schedules()
                .into_iter()
                .filter(|(_, one)| is_due(one, now) && workflows.contains(&one.spec.workflow))
                .collect();
            due.sort_by_key(|(_, one)| one.next.map(|next| next.at));
            Ok(due
                .into_iter()
                .map(|(tenant, one)| Due {
                    tenant,
                    id: one.id,
                    workflow: one.spec.workflow,
                })
                .collect())
        })
        .await
    }

    pub(crate) async fn hold_due(&mut self, id: ScheduleId) -> Result<bool, StoreError> {
        let now = self.now;
        self.statement("hold schedule", |statement| {
            let due = find(statement, id).is_some_and(|(_, one)| is_due(&one, now));
            let key = Key::Schedule(id);
            let locked =
                planted::is(Planted::FiredTwice) || (due && statement.try_lock(&key, Mode::Update));
            Ok(due && locked)
        })
        .await
    }

    pub(crate) async fn schedule(
        &mut self,
        id: ScheduleId,
    ) -> Result<Option<Schedule>, StoreError> {
        self.statement("read schedule", |statement| {
            Ok(find(statement, id).map(|(_, schedule)| schedule))
        })
        .await
    }

    pub(crate) async fn advance_schedule(
        &mut self,
        id: ScheduleId,
        past: Option<DateTime<Utc>>,
        next: Option<Firing>,
    ) -> Result<(), StoreError> {
        self.change_schedule("advance schedule", id, |schedule| {
            schedule.last_nominal = past;
            schedule.next = next;
        })
        .await?;
        Ok(())
    }

    /// Whether there is such a schedule.
    pub(crate) async fn note_started(
        &mut self,
        id: ScheduleId,
        run: RunId,
        version: u16,
    ) -> Result<bool, StoreError> {
        let now = self.now;
        self.change_schedule("note started", id, |schedule| {
            schedule.last_at = Some(now);
            schedule.last_run_id = Some(run);
            schedule.spec.workflow_version = version;
        })
        .await
    }

    async fn change_schedule(
        &mut self,
        what: &'static str,
        id: ScheduleId,
        change: impl Fn(&mut Schedule) + Send,
    ) -> Result<bool, StoreError> {
        self.statement(what, |statement| {
            let key = Key::Schedule(id);
            statement.lock(&key, Mode::NoKeyUpdate)?;
            let Some((tenant, mut schedule)) = find(statement, id) else {
                return Ok(false);
            };
            change(&mut schedule);
            statement.put(key, Row::Schedule(tenant, Box::new(schedule)));
            Ok(true)
        })
        .await
    }
}
