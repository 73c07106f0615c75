//! What is synchronised with what: enabled streams with their published mappings, and the
//! catalogue of a kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Cursor, Stream};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{StoreError, Tx, custom_fields};
use crate::catalogue::{CUSTOM_PREFIX, Catalogue, Field, FieldKind};
use crate::entity::Kind;
use crate::ids::{ConnectionId, RunId};
use crate::mapping::Mapping;

/// An enabled stream of a connection with the mapping that is in force.
#[derive(Clone, Debug)]
pub struct Plan {
    pub connection: ConnectionId,
    pub connection_name: String,
    pub system: String,
    pub stream: String,
    pub entity: String,
    pub mapping: Arc<Mapping>,
    pub mapping_version: i32,
    /// The system's description of the stream, where it was discovered.
    pub description: Option<Stream>,
    pub cursor: Option<Cursor>,
    pub phase: Phase,
    /// Of the description; see [`connector_sdk::Described`].
    pub description_mark: Option<String>,
    /// Core fields that stand still until somebody has looked at what changed over there. The mapping
    /// is without them.
    pub held: BTreeSet<String>,
    /// Whether nothing is made over there until then.
    pub holds_creates: bool,
    /// What their rows read; asked for all the same, so that the snapshots hold it.
    held_remote: Vec<String>,
}

impl Plan {
    /// The remote fields to ask the source for, each once, sorted.
    pub fn remote_fields(&self) -> Vec<String> {
        let mut names = self.mapping.remote_fields();
        names.extend(self.held_remote.iter().cloned());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The remote field for the hub's id, where the hub creates records and may change it in them.
    pub fn hub_id_field(&self) -> Option<&str> {
        let field = self.mapping.link.hub_id.as_deref()?;
        let fields = &self.description.as_ref()?.fields;
        let may_change = fields.iter().any(|one| one.name == field && one.can_update);
        (self.mapping.create && may_change).then_some(field)
    }

    /// What a record is marked with that is mapped by this plan: 0 where fields stand still, so that it
    /// is mapped again when they do no longer.
    pub fn mark(&self) -> i32 {
        if self.held.is_empty() {
            self.mapping_version
        } else {
            0
        }
    }
}

/// A pass over a stream, of which a page is part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When it began; for the first page of a pass. A pass that goes on after a failure began when its
    /// first page was read, whatever the later ones say.
    pub began_at: DateTime<Utc>,
    /// It begins with this page although another was under way.
    pub is_anew: bool,
    /// It ends with this page: every change up to its beginning is applied.
    pub is_over: bool,
}

/// How far reading a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Never,
    Full,
    Incremental,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "never" => Ok(Self::Never),
            "full" => Ok(Self::Full),
            "incremental" => Ok(Self::Incremental),
            other => Err(StoreError::corrupt("phase of a stream", other.to_owned())),
        }
    }
}

/// A row of the statement both look-ups share.
struct PlanRow {
    connection_id: sqlx::types::Uuid,
    connection_name: String,
    system: String,
    stream: String,
    entity: String,
    cursor: Option<String>,
    phase: String,
    version: i32,
    body: String,
    description: Option<Json<Stream>>,
    description_mark: Option<String>,
    held_fields: Vec<String>,
    holds_creates: bool,
}

fn plan(row: PlanRow) -> Result<Plan, StoreError> {
    let mapping = Mapping::parse(&row.body).map_err(|errors| {
        StoreError::corrupt(
            format!("published mapping of {}", row.stream),
            errors.to_string(),
        )
    })?;
    let description = row.description.map(|json| json.0);
    // Rows that need a field which this org does not have do not apply.
    let mapping = match &description {
        Some(stream) => mapping.fitted(stream),
        None => mapping,
    };
    let held: BTreeSet<String> = row.held_fields.into_iter().collect();
    let (mapping, held_remote) = match &description {
        Some(stream) if !held.is_empty() || row.holds_creates => {
            let all = mapping.remote_fields();
            let left = mapping.without(&held, stream);
            let there = |name: &String| {
                name.contains('.') || stream.fields.iter().any(|field| field.name == *name)
            };
            (left, all.into_iter().filter(there).collect())
        }
        _ => (mapping, Vec::new()),
    };
    Ok(Plan {
        connection: ConnectionId(row.connection_id),
        connection_name: row.connection_name,
        system: row.system,
        stream: row.stream,
        entity: row.entity,
        mapping: Arc::new(mapping),
        mapping_version: row.version,
        description,
        cursor: row.cursor.map(Cursor),
        phase: Phase::read(&row.phase)?,
        description_mark: row.description_mark,
        held,
        holds_creates: row.holds_creates,
        held_remote,
    })
}

