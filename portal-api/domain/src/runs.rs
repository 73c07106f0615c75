//! Runs as people read them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::ids::{ConnectionId, RunId};
use engine::store::attempts::{self, AttemptRow};
use engine::store::keyset::{After, Slice, instant_text};
use engine::store::runs::{self, RunFilter, RunPage, RunRow, RunState};
use engine::store::steps::{self, StepRow};
use engine::{StoreError, Tx};
use serde::Serialize;
use serde_json::Value as Json;

/// Longest output of a step that is shown, in bytes.
const LONGEST_OUTPUT: usize = 16 * 1024;

/// The states of a list: those stored, and what came of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    State(RunState),
    /// Succeeded, but some records failed.
    Partial,
}

/// Which runs a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    pub state: Option<Wanted>,
    pub workflow: Option<String>,
    pub connection_id: Option<ConnectionId>,
    pub key: Option<String>,
    pub error_class: Option<String>,
    pub parent_id: Option<RunId>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// A page of runs, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    tx: &mut Tx,
    query: RunQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<RunRow>, StoreError> {
    let filter = RunFilter {
        states: match query.state {
            None => Vec::new(),
            Some(Wanted::State(state)) => vec![state],
            Some(Wanted::Partial) => vec![RunState::Succeeded],
        },
        partial: match query.state {
            None => None,
            Some(Wanted::Partial) => Some(true),
            // What is shown as partial is not shown as succeeded.
            Some(Wanted::State(state)) => (state == RunState::Succeeded).then_some(false),
        },
        workflow: query.workflow,
        connection_id: query.connection_id,
        key: query.key,
        error_class: query.error_class,
        parent_id: query.parent_id,
        created_from: query.since,
        created_before: query.until,
        ..RunFilter::default()
    };
    let limit_and_one = u16::try_from(limit + 1).unwrap_or(u16::MAX);
    let rows = runs::list(
        tx,
        &filter,
        RunPage {
            after: after.map(|after| RunId(after.id)),
            limit: limit_and_one,
        },
    )
    .await?;
    let place = |last: &RunRow| After {
        value: instant_text(last.created_at),
        id: last.id.0,
    };
    Ok(Slice::cut(rows, limit, place))
}

/// A run, told in full.
#[derive(Clone, Debug)]
pub struct Story {
    pub run: RunRow,
    pub input: Json,
    pub output: Option<Json>,
    pub children: i64,
    pub steps: Vec<Step>,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Step,
    Tx,
    Sleep,
    Signal,
    Child,
    Start,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Done,
    Failed,
    Running,
    Waiting,
}

/// One step with all its attempts.
#[derive(Clone, Debug)]
pub struct Step {
    pub seq: i32,
    pub name: String,
    pub key: String,
    pub kind: StepKind,
    pub state: StepState,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub attempts: Vec<Attempt>,
    pub output: Option<Json>,
    /// Whether the output is too long to show.
    pub truncated: bool,
}

/// One try of a step.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub attempt: i32,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub error: Option<Json>,
    pub next_at: Option<DateTime<Utc>>,
}

/// Everything about a run.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn story(tx: &mut Tx, id: RunId) -> Result<Story, StoreError> {
    let mut run = runs::get(tx, id).await?;
    let journaled = steps::of_run(tx, id).await?;
    let failed = attempts::of_run(tx, id).await?;
    let tenant = tx.tenant();
    let children = sqlx::query_scalar!(
        r#"select count(*) as "count!" from all_runs where tenant_id = $2 and parent_id = $1"#,
        id.0,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await?;
    let (input, output) = (run.input.take(), run.output.take());
    Ok(Story {
        steps: told(journaled, failed, run.state),
        input: input.as_deref().map_or(Json::Null, json),
        output: output.as_deref().map(json),
        children,
        run,
    })
}

/// What workflows stored; they store nothing else than JSON.
fn json(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap_or(Json::Null)
}

fn told(journaled: Vec<StepRow>, failed: Vec<AttemptRow>, run: RunState) -> Vec<Step> {
    let mut tries: BTreeMap<i32, Vec<AttemptRow>> = BTreeMap::new();
    for attempt in failed {
        tries.entry(attempt.seq).or_default().push(attempt);
    }
    let mut steps: Vec<Step> = journaled
        .into_iter()
        .map(|row| finished(tries.remove(&row.seq).unwrap_or_default(), row))
        .collect();
    // Attempts without a journal row belong to the step the run is at.
    steps.extend(
        tries
            .into_iter()
            .filter_map(|(seq, tries)| unfinished(seq, tries, run)),
    );
    steps.sort_by_key(|step| step.seq);
    steps
}

