//! Runs: starting them in the caller's transaction, reading them, and what a person does to them.
//! How workers claim and finish them is in `activations.rs`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::activations::Lease;
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, ProcessId, RunId, TenantId};
use crate::runtime::{Counts, Progress, Workflow};

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// To be claimed from its due time on: ready, asleep or backing off.
    Queued,
    Running,
    /// For a child or a signal.
    Waiting,
    Succeeded,
    /// The dead letters: ended badly, waits for a person; [`retry`] goes on from the failed step.
    Failed,
    Cancelled,
    /// Cannot be run as it is (unknown workflow, input that does not decode, other steps than
    /// journaled); waits for a person or a new release.
    Parked,
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Parked => "parked",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "waiting" => Self::Waiting,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "parked" => Self::Parked,
            other => return Err(StoreError::corrupt("run state", other.to_owned())),
        })
    }

    /// Whether the run is over unless a person retries it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Until when a repeated start finds the earlier run instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DedupeUntil {
    /// For this long after the first start, whatever becomes of the run.
    Elapsed(Duration),
    /// Until a worker has begun it: a run that has not begun will see what the caller just wrote.
    Begun,
    /// Until it has ended.
    Ended,
}

/// Makes a start happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// Unique within the tenant.
    pub key: String,
    pub until: DedupeUntil,
}

/// How a run is started; the default is now, by hand, with the workflow's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOptions {
    /// Runs of a tenant with the same key run one at a time.
    pub key: Option<String>,
    /// Higher first.
    pub priority: i16,
    pub due_at: Option<DateTime<Utc>>,
    pub dedupe: Option<Dedupe>,
    /// Who or what wanted it: `manual`, `schedule`, `delivery`, `run`.
    pub trigger: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            key: None,
            priority: 0,
            due_at: None,
            dedupe: None,
            trigger: "manual".into(),
            connection_id: None,
            stream: None,
        }
    }
}

/// A run to be started.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub workflow: String,
    pub version: u16,
    /// JSON.
    pub input: Vec<u8>,
    pub parent_id: Option<RunId>,
    pub options: StartOptions,
}

impl NewRun {
    /// A run of a workflow whose code is at hand.
    ///
    /// # Errors
    /// [`StoreError::Encode`].
    pub fn of<W: Workflow>(
        input: &W::Input,
        mut options: StartOptions,
    ) -> Result<Self, StoreError> {
        options.key = options.key.or_else(|| W::key(input));
        Ok(Self {
            workflow: W::NAME.into(),
            version: W::VERSION,
            input: serde_json::to_vec(input).map_err(StoreError::Encode)?,
            parent_id: None,
            options,
        })
    }
}

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    New(RunId),
    /// The dedupe key was taken by this run.
    Existing(RunId),
}

impl Started {
    pub fn id(self) -> RunId {
        let (Self::New(id) | Self::Existing(id)) = self;
        id
    }
}

/// A run as stored.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub tenant: TenantId,
    pub id: RunId,
    pub workflow: String,
    pub version: u16,
    pub state: RunState,
    pub key: Option<String>,
    pub priority: i16,
    pub due_at: Option<DateTime<Utc>>,
    /// Times it was claimed.
    pub activations: i64,
    pub owner: Option<ProcessId>,
    /// Failed attempts of the step it is backing off from.
    pub failed_attempts: i32,
    pub cancel_requested: bool,
    pub parent_id: Option<RunId>,
    pub trigger: String,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    /// JSON as given; `None` in lists.
    pub input: Option<Vec<u8>>,
    pub output: Option<Vec<u8>>,
    /// `{class, message, code?}`.
    pub error: Option<Json>,
    pub progress: Option<Progress>,
    pub counts: Option<Counts>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Starts a run in the caller's transaction; workers see it once that has committed.
