//! The steps of `workflows::push_writes`, in its order.

use anyhow::Result;
use chrono::{DateTime, Utc};
use connector_sdk::{Change, Opened, Receipt, Record, WriteOp};
use engine::ids::{RunId, WriteId};
use engine::store::doubts;
use engine::store::writes::{self, Seen};
use engine::sync::outbox::{self, Between, Outcome, Outgoing, Refusal};
use engine::sync::page::Origin;
use workflows::push_writes::{look_between, note_versions, send};

use super::plan::Fault;
use super::planted::Planted;
use super::pull::shown;
use super::{STREAM, Went, World};

/// Rows of one batch: few, so that a push has more than one.
const BATCH: i64 = 3;

/// Where a push stands.
pub(crate) enum At {
    /// Before `ReadFirst` looks.
    Look,
    /// Before `ReadFirst` applies what it saw, which is in memory only.
    Looked {
        seen: Vec<(Seen, Option<String>)>,
        records: Vec<Record>,
        asked_at: DateTime<Utc>,
        between: Vec<Between>,
        cleared: Vec<WriteId>,
    },
    /// Before `ClaimWrites`.
    Claim { seen: Vec<Seen> },
    /// Before `SendWrites`.
    Send {
        outgoing: Vec<Outgoing>,
        may_be_sent: bool,
    },
    /// Before `SettleWrites`.
    Settle { outgoing: Vec<Outgoing>, sent: Sent },
}

pub(crate) enum Sent {
    Rows(Vec<Outcome>),
    Failed(Refusal),
}

