//! Lanes: what holds runs back, and what a person does about it.

mod get;
mod list;
mod open;
mod pause;
mod plan;
mod resume;
mod update;

use chrono::{DateTime, Utc};
use engine::Tx;
use engine::ids::ConnectionId;
use engine::store::connections;
use engine::store::lanes::{self, Action, Touched};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag;
use crate::permit::routes;
use crate::portal::Portal;

/// Stands for the name of the tenant's lane, of which there is one.
const ALL: &str = "all";
/// Longest name of a workflow or key in bytes; no run has a longer one.
const LONGEST_NAME: usize = 500;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get, update::update))
        .routes(routes!(plan::plan))
        .routes(routes!(pause::pause))
        .routes(routes!(resume::resume))
        .routes(routes!(open::open))
}

/// What kind of lane: all runs, those of a workflow, of a connection, or of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaneKind {
    Tenant,
    Workflow,
    Connection,
    Key,
}

/// The path of a lane.
#[derive(Deserialize)]
pub(super) struct Place {
    kind: LaneKind,
    name: String,
}

impl Place {
    /// The lane of that name; a connection must be there.
    async fn find(self, tx: &mut Tx) -> Result<lanes::Lane, ApiError> {
        let unknown = || ApiError::not_found("lane");
        if self.name.len() > LONGEST_NAME {
            return Err(unknown());
        }
        Ok(match self.kind {
            LaneKind::Tenant if self.name == ALL => lanes::Lane::Tenant,
            LaneKind::Tenant => return Err(unknown()),
            LaneKind::Workflow => lanes::Lane::Workflow(self.name),
            LaneKind::Key => lanes::Lane::Key(self.name),
            LaneKind::Connection => {
                let id: ConnectionId = self.name.parse().map_err(|_no_id| unknown())?;
                connections::get(tx, id).await?;
                lanes::Lane::Connection(id)
            }
        })
    }
}

/// What holds runs back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lane {
    kind: LaneKind,
    /// The workflow, the connection's id, the key; `all` for the tenant.
    name: String,
    /// At once: runs under way; of a key, runs that hold it (one unless said).
    max_running: Option<u32>,
    /// The tenant's part of the time against the 1 of others, while there is not enough for all.
    weight: Option<f64>,
    /// A person wants it quiet.
    paused: Option<LanePause>,
    /// Another system wants it quiet until then.
    closed: Option<LaneClosing>,
    /// Runs that count against its limit; 10,000 may be more.
    running: u64,
    /// Due runs that wait for it; 10,000 may be more.
    waiting: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanePause {
    since: DateTime<Utc>,
    by: String,
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneClosing {
    until: DateTime<Utc>,
    reason: String,
}

impl Lane {
    pub(crate) fn new(row: lanes::LaneRow, now: DateTime<Utc>) -> Self {
        let (kind, name) = match row.lane {
            lanes::Lane::Tenant => (LaneKind::Tenant, ALL.to_owned()),
            lanes::Lane::Workflow(name) => (LaneKind::Workflow, name),
            lanes::Lane::Connection(id) => (LaneKind::Connection, id.to_string()),
            lanes::Lane::Key(name) => (LaneKind::Key, name),
        };
        Self {
            kind,
            name,
            max_running: row.max_running,
            weight: row.weight,
            paused: row.paused.map(|paused| LanePause {
                since: paused.at,
                by: paused.by,
                reason: paused.reason,
            }),
            // It is opened within a second after that.
            closed: row
                .closed
                .filter(|closed| closed.until > now)
                .map(|closed| LaneClosing {
                    until: closed.until,
                    reason: closed.reason,
                }),
            running: row.running,
            waiting: row.waiting,
        }
    }

    /// Of what one sets; what it holds changes all the time.
    fn version(&self) -> i64 {
        etag::version_of(&(self.max_running, self.weight))
    }
}

/// The open runs that an action on a lane is about; none where it changes nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneTouched {
    /// Whether the lane is different afterwards.
    changes: bool,
    queued: u64,
    running: u64,
    waiting: u64,
}

impl From<Touched> for LaneTouched {
    fn from(touched: Touched) -> Self {
        Self {
            changes: touched.changes,
            queued: touched.queued,
            running: touched.running,
            waiting: touched.waiting,
        }
    }
}

/// What an action on a lane did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneOutcome {
    touched: LaneTouched,
    /// As it is now.
    lane: Lane,
}

/// Does it in a transaction of its own.
async fn act(caller: &Operator, place: Place, action: Action) -> Result<LaneOutcome, ApiError> {
    let mut tx = caller.begin().await?;
    let lane = place.find(&mut tx).await?;
    let now = tx.now();
    let before = Lane::new(lanes::lock(&mut tx, &lane).await?, now);
    let touched = lanes::act(&mut tx, &lane, &action).await?;
    let row = lanes::get(&mut tx, &lane).await?;
    tx.was(etag::shown(&before));
    tx.commit().await?;
    note(caller, &lane, &action, touched);
    Ok(LaneOutcome {
        touched: touched.into(),
        lane: Lane::new(row, now),
    })
}

/// For the log: who did what to which runs.
fn note(caller: &Operator, lane: &lanes::Lane, action: &Action, touched: Touched) {
    let user = &caller.session.user;
    let runs = touched.queued + touched.running + touched.waiting;
    let action = match action {
        Action::Pause { .. } => "pause",
        Action::Resume => "resume",
        Action::Close { .. } => "close",
        Action::Open => "open",
        Action::Limit(_) => "limit",
        Action::Weight(_) => "weight",
    };
    tracing::info!(
        tenant.id = %user.tenant, user.id = %user.id, lane.kind = lane.kind(), action, runs,
        changes = touched.changes, "a person acted on a lane"
    );
}

fn reason(text: String) -> Result<String, ApiError> {
    if text.chars().count() > LONGEST_REASON {
        let message = format!("a reason has at most {LONGEST_REASON} characters");
        return Err(ApiError::invalid("/reason", message));
    }
    Ok(text)
}