fn finished(tries: Vec<AttemptRow>, row: StepRow) -> Step {
    let started_at = tries
        .first()
        .map_or(row.started_at, |first| first.started_at);
    let mut attempts: Vec<Attempt> = tries.into_iter().map(Attempt::from).collect();
    let is_listed = attempts
        .last()
        .is_some_and(|last| last.attempt >= row.attempt);
    if row.error.is_none() || !is_listed {
        attempts.push(Attempt {
            attempt: row.attempt,
            started_at: row.started_at,
            finished_at: Some(row.finished_at),
            error: row.error.clone(),
            next_at: None,
        });
    }
    let length = row.output.as_ref().map_or(0, Vec::len);
    let shown = row.output.filter(|_| length <= LONGEST_OUTPUT);
    Step {
        seq: row.seq,
        name: row.name.into_owned(),
        key: row.key,
        kind: kind(&row.kind),
        state: if row.error.is_some() {
            StepState::Failed
        } else {
            StepState::Done
        },
        started_at,
        finished_at: Some(row.finished_at),
        attempts,
        output: shown.as_deref().map(json),
        truncated: length > LONGEST_OUTPUT,
    }
}

fn unfinished(seq: i32, tries: Vec<AttemptRow>, run: RunState) -> Option<Step> {
    let (first, last) = (tries.first()?, tries.last()?);
    let state = match run {
        RunState::Running => StepState::Running,
        RunState::Queued | RunState::Waiting => StepState::Waiting,
        _ => StepState::Failed,
    };
    Some(Step {
        seq,
        name: last.name.clone(),
        key: last.key.clone(),
        kind: StepKind::Step,
        state,
        started_at: first.started_at,
        finished_at: (state == StepState::Failed).then_some(last.finished_at),
        attempts: tries.into_iter().map(Attempt::from).collect(),
        output: None,
        truncated: false,
    })
}

fn kind(stored: &str) -> StepKind {
    match stored {
        "tx" => StepKind::Tx,
        "sleep" => StepKind::Sleep,
        "wait" | "signal" => StepKind::Signal,
        "call" => StepKind::Child,
        "start" => StepKind::Start,
        _ => StepKind::Step,
    }
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            attempt: row.attempt,
            started_at: row.started_at,
            finished_at: Some(row.finished_at),
            error: Some(row.error),
            next_at: row.next_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn failed(seq: i32, attempt: i32) -> AttemptRow {
        AttemptRow {
            seq,
            attempt,
            name: "send".to_owned(),
            key: String::new(),
            error: serde_json::json!({"class": "transient", "message": "reset"}),
            started_at: at(i64::from(attempt)),
            finished_at: at(i64::from(attempt)),
            next_at: None,
            counts: true,
        }
    }

    fn done(seq: i32, attempt: i32, output: Vec<u8>) -> StepRow {
        StepRow {
            seq,
            name: "send".into(),
            key: String::new(),
            kind: "step".into(),
            attempt,
            output: Some(output),
            error: None,
            started_at: at(10),
            finished_at: at(11),
        }
    }

    #[test]
    fn a_step_shows_the_attempts_that_failed_before_the_one_that_did_not() {
        let steps = told(
            vec![done(0, 2, b"1".to_vec())],
            vec![failed(0, 1)],
            RunState::Succeeded,
        );
        let [step] = steps.as_slice() else {
            panic!("one step")
        };
        assert_eq!(step.state, StepState::Done);
        assert_eq!(step.started_at, at(1));
        assert_eq!(
            step.attempts
                .iter()
                .map(|one| one.attempt)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert!(step.attempts[1].error.is_none());
    }

    #[test]
    fn the_step_a_run_is_at_waits_runs_or_has_failed_with_it() {
        for (run, expected) in [
            (RunState::Queued, StepState::Waiting),
            (RunState::Running, StepState::Running),
            (RunState::Failed, StepState::Failed),
        ] {
            let steps = told(Vec::new(), vec![failed(3, 1), failed(3, 2)], run);
            assert_eq!((steps[0].seq, steps[0].state), (3, expected));
        }
    }

    #[test]
    fn an_endless_output_is_left_out_and_said_so() {
        let long = serde_json::to_vec(&"x".repeat(20_000)).unwrap();
        let steps = told(vec![done(0, 1, long)], Vec::new(), RunState::Succeeded);
        assert!(steps[0].truncated);
        assert_eq!(steps[0].output, None);
    }
}
