//! What both sides hold, in one form.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use sqlx::PgPool;

use crate::simulation::model::{Key, Row, RunRec, Server};

pub(super) type Tables = BTreeMap<&'static str, Vec<Json>>;

/// Each with its rows as arrays, in an order that both sides have.
const TABLES: [(&str, &str); 10] = [
    (
        "runs",
        "select json_build_array(tenant_id, id, workflow, version, state, key, holds_key, behind, lane,
                asleep, priority, micros(due_at), epoch, owner, attempt, cancel_requested,
                parent_id, parent_seq, wakes_parent, awaits, micros(deadline), trigger,
                connection_id, stream, encode(input, 'hex'), error, error_class, progress, counts,
                micros(created_at), micros(started_at), trace)
         from runs order by id",
    ),
    (
        "finished_runs",
        "select json_build_array(tenant_id, id, workflow, version, state, key, priority, epoch,
                attempt, cancel_requested, parent_id, parent_seq, wakes_parent, micros(deadline),
                trigger, connection_id, stream, encode(input, 'hex'), encode(output, 'hex'), error,
                error_class, progress, counts, micros(created_at), micros(started_at),
                micros(finished_at), trace)
         from finished_runs order by id",
    ),
    (
        "steps",
        "select json_build_array(run_id, seq, name, key, kind, attempt, encode(output, 'hex'), error,
                micros(started_at), micros(finished_at))
         from steps order by run_id, seq",
    ),
    (
        "attempts",
        "select json_build_array(run_id, seq, attempt, name, key, error, micros(next_at), counts)
         from attempts order by run_id, seq, attempt",
    ),
    (
        "signals",
        "select json_build_array(run_id, id, name, dedupe, encode(body, 'hex'), taken_seq)
         from signals order by run_id, id",
    ),
    (
        "run_dedupe",
        "select json_build_array(tenant_id, key, run_id, micros(expires_at))
         from run_dedupe order by tenant_id, key",
    ),
    (
        "cancelled_parents",
        "select json_build_array(tenant_id, run_id)
         from cancelled_parents order by tenant_id, run_id",
    ),
    (
        "lanes",
        "select json_build_array(tenant_id, kind, name, max_running, weight, micros(closed_until),
                closed_reason, micros(paused_at))
         from lanes order by tenant_id, kind, name",
    ),
    (
        "processes",
        "select json_build_array(id, host, lock_key, knows) from processes order by id",
    ),
    (
        "schedules",
        "select json_build_array(id, micros(next_nominal), micros(next_at), micros(last_nominal),
                micros(last_at), last_run_id, workflow_version)
         from schedules order by id",
    ),
];

pub(super) async fn of_postgres(sql: &PgPool) -> Tables {
    let mut tables = Tables::new();
    sqlx::query(
        "create or replace function micros(at timestamptz) returns bigint
         language sql immutable strict
         return (extract(epoch from at) * 1000000)::bigint",
    )
    .execute(sql)
    .await
    .unwrap();
    for (table, select) in TABLES {
        let rows = sqlx::query_scalar::<_, Json>(select);
        tables.insert(table, rows.fetch_all(sql).await.unwrap());
    }
    tables
}

