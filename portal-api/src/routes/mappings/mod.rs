//! Mappings: read, check, edit, preview, have approved, publish, roll back.

mod approvals;
mod canaries;
mod check;
mod create;
mod fixtures;
mod get;
mod list;
mod previews;
mod publish;
mod put;
mod rules;
mod version;
mod versions;

use chrono::{DateTime, Utc};
use domain::mappings::{self, Refused, Reviewed, ReviewedRow};
use engine::ids::{ConnectionId, MappingId};
use engine::mapping::{Direction, Severity};
use engine::store::mappings::{Author, MappingRow};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::previews::PreviewRow;
use crate::caller::SignedIn;
use crate::error::{ApiError, FieldProblem, Slug};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(check::check))
        .routes(routes!(rules::get, rules::put))
        .routes(routes!(get::get, put::put))
        .routes(routes!(versions::versions))
        .routes(routes!(version::version))
        .routes(routes!(publish::publish))
        .routes(routes!(publish::roll_back))
        .routes(routes!(publish::list))
        .routes(routes!(previews::list, previews::start))
        .routes(routes!(previews::get))
        .routes(routes!(previews::rows))
        .routes(routes!(fixtures::list, fixtures::pin))
        .routes(routes!(fixtures::unpin))
        .routes(routes!(approvals::list, approvals::ask))
        .routes(routes!(approvals::decide))
        .routes(routes!(canaries::list, canaries::start))
        .routes(routes!(canaries::get))
        .routes(routes!(canaries::stop))
        .routes(routes!(canaries::promote))
}

/// A mapping with its newest text and what is to be said about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mapping {
    #[schema(value_type = String)]
    id: MappingId,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    stream: String,
    entity: String,
    /// The published version.
    version: Option<i32>,
    newest_version: i32,
    /// Whether the newest version is not published.
    draft: bool,
    updated_at: DateTime<Utc>,
    updated_by: String,
    /// The newest.
    text: String,
    published_text: Option<String>,
    problems: Vec<Problem>,
    rows: Vec<Row>,
}

impl Mapping {
    fn new(row: MappingRow, reviewed: Reviewed) -> Self {
        Self {
            draft: row.has_draft(),
            id: row.id,
            connection_id: row.connection_id,
            stream: row.stream,
            entity: row.entity,
            version: row.published_version,
            newest_version: row.newest_version,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            text: row.text,
            published_text: row.published_text,
            problems: reviewed.problems.into_iter().map(Problem::from).collect(),
            rows: reviewed.rows.into_iter().map(Row::from).collect(),
        }
    }
}

/// Something a mapping does wrong, or may.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MappingProblem)]
pub(crate) struct Problem {
    line: u32,
    column: u32,
    message: String,
    #[schema(value_type = SeverityName)]
    severity: Severity,
    /// The core field it is about.
    core: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of severities")]
pub(crate) enum SeverityName {
    Warning,
    Error,
}

impl From<mappings::Problem> for Problem {
    fn from(problem: mappings::Problem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            message: problem.message,
            severity: problem.severity,
            core: problem.core,
        }
    }
}

/// One field of the entity and where its value comes from or goes to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MappingRow)]
pub(crate) struct Row {
    core: String,
    core_label: String,
    core_type: String,
    /// Names of remote fields; several where `in` makes one value of them.
    remote: Vec<String>,
    #[schema(value_type = DirectionName)]
    direction: Direction,
    /// Who wins where both sides moved: `owner core`, `newest`, `ask`, …
    policy: String,
    /// When the other system is given the hub's value: always, if_empty.
    write: String,
    /// Computes the value from the record in place of `remote`, as written.
    value: Option<String>,
    /// The record says the field only where this holds, as written.
    when: Option<String>,
    group: Option<String>,
    /// What a null of the other system does: clear or ignore.
    null: String,
    /// Transforms on the way in, as written.
    #[serde(rename = "in")]
    inbound: Option<String>,
    /// Transforms on the way out, as written or derived.
    #[serde(rename = "out")]
    outbound: Option<String>,
    line: u32,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of directions")]
pub(crate) enum DirectionName {
    In,
    Out,
    Both,
}

impl From<ReviewedRow> for Row {
    fn from(row: ReviewedRow) -> Self {
        Self {
            core: row.core,
            core_label: row.core_label,
            core_type: row.core_type,
            remote: row.remote,
            direction: row.direction,
            policy: row.policy,
            write: row.write,
            value: row.value,
            when: row.when,
            group: row.group,
            null: row.null,
            inbound: row.inbound,
            outbound: row.outbound,
            line: row.line,
        }
    }
}

/// Who writes a version, when the caller does.
fn author(caller: &SignedIn) -> Author<'_> {
    Author {
        name: &caller.session.user.name,
        user: Some(caller.session.user.id),
    }
}

/// What keeps a text from being stored, as a problem with lines and columns.
fn refuse(problems: Vec<mappings::Problem>) -> ApiError {
    ApiError::invalid_all(
        problems
            .into_iter()
            .map(|problem| FieldProblem {
                pointer: "/text".to_owned(),
                message: problem.message,
                line: Some(problem.line),
                column: Some(problem.column),
            })
            .collect(),
    )
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => error.into(),
            Refused::Text(problems) => refuse(problems),
            Refused::Blocked(why) => Self::new(Slug::Conflict, why),
            Refused::Fixtures(broken) => Self::invalid_all(
                broken
                    .into_iter()
                    .flat_map(|broken| {
                        let name = broken.name;
                        broken.differences.into_iter().map(move |one| {
                            let message = format!(
                                "fixture {name:?}: {} was to be {}, and is {}",
                                one.core, one.expected, one.found
                            );
                            FieldProblem::new("/text", message)
                        })
                    })
                    .collect(),
            ),
        }
    }
}
