//! Failures, folded by their cause.

mod get;
mod list;
mod records;
mod retry;
mod update;

use chrono::{DateTime, Utc};
use domain::failures::{Class, Failing, Who};
use engine::ids::{ConnectionId, FailureClassId, RunId, WriteId};
use engine::store::failures::Source;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;

use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get, update::update))
        .routes(routes!(records::records))
        .routes(routes!(retry::plan, retry::start))
}

/// What fails for one cause.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureClass {
    #[schema(value_type = String)]
    id: FailureClassId,
    version: i64,
    /// `closed` once nothing of it fails any more; it opens again when something does.
    #[schema(value_type = FailureClassState)]
    state: &'static str,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    #[schema(value_type = FailureSource)]
    source: Source,
    /// Of a field: transform, lookup, type, size. Of writes and runs: who must act, as the system's
    /// answer says it.
    kind: Option<String>,
    /// The system's own code.
    code: Option<String>,
    /// The core field, the fields the system complained of, or the workflow.
    about: Option<String>,
    /// Without what differs from record to record.
    message: String,
    remedy: FailureRemedy,
    /// How many records fail now; of runs, how many flows.
    records: i64,
    /// How often they fail: a record with two failed writes counts twice.
    failures: i64,
    /// The newest three.
    samples: Vec<Failure>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// When the next of them is tried by itself.
    next_try_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    /// Hidden from lists that do not ask for hidden ones.
    muted: bool,
    muted_at: Option<DateTime<Utc>>,
    /// Name of the person.
    muted_by: Option<String>,
    note: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum FailureClassState {
    Open,
    Closed,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of sources")]
pub(crate) enum FailureSource {
    Field,
    Write,
    Run,
    Schema,
}

/// What is to be done about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureRemedy {
    #[schema(value_type = FailureWho)]
    who: Who,
    sentence: &'static str,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of those who act")]
pub(crate) enum FailureWho {
    Nobody,
    Tenant,
    Person,
    Us,
}

/// One failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Failure {
    /// `account` or `contact`; null for a run
    entity: Option<String>,
    /// With the prefix of its kind.
    entity_id: Option<String>,
    /// The record's key, where a field of it fails.
    key: Option<String>,
    #[schema(value_type = Option<String>)]
    write_id: Option<WriteId>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    message: String,
    at: DateTime<Utc>,
    next_try_at: Option<DateTime<Utc>>,
}

impl From<Class> for FailureClass {
    fn from(class: Class) -> Self {
        let row = class.row;
        Self {
            id: row.id,
            version: row.version,
            state: if row.is_open { "open" } else { "closed" },
            connection_id: row.connection,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            source: row.source,
            kind: row.kind,
            code: row.code,
            about: row.about,
            message: row.message,
            remedy: FailureRemedy {
                who: class.remedy.who,
                sentence: class.remedy.sentence,
            },
            records: row.things,
            failures: row.failures,
            samples: class.samples.into_iter().map(Failure::from).collect(),
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            next_try_at: match row.source {
                Source::Field | Source::Schema => None,
                Source::Write => row.next_try_at,
                Source::Run => row.next_read_at,
            },
            closed_at: row.closed_at,
            muted: row.muted_at.is_some(),
            muted_at: row.muted_at,
            muted_by: class.muted_by,
            note: row.note,
        }
    }
}

impl From<Failing> for Failure {
    fn from(failing: Failing) -> Self {
        Self {
            entity: failing.entity,
            entity_id: failing.entity_id,
            key: failing.key,
            write_id: failing.write_id,
            run_id: failing.run_id,
            message: failing.message,
            at: failing.at,
            next_try_at: failing.next_try_at,
        }
    }
}
