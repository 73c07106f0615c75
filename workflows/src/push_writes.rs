//! Sends what is owed to a stream: claim a batch with the values of now, send it, settle it row by
//! row, until nothing is due.
//!
//! The batch is journaled before it is sent. A process that dies between the call and its
//! journal sends the same rows again; updates are the same values, and creates are looked for by
//! the hub's id first, so nothing is doubled.

use connector_sdk::{ConnectorError, Opened, Receipt, Sink as _, StreamName, Write, WriteOp};
use engine::Tx;
use engine::ids::ConnectionId;
use engine::runtime::{Counts, Run, RunError, Step, StepCx, StepError, TxStep, Workflow};
use engine::sync::outbox::{self, Batch, Outcome, Outgoing, PUSH_WORKFLOW, PushInput, Settled};
use serde::{Deserialize, Serialize};

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
            let batch = cx.tx(ClaimWrites(place())).await?;
            if batch.outgoing.is_empty() {
                if batch.settled == 0 {
                    break;
                }
                continue;
            }
            let outcomes = cx
                .step(SendWrites {
                    place: place(),
                    outgoing: batch.outgoing.clone(),
                })
                .await?;
            let pairs = batch.outgoing.into_iter().zip(outcomes).collect();
            let settled = cx
                .tx(SettleWrites {
                    place: place(),
                    pairs,
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
        }
        Ok(pushed)
    }
}

/// One batch of a push.
struct BatchPlace {
    input: PushInput,
    number: u64,
}

struct ClaimWrites(BatchPlace);

impl TxStep for ClaimWrites {
    const NAME: &'static str = "claim_writes";
    type Output = Batch;

    fn key(&self) -> String {
        self.0.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Batch, StepError> {
        let hub = Hub::of(cx)?;
        let PushInput { connection, stream } = &self.0.input;
        let batch = outbox::claim(tx, &hub.tables, *connection, stream, cx.run_id(), BATCH)
            .await
            .map_err(sync_error)?;
        if batch.outgoing.is_empty() && batch.settled == 0 {
            outbox::start_push_when_due(tx, *connection, stream).await?;
        }
        Ok(batch)
    }
}

struct SendWrites {
    place: BatchPlace,
    outgoing: Vec<Outgoing>,
}

impl Step for SendWrites {
    const NAME: &'static str = "send_writes";
    type Output = Vec<Outcome>;

    fn key(&self) -> String {
        self.place.number.to_string()
    }

    async fn run(&self, cx: &StepCx) -> Result<Vec<Outcome>, StepError> {
        let hub = Hub::of(cx)?;
        let connection = self.place.input.connection;
        let opened = hub.open(cx.tenant(), connection).await?;
        let stream = StreamName(self.place.input.stream.clone());
        let sent = send(&*opened, &stream, &self.outgoing, cx.attempt()).await;
        let rows = hub.noted(cx, connection, opened.usage(), sent).await?;
        Ok(rows.into_iter().map(outcome).collect())
    }
}

fn outcome(row: Result<Receipt, ConnectorError>) -> Outcome {
    match row {
        Ok(receipt) => Outcome::Stored { receipt },
        Err(error) => Outcome::Refused((&error).into()),
    }
}

/// Sends the rows; the answer has one entry per row, in order.
async fn send(
    opened: &dyn Opened,
    stream: &StreamName,
    outgoing: &[Outgoing],
    attempt: u32,
) -> Result<Vec<Result<Receipt, ConnectorError>>, ConnectorError> {
    let mut writes = Vec::with_capacity(outgoing.len());
    for row in outgoing {
        let may_exist = row.look_first || attempt > 1;
        writes.push(match &row.write.op {
            WriteOp::Create { fields } if may_exist => {
                found(opened, stream, row, fields.clone()).await?
            }
            _ => row.write.clone(),
        });
    }
    let answers = opened.write(stream, &writes).await?;
    if answers.len() != writes.len() {
        return Err(
            ConnectorError::transient("system answered another number of rows")
                .with_outcome_unknown(),
        );
    }
    Ok(answers)
}

/// The create, or an update of what an earlier attempt created.
async fn found(
    opened: &dyn Opened,
    stream: &StreamName,
    row: &Outgoing,
    fields: connector_sdk::Fields,
) -> Result<Write, ConnectorError> {
    let mut write = row.write.clone();
    if let Some(record) = opened.find(stream, &row.write.hub_id, &[]).await? {
        write.op = WriteOp::Update {
            key: record.key,
            fields,
        };
    }
    Ok(write)
}

struct SettleWrites {
    place: BatchPlace,
    pairs: Vec<(Outgoing, Outcome)>,
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
        let pairs = self.pairs.clone();
        let settled = outbox::settle(tx, &hub.tables, *connection, stream, cx.run_id(), pairs)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &settled.owed, "push").await?;
        Ok(settled)
    }
}
