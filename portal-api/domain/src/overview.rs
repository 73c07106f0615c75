//! Everything at a glance: what works, what waits, what needs somebody.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{ConnectionId, RunId};
use engine::mapping::Mapping;
use engine::store::connections::ConnectionState;
use engine::store::processes;
use engine::store::runs::{self, RunFilter, RunPage, RunRow};
use engine::{StoreError, Tx};
use serde::Serialize;

/// How many runs the overview shows.
const RECENT: u16 = 8;
/// A schedule that is this much behind is late.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    pub connections_total: i64,
    pub connections_healthy: i64,
    pub connections_attention: i64,
    pub runs_running: i64,
    pub runs_queued: i64,
    pub runs_failed_24h: i64,
    pub runs_succeeded_24h: i64,
    pub accounts: i64,
    pub contacts: i64,
    pub conflicts_open: i64,
    pub writes_pending: i64,
    pub writes_failed: i64,
    pub oldest_pending_write_at: Option<DateTime<Utc>>,
    pub processes: i64,
    pub flows: Vec<Flow>,
}

/// Whether a flow is in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    OnTime,
    Late,
    /// Nothing happens until somebody acts.
    Stopped,
    NeverRun,
}

/// One stream of one connection.
#[derive(Clone, Debug)]
pub struct Flow {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub system: String,
    pub stream: String,
    pub entity: String,
    /// in, out or both
    pub direction: Option<String>,
    pub records: i64,
    pub last_read_at: Option<DateTime<Utc>>,
    pub next_at: Option<DateTime<Utc>>,
    pub state: FlowState,
    pub pending_writes: i64,
    pub conflicts: i64,
    pub failures: i64,
    why: Option<String>,
}

impl Flow {
    /// How it is, in one sentence.
    pub fn sentence(&self) -> String {
        match (self.state, &self.why) {
            (FlowState::OnTime, _) => "On time.".to_owned(),
            (FlowState::NeverRun, _) => "Never read.".to_owned(),
            (FlowState::Late, Some(why)) => format!("Late: {why}."),
            (FlowState::Late, None) => "Late.".to_owned(),
            (FlowState::Stopped, Some(why)) => format!("Stopped: {why}."),
            (FlowState::Stopped, None) => "Stopped.".to_owned(),
        }
    }
}

impl Overview {
    /// What needs somebody, in one sentence.
    pub fn sentence(&self) -> String {
        if self.connections_total == 0 {
            return "Nothing is connected yet.".to_owned();
        }
        let stuck = self
            .flows
            .iter()
            .filter(|flow| matches!(flow.state, FlowState::Late | FlowState::Stopped))
            .count();
        let mut needs = Vec::new();
        if stuck > 0 {
            needs.push(format!("{stuck} of {} flows", self.flows.len()));
        }
        let mut add = |count: i64, one: &str, many: &str| match count {
            0 => {}
            1 => needs.push(format!("1 {one}")),
            count => needs.push(format!("{count} {many}")),
        };
        add(self.conflicts_open, "conflict", "conflicts");
        add(self.writes_failed, "failed write", "failed writes");
        match needs.as_slice() {
            [] => "Everything is in step.".to_owned(),
            [one] => format!(
                "{one} {} you.",
                if one.starts_with("1 ") {
                    "needs"
                } else {
                    "need"
                }
            ),
            [first @ .., last] => format!("{} and {last} need you.", first.join(", ")),
        }
    }
}

/// Reads how things stand.
///
/// # Errors
/// [`StoreError`].
pub async fn read(tx: &mut Tx) -> Result<Overview, StoreError> {
    let tenant = tx.tenant();
    let day_ago = RunId::floor(tx.now() - TimeDelta::hours(24));
    let row = sqlx::query!(
        r#"
        select
            (select count(*) from connections) as "connections_total!",
            (select count(*) from connections where state = 'ok') as "connections_healthy!",
            (select count(*) from connections where state in ('attention', 'stopped'))
                as "connections_attention!",
            (select count(*) from runs where state = 'running') as "runs_running!",
            (select count(*) from runs where state in ('queued', 'waiting')) as "runs_queued!",
            (select count(*) from finished_runs
             where tenant_id = $2 and state = 'failed' and id >= $1)
            + (select count(*) from runs
               where tenant_id = $2 and state = 'parked' and id >= $1) as "runs_failed_24h!",
            (select count(*) from finished_runs
             where tenant_id = $2 and state = 'succeeded' and id >= $1)
                as "runs_succeeded_24h!",
            (select count(*) from accounts where removed_at is null) as "accounts!",
            (select count(*) from contacts where removed_at is null) as "contacts!",
            (select count(*) from conflicts where state = 'open') as "conflicts_open!",
            (select count(*) from writes where state in ('pending', 'sending')) as "writes_pending!",
            (select count(*) from writes where state = 'failed') as "writes_failed!",
            (select min(created_at) from writes where state = 'pending') as oldest_pending_write_at
        "#,
        day_ago.0,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Overview {
        connections_total: row.connections_total,
        connections_healthy: row.connections_healthy,
        connections_attention: row.connections_attention,
        runs_running: row.runs_running,
        runs_queued: row.runs_queued,
        runs_failed_24h: row.runs_failed_24h,
        runs_succeeded_24h: row.runs_succeeded_24h,
        accounts: row.accounts,
        contacts: row.contacts,
        conflicts_open: row.conflicts_open,
        writes_pending: row.writes_pending,
        writes_failed: row.writes_failed,
        oldest_pending_write_at: row.oldest_pending_write_at,
        processes: i64::try_from(processes::alive(tx).await?.len()).unwrap_or(i64::MAX),
        flows: flows(tx).await?,
    })
}

