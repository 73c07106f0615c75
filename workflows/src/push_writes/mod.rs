//! Sends what is owed to a stream: look at what is there, claim a batch with the values of now, send
//! it, settle it row by row, until nothing is due.
//!
//! The batch is journaled before it is sent. A process that dies between the call and its
//! journal sends the same rows again; updates are the same values, and creates are looked for by
//! the hub's id first, so nothing is doubled.

mod calls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use connector_sdk::{Change, ConnectorError, ErrorKind, Receipt, Record, StreamName};
use engine::Tx;
use engine::budget::Lane;
use engine::ids::WriteId;
use engine::runtime::{
    Class, Counts, Failure, Run, RunError, Step, StepCx, StepError, TxStep, Workflow,
};
use engine::store::doubts;
use engine::store::plans;
use engine::store::writes::{self, Seen};
use engine::sync::outbox::{
    self, Batch, Between, Outcome, Outgoing, PUSH_WORKFLOW, PushInput, Refusal, Settled,
};
use engine::sync::page::{self, Origin};
use serde::{Deserialize, Serialize};

pub use self::calls::{look_between, note_versions, send};
use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Rows of one batch.
const BATCH: i64 = 200;

/// See the module.
pub struct PushWrites;

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub written: u64,
    pub failed: u64,
    pub retried: u64,
    pub normalised: u64,
}

impl Workflow for PushWrites {
    const NAME: &'static str = PUSH_WORKFLOW;
    type Input = PushInput;
    type Output = Pushed;

    fn key(input: &PushInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: PushInput) -> Result<Pushed, RunError> {
        let mut pushed = Pushed::default();
        for number in 0.. {
            let place = || BatchPlace {
                input: input.clone(),
                number,
            };
            let seen = cx.tx(ReadFirst::new(place())).await?;
            let is_fresh = Arc::new(AtomicBool::new(false));
            let batch = cx
                .tx(ClaimWrites {
                    place: place(),
                    seen,
                    is_fresh: Arc::clone(&is_fresh),
                })
                .await?;
            if batch.outgoing.is_empty() {
                if batch.settled == 0 {
                    break;
                }
                continue;
            }
            let outgoing = batch.outgoing;
            let sent = cx
                .step(SendWrites {
                    place: place(),
                    outgoing: outgoing.clone(),
                    is_fresh,
                })
                .await?;
            let failed = match &sent {
                Sent::Rows { .. } => None,
                Sent::Failed(refusal) => Some(refusal.clone()),
            };
            let settled = cx
                .tx(SettleWrites {
                    place: place(),
                    outgoing,
                    sent,
                })
                .await?;
            cx.counts(Counts {
                written: settled.written,
                failed: settled.failed,
                ..Counts::default()
            });
            pushed.written += settled.written;
            pushed.failed += settled.failed;
            pushed.retried += settled.retried;
            pushed.normalised += settled.normalised;
            if let Some(refusal) = failed {
                // The writes wait for a later push; this one says why it could not deliver them.
                let failure = Failure::new(class(refusal.kind), refusal.message);
                return Err(failure.into());
            }
        }
        Ok(pushed)
    }
}

fn class(kind: ErrorKind) -> Class {
    match kind {
        ErrorKind::Transient => Class::Transient,
        ErrorKind::RateLimited => Class::RateLimited,
        ErrorKind::Auth => Class::Auth,
        ErrorKind::Config => Class::Config,
        ErrorKind::Rejected | ErrorKind::Gone => Class::Rejected,
        ErrorKind::Conflict => Class::Conflict,
        ErrorKind::Unsupported => Class::Bug,
    }
}

/// One batch of a push.
struct BatchPlace {
    input: PushInput,
    number: u64,
}

/// Reads what the batch is about before it is claimed: an edit over there that the hub has not
/// seen yet is merged, or becomes a conflict, instead of being overwritten.
struct ReadFirst {
    place: BatchPlace,
    /// Read by `prepare`, applied by `run`.
    found: Handed<Found>,
}

