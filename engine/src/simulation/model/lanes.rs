//! `store/lanes/behind.rs`, and what `lane_room` in the migrations says.

use chrono::{DateTime, Utc};

use super::client::Transaction;
use super::db::{Mode, Statement};
use super::error::Stop;
use super::rows::{Key, LaneRec, Row};
use crate::ids::TenantId;
use crate::store::StoreError;
use crate::store::lanes::Behind;
use crate::store::runs::RunState;

/// How many of the runs behind a lane may go.
fn lane_room(
    statement: &mut Statement<'_>,
    tenant: TenantId,
    behind: &str,
    now: DateTime<Utc>,
) -> usize {
    let (kind, name) = behind.split_once('/').unwrap_or((behind, ""));
    let lane = statement.lane(tenant, kind, name).unwrap_or_default();
    if lane.is_shut(now) {
        return 0;
    }
    if kind != "key" {
        return 10_000;
    }
    let holders = statement
        .runs()
        .iter()
        .filter(|run| run.tenant == tenant && run.key.as_deref() == Some(name) && run.holds_key)
        .filter(|run| !(run.behind && run.lane.as_deref() == Some(behind)))
        .count();
    usize::try_from(lane.max_running.unwrap_or(1))
        .unwrap_or(0)
        .saturating_sub(holders)
}

fn free(
    statement: &mut Statement<'_>,
    lanes: &[Behind],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Stop> {
    let mut distinct: Vec<_> = lanes.iter().map(Behind::parts).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut freed = Vec::new();
    for (tenant, lane) in distinct {
        let room = lane_room(statement, tenant, lane, now);
        let mut waiting: Vec<_> = statement
            .runs()
            .into_iter()
            .filter(|run| run.tenant == tenant && run.lane.as_deref() == Some(lane))
            .filter(|run| run.state == RunState::Queued && run.behind)
            .collect();
        waiting.sort_by_key(|run| {
            let first = (!run.holds_key, std::cmp::Reverse(run.priority));
            (first, run.due_at, run.id)
        });
        let unlocked = waiting
            .into_iter()
            .filter(|run| statement.try_lock(&Key::Run(run.id), Mode::Update))
            .take(room);
        freed.extend(unlocked);
    }
    let earliest = freed.iter().filter_map(|run| run.due_at).min();
    for mut run in freed {
        run.behind = false;
        run.lane = None;
        statement.set_run(run)?;
    }
    Ok(earliest)
}

impl Transaction {
    pub(crate) async fn free(
        &mut self,
        lanes: &[Behind],
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let now = self.now;
        self.statement("free", |statement| free(statement, lanes, now))
            .await
    }

    pub(crate) async fn free_forgotten(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let now = self.now;
        let lanes = self
            .statement("lanes with room", |statement| {
                let mut lanes: Vec<_> = statement
                    .runs()
                    .into_iter()
                    .filter(|run| run.state == RunState::Queued && run.behind)
                    .filter_map(|run| Some((run.tenant, run.lane?)))
                    .collect();
                lanes.sort();
                lanes.dedup();
                lanes.retain(|(tenant, lane)| lane_room(statement, *tenant, lane, now) > 0);
                Ok(lanes)
            })
            .await?;
        if lanes.is_empty() {
            return Ok(None);
        }
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|(tenant, lane)| Behind::named(tenant, lane))
            .collect();
        self.free(&lanes).await
    }

    pub(crate) async fn open_due(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        let opened = self
            .statement("open lanes", |statement| {
                let mut opened = Vec::new();
                for (key, lane) in statement.lanes() {
                    if lane.closed_until.is_none_or(|until| until > now) {
                        continue;
                    }
                    statement.lock(&key, Mode::NoKeyUpdate)?;
                    let lane = LaneRec {
                        closed_until: None,
                        closed_reason: None,
                        ..lane
                    };
                    statement.put(key.clone(), Row::Lane(lane));
                    opened.push(key);
                }
                Ok(opened)
            })
            .await?;
        self.statement("drop lanes", |statement| {
            for (key, lane) in statement.lanes() {
                if lane.says_nothing() {
                    statement.lock(&key, Mode::Update)?;
                    statement.remove(key);
                }
            }
            Ok(())
        })
        .await?;
        let lanes: Vec<_> = opened
            .into_iter()
            .filter_map(|key| match key {
                Key::Lane(tenant, kind, name) if ["key", "connection"].contains(&&*kind) => {
                    Some(Behind::named(tenant, format!("{kind}/{name}")))
                }
                _ => None,
            })
            .collect();
        self.free(&lanes).await?;
        Ok(())
    }
}