/// The newest runs.
///
/// # Errors
/// [`StoreError`].
pub async fn recent_runs(tx: &mut Tx) -> Result<Vec<RunRow>, StoreError> {
    runs::list(
        tx,
        &RunFilter::default(),
        RunPage {
            after: None,
            limit: RECENT,
        },
    )
    .await
}

async fn flows(tx: &mut Tx) -> Result<Vec<Flow>, StoreError> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        select s.connection_id as "connection_id: ConnectionId", c.name as connection_name,
               c.system, c.state as "connection_state: ConnectionState",
               c.error ->> 'message' as connection_error,
               s.stream, s.entity, s.enabled, s.last_read_at, v.body as "mapping?",
               (select count(*) from records r
                where r.connection_id = s.connection_id and r.stream = s.stream
                  and r.removed_at is null) as "records!",
               (select min(next_at) from schedules
                where schedules.connection_id = s.connection_id and schedules.stream = s.stream
                  and not paused) as next_at,
               (select count(*) from writes w
                where w.connection_id = s.connection_id and w.stream = s.stream
                  and w.state in ('pending', 'sending')) as "pending_writes!",
               (select count(*) from conflicts x
                where x.connection_id = s.connection_id and x.stream = s.stream
                  and x.state = 'open') as "conflicts!",
               (select count(*) from writes w
                where w.connection_id = s.connection_id and w.stream = s.stream
                  and w.state = 'failed')
               + (select count(*) from records r
                  where r.connection_id = s.connection_id and r.stream = s.stream
                    and r.problems is not null) as "failures!",
               (select case when r.state = 'failed' then r.error ->> 'message' end
                from all_runs r
                where r.tenant_id = s.tenant_id and r.connection_id = s.connection_id
                  and r.stream = s.stream
                order by r.id desc
                limit 1) as last_failure
        from streams s
        join connections c on c.id = s.connection_id
        left join mappings m on m.connection_id = s.connection_id and m.stream = s.stream
        left join mapping_versions v on v.mapping_id = m.id and v.version = m.published_version
        order by c.name, c.id, s.stream
        "#,
    )
    .fetch_all(tx.conn())
    .await?;
    let flow = |row: FlowFacts| row.flow(now);
    Ok(rows
        .into_iter()
        .map(|row| {
            flow(FlowFacts {
                is_enabled: row.enabled,
                is_stopped: row.connection_state == ConnectionState::Stopped,
                connection_error: row.connection_error,
                last_failure: row.last_failure,
                flow: Flow {
                    connection_id: row.connection_id,
                    connection_name: row.connection_name,
                    system: row.system,
                    stream: row.stream,
                    entity: row.entity,
                    direction: row.mapping.as_deref().and_then(direction),
                    records: row.records,
                    last_read_at: row.last_read_at,
                    next_at: row.next_at,
                    state: FlowState::OnTime,
                    pending_writes: row.pending_writes,
                    conflicts: row.conflicts,
                    failures: row.failures,
                    why: None,
                },
            })
        })
        .collect())
}

struct FlowFacts {
    flow: Flow,
    is_enabled: bool,
    is_stopped: bool,
    connection_error: Option<String>,
    last_failure: Option<String>,
}

impl FlowFacts {
    fn flow(self, now: DateTime<Utc>) -> Flow {
        let mut flow = self.flow;
        let missed = flow.next_at.filter(|next| now - *next > LATE);
        (flow.state, flow.why) = if !self.is_enabled {
            (FlowState::Stopped, Some("it is switched off".to_owned()))
        } else if self.is_stopped {
            (FlowState::Stopped, self.connection_error)
        } else if flow.direction.is_none() {
            (
                FlowState::Stopped,
                Some("no mapping is published".to_owned()),
            )
        } else if self.last_failure.is_some() {
            (FlowState::Late, self.last_failure)
        } else if let Some(missed) = missed {
            let minutes = (now - missed).num_minutes();
            (
                FlowState::Late,
                Some(format!("a run is due for {minutes} minutes")),
            )
        } else if flow.last_read_at.is_none() {
            (FlowState::NeverRun, None)
        } else {
            (FlowState::OnTime, None)
        };
        flow
    }
}

/// Which ways a mapping goes.
fn direction(text: &str) -> Option<String> {
    let mapping = Mapping::parse(text).ok()?;
    let reads = mapping.rows.iter().any(|row| row.direction.reads());
    let writes = mapping.rows.iter().any(|row| row.direction.writes());
    let way = match (reads, writes) {
        (true, true) => "both",
        (true, false) => "in",
        (false, true) => "out",
        (false, false) => return None,
    };
    Some(way.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_needs_somebody_and_nothing_else() {
        let mut overview = Overview::default();
        assert_eq!(overview.sentence(), "Nothing is connected yet.");
        overview.connections_total = 1;
        assert_eq!(overview.sentence(), "Everything is in step.");
        overview.conflicts_open = 1;
        assert_eq!(overview.sentence(), "1 conflict needs you.");
        overview.writes_failed = 3;
        assert_eq!(
            overview.sentence(),
            "1 conflict and 3 failed writes need you."
        );
    }
}
