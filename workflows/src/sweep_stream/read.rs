//! What a sweep reads: records by key, or pages of a listing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{Change, ConnectorError, Cursor, ErrorKind, Opened, Page, Read, StreamName};
use engine::Tx;
use engine::budget::Lane;
use engine::runtime::{Class, StepCx, StepError, TxStep};
use engine::store::sweeps::{self, Compared as Range};
use engine::store::{coverage, plans};
use engine::sync::outbox;
use engine::sync::page::{Ledger, Origin};
use engine::sync::sweep::{self, Compared, Found, SweepInput};
use serde::{Deserialize, Serialize};

use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Records asked for in one page of a listing.
const PAGE: usize = 2_000;

/// What a part came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PartDone {
    pub(super) compared: Compared,
    /// Where the next begins; `None` at the end.
    pub(super) next: Option<String>,
    /// Somebody let the sweep rest: nothing was done.
    pub(super) rests: bool,
}

/// Whether somebody let the sweeps of a stream rest.
pub(super) async fn rests(cx: &StepCx, input: &SweepInput) -> Result<bool, StepError> {
    let mut tx = cx.begin().await?;
    let sweep = sweeps::get(&mut tx, input.connection, &input.stream).await?;
    tx.commit().await?;
    Ok(sweep.paused)
}

/// Records by key, as the system has them now; in the order of the keys.
pub(super) async fn fetch(
    cx: &StepCx,
    hub: &Hub,
    input: &SweepInput,
    keys: &[String],
) -> Result<Vec<Option<connector_sdk::Record>>, StepError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = cx.begin().await?;
    let plan = plans::of_stream(&mut tx, input.connection, &input.stream).await?;
    tx.commit().await?;
    let Some(plan) = plan else {
        let message = format!(
            "stream {} is not enabled with a published mapping",
            input.stream
        );
        return Err(StepError::permanent(Class::Config, message));
    };
    hub.spend(cx, input.connection, Lane::Reconcile, 1).await?;
    let opened = hub.open(cx.tenant(), input.connection).await?;
    let stream = StreamName(input.stream.clone());
    let found = opened.fetch(&stream, keys, &plan.remote_fields()).await;
    let found = hub
        .noted(cx, input.connection, opened.usage(), found)
        .await?;
    if found.len() != keys.len() {
        return Err(StepError::bug("a system answered for other records"));
    }
    Ok(found)
}

/// Compares some records by direct reads.
pub(super) struct ComparePart {
    number: u64,
    input: SweepInput,
    /// Of a round: where this part of it begins, and how long it is.
    place: Option<(String, i64)>,
    keys: Vec<String>,
    ledger: Ledger,
    read: Handed<Looked>,
}

/// Keys, and what a direct read says of each.
pub(super) struct Looked {
    pub(super) keys: Vec<String>,
    pub(super) found: Vec<Option<connector_sdk::Record>>,
    /// When they were asked for.
    pub(super) asked_at: DateTime<Utc>,
}

impl ComparePart {
    /// The next part of a round.
    pub(super) fn next(
        input: &SweepInput,
        number: u64,
        after: &str,
        limit: i64,
        ledger: Ledger,
    ) -> Self {
        Self {
            number,
            input: input.clone(),
            place: Some((after.to_owned(), limit)),
            keys: Vec::new(),
            ledger,
            read: Handed::default(),
        }
    }

    /// Records that were named.
    pub(super) fn these(
        input: &SweepInput,
        number: u64,
        keys: Vec<String>,
        ledger: Ledger,
    ) -> Self {
        Self {
            number,
            input: input.clone(),
            place: None,
            keys,
            ledger,
            read: Handed::default(),
        }
    }
}

impl TxStep for ComparePart {
    const NAME: &'static str = "compare_part";
    type Output = PartDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        if rests(cx, &self.input).await? {
            return Ok(());
        }
        let hub = Hub::of(cx)?;
        let mut tx = cx.begin().await?;
        let asked_at = tx.now();
        let keys = match &self.place {
            Some((after, limit)) => {
                sweeps::keys(&mut tx, connection, stream, after, *limit).await?
            }
            None => self.keys.clone(),
        };
        tx.commit().await?;
        let found = fetch(cx, &hub, &self.input, &keys).await?;
        self.read.put(Looked {
            keys,
            found,
            asked_at,
        });
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PartDone, StepError> {
        let looked = self.read.take();
        let Some(looked) = looked else {
            return Ok(PartDone {
                rests: true,
                ..PartDone::default()
            });
        };
        let hub = Hub::of(cx)?;
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let checked = looked.keys.len() as u64;
        let last = looked.keys.last().cloned();
        let (mut changes, mut missing) = (Vec::new(), Vec::new());
        for (key, record) in looked.keys.into_iter().zip(looked.found) {
            match record {
                Some(record) => changes.push(Change::Upsert(record)),
                None => missing.push(key),
            }
        }
        sweeps::suspect(tx, connection, stream, cx.run_id(), &missing).await?;
        let found = Found {
            connection,
            stream: stream.to_owned(),
            run: cx.run_id(),
            changes,
            origin: Origin::Records(looked.asked_at),
        };
        let mut compared = sweep::compare(tx, &hub.tables, found, self.ledger)
            .await
            .map_err(sync_error)?;
        compared.checked = checked;
        outbox::start_pushes(tx, &compared.applied.owed, "sweep").await?;
        let mut next = None;
        if let Some((after, limit)) = &self.place {
            next = last.filter(|_| i64::try_from(checked).is_ok_and(|read| read >= *limit));
            let range = Range {
                from: after,
                to: next.as_deref(),
                checked,
                differing: &compared.differing,
                at: looked.asked_at,
            };
            sweeps::compared(tx, connection, stream, range).await?;
        }
        Ok(PartDone {
            compared,
            next,
            rests: false,
        })
    }
}

