//! What a sweep does about records it did not find.

use connector_sdk::Change;
use engine::Tx;
use engine::runtime::{StepCx, StepError, TxStep};
use engine::store::sweeps;
use engine::sync::outbox;
use engine::sync::page::{Ledger, Origin};
use engine::sync::sweep::{self, Found, SweepInput};

use super::PART;
use super::read::{Looked, PartDone, fetch, rests};
use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Records removed in one transaction.
const REMOVED: i64 = 1_000;

/// Reads suspects directly: what is there was missing from the listing only, and is compared; what is
/// not is gone by two looks.
pub(super) struct ConfirmPart {
    pub(super) number: u64,
    pub(super) input: SweepInput,
    pub(super) after: String,
    pub(super) ledger: Ledger,
    pub(super) found: Handed<Looked>,
}

impl TxStep for ConfirmPart {
    const NAME: &'static str = "confirm_part";
    type Output = PartDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        if rests(cx, &self.input).await? {
            return Ok(());
        }
        let hub = Hub::of(cx)?;
        let place = (self.input.connection, self.input.stream.as_str());
        let mut tx = cx.begin().await?;
        let asked_at = tx.now();
        let keys = sweeps::absent(&mut tx, place, cx.run_id(), false, &self.after, PART).await?;
        tx.commit().await?;
        let found = fetch(cx, &hub, &self.input, &keys).await?;
        self.found.put(Looked {
            keys,
            found,
            asked_at,
        });
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PartDone, StepError> {
        let looked = self.found.take();
        let Some(looked) = looked else {
            return Ok(PartDone {
                rests: true,
                ..PartDone::default()
            });
        };
        let hub = Hub::of(cx)?;
        let place = (self.input.connection, self.input.stream.as_str());
        let is_full = i64::try_from(looked.keys.len()).is_ok_and(|read| read >= PART);
        let next = looked.keys.last().filter(|_| is_full).cloned();
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (key, record) in looked.keys.into_iter().zip(looked.found) {
            match record {
                Some(record) => there.push(Change::Upsert(record)),
                None => gone.push(key),
            }
        }
        sweeps::confirm(tx, place, cx.run_id(), &gone).await?;
        let found = Found {
            connection: place.0,
            stream: place.1.to_owned(),
            run: cx.run_id(),
            changes: there,
            origin: Origin::Records(looked.asked_at),
        };
        let compared = sweep::compare(tx, &hub.tables, found, self.ledger)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &compared.applied.owed, "sweep").await?;
        Ok(PartDone {
            compared,
            next,
            rests: false,
        })
    }
}

/// Removes what is gone by two looks, as far as the caps let it.
pub(super) struct RemovePart {
    pub(super) number: u64,
    pub(super) input: SweepInput,
    pub(super) after: String,
    pub(super) ledger: Ledger,
}

impl TxStep for RemovePart {
    const NAME: &'static str = "remove_absent";
    type Output = PartDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PartDone, StepError> {
        let hub = Hub::of(cx)?;
        let place = (self.input.connection, self.input.stream.as_str());
        let run = cx.run_id();
        let keys = sweeps::absent(tx, place, run, true, &self.after, REMOVED).await?;
        let is_full = i64::try_from(keys.len()).is_ok_and(|read| read >= REMOVED);
        let next = keys.last().filter(|_| is_full).cloned();
        let all = sweeps::count_confirmed(tx, place.0, place.1, run).await?;
        let compared = sweep::remove(tx, &hub.tables, place, run, keys, self.ledger, all)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &compared.applied.owed, "sweep").await?;
        Ok(PartDone {
            compared,
            next,
            rests: false,
        })
    }
}