/// The due writes, and the records they are about as they were found after that.
struct Found {
    /// Each with the key of its record, if that is there.
    seen: Vec<(Seen, Option<String>)>,
    records: Vec<Record>,
    asked_at: DateTime<Utc>,
    /// What lay under writes that may have been carried out, and the writes it was looked for.
    between: Vec<Between>,
    cleared: Vec<WriteId>,
}

impl ReadFirst {
    fn new(place: BatchPlace) -> Self {
        Self {
            place,
            found: Handed::default(),
        }
    }
}

impl TxStep for ReadFirst {
    const NAME: &'static str = "read_first";
    /// The writes that may be claimed now.
    type Output = Vec<Seen>;

    fn key(&self) -> String {
        self.place.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        let hub = Hub::of(cx)?;
        let PushInput { connection, stream } = &self.place.input;
        let mut tx = cx.begin().await?;
        let asked_at = tx.now();
        // What an earlier push claimed and did not settle is looked at like everything else. It
        // commits apart from the step, which is harmless: a repeat finds nothing left to adopt.
        writes::adopt(&mut tx, *connection, stream, cx.run_id()).await?;
        let due = writes::due(&mut tx, *connection, stream, BATCH).await?;
        let plan = plans::of_stream(&mut tx, *connection, stream).await?;
        let ids: Vec<WriteId> = due.iter().map(|(seen, _)| seen.id).collect();
        let doubts = doubts::among(&mut tx, *connection, stream, &ids).await?;
        tx.commit().await?;
        let (mut seen, keys): (Vec<Seen>, Vec<Option<String>>) = due.into_iter().unzip();
        if !seen.is_empty() {
            // For looking, sending and reading back, all before the batch is claimed: a batch that
            // waited between its claim and its sending would send old values.
            let lane = match cx.trigger() {
                "edit" => Lane::Interactive,
                _ => Lane::Incremental,
            };
            hub.spend(cx, *connection, lane, 3).await?;
        }
        let wanted: Vec<String> = keys.iter().flatten().cloned().collect();
        let mut records: Vec<Record> = Vec::new();
        let (mut between, mut cleared) = (Vec::new(), Vec::new());
        if let Some(plan) = plan.filter(|_| !wanted.is_empty()) {
            let opened = hub.open(cx.tenant(), *connection).await?;
            let stream = StreamName(stream.clone());
            let found = opened.fetch(&stream, &wanted, &plan.remote_fields()).await;
            let found = hub.noted(cx, *connection, opened.usage(), found).await?;
            records.extend(found.into_iter().flatten());
            note_versions(&mut seen, &keys, &records);
            let fields = plan.remote_fields();
            let looked = look_between(&*opened, &stream, doubts, &fields).await;
            (between, cleared) = hub.noted(cx, *connection, opened.usage(), looked).await?;
        }
        self.found.put(Found {
            seen: seen.into_iter().zip(keys).collect(),
            records,
            asked_at,
            between,
            cleared,
        });
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Vec<Seen>, StepError> {
        let found = self.found.take();
        let found = found.ok_or_else(|| StepError::bug("nothing was read before it is applied"))?;
        let PushInput { connection, stream } = &self.place.input;
        let place = (*connection, stream.as_str());
        let mut records = found.records;
        let seen =
            outbox::drop_overtaken(tx, place, found.asked_at, found.seen, &mut records).await?;
        if records.is_empty() && found.cleared.is_empty() {
            return Ok(seen);
        }
        let hub = Hub::of(cx)?;
        let page = page::Page {
            connection: *connection,
            stream: stream.clone(),
            run: cx.run_id(),
            changes: records
                .into_iter()
                .map(Change::Upsert)
                .collect::<Vec<_>>()
                .into(),
            cursor: None,
            pass: None,
            origin: Origin::Records(found.asked_at),
        };
        let mut applied = page::apply(tx, &hub.tables, page)
            .await
            .map_err(sync_error)?;
        let (tables, run) = (&hub.tables, cx.run_id());
        let owed = outbox::keep_overwritten(tx, tables, *connection, stream, run, found.between)
            .await
            .map_err(sync_error)?;
        doubts::settle(tx, &found.cleared).await?;
        applied.owed.extend(owed);
        // What this stream is owed is claimed next, or starts a push of its own.
        applied.owed.remove(&(*connection, stream.clone()));
        outbox::start_pushes(tx, &applied.owed, "push").await?;
        Ok(seen)
    }
}

struct ClaimWrites {
    place: BatchPlace,
    seen: Vec<Seen>,
    /// Set when the batch is claimed now, and not read from the journal.
    is_fresh: Arc<AtomicBool>,
}

impl TxStep for ClaimWrites {
    const NAME: &'static str = "claim_writes";
    type Output = Batch;

