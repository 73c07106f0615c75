//! Reads a stream of a connection into the core, page by page, from where the last read ended.
//!
//! A page is read with no transaction open and applied as one unit: its records, what they owe to
//! other systems and the cursor commit together with the step's checkpoint. A process that dies in
//! between reads the page again. While one page is applied the next is being read, and mapped when
//! many are to be expected.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connector_sdk::{ConnectorError, Cursor, ErrorKind, Opened, Page, Read};
use domain::pulls::{PULL_WORKFLOW, PullInput};
use engine::Tx;
use engine::budget::Lane;
use engine::ids::ConnectionId;
use engine::peers::Peers;
use engine::runtime::{
    Class, Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow,
};
use engine::store::plans::{self, Phase, Plan};
use engine::sync::page::{self, Applied, Changes, Ledger, MappedWith};
use engine::sync::{self, outbox};
use engine::trace;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use crate::hub::{Hub, sync_error};

/// Records asked for at once; a unit of commit, and what memory holds twice.
const PAGE: usize = 4_000;
/// Records that wait for a reference, looked at in one step.
const WAITING: usize = 1_000;

/// See the module.
pub struct PullStream;

impl Workflow for PullStream {
    const NAME: &'static str = PULL_WORKFLOW;
    type Input = PullInput;
    type Output = page::Counts;

    fn key(input: &PullInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: PullInput) -> Result<page::Counts, RunError> {
        let mut total = page::Counts::default();
        let reader = Arc::new(Reader::default());
        let mut after = cx
            .tx(FindPlace {
                connection: input.connection,
                stream: input.stream.clone(),
                reader: reader.clone(),
            })
            .await?;
        if input.full {
            after = Place {
                cursor: None,
                phase: Phase::Full,
            };
        }
        let mut restarts = 0;
        let mut ledger = Ledger::default();
        let mut place = Some(WaitingPlace::default());
        for number in 0.. {
            let step = ApplyPage {
                connection: input.connection,
                stream: input.stream.clone(),
                number,
                after: after.clone(),
                ledger,
                reader: reader.clone(),
                page: Mutex::new(None),
            };
            let done = cx.tx(step).await?;
            ledger = done.applied.ledger;
            total.add(&done.applied.counts);
            cx.counts(counts(&done.applied.counts));
            cx.progress(Progress {
                done: total.read,
                total: done.expected,
                unit: "records".to_owned(),
            });
            if done.cursor_was_gone {
                restarts += 1;
                if restarts > 1 {
                    let message = "system forgets its cursors faster than they are read";
                    return Err(RunError::new(Class::Config, message));
                }
            }
            after = done.next;
            if let Some(wait) = done.wait_ms {
                cx.sleep("prepare", Duration::from_millis(wait)).await?;
            }
            if !done.more {
                if done.applied.is_settled {
                    place = None;
                }
                break;
            }
        }
        for round in 0.. {
            let Some(from) = place else { break };
            let step = ApplyWaiting {
                connection: input.connection,
                round,
                from,
            };
            let done = cx.tx(step).await?;
            total.add(&done.applied.counts);
            cx.counts(counts(&done.applied.counts));
            place = done.next;
        }
        Ok(total)
    }
}

fn counts(page: &page::Counts) -> Counts {
    Counts {
        read: page.read,
        created: page.created,
        updated: page.updated,
        unchanged: page.unchanged,
        deleted: page.deleted,
        conflicts: page.conflicts,
        failed: page.failed,
        excluded: page.excluded,
        withheld: page.withheld,
        suppressed: page.suppressed,
        ..Counts::default()
    }
}

/// Where reading stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    cursor: Option<Cursor>,
    phase: Phase,
}

struct FindPlace {
    connection: ConnectionId,
    stream: String,
    /// Given the plan, so that it need not look for it again.
    reader: Arc<Reader>,
}

