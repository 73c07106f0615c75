//! Reads pages of a stream, one ahead of what is applied.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{ConnectorError, Cursor, Described, Opened, Page, Read};
use engine::runtime::{StepCx, StepError};
use engine::store::plans::{self, Phase, Plan};
use engine::sync;
use engine::sync::page::{Changes, MappedWith};
use engine::trace;
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use super::ApplyPage;
use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Records asked for at once; a unit of commit, and what memory holds twice.
const PAGE: usize = 4_000;

/// Reads pages, one ahead.
#[derive(Default)]
pub(super) struct Reader {
    /// Left by [`FindPlace`](super::FindPlace).
    pub(super) plan: Handed<Plan>,
    pub(super) opened: tokio::sync::OnceCell<Source>,
    ahead: Handed<Ahead>,
}

/// What reading needs, found once per activation.
#[derive(Clone)]
pub(super) struct Source {
    opened: Arc<dyn Opened>,
    fields: Vec<String>,
    /// Of the description that is known.
    pub(super) mark: Option<String>,
    /// Where whole pages are to be expected: maps them while those before are stored.
    mapped_with: Option<Arc<MappedWith>>,
}

/// A page with its changes apart, mapped or not yet.
pub(super) struct Ready {
    pub(super) page: Page,
    pub(super) changes: Changes,
    /// The stream as the system described it right after the page was read.
    pub(super) described: Option<Arc<Described>>,
    /// When the page was asked for.
    pub(super) asked_at: DateTime<Utc>,
}

/// A read under way.
struct Ahead {
    after: Cursor,
    page: AbortOnDropHandle<Result<Ready, ConnectorError>>,
}

impl Reader {
    /// The page after the step's place; the inner error is the system's.
    pub(super) async fn read(
        &self,
        cx: &StepCx,
        hub: &Hub,
        step: &ApplyPage,
    ) -> Result<Result<Ready, ConnectorError>, StepError> {
        let source = self
            .opened
            .get_or_try_init(|| source(cx, hub, step))
            .await?;
        let ahead = self.ahead.take();
        let page = match ahead.filter(|ahead| step.after.cursor.as_ref() == Some(&ahead.after)) {
            Some(ahead) => ahead
                .page
                .await
                .unwrap_or_else(|_panic| Err(ConnectorError::transient("reading ahead failed"))),
            None => {
                hub.spend(cx, step.connection, step.lane(cx), 1).await?;
                read(
                    source.clone(),
                    step,
                    step.after.cursor.clone(),
                    cx.clock().now(),
                )
                .await
            }
        };
        if let Ok(Ready { page, .. }) = &page
            && page.more
            && page.wait.is_none()
            // Else the next step waits for it.
            && cx
                .try_budget(&step.connection.to_string(), step.lane(cx), 1.0)
                .await?
        {
            let after = page.cursor.clone();
            let next = read(source.clone(), step, Some(after.clone()), cx.clock().now());
            let next = trace::within(trace::current(), next);
            let page = AbortOnDropHandle::new(tokio::spawn(next));
            self.ahead.put(Ahead { after, page });
        }
        Ok(page)
    }

    pub(super) fn usage(&self) -> Option<connector_sdk::Usage> {
        self.opened.get().and_then(|source| source.opened.usage())
    }
}

async fn source(cx: &StepCx, hub: &Hub, step: &ApplyPage) -> Result<Source, StepError> {
    let is_full = step.after.phase == Phase::Full;
    let known = step.reader.plan.take();
    let (plan, mapped_with) = match known {
        Some(plan) if !is_full => (plan, None),
        known => {
            let mut tx = cx.begin().await?;
            let plan = match known {
                Some(plan) => Some(plan),
                None => plans::of_stream(&mut tx, step.connection, &step.stream).await?,
            };
            let Some(plan) = plan else {
                let error = sync::SyncError::NotEnabled {
                    stream: step.stream.clone(),
                };
                return Err(sync_error(error));
            };
            let mapped_with = if is_full {
                Some(Arc::new(MappedWith::of(&mut tx, &hub.tables, &plan).await?))
            } else {
                None
            };
            tx.commit().await?;
            (plan, mapped_with)
        }
    };
    let opened = hub.open(cx.tenant(), step.connection).await?;
    Ok(Source {
        opened,
        fields: plan.remote_fields(),
        mark: plan.description_mark.clone(),
        mapped_with,
    })
}

fn read(
    source: Source,
    step: &ApplyPage,
    after: Option<Cursor>,
    asked_at: DateTime<Utc>,
) -> impl Future<Output = Result<Ready, ConnectorError>> + Send + use<> {
    let stream = step.stream.as_str().into();
    async move {
        let read = Read {
            stream,
            fields: source.fields,
            after,
            limit: PAGE,
        };
        let mut page = source.opened.read(&read).await?;
        let described = source.opened.describe(&read.stream).await?;
        let changes = std::mem::take(&mut page.changes);
        let changes = match source.mapped_with {
            Some(by) if !changes.is_empty() => spawn_blocking(move || Changes::mapped(changes, by))
                .await
                .map_err(|_panic| ConnectorError::transient("mapping ahead failed"))?,
            _ => changes.into(),
        };
        Ok(Ready {
            page,
            changes,
            described,
            asked_at,
        })
    }
}