    fn key(&self) -> String {
        self.place.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Batch, StepError> {
        let hub = Hub::of(cx)?;
        let PushInput { connection, stream } = &self.place.input;
        let batch = outbox::claim(
            tx,
            &hub.tables,
            *connection,
            stream,
            cx.run_id(),
            &self.seen,
        )
        .await
        .map_err(sync_error)?;
        self.is_fresh.store(true, Ordering::Relaxed);
        if batch.outgoing.is_empty() && batch.settled == 0 {
            outbox::start_push_when_due(tx, *connection, stream).await?;
        }
        Ok(batch)
    }
}

struct SendWrites {
    place: BatchPlace,
    outgoing: Vec<Outgoing>,
    /// Whether no process can have sent the batch before: this one has just claimed it. A process that
    /// was killed while it sent has left no attempt behind.
    is_fresh: Arc<AtomicBool>,
}

/// What the system said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "sent")]
enum Sent {
    /// One answer per row, in order.
    Rows { rows: Vec<Outcome> },
    /// Nothing was decided about any row. Sending the same values again later would be wrong, as
    /// they may be old by then: the rows go back to the outbox.
    Failed(Refusal),
}

impl Step for SendWrites {
    const NAME: &'static str = "send_writes";
    type Output = Sent;

    fn key(&self) -> String {
        self.place.number.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<Sent, StepError> {
        let hub = Hub::of(cx)?;
        let connection = self.place.input.connection;
        let opened = hub.open(cx.tenant(), connection).await?;
        let stream = StreamName(self.place.input.stream.clone());
        let may_be_sent = cx.attempt() > 1 || !self.is_fresh.load(Ordering::Relaxed);
        let sent = send(&*opened, &stream, &self.outgoing, may_be_sent).await;
        hub.peers
            .note(cx.tenant(), connection, sent.as_ref().err(), opened.usage())
            .await?;
        Ok(match sent {
            Ok(rows) => Sent::Rows {
                rows: rows.into_iter().map(outcome).collect(),
            },
            Err(error) => Sent::Failed((&error).into()),
        })
    }
}

fn outcome(row: Result<Receipt, ConnectorError>) -> Outcome {
    match row {
        Ok(receipt) => Outcome::Stored { receipt },
        Err(error) => Outcome::Refused((&error).into()),
    }
}

struct SettleWrites {
    place: BatchPlace,
    outgoing: Vec<Outgoing>,
    sent: Sent,
}

impl TxStep for SettleWrites {
    const NAME: &'static str = "settle_writes";
    type Output = Settled;

    fn key(&self) -> String {
        self.place.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Settled, StepError> {
        let hub = Hub::of(cx)?;
        let PushInput { connection, stream } = &self.place.input;
        let settled = match &self.sent {
            Sent::Failed(refusal) => {
                let settled = outbox::put_back(tx, &self.outgoing, refusal)
                    .await
                    .map_err(sync_error)?;
                outbox::start_push_when_due(tx, *connection, stream).await?;
                settled
            }
            Sent::Rows { rows } => {
                let pairs = self
                    .outgoing
                    .iter()
                    .cloned()
                    .zip(rows.iter().cloned())
                    .collect();
                outbox::settle(tx, &hub.tables, *connection, stream, cx.run_id(), pairs)
                    .await
                    .map_err(sync_error)?
            }
        };
        outbox::start_pushes(tx, &settled.owed, "push").await?;
        Ok(settled)
    }
}
