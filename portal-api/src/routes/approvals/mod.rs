//! What runs ask people for: changes beyond a cap.

mod approve;
mod decline;
mod get;
mod list;
mod records;

use chrono::{DateTime, Utc};
use domain::approvals::{Approval as Shown, Withheld};
use engine::ids::{ApprovalId, ConnectionId, RunId, WithheldId};
use engine::store::approvals::Kind;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;

use crate::portal::Portal;
use crate::routes::records::timeline::TimelineChange;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(records::records))
        .routes(routes!(approve::approve))
        .routes(routes!(decline::decline))
}

/// Changes beyond a cap that wait for a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approval {
    #[schema(value_type = String)]
    id: ApprovalId,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    #[schema(value_type = ApprovalKind)]
    kind: Kind,
    /// open; approved while a run applies them; settled; declined
    #[schema(value_type = ApprovalState)]
    state: String,
    sentence: String,
    /// Changes that are withheld for it now.
    count: i64,
    /// Changes that were applied.
    applied: i64,
    /// Changes that turned out to be none: the system shows something else by now.
    recovered: i64,
    /// The run that asked first.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    asked_at: DateTime<Utc>,
    /// The most changes that were agreed to.
    ceiling: Option<i64>,
    decided_at: Option<DateTime<Utc>>,
    /// Name of the person.
    decided_by: Option<String>,
    note: Option<String>,
    /// The run that applies them.
    #[schema(value_type = Option<String>)]
    apply_run_id: Option<RunId>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum ApprovalKind {
    Delete,
    Overwrite,
    Create,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum ApprovalState {
    Open,
    Approved,
    Declined,
    Settled,
}

/// One change that was read and not applied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WithheldChange {
    #[schema(value_type = String)]
    id: WithheldId,
    /// The record's key in its system.
    key: String,
    /// `account` or `contact`
    entity: String,
    /// With the prefix of its kind; null for a record of which none was made.
    entity_id: Option<String>,
    /// What it would have set, where it writes over values.
    changes: Vec<TimelineChange>,
    #[schema(value_type = String)]
    run_id: RunId,
    at: DateTime<Utc>,
    /// open, applied, declined; recovered where the system shows something else by now; gone where the
    /// record is not there any more
    state: String,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Shown> for Approval {
    fn from(shown: Shown) -> Self {
        let row = shown.row;
        Self {
            id: row.id,
            connection_id: row.connection,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            kind: row.kind,
            state: row.state,
            sentence: shown.sentence,
            count: row.open,
            applied: row.applied,
            recovered: row.recovered,
            run_id: row.run_id,
            asked_at: row.asked_at,
            ceiling: row.ceiling,
            decided_at: row.decided_at,
            decided_by: shown.decided_by,
            note: row.note,
            apply_run_id: row.apply_run_id,
        }
    }
}

impl From<Withheld> for WithheldChange {
    fn from(withheld: Withheld) -> Self {
        let row = withheld.row;
        Self {
            id: row.id,
            key: row.key,
            entity: row.entity,
            entity_id: withheld.entity_id,
            changes: withheld
                .changes
                .into_iter()
                .map(TimelineChange::from)
                .collect(),
            run_id: row.run_id,
            at: row.at,
            state: row.state,
            ended_at: row.ended_at,
        }
    }
}