///
/// # Errors
/// [`StoreError::Database`]. A dedupe key that is taken is no error: [`Started::Existing`].
pub async fn start(tx: &mut Tx, new: NewRun) -> Result<Started, StoreError> {
    let id = RunId::fresh();
    start_as(tx, id, &new, Lineage::of(&new)).await
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
    let options = &new.options;
    if let Some(dedupe) = &options.dedupe
        && let Some(existing) = take_dedupe_key(tx, dedupe, id).await?
    {
        return Ok(Started::Existing(existing));
    }
    let now = tx.now();
    sqlx::query!(
        r#"
        insert into runs
            (id, workflow, version, state, key, priority, due_at, parent_id, parent_seq,
             wakes_parent, trigger, connection_id, stream, input, created_at)
        values ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        "#,
        id.0,
        new.workflow,
        version_to_db(new.version)?,
        options.key,
        options.priority,
        options.due_at.unwrap_or(now),
        lineage.parent_id.map(|id| id.0),
        lineage.parent_seq,
        lineage.wakes_parent,
        options.trigger,
        options.connection_id.map(|id| id.0),
        options.stream,
        new.input,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    tx.changed("run", id);
    Ok(Started::New(id))
}

/// Starts many runs of which none has a dedupe key, in one statement.
///
/// # Errors
/// [`StoreError::Database`]; [`StoreError::Conflict`] when one has a dedupe key.
pub async fn start_many(tx: &mut Tx, new: &[NewRun]) -> Result<Vec<RunId>, StoreError> {
    if new.iter().any(|run| run.options.dedupe.is_some()) {
        return Err(StoreError::Conflict(
            "runs with a dedupe key are started one at a time".into(),
        ));
    }
    let now = tx.now();
    let ids: Vec<RunId> = new.iter().map(|_| RunId::fresh()).collect();
    let versions = new
        .iter()
        .map(|run| version_to_db(run.version))
        .collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        r#"
        insert into runs
            (id, workflow, version, state, key, priority, due_at, parent_id, trigger,
             connection_id, stream, input, created_at)
        select id, workflow, version, 'queued', key, priority, due_at, parent_id, trigger,
               connection_id, stream, input, $12
        from unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::smallint[],
                    $6::timestamptz[], $7::uuid[], $8::text[], $9::uuid[], $10::text[],
                    $11::bytea[])
            as t(id, workflow, version, key, priority, due_at, parent_id, trigger,
                 connection_id, stream, input)
        "#,
        &ids.iter().map(|id| id.0).collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.workflow.clone())
            .collect::<Vec<_>>(),
        &versions,
        &new.iter()
            .map(|run| run.options.key.clone())
            .collect::<Vec<_>>() as &[Option<String>],
        &new.iter()
            .map(|run| run.options.priority)
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.options.due_at.unwrap_or(now))
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.parent_id.map(|id| id.0))
            .collect::<Vec<_>>() as &[Option<Uuid>],
        &new.iter()
            .map(|run| run.options.trigger.clone())
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.options.connection_id.map(|id| id.0))
            .collect::<Vec<_>>() as &[Option<Uuid>],
        &new.iter()
            .map(|run| run.options.stream.clone())
            .collect::<Vec<_>>() as &[Option<String>],
        &new.iter().map(|run| run.input.clone()).collect::<Vec<_>>(),
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    for id in &ids {
        tx.changed("run", id);
    }
    Ok(ids)
}