impl World<'_> {
    pub(crate) async fn push_step(
        &mut self,
        run: RunId,
        peer: usize,
        at: At,
        fault: Fault,
    ) -> Result<Went<At>> {
        let is_sending = matches!(at, At::Send { .. });
        if fault == Fault::Cancelled && !is_sending {
            self.note(format!("{peer}: the push is cancelled"));
            return Ok(Went::Over);
        }
        match at {
            At::Look => self.look(run, peer, fault).await,
            At::Looked { .. } if fault == Fault::Dies => {
                self.note(format!("{peer}: dies with what it saw"));
                Ok(Went::On(At::Look))
            }
            At::Looked {
                seen,
                mut records,
                asked_at,
                between,
                cleared,
            } => {
                let mut tx = self.begin().await?;
                let place = (self.connections[peer], STREAM);
                let seen =
                    outbox::drop_overtaken(&mut tx, place, asked_at, seen, &mut records).await?;
                let changes: Vec<Change> = records.into_iter().map(Change::Upsert).collect();
                if !changes.is_empty() {
                    let applied = self
                        .apply(
                            &mut tx,
                            run,
                            peer,
                            (changes, Origin::Records(asked_at)),
                            None,
                        )
                        .await?;
                    if applied.is_none() {
                        return Ok(Went::Again(At::Look));
                    }
                }
                let (tables, connection) = (&self.server.tables, self.connections[peer]);
                let mut owed =
                    outbox::keep_overwritten(&mut tx, tables, connection, STREAM, run, between)
                        .await?;
                doubts::settle(&mut tx, &cleared).await?;
                owed.remove(&(connection, STREAM.to_owned()));
                outbox::start_pushes(&mut tx, &owed, "push").await?;
                if fault == Fault::DiesAfterCall {
                    drop(tx);
                    self.note(format!("{peer}: dies before what it saw is committed"));
                    return Ok(Went::On(At::Look));
                }
                tx.commit().await?;
                Ok(Went::On(At::Claim { seen }))
            }
            At::Claim { seen } => self.claim(run, peer, seen, fault).await,
            At::Send {
                outgoing,
                may_be_sent,
            } => self.send(peer, outgoing, may_be_sent, fault).await,
            At::Settle { outgoing, sent } => self.settle(run, peer, outgoing, sent, fault).await,
        }
    }

    async fn look(&mut self, run: RunId, peer: usize, fault: Fault) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        let asked_at = tx.now();
        if !self.is(Planted::NotAdopted) {
            writes::adopt(&mut tx, connection, STREAM, run).await?;
        }
        let due = writes::due(&mut tx, connection, STREAM, BATCH).await?;
        let ids: Vec<WriteId> = due.iter().map(|(seen, _)| seen.id).collect();
        let doubts = doubts::among(&mut tx, connection, STREAM, &ids).await?;
        tx.commit().await?;
        self.forget_attempts().await?;
        let (mut seen, wanted): (Vec<Seen>, Vec<Option<String>>) = due.into_iter().unzip();
        let keys: Vec<String> = wanted.iter().flatten().cloned().collect();
        if fault == Fault::Dies {
            self.note(format!("{peer}: dies before it looks"));
            return Ok(Went::On(At::Look));
        }
        let mut records: Vec<Record> = Vec::new();
        let (mut between, mut cleared) = (Vec::new(), Vec::new());
        if !keys.is_empty() && !self.is(Planted::LooksNot) {
            match self.peers[peer].fetch(&STREAM.into(), &keys, &[]).await {
                Ok(found) => records.extend(found.into_iter().flatten()),
                Err(error) => {
                    self.note(format!("{peer}: the look fails: {error}"));
                    return Ok(Went::Again(At::Look));
                }
            }
            if !self.is(Planted::ConditionForgotten) && !self.is(Planted::LooksNot) {
                note_versions(&mut seen, &wanted, &records);
            }
            let system = self.peers[peer].clone();
            match look_between(&*system, &STREAM.into(), doubts, &[]).await {
                Ok(looked) => (between, cleared) = looked,
                Err(error) => {
                    self.note(format!("{peer}: the look back fails: {error}"));
                    return Ok(Went::Again(At::Look));
                }
            }
        }
        let looked_at: Vec<String> = records.iter().map(shown).collect();
        self.note(format!(
            "{peer}: {} writes are due, looks at {keys:?}: {looked_at:?}",
            seen.len()
        ));
        Ok(Went::On(At::Looked {
            seen: seen.into_iter().zip(wanted).collect(),
            records,
            asked_at,
            between,
            cleared,
        }))
    }

    async fn claim(
        &mut self,
        run: RunId,
        peer: usize,
        seen: Vec<Seen>,
        fault: Fault,
    ) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        let tables = &self.server.tables;
        let batch = outbox::claim(&mut tx, tables, connection, STREAM, run, &seen).await?;
        if batch.outgoing.is_empty() && batch.settled == 0 {
            outbox::start_push_when_due(&mut tx, connection, STREAM).await?;
        }
        if matches!(fault, Fault::Dies | Fault::DiesAfterCall) {
            drop(tx);
            self.note(format!("{peer}: dies before the claim is committed"));
            return Ok(Went::On(At::Claim { seen }));
        }
        tx.commit().await?;
        for outgoing in &batch.outgoing {
            let name = self.name(outgoing.entity_id);
            self.note(format!("{peer}: claims {:?} of {name}", outgoing.sent));
        }
        let statement = match self.planted {
            Some(Planted::EchoForgotten) => Some(
                "with forgotten as (delete from echoes where tenant_id = $1)
                 update writes set sent = null, earlier = null
                 where tenant_id = $1 and state = 'sending'",
            ),
            Some(Planted::BaseMovesOnSending) => Some(
                "update records
                 set base = (records.base::jsonb || writes.sent)::json
                 from writes
                 where writes.tenant_id = $1 and writes.state = 'sending'
                   and records.tenant_id = $1 and records.entity_id = writes.entity_id
                   and records.connection_id = writes.connection_id",
            ),
            Some(Planted::CreatesWithoutBase) => Some(
                "update writes set sent = null
                 where tenant_id = $1 and state = 'sending' and before is null",
            ),
            _ => None,
        };
        if let Some(statement) = statement {
            self.server.spoil(self.tenant, statement).await?;
        }
        if batch.outgoing.is_empty() {
            return Ok(if batch.settled == 0 {
                Went::Over
            } else {
                Went::On(At::Look)
            });
        }
        Ok(Went::On(At::Send {
            outgoing: batch.outgoing,
            may_be_sent: false,
        }))
    }

    async fn send(
        &mut self,
        peer: usize,
        mut outgoing: Vec<Outgoing>,
        may_be_sent: bool,
        fault: Fault,
    ) -> Result<Went<At>> {
        if fault == Fault::Dies {
            self.note(format!("{peer}: dies before it sends"));
            return Ok(Went::On(At::Send {
                outgoing,
                may_be_sent: true,
            }));
        }
        let blindly = self.is(Planted::CreatesBlindly);
        if blindly {
            outgoing.iter_mut().for_each(|row| row.look_first = false);
        }
        let system = self.peers[peer].clone();
        let sent = send(&*system, &STREAM.into(), &outgoing, may_be_sent && !blindly).await;
        let now = self.now();
        for row in &outgoing {
            if let WriteOp::Update { key, .. } = &row.write.op {
                self.written_at.insert((peer, key.clone()), now);
            }
        }
        match fault {
            Fault::DiesAfterCall => {
                self.note(format!(
                    "{peer}: dies before it knows what became of its writes"
                ));
                return Ok(Went::On(At::Send {
                    outgoing,
                    may_be_sent: true,
                }));
            }
            Fault::Cancelled => {
                self.note(format!("{peer}: the push is cancelled while it sends"));
                return Ok(Went::Over);
            }
            _ => {}
        }
        let sent = match sent {
            Ok(rows) => Sent::Rows(rows.into_iter().map(outcome).collect()),
            Err(error) if self.is(Planted::OldValuesSent) => {
                for row in &mut outgoing {
                    row.write.expected = None;
                }
                self.note(format!(
                    "{peer}: could not send, and will send the same: {error}"
                ));
                return Ok(Went::Again(At::Send {
                    outgoing,
                    may_be_sent: true,
                }));
            }
            Err(error) => Sent::Failed((&error).into()),
        };
        self.note(match &sent {
            Sent::Rows(rows) => {
                let stored: Vec<String> = rows
                    .iter()
                    .filter_map(|row| match row {
                        Outcome::Stored { receipt } => Some(receipt),
                        Outcome::Refused(_) => None,
                    })
                    .map(|receipt| receipt.stored.as_ref().map_or(receipt.key.clone(), shown))
                    .collect();
                format!(
                    "{peer}: {} of {} rows are stored: {stored:?}",
                    stored.len(),
                    rows.len()
                )
            }
            Sent::Failed(refusal) => format!("{peer}: could not send: {}", refusal.message),
        });
        Ok(Went::On(At::Settle { outgoing, sent }))
    }

    async fn settle(
        &mut self,
        run: RunId,
        peer: usize,
        outgoing: Vec<Outgoing>,
        sent: Sent,
        fault: Fault,
    ) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        let failed = matches!(sent, Sent::Failed(_));
        let settled = match &sent {
            Sent::Failed(refusal) => {
                let settled = outbox::put_back(&mut tx, &outgoing, refusal).await?;
                outbox::start_push_when_due(&mut tx, connection, STREAM).await?;
                settled
            }
            Sent::Rows(rows) => {
                let rows = outgoing.iter().cloned().zip(rows.iter().cloned());
                let rows = rows.map(|(outgoing, outcome)| self.believed(outgoing, outcome));
                let (tables, rows) = (&self.server.tables, rows.collect());
                outbox::settle(&mut tx, tables, connection, STREAM, run, rows).await?
            }
        };
        outbox::start_pushes(&mut tx, &settled.owed, "push").await?;
        if matches!(fault, Fault::Dies | Fault::DiesAfterCall) {
            drop(tx);
            self.note(format!("{peer}: dies before it has settled"));
            return Ok(Went::On(At::Settle { outgoing, sent }));
        }
        tx.commit().await?;
        self.forget_attempts().await?;
        if self.is(Planted::BreakerNeverTrips) {
            self.spoil().await?;
        }
        self.note(format!(
            "{peer}: settled: {} written, {} failed, {} later, {} in another form",
            settled.written, settled.failed, settled.retried, settled.normalised
        ));
        Ok(if failed {
            Went::Over
        } else {
            Went::On(At::Look)
        })
    }

    /// What a core with a planted fault does to writes that are repeated.
    async fn forget_attempts(&self) -> Result<()> {
        if !self.is(Planted::AttemptsForgotten) {
            return Ok(());
        }
        let forget = "update writes set earlier = null where tenant_id = $1";
        self.server.spoil(self.tenant, forget).await
    }

    /// The answer as a core with a planted fault takes it.
    fn believed(&self, outgoing: Outgoing, outcome: Outcome) -> (Outgoing, Outcome) {
        let outcome = match (outcome, &outgoing.write.op) {
            (Outcome::Refused(_), WriteOp::Update { key, .. })
                if self.is(Planted::RefusedIsStored) =>
            {
                Outcome::Stored {
                    receipt: Receipt::of(key.clone()),
                }
            }
            (Outcome::Stored { mut receipt }, _) if self.is(Planted::HistoryIgnored) => {
                receipt.between.clear();
                Outcome::Stored { receipt }
            }
            (outcome, _) => outcome,
        };
        (outgoing, outcome)
    }
}

fn outcome(row: connector_sdk::Result<Receipt>) -> Outcome {
    match row {
        Ok(receipt) => Outcome::Stored { receipt },
        Err(error) => Outcome::Refused((&error).into()),
    }
}
