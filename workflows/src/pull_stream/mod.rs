//! Reads a stream of a connection into the core, page by page, from where the last read ended.
//!
//! A page is read with no transaction open and applied as one unit: its records, what they owe to
//! other systems and the cursor commit together with the step's checkpoint. A process that dies in
//! between reads the page again. While one page is applied the next is being read, and mapped when
//! many are to be expected.

mod reader;
mod waiting;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use connector_sdk::{ConnectorError, Cursor, Described, ErrorKind, Gap, GapReason};
use domain::mappings;
use domain::pulls::{PULL_WORKFLOW, PullInput};
use engine::Tx;
use engine::budget::Lane;
use engine::ids::ConnectionId;
use engine::peers::Peers;
use engine::runtime::{
    Class, Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow,
};
use engine::store::coverage;
use engine::store::plans::{self, Pass, Pending, Phase};
use engine::sync::page::{self, Applied, Ledger, Origin};
use engine::sync::sweep::{self, SweepInput, What};
use engine::sync::{self, drift, outbox};
use serde::{Deserialize, Serialize};

use self::reader::{Reader, Ready};
use self::waiting::{ApplyWaiting, WaitingPlace};
use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

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
            after.cursor = None;
            after.phase = Phase::Full;
        }
        let mut places = HashSet::new();
        let mut restarts = 0;
        let mut ledger = Ledger::default();
        let mut pending = Pending::default();
        for number in 0.. {
            let step = ApplyPage {
                connection: input.connection,
                stream: input.stream.clone(),
                number,
                after: after.clone(),
                ledger,
                reader: reader.clone(),
                page: Handed::default(),
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
            match (&after.cursor, done.wait_ms) {
                (_, Some(wait)) => cx.sleep("prepare", Duration::from_millis(wait)).await?,
                (Some(Cursor(place)), None) if done.more && !places.insert(place.clone()) => {
                    let message = "system's cursor comes back to where it was";
                    return Err(RunError::new(Class::Config, message));
                }
                _ => {}
            }
            if !done.more {
                pending = done.applied.pending;
                break;
            }
        }
        let looks = pending.looks(total.is_any_news());
        let mut place = (looks || pending.is_any_unsent).then(WaitingPlace::default);
        for round in 0.. {
            let Some(from) = place else { break };
            let step = ApplyWaiting {
                connection: input.connection,
                round,
                looks,
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
        linked: page.linked,
        held: page.held,
        ..Counts::default()
    }
}

/// Where reading stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    cursor: Option<Cursor>,
    phase: Phase,
    /// When the run began: whatever changed before is read when it is over.
    began_at: DateTime<Utc>,
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
            began_at: tx.now(),
        };
        self.reader.plan.put(plan);
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
    page: Handed<Result<Ready, ConnectorError>>,
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
        self.page.put(page);
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PageDone, StepError> {
        let page = self.page.take();
        let page = page.ok_or_else(|| StepError::bug("page was not read before it is applied"))?;
        let Ok(ready) = page else {
            // The system no longer knows our place: read all of it, as a comparison.
            let next = Place {
                cursor: None,
                phase: Phase::Full,
                began_at: self.after.began_at,
            };
            let (connection, stream) = (self.connection, &self.stream);
            self.note_lost(cx, tx).await?;
            let moved = (Phase::Full, None);
            plans::advance(tx, connection, stream, None, moved, cx.run_id()).await?;
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
        let Ready {
            page,
            changes,
            described,
            asked_at,
        } = ready;
        let hub = Hub::of(cx)?;
        self.compare(cx, &hub, tx, described.as_deref()).await?;
        let phase = if page.more {
            self.after.phase
        } else {
            Phase::Incremental
        };
        let next = Place {
            cursor: Some(page.cursor.clone()),
            phase,
            began_at: self.after.began_at,
        };
        if !page.gaps.is_empty() {
            // Before the page moves what is covered: a gap without a beginning begins there.
            let run = cx.run_id();
            let noted = coverage::note(tx, self.connection, &self.stream, run, &page.gaps).await?;
            if noted > 0 {
                self.start_sweep(tx, What::Gaps).await?;
            }
        }
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
                pass: Some(Pass {
                    began_at: self.after.began_at,
                    is_anew: self.after.cursor.is_none(),
                    is_over: !more,
                }),
                origin: Origin::of_read(self.after.phase, asked_at),
            },
            self.ledger,
        )
        .await
        .map_err(sync_error)?;
        if applied.in_doubt > 0 {
            self.start_sweep(tx, What::Gaps).await?;
        }
        if applied.is_sweep_due {
            self.start_sweep(tx, What::Part).await?;
        }
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

impl ApplyPage {
    /// Lets fields stand still that the system describes otherwise by now, before anything of the page
    /// is mapped. Descriptions that are known cost nothing.
    async fn compare(
        &self,
        cx: &StepCx,
        hub: &Hub,
        tx: &mut Tx,
        described: Option<&Described>,
    ) -> Result<(), StepError> {
        let known = self
            .reader
            .opened
            .get()
            .and_then(|source| source.mark.as_ref());
        let Some(described) = described.filter(|described| known != Some(&described.mark)) else {
            return Ok(());
        };
        let (connection, stream, run) = (self.connection, self.stream.as_str(), cx.run_id());
        let compared = drift::compare(tx, &hub.tables, connection, stream, described, Some(run))
            .await
            .map_err(sync_error)?;
        if compared.recovered > 0 {
            mappings::remap(tx, connection, stream).await?;
        }
        Ok(())
    }

    /// What changed since the last read did not come, nor what was deleted.
    async fn note_lost(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        let (connection, stream) = (self.connection, self.stream.as_str());
        if coverage::covered_to(tx, connection, stream)
            .await?
            .is_none()
        {
            return Ok(());
        }
        let lost = Gap {
            reason: GapReason::Lost,
            from: None,
            to: None,
            keys: Vec::new(),
        };
        coverage::note(tx, connection, stream, cx.run_id(), &[lost]).await?;
        self.start_sweep(tx, What::Gaps).await
    }

    async fn start_sweep(&self, tx: &mut Tx, what: What) -> Result<(), StepError> {
        let input = SweepInput {
            connection: self.connection,
            stream: self.stream.clone(),
            what,
        };
        sweep::start(tx, input, "pull").await?;
        Ok(())
    }
}