/// Puts the key down for `id`; returns the run that has it already.
async fn take_dedupe_key(
    tx: &mut Tx,
    dedupe: &Dedupe,
    id: RunId,
) -> Result<Option<RunId>, StoreError> {
    let now = tx.now();
    let expires_at = match dedupe.until {
        DedupeUntil::Elapsed(time) => now + time,
        // The run's state decides; the row only has to outlive it.
        DedupeUntil::Begun | DedupeUntil::Ended => now + Duration::from_secs(90 * 86_400),
    };
    loop {
        let taken = sqlx::query!(
            r#"
            insert into run_dedupe (key, run_id, expires_at)
            values ($1, $2, $3)
            on conflict (tenant_id, key) do nothing
            "#,
            dedupe.key,
            id.0,
            expires_at,
        )
        .execute(tx.conn())
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(None);
        }
        let holder = sqlx::query!(
            "select run_id, expires_at from run_dedupe where key = $1 for update",
            dedupe.key
        )
        .fetch_optional(tx.conn())
        .await?;
        // Gone since: somebody dropped expired keys.
        let Some(holder) = holder else { continue };
        // The share lock keeps a waiting run from being begun before this transaction has committed
        // what it wants that run to see.
        let run = sqlx::query!(
            "select state, started_at from runs where id = $1 for share",
            holder.run_id
        )
        .fetch_optional(tx.conn())
        .await?;
        let holds = holder.expires_at > now
            && match (dedupe.until, run) {
                (DedupeUntil::Elapsed(_), _) => true,
                (DedupeUntil::Begun, Some(run)) => {
                    run.state == "queued" && run.started_at.is_none()
                }
                (DedupeUntil::Ended, Some(run)) => !RunState::parse(&run.state)?.is_final(),
                (DedupeUntil::Begun | DedupeUntil::Ended, None) => false,
            };
        if holds {
            return Ok(Some(RunId(holder.run_id)));
        }
        sqlx::query!(
            "update run_dedupe set run_id = $2, expires_at = $3 where key = $1",
            dedupe.key,
            id.0,
            expires_at,
        )
        .execute(tx.conn())
        .await?;
        return Ok(None);
    }
}

/// Queues a failed, cancelled or parked run again. What it did successfully stays journaled; it goes
/// on with the step that failed, with new attempts.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is in another state.
pub async fn retry(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    let failed = sqlx::query!(
        r#"
        update runs r
        set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
            cancel_requested = false, finished_at = null, output = null, behind = false
        from (select id, (error ->> 'seq')::integer as seq from runs where id = $1 for update) as was
        where r.id = was.id and r.state in ('failed', 'cancelled', 'parked')
        returning was.seq
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(failed) = failed else {
        return Err(not_in_state(tx, id, "retried").await?);
    };
    sqlx::query!(
        r#"
        delete from steps
        where run_id = $1 and seq >= coalesce($2, (select min(seq) from steps where run_id = $1 and error is not null))
        "#,
        id.0,
        failed.seq,
    )
    .execute(tx.conn())
    .await?;
    // A call that failed starts a new child.
    sqlx::query!(
        r#"
        update runs
        set parent_seq = null, wakes_parent = false
        where parent_id = $1 and wakes_parent
          and parent_seq not in (select seq from steps where run_id = $1)
        "#,
        id.0
    )
    .execute(tx.conn())
    .await?;
    // The attempts stay for the reader; those before this moment no longer count.
    sqlx::query!(
        "update attempts set counts = false where run_id = $1 and counts",
        id.0
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    tx.changed("run", id);
    Ok(())
}

/// Ends a run that is not running at once; asks a running one to stop at its next step.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run has ended.
pub async fn cancel(tx: &mut Tx, id: RunId) -> Result<RunState, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        update runs
        set cancel_requested = true,
            state = case when state = 'running' then state else 'cancelled' end,
            finished_at = case when state = 'running' then null else $2::timestamptz end,
            due_at = case when state = 'running' then due_at end,
            holds_key = state = 'running' and holds_key,
            behind = false,
            error = case when state = 'running' then error
                    else '{"class": "cancelled", "message": "run was cancelled"}'::jsonb end,
            error_class = case when state = 'running' then error_class else 'cancelled' end
        where id = $1 and state in ('queued', 'running', 'waiting', 'parked')
        returning state, parent_id, wakes_parent
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Err(not_in_state(tx, id, "cancelled").await?);
    };
    let state = RunState::parse(&row.state)?;
    if let (RunState::Cancelled, true, Some(parent)) = (state, row.wakes_parent, row.parent_id) {
        // Whatever its state: it may be just going to wait, which shows once its lock is free.
        sqlx::query!(
            r#"
            update runs
            set state = case when state = 'waiting' then 'queued' else state end,
                due_at = case when state = 'waiting' then $2 else due_at end
            where id = $1
            "#,
            parent,
            now
        )
        .execute(tx.conn())
        .await?;
    }
    // A freed key lets another run go.
    tx.ring();
    tx.look();
    tx.changed("run", id);
    Ok(state)
}