impl TxStep for FindPlace {
    const NAME: &'static str = "find_place";
    type Output = Place;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<Place, StepError> {
        let plan = plans::of_stream(tx, self.connection, &self.stream).await?;
        let Some(plan) = plan else {
            let error = sync::SyncError::NotEnabled {
                stream: self.stream.clone(),
            };
            return Err(sync_error(error));
        };
        let phase = if plan.cursor.is_none() {
            Phase::Full
        } else {
            plan.phase
        };
        let place = Place {
            cursor: plan.cursor.clone(),
            phase,
        };
        *locked(&self.reader.plan) = Some(plan);
        Ok(place)
    }
}

/// What a page did and where the next begins.
#[derive(Debug, Serialize, Deserialize)]
struct PageDone {
    applied: Applied,
    next: Place,
    more: bool,
    expected: Option<u64>,
    wait_ms: Option<u64>,
    cursor_was_gone: bool,
}

struct ApplyPage {
    connection: ConnectionId,
    stream: String,
    number: u64,
    after: Place,
    /// What the run did so far.
    ledger: Ledger,
    reader: Arc<Reader>,
    /// Read by `prepare`, applied by `run`.
    page: Mutex<Option<Result<Ready, ConnectorError>>>,
}

impl ApplyPage {
    /// On whose behalf it reads.
    fn lane(&self, cx: &StepCx) -> Lane {
        match (self.after.phase, cx.trigger()) {
            (Phase::Full, _) => Lane::Backfill,
            (_, "manual") => Lane::Interactive,
            _ => Lane::Incremental,
        }
    }
}

impl TxStep for ApplyPage {
    const NAME: &'static str = "apply_page";
    type Output = PageDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        let hub = Hub::of(cx)?;
        let page = self.reader.read(cx, &hub, self).await?;
        let page = match page {
            Err(error) if error.kind != ErrorKind::Gone => {
                let usage = self.reader.usage();
                return hub.noted(cx, self.connection, usage, Err(error)).await;
            }
            page => page,
        };
        // The last page notes it with how the call went.
        if let Ok(Ready { page, .. }) = &page
            && page.more
            && let Some(usage) = self.reader.usage()
        {
            hub.peers
                .report(cx.tenant(), self.connection, usage)
                .await?;
        }
        *locked(&self.page) = Some(page);
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PageDone, StepError> {
        let page = locked(&self.page).take();
        let page = page.ok_or_else(|| StepError::bug("page was not read before it is applied"))?;
        let Ok(Ready { page, changes }) = page else {
            // The system no longer knows our place: read all of it, as a comparison.
            let next = Place {
                cursor: None,
                phase: Phase::Full,
            };
            let (connection, stream) = (self.connection, &self.stream);
            plans::advance(tx, connection, stream, None, Phase::Full, cx.run_id()).await?;
            return Ok(PageDone {
                applied: Applied {
                    ledger: self.ledger,
                    ..Applied::default()
                },
                next,
                more: true,
                expected: None,
                wait_ms: None,
                cursor_was_gone: true,
            });
        };
        let hub = Hub::of(cx)?;
        let phase = if page.more {
            self.after.phase
        } else {
            Phase::Incremental
        };
        let next = Place {
            cursor: Some(page.cursor.clone()),
            phase,
        };
        let (more, expected, wait) = (page.more, page.expected, page.wait);
        let applied = page::apply_within(
            tx,
            &hub.tables,
            page::Page {
                connection: self.connection,
                stream: self.stream.clone(),
                run: cx.run_id(),
                changes,
                cursor: Some((page.cursor, phase)),
            },
            self.ledger,
        )
        .await
        .map_err(sync_error)?;
        outbox::start_pushes(tx, &applied.owed, "pull").await?;
        if !more {
            Peers::note_in(tx, self.connection, None, self.reader.usage()).await?;
        }
        Ok(PageDone {
            applied,
            next,
            more,
            expected,
            wait_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            cursor_was_gone: false,
        })
    }
}

/// Merges what waited for records that are here by now, and sees to writes that nobody sends:
/// stream by stream, some records at a time.
struct ApplyWaiting {
    connection: ConnectionId,
    round: u64,
    from: WaitingPlace,
}

/// How far the waiting records of a connection were looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct WaitingPlace {
    /// Names of streams that are done end here.
    stream: String,
    key: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct WaitingDone {
    applied: Applied,
    next: Option<WaitingPlace>,
}