/// What reading pages needs, found once per activation.
#[derive(Default)]
pub(super) struct Reading(tokio::sync::OnceCell<Source>);

struct Source {
    opened: Arc<dyn Opened>,
    fields: Vec<String>,
}

impl Reading {
    async fn source(
        &self,
        cx: &StepCx,
        hub: &Hub,
        input: &SweepInput,
    ) -> Result<&Source, StepError> {
        self.0
            .get_or_try_init(|| async {
                let mut tx = cx.begin().await?;
                let plan = plans::of_stream(&mut tx, input.connection, &input.stream).await?;
                tx.commit().await?;
                let Some(plan) = plan else {
                    let message = format!(
                        "stream {} is not enabled with a published mapping",
                        input.stream
                    );
                    return Err(StepError::permanent(Class::Config, message));
                };
                Ok(Source {
                    opened: hub.open(cx.tenant(), input.connection).await?,
                    fields: plan.remote_fields(),
                })
            })
            .await
    }
}

/// One page of a listing, or of what changed since a moment.
pub(super) struct ListPage {
    pub(super) number: u64,
    pub(super) input: SweepInput,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) after: Option<Cursor>,
    pub(super) ledger: Ledger,
    pub(super) reading: Arc<Reading>,
    /// Read by `prepare`, compared by `run`.
    pub(super) page: Handed<Asked>,
}

/// A page as it was answered, with when it was asked for.
pub(super) type Asked = (Result<Page, ConnectorError>, DateTime<Utc>);

/// What a page of a listing came to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ListDone {
    pub(super) compared: Compared,
    pub(super) next: Cursor,
    pub(super) more: bool,
    pub(super) expected: Option<u64>,
    pub(super) wait_ms: Option<u64>,
    /// The system no longer knows the place.
    pub(super) was_gone: bool,
    /// The page says itself that it does not tell everything.
    pub(super) has_gaps: bool,
    pub(super) rests: bool,
}

impl ListDone {
    fn nothing() -> Self {
        Self {
            compared: Compared::default(),
            next: Cursor(String::new()),
            more: true,
            expected: None,
            wait_ms: None,
            was_gone: false,
            has_gaps: false,
            rests: false,
        }
    }
}

impl ListPage {
    /// Where the page begins; without the stream's own cursor, which stays where it is.
    fn place(&self, opened: &dyn Opened) -> Result<Option<Cursor>, ConnectorError> {
        match (&self.after, self.since) {
            (Some(after), _) => Ok(Some(after.clone())),
            (None, Some(at)) => {
                let stream = StreamName(self.input.stream.clone());
                let place = opened.since(&stream, at)?;
                let none = || ConnectorError::gone("the system cannot read from a moment on");
                place.map(Some).ok_or_else(none)
            }
            (None, None) => Ok(None),
        }
    }
}

impl TxStep for ListPage {
    const NAME: &'static str = "list_page";
    type Output = ListDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        if rests(cx, &self.input).await? {
            return Ok(());
        }
        let hub = Hub::of(cx)?;
        let source = self.reading.source(cx, &hub, &self.input).await?;
        hub.spend(cx, self.input.connection, Lane::Reconcile, 1)
            .await?;
        let asked_at = cx.clock().now();
        let page = match self.place(&*source.opened) {
            Ok(after) => {
                let read = Read {
                    stream: StreamName(self.input.stream.clone()),
                    fields: source.fields.clone(),
                    after,
                    limit: PAGE,
                };
                source.opened.read(&read).await
            }
            Err(error) => Err(error),
        };
        let page = match page {
            Err(error) if error.kind != ErrorKind::Gone => {
                let usage = source.opened.usage();
                return hub
                    .noted(cx, self.input.connection, usage, Err(error))
                    .await;
            }
            page => page,
        };
        self.page.put((page, asked_at));
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<ListDone, StepError> {
        let page = self.page.take();
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let Some((page, asked_at)) = page else {
            return Ok(ListDone {
                rests: true,
                ..ListDone::nothing()
            });
        };
        let Ok(page) = page else {
            // What was listed by then is of a listing that has no end.
            sweeps::forget(tx, connection, stream).await?;
            return Ok(ListDone {
                was_gone: true,
                ..ListDone::nothing()
            });
        };
        let hub = Hub::of(cx)?;
        if self.since.is_none() {
            let living = page.changes.iter().filter_map(|change| match change {
                Change::Upsert(record) => Some(record.key.clone()),
                Change::Delete(_) => None,
            });
            let keys: Vec<String> = living.collect();
            sweeps::list(tx, connection, stream, cx.run_id(), &keys).await?;
        }
        coverage::note(tx, connection, stream, cx.run_id(), &page.gaps).await?;
        let found = Found {
            connection,
            stream: stream.to_owned(),
            run: cx.run_id(),
            changes: page.changes,
            origin: Origin::Listing(asked_at),
        };
        let compared = sweep::compare(tx, &hub.tables, found, self.ledger)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &compared.applied.owed, "sweep").await?;
        Ok(ListDone {
            compared,
            next: page.cursor,
            more: page.more,
            expected: page.expected,
            wait_ms: page
                .wait
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            was_gone: false,
            has_gaps: !page.gaps.is_empty(),
            rests: false,
        })
    }
}
