//! Starting runs, once each where a dedupe key says so. What a key means is decided in the database
//! (`start_runs` in the migrations), because starts come from SQL too.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Dedupe, DedupeMode, DedupeUntil, NewRun, Started, version_to_db};
use crate::failpoints::{self, Failpoint};
use crate::ids::{RunId, TenantId};
use crate::store::{StoreError, SystemTx, Tx};

/// How long a key is kept whose run decides how long it holds; the row only has to outlive the run.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Longer times are cut to this: a hundred years.
const LONGEST: TimeDelta = TimeDelta::days(36_525);

/// Starts a run in the caller's transaction; workers see it once that has committed.
///
/// # Errors
/// [`StoreError::TooLarge`]; [`StoreError::Duplicate`] when the dedupe key is taken and its mode
/// says to reject; [`StoreError::Conflict`] for a debounced run with a due time of its own;
/// [`StoreError::Database`].
pub async fn start(tx: &mut Tx, new: NewRun) -> Result<Started, StoreError> {
    start_as(tx, RunId::fresh(), &new, Lineage::of(&new)).await
}

/// How a run hangs on its parent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lineage {
    pub(crate) parent_id: Option<RunId>,
    pub(crate) parent_seq: Option<i32>,
    pub(crate) wakes_parent: bool,
}

impl Lineage {
    fn of(new: &NewRun) -> Self {
        Self {
            parent_id: new.parent_id,
            ..Self::default()
        }
    }
}

/// [`start`] with an id that the caller has written down already.
pub(crate) async fn start_as(
    tx: &mut Tx,
    id: RunId,
    new: &NewRun,
    lineage: Lineage,
) -> Result<Started, StoreError> {
    new.check(tx.limits())?;
    let start = Start::new(tx.tenant(), id, new, lineage);
    let outcomes = start_in(tx, &[start]).await?;
    failpoints::reach(Failpoint::StartInserted);
    announce(tx, outcomes)?.pop().ok_or_else(unanswered)
}

/// Starts many runs in one statement; returns what became of each, in their order. Of several with
/// one dedupe key the first is started and the others find it.
///
/// # Errors
/// As [`start`]; then none of them is started.
pub async fn start_many(tx: &mut Tx, new: &[NewRun]) -> Result<Vec<Started>, StoreError> {
    let (tenant, now) = (tx.tenant(), tx.now());
    for run in new {
        run.check(tx.limits())?;
    }
    let starts: Vec<_> = new
        .iter()
        .map(|new| Start::new(tenant, RunId::fresh(), new, Lineage::of(new)))
        .collect();
    let may_reject = new.iter().any(|new| {
        let dedupe = new.options.dedupe.as_ref();
        dedupe.is_some_and(|dedupe| dedupe.mode == DedupeMode::Reject)
    });
    if !may_reject {
        let outcomes = start_all(tx.conn(), now, &starts).await?;
        return announce(tx, outcomes);
    }
    let mut savepoint = tx.conn().begin().await?;
    let outcomes = start_all(&mut savepoint, now, &starts).await?;
    if outcomes
        .iter()
        .any(|one| matches!(one, Outcome::Rejected(_)))
    {
        savepoint.rollback().await?;
    } else {
        savepoint.commit().await?;
    }
    announce(tx, outcomes)
}

/// Starts children at their places in the parent that will wait for them.
pub(super) async fn start_called(
    tx: &mut Tx,
    new: &[(&NewRun, Option<i32>)],
) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    let mut starts = Vec::with_capacity(new.len());
    for (run, place) in new {
        run.check(tx.limits())?;
        let lineage = Lineage {
            parent_id: run.parent_id,
            parent_seq: *place,
            wakes_parent: place.is_some(),
        };
        starts.push(Start::new(tenant, RunId::fresh(), run, lineage));
    }
    let outcomes = start_in(tx, &starts).await?;
    announce(tx, outcomes)?;
    Ok(())
}