/// The plan of one stream, if it is enabled and its mapping is published.
///
/// # Errors
/// [`StoreError`].
pub async fn of_stream(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<Plan>, StoreError> {
    sqlx::query_as!(
        PlanRow,
        r#"
        select s.connection_id, c.name as connection_name, c.system, s.stream, s.entity, s.cursor,
               s.phase, v.version, v.body, s.description as "description: Json<Stream>",
               s.description_mark, s.held_fields, s.holds_creates
        from streams s
        join connections c on c.tenant_id = s.tenant_id and c.id = s.connection_id
        join mappings m
          on m.tenant_id = s.tenant_id
         and m.connection_id = s.connection_id
         and m.stream = s.stream
        join mapping_versions v
          on v.tenant_id = m.tenant_id and v.mapping_id = m.id and v.version = m.published_version
        where s.connection_id = $1 and s.stream = $2 and s.enabled
        "#,
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(plan)
    .transpose()
}

/// The plan that a stream would have if this text were in force as this version: with it, whatever
/// changed over there is decided, and no field stands still.
///
/// # Errors
/// [`StoreError::NotFound`] for a stream that is not set up; [`StoreError::Corrupt`] for a text that
/// is no mapping.
pub async fn drafted(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    version: i32,
    body: &str,
) -> Result<Plan, StoreError> {
    sqlx::query_as!(
        PlanRow,
        r#"
        select s.connection_id, c.name as connection_name, c.system, s.stream, s.entity, s.cursor,
               s.phase, $3::integer as "version!", $4::text as "body!",
               s.description as "description: Json<Stream>", s.description_mark,
               '{}'::text[] as "held_fields!", false as "holds_creates!"
        from streams s
        join connections c on c.tenant_id = s.tenant_id and c.id = s.connection_id
        where s.connection_id = $1 and s.stream = $2
        "#,
        connection.0,
        stream,
        version,
        body,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(plan)
    .transpose()?
    .ok_or_else(|| StoreError::NotFound(format!("stream {stream:?} of {connection}")))
}

/// The plans of all streams that hold this kind of entity, by connection's age.
///
/// # Errors
/// [`StoreError`].
pub async fn of_entity(tx: &mut Tx, entity: &str) -> Result<Vec<Plan>, StoreError> {
    sqlx::query_as!(
        PlanRow,
        r#"
        select s.connection_id, c.name as connection_name, c.system, s.stream, s.entity, s.cursor,
               s.phase, v.version, v.body, s.description as "description: Json<Stream>",
               s.description_mark, s.held_fields, s.holds_creates
        from streams s
        join connections c on c.tenant_id = s.tenant_id and c.id = s.connection_id
        join mappings m
          on m.tenant_id = s.tenant_id
         and m.connection_id = s.connection_id
         and m.stream = s.stream
        join mapping_versions v
          on v.tenant_id = m.tenant_id and v.mapping_id = m.id and v.version = m.published_version
        where s.entity = $1 and s.enabled
        order by c.created_at, c.id, s.stream
        "#,
        entity,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(plan)
    .collect()
}

/// How often records that wait for what they point at are looked at though no read brought any news.
const WAIT_LOOK_EVERY: TimeDelta = TimeDelta::minutes(10);

/// What is left to do for a connection after a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// In the middle of a full read this is not asked.
    pub pending: Pending,
    /// Whether part of its records should be compared with the system again.
    pub is_sweep_due: bool,
}

/// What of a connection waits for somebody to look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Records wait for the target of a reference.
    pub is_any_waiting: bool,
    /// They were not looked at for a while: what they wait for may have come by another way than a read.
    pub is_wait_due: bool,
    /// Writes wait for being sent, those included that a run which is over has left behind.
    pub is_any_unsent: bool,
}

impl Pending {
    /// Whether records that wait are worth a look after a read that brought something, or did not: what
    /// waits for what never comes is not looked at every time.
    #[must_use]
    pub fn looks(self, is_any_news: bool) -> bool {
        self.is_wait_due || self.is_any_waiting && is_any_news
    }
}

/// Waits until no other page of the connection is about to commit, and holds the others off until this
/// one has. Of two pages that end at once, one with records that wait for those of the other, the
/// later one sees what the earlier one did: whoever looks last finds them all.
///
/// # Errors
/// [`StoreError`].
pub async fn settle_in_turn(tx: &mut Tx, connection: ConnectionId) -> Result<(), StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('settle/' || $1::uuid::text, 0))",
        connection.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Moves a stream's cursor over an applied page, and what is covered up to the beginning of the pass
/// that ends with it. `None` when there is no plan of it any more: nothing has moved then. What is pending is looked for in the order of its partial index: a plan
/// made while the tables were small and kept would read all rows of the connection, page by page.
///
/// # Errors
/// [`StoreError`].
pub async fn advance(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    cursor: Option<&Cursor>,
    (phase, pass): (Phase, Option<Pass>),
    run: RunId,
) -> Result<Option<Advanced>, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        update streams
        set cursor = $3, phase = $4, last_run_id = $5, last_read_at = $6,
            pass_began_at = case
                when $3::text is null or $9 then null
                when $8 then $7
                else coalesce(pass_began_at, $7)
            end,
            covered_to = case
                when not $9 then covered_to
                when $8 then greatest(covered_to, $7)
                else greatest(covered_to, coalesce(pass_began_at, $7))
            end,
            sweep_due_at = case
                when $9 then coalesce(sweep_due_at, $6::timestamptz + interval '1 hour')
                else sweep_due_at
            end
        where connection_id = $1 and stream = $2 and enabled
          and exists (
              select from mappings
              where mappings.connection_id = $1 and mappings.stream = $2
                and published_version is not null
          )
        returning $4 = 'incremental' and (
            select true from records
            where connection_id = $1 and unresolved is not null and removed_at is null
            order by stream, key
            limit 1
        ) is not null as "is_any_waiting!",
        $4 = 'incremental' and exists (
            select from streams other
            where other.connection_id = $1
              and coalesce(other.waited_at <= $10, true)
              and (
                  select true from records
                  where connection_id = $1 and records.stream = other.stream
                    and unresolved is not null and removed_at is null
                  order by key
                  limit 1
              ) is not null
        ) as "is_wait_due!",
        $4 = 'incremental' and ((
            select true from writes
            where connection_id = $1 and state = 'pending'
            order by stream, due_at
            limit 1
        ) is not null or exists (
            select from writes
            where connection_id = $1 and state = 'sending'
              and not exists (
                  select from runs where runs.id = writes.run_id and runs.state <> 'parked'
              )
        )) as "is_any_unsent!",
        $9 and sweep_due_at <= $6 as "is_sweep_due!"
        "#,
        connection.0,
        stream,
        cursor.map(|cursor| cursor.0.as_str()),
        phase.as_str(),
        run.0,
        now,
        pass.map(|pass| pass.began_at),
        pass.is_some_and(|pass| pass.is_anew),
        pass.is_some_and(|pass| pass.is_over),
        now - WAIT_LOOK_EVERY,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Advanced {
        pending: Pending {
            is_any_waiting: row.is_any_waiting,
            is_wait_due: row.is_wait_due,
            is_any_unsent: row.is_any_unsent,
        },
        is_sweep_due: row.is_sweep_due,
    }))
}