fn micros(at: Option<DateTime<Utc>>) -> Option<i64> {
    at.map(|at| at.timestamp_micros())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(run: &RunRec) -> Json {
    json!([
        run.tenant.0,
        run.id.0,
        run.workflow,
        run.version,
        run.state.as_str(),
        run.key,
        run.holds_key,
        run.behind,
        run.lane,
        run.asleep,
        run.priority,
        micros(run.due_at),
        run.epoch,
        run.owner.map(|id| id.0),
        run.attempt,
        run.cancel_requested,
        run.parent_id.map(|id| id.0),
        run.parent_seq,
        run.wakes_parent,
        run.awaits,
        micros(run.deadline),
        run.trigger,
        run.connection_id.map(|id| id.0),
        run.stream,
        hex(&run.input),
        run.error,
        run.error_class,
        run.progress,
        run.counts,
        micros(Some(run.created_at)),
        micros(run.started_at),
        run.trace.as_ref().map(ToString::to_string)
    ])
}

fn finished(run: &RunRec) -> Json {
    json!([
        run.tenant.0,
        run.id.0,
        run.workflow,
        run.version,
        run.state.as_str(),
        run.key,
        run.priority,
        run.epoch,
        run.attempt,
        run.cancel_requested,
        run.parent_id.map(|id| id.0),
        run.parent_seq,
        run.wakes_parent,
        micros(run.deadline),
        run.trigger,
        run.connection_id.map(|id| id.0),
        run.stream,
        hex(&run.input),
        run.output.as_deref().map(hex),
        run.error,
        run.error_class,
        run.progress,
        run.counts,
        micros(Some(run.created_at)),
        micros(run.started_at),
        micros(run.finished_at),
        run.trace.as_ref().map(ToString::to_string)
    ])
}

pub(super) fn of_model(server: &Server) -> Tables {
    let state = server.state();
    let mut tables: Tables = TABLES
        .iter()
        .map(|(table, _)| (*table, Vec::new()))
        .collect();
    for (key, row) in state.db.rows() {
        let (table, row) = match (key, &**row) {
            (Key::Run(_), Row::Run(run)) => ("runs", open(run)),
            (Key::Finished(_), Row::Run(run)) => ("finished_runs", finished(run)),
            (Key::Step(run, _), Row::Step(step)) => (
                "steps",
                json!([
                    run.0,
                    step.seq,
                    step.name,
                    step.key,
                    step.kind,
                    step.attempt,
                    step.output.as_deref().map(hex),
                    step.error,
                    micros(Some(step.started_at)),
                    micros(Some(step.finished_at))
                ]),
            ),
            (Key::Attempt(run, ..), Row::Attempt(attempt)) => (
                "attempts",
                json!([
                    run.0,
                    attempt.seq,
                    attempt.attempt,
                    attempt.name,
                    attempt.key,
                    attempt.error,
                    micros(attempt.next_at),
                    attempt.counts
                ]),
            ),
            (Key::Signal(run, id), Row::Signal(signal)) => (
                "signals",
                json!([
                    run.0,
                    id.0,
                    signal.name,
                    signal.dedupe,
                    hex(&signal.body),
                    signal.taken_seq
                ]),
            ),
            (Key::Dedupe(tenant, key), Row::Dedupe(dedupe)) => (
                "run_dedupe",
                json!([tenant.0, key, dedupe.run.0, micros(Some(dedupe.expires_at))]),
            ),
            (Key::CancelledParent(tenant, run), Row::CancelledParent) => {
                ("cancelled_parents", json!([tenant.0, run.0]))
            }
            (Key::Lane(tenant, kind, name), Row::Lane(lane)) => (
                "lanes",
                json!([
                    tenant.0,
                    kind,
                    name,
                    lane.max_running,
                    lane.weight,
                    micros(lane.closed_until),
                    lane.closed_reason,
                    micros(lane.paused_at)
                ]),
            ),
            (Key::Process(id), Row::Process(process)) => (
                "processes",
                json!([id.0, process.host, process.lock_key, process.knows]),
            ),
            (Key::Schedule(id), Row::Schedule(_, schedule)) => (
                "schedules",
                json!([
                    id.0,
                    micros(schedule.next.map(|next| next.nominal)),
                    micros(schedule.next.map(|next| next.at)),
                    micros(schedule.last_nominal),
                    micros(schedule.last_at),
                    schedule.last_run_id.map(|id| id.0),
                    schedule.spec.workflow_version
                ]),
            ),
            _ => continue,
        };
        tables.entry(table).or_default().push(row);
    }
    tables
}