async fn not_in_state(tx: &mut Tx, id: RunId, wanted: &str) -> Result<StoreError, StoreError> {
    let state = sqlx::query_scalar!("select state from runs where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(match state {
        None => StoreError::NotFound(format!("run {id}")),
        Some(state) => StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}")),
    })
}

/// Which runs a list shows; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub states: Vec<RunState>,
    /// With or without records that failed.
    pub partial: Option<bool>,
    pub workflow: Option<String>,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    pub trigger: Option<String>,
    pub error_class: Option<String>,
    pub parent_id: Option<RunId>,
    pub key: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

/// A page of a list, newest first: the runs older than `after`.
#[derive(Clone, Copy, Debug)]
pub struct RunPage {
    pub after: Option<(DateTime<Utc>, RunId)>,
    /// At most 500 are given.
    pub limit: u16,
}

/// The runs of a page, newest first, without input and output.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    tx: &mut Tx,
    filter: &RunFilter,
    page: RunPage,
) -> Result<Vec<RunRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select tenant_id, id, workflow, version, state, key, priority, due_at, epoch, owner, \
         attempt, cancel_requested, parent_id, trigger, connection_id, stream, \
         null::bytea as input, null::bytea as output, error, progress, counts, \
         created_at, started_at, finished_at \
         from runs where true",
    );
    if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(|state| state.as_str()).collect();
        query.push(" and state = any(").push_bind(states).push(")");
    }
    if let Some(partial) = filter.partial {
        query
            .push(" and (coalesce((counts ->> 'failed')::bigint, 0) > 0) = ")
            .push_bind(partial);
    }
    let texts = [
        (" and workflow = ", &filter.workflow),
        (" and stream = ", &filter.stream),
        (" and trigger = ", &filter.trigger),
        (" and error_class = ", &filter.error_class),
        (" and key = ", &filter.key),
    ];
    for (clause, value) in texts {
        if let Some(value) = value {
            query.push(clause).push_bind(value);
        }
    }
    if let Some(connection) = filter.connection_id {
        query.push(" and connection_id = ").push_bind(connection.0);
    }
    if let Some(parent) = filter.parent_id {
        query.push(" and parent_id = ").push_bind(parent.0);
    }
    if let Some(from) = filter.created_from {
        query.push(" and created_at >= ").push_bind(from);
    }
    if let Some(before) = filter.created_before {
        query.push(" and created_at < ").push_bind(before);
    }
    if let Some((created_at, id)) = page.after {
        query
            .push(" and (created_at, id) < (")
            .push_bind(created_at)
            .push(", ")
            .push_bind(id.0)
            .push(")");
    }
    query
        .push(" order by created_at desc, id desc limit ")
        .push_bind(i64::from(page.limit.min(500)));
    let rows: Vec<Raw> = query.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(RunRow::try_from).collect()
}

/// One run with its input and output.
///
/// # Errors
/// [`StoreError::NotFound`], also for another tenant's run.
pub async fn get(tx: &mut Tx, id: RunId) -> Result<RunRow, StoreError> {
    sqlx::query_as!(
        Raw,
        r#"
        select tenant_id, id, workflow, version, state, key, priority, due_at, epoch, owner,
               attempt, cancel_requested, parent_id, trigger, connection_id, stream,
               input as "input?", output, error, progress, counts,
               created_at, started_at, finished_at
        from runs
        where id = $1
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("run {id}")))?
    .try_into()
}