/// Notes that all records of these streams that wait for what they point at were looked at. Takes rows
/// of streams, as a page does: after all records, and before runs are started.
///
/// # Errors
/// [`StoreError`].
pub async fn waited(
    tx: &mut Tx,
    connection: ConnectionId,
    streams: &[String],
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update streams
        set waited_at = $3
        from (
            select connection_id, stream from streams
            where connection_id = $1 and stream = any($2)
            order by stream
            for update
        ) taken
        where streams.connection_id = taken.connection_id and streams.stream = taken.stream
        ",
        connection.0,
        streams,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The fields of a kind: the built-in ones and this tenant's own.
///
/// # Errors
/// [`StoreError`].
pub async fn catalogue(tx: &mut Tx, kind: &Kind) -> Result<Catalogue, StoreError> {
    let custom = custom_fields::list(tx, kind.name)
        .await?
        .into_iter()
        .map(|row| {
            let field_kind: FieldKind = serde_json::from_value(row.kind.into())
                .map_err(|error| StoreError::corrupt("kind of a custom field", error))?;
            let mut field =
                Field::new(format!("{CUSTOM_PREFIX}{}", row.key), row.label, field_kind);
            field.scale = row.scale.and_then(|scale| u32::try_from(scale).ok());
            field.choices = row.choices;
            field.personal = serde_json::from_value(row.personal.into())
                .map_err(|error| StoreError::corrupt("class of a custom field", error))?;
            Ok(field)
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Catalogue::of(kind.name, kind.fields(), custom)
        .map_err(|error| StoreError::corrupt("catalogue", error))
}

/// Names of the enabled streams of a connection.
///
/// # Errors
/// [`StoreError`].
pub async fn streams(tx: &mut Tx, connection: ConnectionId) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "
        select s.stream
        from streams s
        join mappings m
          on m.tenant_id = s.tenant_id
         and m.connection_id = s.connection_id
         and m.stream = s.stream
        where s.connection_id = $1 and s.enabled and m.published_version is not null
        order by s.stream
        ",
        connection.0,
    )
    .fetch_all(tx.conn())
    .await?)
}