/// [`start_all`] in a tenant's transaction.
async fn start_in(tx: &mut Tx, starts: &[Start<'_>]) -> Result<Vec<Outcome>, StoreError> {
    modelled!(tx, start_all(starts));
    let now = tx.now();
    start_all(tx.conn(), now, starts).await
}

/// [`start_all`] for several tenants.
pub(crate) async fn start_for_all(
    tx: &mut SystemTx,
    starts: &[Start<'_>],
) -> Result<Vec<Outcome>, StoreError> {
    modelled!(tx, start_all(starts));
    let now = tx.now();
    start_all(tx.conn(), now, starts).await
}

/// Wakes workers and tells watchers, once the transaction has committed.
fn announce(tx: &mut Tx, outcomes: Vec<Outcome>) -> Result<Vec<Started>, StoreError> {
    let started = outcomes
        .into_iter()
        .map(Outcome::into_result)
        .collect::<Result<Vec<_>, _>>()?;
    for one in &started {
        tx.changed("run", one.id());
    }
    tx.ring();
    Ok(started)
}

/// A start with its tenant and id.
pub(crate) struct Start<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) id: RunId,
    pub(crate) new: &'a NewRun,
    pub(crate) lineage: Lineage,
}

impl<'a> Start<'a> {
    fn new(tenant: TenantId, id: RunId, new: &'a NewRun, lineage: Lineage) -> Self {
        Self {
            tenant,
            id,
            new,
            lineage,
        }
    }

    /// With a new id, and a parent that does not wait for it.
    pub(crate) fn of(tenant: TenantId, new: &'a NewRun) -> Self {
        Self::new(tenant, RunId::fresh(), new, Lineage::of(new))
    }
}

/// What became of one of several starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Started(Started),
    /// The dedupe key is this run's.
    Rejected(RunId),
}

impl Outcome {
    pub(crate) fn into_result(self) -> Result<Started, StoreError> {
        match self {
            Self::Started(started) => Ok(started),
            Self::Rejected(run) => Err(StoreError::Duplicate(run)),
        }
    }
}

/// A dedupe key as columns.
#[derive(Default)]
struct DedupeColumns {
    key: Option<String>,
    until: Option<&'static str>,
    expires_at: Option<DateTime<Utc>>,
    mode: Option<&'static str>,
    debounce: Option<i64>,
    debounce_longest: Option<i64>,
}

impl DedupeColumns {
    fn of(dedupe: Option<&Dedupe>, now: DateTime<Utc>) -> Self {
        let Some(dedupe) = dedupe else {
            return Self::default();
        };
        let until = match dedupe.until {
            DedupeUntil::Elapsed(_) => "elapsed",
            DedupeUntil::Begun => "begun",
            DedupeUntil::Ended => "ended",
        };
        let (mode, debounce, debounce_longest) = match dedupe.mode {
            DedupeMode::Existing => ("existing", None, None),
            DedupeMode::Replace => ("replace", None, None),
            DedupeMode::Reject => ("reject", None, None),
            DedupeMode::Debounce { window, longest } => {
                ("debounce", Some(delta(window)), Some(delta(longest)))
            }
        };
        Self {
            key: Some(dedupe.key.clone()),
            until: Some(until),
            expires_at: Some(expires_at(dedupe, now)),
            mode: Some(mode),
            debounce: debounce.and_then(|time| time.num_microseconds()),
            debounce_longest: debounce_longest.and_then(|time| time.num_microseconds()),
        }
    }
}

/// Until when a dedupe key is kept.
pub(crate) fn expires_at(dedupe: &Dedupe, now: DateTime<Utc>) -> DateTime<Utc> {
    let lasts = match dedupe.until {
        DedupeUntil::Elapsed(time) => time,
        DedupeUntil::Begun | DedupeUntil::Ended => KEPT,
    };
    now + delta(lasts)
}

pub(crate) fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).map_or(LONGEST, |time| time.min(LONGEST))
}

pub(crate) fn due_at(new: &NewRun, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
    let options = &new.options;
    match options.dedupe.as_ref().map(|dedupe| dedupe.mode) {
        Some(DedupeMode::Debounce { .. }) if options.due_at.is_some() => Err(StoreError::Conflict(
            "a debounced run has no due time of its own".into(),
        )),
        Some(DedupeMode::Debounce { window, longest }) => Ok(now + delta(window.min(longest))),
        _ => Ok(options.due_at.unwrap_or(now)),
    }
}