impl TxStep for ApplyWaiting {
    const NAME: &'static str = "apply_waiting";
    type Output = WaitingDone;

    fn key(&self) -> String {
        self.round.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<WaitingDone, StepError> {
        let hub = Hub::of(cx)?;
        let (connection, run) = (self.connection, cx.run_id());
        let streams = plans::streams(tx, connection).await?;
        let mut applied = Applied::default();
        let mut next = None;
        for stream in streams.iter().filter(|stream| **stream >= self.from.stream) {
            let after = if *stream == self.from.stream {
                self.from.key.as_str()
            } else {
                ""
            };
            let waited =
                page::apply_waiting(tx, &hub.tables, connection, stream, run, after, WAITING)
                    .await
                    .map_err(sync_error)?;
            applied.counts.add(&waited.applied.counts);
            applied.owed.extend(waited.applied.owed);
            if let Some(key) = waited.next {
                let stream = stream.clone();
                next = Some(WaitingPlace { stream, key });
                break;
            }
            outbox::start_push_when_due(tx, connection, stream).await?;
        }
        outbox::start_pushes(tx, &applied.owed, "pull").await?;
        Ok(WaitingDone { applied, next })
    }
}

/// Reads pages, one ahead.
#[derive(Default)]
struct Reader {
    /// Left by [`FindPlace`].
    plan: Mutex<Option<Plan>>,
    opened: tokio::sync::OnceCell<Source>,
    ahead: Mutex<Option<Ahead>>,
}

/// What reading needs, found once per activation.
#[derive(Clone)]
struct Source {
    opened: Arc<dyn Opened>,
    fields: Vec<String>,
    /// Where whole pages are to be expected: maps them while those before are stored.
    mapped_with: Option<Arc<MappedWith>>,
}

/// A page with its changes apart, mapped or not yet.
struct Ready {
    page: Page,
    changes: Changes,
}

/// A read under way.
struct Ahead {
    after: Cursor,
    page: AbortOnDropHandle<Result<Ready, ConnectorError>>,
}

impl Reader {
    /// The page after the step's place; the inner error is the system's.
    async fn read(
        &self,
        cx: &StepCx,
        hub: &Hub,
        step: &ApplyPage,
    ) -> Result<Result<Ready, ConnectorError>, StepError> {
        let source = self
            .opened
            .get_or_try_init(|| source(cx, hub, step))
            .await?;
        let ahead = locked(&self.ahead).take();
        let page = match ahead.filter(|ahead| step.after.cursor.as_ref() == Some(&ahead.after)) {
            Some(ahead) => ahead
                .page
                .await
                .unwrap_or_else(|_panic| Err(ConnectorError::transient("reading ahead failed"))),
            None => {
                hub.spend(cx, step.connection, step.lane(cx), 1).await?;
                read(source.clone(), step, step.after.cursor.clone()).await
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
            let next = read(source.clone(), step, Some(after.clone()));
            let next = trace::within(trace::current(), next);
            let page = AbortOnDropHandle::new(tokio::spawn(next));
            *locked(&self.ahead) = Some(Ahead { after, page });
        }
        Ok(page)
    }

    fn usage(&self) -> Option<connector_sdk::Usage> {
        self.opened.get().and_then(|source| source.opened.usage())
    }
}

async fn source(cx: &StepCx, hub: &Hub, step: &ApplyPage) -> Result<Source, StepError> {
    let is_full = step.after.phase == Phase::Full;
    let known = locked(&step.reader.plan).take();
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
        fields: plan.mapping.remote_fields(),
        mapped_with,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(
    source: Source,
    step: &ApplyPage,
    after: Option<Cursor>,
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
        let changes = std::mem::take(&mut page.changes);
        let changes = match source.mapped_with {
            Some(by) if !changes.is_empty() => spawn_blocking(move || Changes::mapped(changes, by))
                .await
                .map_err(|_panic| ConnectorError::transient("mapping ahead failed"))?,
            _ => changes.into(),
        };
        Ok(Ready { page, changes })
    }
}