#[derive(sqlx::FromRow)]
struct Raw {
    tenant_id: Uuid,
    id: Uuid,
    workflow: String,
    version: i16,
    state: String,
    key: Option<String>,
    priority: i16,
    due_at: Option<DateTime<Utc>>,
    epoch: i64,
    owner: Option<Uuid>,
    attempt: i32,
    cancel_requested: bool,
    parent_id: Option<Uuid>,
    trigger: String,
    connection_id: Option<Uuid>,
    stream: Option<String>,
    input: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
    error: Option<Json>,
    progress: Option<Json>,
    counts: Option<Json>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Raw> for RunRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId(raw.tenant_id),
            id: RunId(raw.id),
            workflow: raw.workflow,
            version: version_from_db(raw.version)?,
            state: RunState::parse(&raw.state)?,
            key: raw.key,
            priority: raw.priority,
            due_at: raw.due_at,
            activations: raw.epoch,
            owner: raw.owner.map(ProcessId),
            failed_attempts: raw.attempt,
            cancel_requested: raw.cancel_requested,
            parent_id: raw.parent_id.map(RunId),
            trigger: raw.trigger,
            connection_id: raw.connection_id.map(ConnectionId),
            stream: raw.stream,
            input: raw.input,
            output: raw.output,
            error: raw.error,
            progress: decode("progress of a run", raw.progress)?,
            counts: decode("counts of a run", raw.counts)?,
            created_at: raw.created_at,
            started_at: raw.started_at,
            finished_at: raw.finished_at,
        })
    }
}

fn decode<T: serde::de::DeserializeOwned>(
    what: &str,
    value: Option<Json>,
) -> Result<Option<T>, StoreError> {
    value
        .map(|value| {
            serde_json::from_value(value).map_err(|error| StoreError::corrupt(what, error))
        })
        .transpose()
}

pub(crate) fn version_to_db(version: u16) -> Result<i16, StoreError> {
    i16::try_from(version).map_err(|_large| {
        StoreError::Conflict(format!("workflow version {version} is over {}", i16::MAX))
    })
}

pub(crate) fn version_from_db(version: i16) -> Result<u16, StoreError> {
    u16::try_from(version).map_err(|error| StoreError::corrupt("workflow version", error))
}

/// A run that another one waits for.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: RunId,
    pub(crate) state: RunState,
    pub(crate) output: Option<Vec<u8>>,
    pub(crate) error: Option<Json>,
}

/// The child that the parent called at this step.
pub(crate) async fn child(
    tx: &mut Tx,
    parent: RunId,
    seq: i32,
) -> Result<Option<Child>, StoreError> {
    sqlx::query!(
        r#"
        select id, state, output, error
        from runs
        where parent_id = $1 and parent_seq = $2 and wakes_parent
        "#,
        parent.0,
        seq
    )
    .fetch_optional(tx.conn())
    .await?
    .map(|row| {
        Ok(Child {
            id: RunId(row.id),
            state: RunState::parse(&row.state)?,
            output: row.output,
            error: row.error,
        })
    })
    .transpose()
}

/// Sends a run to wait for others to wake it, or, when somebody wants it to stop, to its end;
/// returns whether the lease still stands.
pub(crate) async fn wait(tx: &mut Tx, lease: &Lease) -> Result<bool, StoreError> {
    let now = tx.now();
    let waits = sqlx::query!(
        r#"
        update runs
        set state = case when cancel_requested then 'queued' else 'waiting' end,
            due_at = case when cancel_requested then $4::timestamptz end,
            owner = null
        where id = $1 and epoch = $2 and owner = $3 and state = 'running'
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected()
        == 1;
    if waits {
        tx.ring();
        tx.changed("run", lease.id);
    }
    Ok(waits)
}