/// Starts runs, of several tenants where the connection's role may see them all, in one statement.
/// Outcomes come in the order of the starts.
pub(crate) async fn start_all(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    starts: &[Start<'_>],
) -> Result<Vec<Outcome>, StoreError> {
    let dedupes: Vec<_> = starts
        .iter()
        .map(|start| DedupeColumns::of(start.new.options.dedupe.as_ref(), now))
        .collect();
    let versions = starts
        .iter()
        .map(|start| version_to_db(start.new.version))
        .collect::<Result<Vec<_>, _>>()?;
    let dues = starts
        .iter()
        .map(|start| due_at(start.new, now))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = sqlx::query!(
        r#"
        select asked as "asked!", run_id as "run_id!", outcome as "outcome!"
        from start_runs(
            array(select row(t.*)::new_run
                  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::text[],
                              $6::smallint[], $7::timestamptz[], $8::uuid[], $9::integer[],
                              $10::boolean[], $11::text[], $12::uuid[], $13::text[], $14::bytea[],
                              $15::text[], $16::text[], $17::timestamptz[], $18::text[],
                              $19::bigint[], $20::bigint[], $21::timestamptz[], $22::text[]) as t),
            $23)
        "#,
        &column(starts, |start| start.tenant.0),
        &column(starts, |start| start.id.0),
        &column(starts, |start| start.new.workflow.clone()),
        &versions,
        &column(starts, |start| start.new.options.key.clone()) as &[Option<String>],
        &column(starts, |start| start.new.options.priority),
        &dues,
        &column(starts, |start| start.lineage.parent_id.map(|id| id.0)) as &[Option<Uuid>],
        &column(starts, |start| start.lineage.parent_seq) as &[Option<i32>],
        &column(starts, |start| start.lineage.wakes_parent),
        &column(starts, |start| start.new.options.trigger.clone()),
        &column(starts, |start| start
            .new
            .options
            .connection_id
            .map(|id| id.0)) as &[Option<Uuid>],
        &column(starts, |start| start.new.options.stream.clone()) as &[Option<String>],
        &column(starts, |start| start.new.input.clone()),
        &column(&dedupes, |dedupe| dedupe.key.clone()) as &[Option<String>],
        &column(&dedupes, |dedupe| dedupe.until.map(str::to_owned)) as &[Option<String>],
        &column(&dedupes, |dedupe| dedupe.expires_at) as &[Option<DateTime<Utc>>],
        &column(&dedupes, |dedupe| dedupe.mode.map(str::to_owned)) as &[Option<String>],
        &column(&dedupes, |dedupe| dedupe.debounce) as &[Option<i64>],
        &column(&dedupes, |dedupe| dedupe.debounce_longest) as &[Option<i64>],
        &column(starts, |start| start
            .new
            .options
            .deadline
            .map(|deadline| deadline.at(now))) as &[Option<DateTime<Utc>>],
        &column(starts, |start| start
            .new
            .trace
            .as_ref()
            .map(ToString::to_string)) as &[Option<String>],
        now,
    )
    .fetch_all(conn)
    .await?;
    let mut outcomes = HashMap::with_capacity(rows.len());
    for row in rows {
        let run = RunId(row.run_id);
        let outcome = match row.outcome.as_str() {
            "new" => Outcome::Started(Started::New(run)),
            "existing" => Outcome::Started(Started::Existing(run)),
            "rejected" => Outcome::Rejected(run),
            other => return Err(StoreError::corrupt("outcome of a start", other.to_owned())),
        };
        outcomes.insert(RunId(row.asked), outcome);
    }
    starts
        .iter()
        .map(|start| outcomes.get(&start.id).copied().ok_or_else(unanswered))
        .collect()
}

fn column<S, T>(rows: &[S], of: impl Fn(&S) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

fn unanswered() -> StoreError {
    StoreError::corrupt("outcome of a start", "no answer")
}
