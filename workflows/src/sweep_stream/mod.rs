//! Compares the records of a stream with its system, after all other work: the next part of them, what
//! the open gaps of the feed may have hidden, or everything.
//!
//! What is compared comes by direct reads of keys or by a listing from its beginning to its end; the
//! stream's own cursor stays where it is. A record that is not found is only suspected to be gone:
//! nothing is concluded from a listing that broke off, and what a complete one did not bring is read
//! directly before it counts as gone. Then the caps decide, of all of them together.

mod absent;
mod read;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::Cursor;
use engine::Tx;
use engine::ids::GapId;
use engine::reconcile::Cause;
use engine::runtime::{
    Class, Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow,
};
use engine::store::{coverage, plans, records, sweeps};
use engine::sync::SyncError;
use engine::sync::page::Ledger;
use engine::sync::sweep::{Compared, SWEEP_WORKFLOW, SweepInput, What};
use serde::{Deserialize, Serialize};

use self::absent::{ConfirmPart, RemovePart};
use self::read::{ComparePart, ListPage, Reading};
use crate::handed::Handed;
use crate::hub::sync_error;

/// Records asked for by key in one call.
const PART: i64 = 200;
/// A sweep that rests looks so often whether it may go on.
const REST: Duration = Duration::from_secs(60);
/// Between two parts of a round.
const TICK: TimeDelta = TimeDelta::hours(1);
/// Listings that are begun anew because the system forgot its place.
const MOST_RESTARTS: u32 = 2;

/// See the module.
pub struct SweepStream;

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    pub checked: u64,
    pub differing: BTreeMap<Cause, u64>,
    /// Records that are gone, by two looks.
    pub missing: u64,
    /// Gaps that are closed.
    pub closed: u64,
}

/// What a sweep does, found once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begun {
    how: How,
    /// Gaps that are closed by it.
    gaps: Vec<GapId>,
    began_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// So many records by key, from here on.
    Keys { after: String, count: u64 },
    /// These records.
    These { keys: Vec<String> },
    /// What changed since.
    Since { at: DateTime<Utc> },
    /// Everything.
    Listing,
    /// There is nothing to do.
    Nothing,
}

impl Workflow for SweepStream {
    const NAME: &'static str = SWEEP_WORKFLOW;
    type Input = SweepInput;
    type Output = Swept;

    fn key(input: &SweepInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: SweepInput) -> Result<Swept, RunError> {
        let begun = cx
            .tx(Begin {
                input: input.clone(),
            })
            .await?;
        let mut sweep = Sweep {
            input,
            swept: Swept::default(),
            ledger: Ledger::default(),
            steps: 0,
        };
        let is_whole = match &begun.how {
            How::Nothing => return Ok(sweep.swept),
            How::Keys { after, count } => {
                sweep.keys(cx, after.clone(), *count).await?;
                false
            }
            How::These { keys } => {
                sweep.these(cx, keys).await?;
                false
            }
            How::Since { at } => match sweep.read(cx, Some(*at)).await? {
                true => false,
                // The system does not reach back as far.
                false => sweep.read(cx, None).await?,
            },
            How::Listing => sweep.read(cx, None).await?,
        };
        let suspects = cx
            .tx(Suspect {
                input: sweep.input.clone(),
                unlisted_since: is_whole.then_some(begun.began_at),
            })
            .await?;
        if suspects > 0 {
            sweep.absent(cx).await?;
        }
        let whole = is_whole.then_some(begun.began_at);
        let end = End {
            input: sweep.input,
            gaps: begun.gaps,
            whole,
            swept: sweep.swept.clone(),
        };
        sweep.swept.closed = cx.tx(end).await?;
        Ok(sweep.swept)
    }
}

/// A sweep under way; what it holds is worked out anew from the journal.
struct Sweep {
    input: SweepInput,
    swept: Swept,
    ledger: Ledger,
    /// Steps so far, for their keys.
    steps: u64,
}

impl Sweep {
    fn number(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }

    fn took(&mut self, cx: &mut Run, compared: &Compared) {
        self.ledger = compared.applied.ledger;
        self.swept.checked += compared.checked;
        for (cause, count) in &compared.differing {
            *self.swept.differing.entry(*cause).or_default() += count;
        }
        let counts = &compared.applied.counts;
        cx.counts(Counts {
            read: compared.checked,
            created: counts.created,
            updated: counts.updated,
            unchanged: compared
                .checked
                .saturating_sub(counts.created + counts.updated),
            deleted: counts.deleted,
            conflicts: counts.conflicts,
            failed: counts.failed,
            withheld: counts.withheld,
            ..Counts::default()
        });
    }

    fn tell(&self, cx: &mut Run, total: Option<u64>) {
        cx.progress(Progress {
            done: self.swept.checked,
            total,
            unit: "records".to_owned(),
        });
    }

    /// Compares the next `count` records behind `after`.
    async fn keys(&mut self, cx: &mut Run, mut after: String, count: u64) -> Result<(), RunError> {
        let mut left = i64::try_from(count).unwrap_or(i64::MAX);
        while left > 0 {
            let number = self.number();
            let part = ComparePart::next(&self.input, number, &after, left.min(PART), self.ledger);
            let done = cx.tx(part).await?;
            if done.rests {
                cx.sleep("rest", REST).await?;
                continue;
            }
            left -= i64::try_from(done.compared.checked.max(1)).unwrap_or(i64::MAX);
            self.took(cx, &done.compared);
            self.tell(cx, Some(count));
            match done.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Compares these records.
    async fn these(&mut self, cx: &mut Run, keys: &[String]) -> Result<(), RunError> {
        let size = usize::try_from(PART).unwrap_or(usize::MAX);
        for part in keys.chunks(size) {
            loop {
                let number = self.number();
                let part = ComparePart::these(&self.input, number, part.to_vec(), self.ledger);
                let done = cx.tx(part).await?;
                if done.rests {
                    cx.sleep("rest", REST).await?;
                    continue;
                }
                self.took(cx, &done.compared);
                self.tell(cx, Some(keys.len() as u64));
                break;
            }
        }
        Ok(())
    }

    /// Reads everything, or what changed since, to its end; false where the system no longer knows
    /// that far back.
    async fn read(&mut self, cx: &mut Run, since: Option<DateTime<Utc>>) -> Result<bool, RunError> {
        let reading = Arc::new(Reading::default());
        let mut after: Option<Cursor> = None;
        let mut places = HashSet::new();
        let (mut is_complete, mut restarts) = (true, 0);
        loop {
            let step = ListPage {
                number: self.number(),
                input: self.input.clone(),
                since,
                after: after.clone(),
                ledger: self.ledger,
                reading: Arc::clone(&reading),
                page: Handed::default(),
            };
            let done = cx.tx(step).await?;
            if done.rests {
                cx.sleep("rest", REST).await?;
                continue;
            }
            if done.was_gone {
                if since.is_some() {
                    return Ok(false);
                }
                restarts += 1;
                if restarts > MOST_RESTARTS {
                    let message = "system forgets its cursors faster than they are read";
                    return Err(RunError::new(Class::Config, message));
                }
                (after, is_complete) = (None, true);
                places.clear();
                continue;
            }
            self.took(cx, &done.compared);
            self.tell(cx, done.expected);
            is_complete &= !done.has_gaps;
            if !done.more {
                // A listing that says itself that something is missing proves no absence.
                return Ok(since.is_some() || is_complete);
            }
            match done.wait_ms {
                Some(wait) => cx.sleep("prepare", Duration::from_millis(wait)).await?,
                None if !places.insert(done.next.0.clone()) => {
                    let message = "system's listing comes back to where it was";
                    return Err(RunError::new(Class::Config, message));
                }
                None => {}
            }
            after = Some(done.next);
        }
    }

    /// Reads what is suspected to be gone directly, and removes what is.
    async fn absent(&mut self, cx: &mut Run) -> Result<(), RunError> {
        let mut after = Some(String::new());
        while let Some(place) = after {
            let step = ConfirmPart {
                number: self.number(),
                input: self.input.clone(),
                after: place.clone(),
                ledger: self.ledger,
                found: Handed::default(),
            };
            let done = cx.tx(step).await?;
            if done.rests {
                cx.sleep("rest", REST).await?;
                after = Some(place);
                continue;
            }
            self.took(cx, &done.compared);
            after = done.next;
        }
        let mut after = Some(String::new());
        while let Some(place) = after {
            let step = RemovePart {
                number: self.number(),
                input: self.input.clone(),
                after: place,
                ledger: self.ledger,
            };
            let done = cx.tx(step).await?;
            let missing = done.compared.differing.values().sum::<u64>();
            self.swept.missing += missing;
            self.took(cx, &done.compared);
            after = done.next;
        }
        Ok(())
    }
}

struct Begin {
    input: SweepInput,
}

impl TxStep for Begin {
    const NAME: &'static str = "begin_sweep";
    type Output = Begun;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<Begun, StepError> {
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let plan = plans::of_stream(tx, connection, stream).await?;
        if plan.is_none() {
            let stream = stream.to_owned();
            return Err(sync_error(SyncError::NotEnabled { stream }));
        }
        sweeps::tidy(tx, connection, stream).await?;
        let began_at = tx.now();
        let open = coverage::open(tx, connection, stream).await?;
        let gaps: Vec<GapId> = open.iter().map(|gap| gap.id).collect();
        let (how, gaps) = match self.input.what {
            What::All => (How::Listing, gaps),
            What::Gaps => (of_gaps(&open), gaps),
            // A sweep of theirs has failed: what is not known comes before what may be wrong.
            What::Part if !open.is_empty() => (of_gaps(&open), gaps),
            What::Part => {
                let sweep = sweeps::get(tx, connection, stream).await?;
                let records = records::count(tx, connection, stream).await?;
                let count = share(records, sweep.within);
                let how = match sweep.paused || records == 0 {
                    true => How::Nothing,
                    false => How::Keys {
                        after: sweep.place,
                        count,
                    },
                };
                (how, Vec::new())
            }
        };
        Ok(Begun {
            how,
            gaps,
            began_at,
        })
    }
}

/// How many of so many records are compared in one tick, to come round in time.
fn share(records: u64, within: TimeDelta) -> u64 {
    let ticks = (within.num_seconds() / TICK.num_seconds()).max(1);
    let ticks = u64::try_from(ticks).unwrap_or(1);
    let part = u64::try_from(PART).unwrap_or(1);
    records.div_ceil(ticks).max(part)
}

/// What closes these gaps: the records they name; what changed since the first of them began; or
/// everything, where the feed was lost and with it what was deleted meanwhile.
fn of_gaps(open: &[coverage::GapRow]) -> How {
    if open.is_empty() {
        return How::Nothing;
    }
    let named: Option<Vec<Vec<String>>> = open.iter().map(|gap| gap.keys.clone()).collect();
    if let Some(named) = named {
        let mut keys: Vec<String> = named.into_iter().flatten().collect();
        keys.sort_unstable();
        keys.dedup();
        return How::These { keys };
    }
    let is_lost = |gap: &coverage::GapRow| gap.reason == connector_sdk::GapReason::Lost;
    let from: Option<Vec<DateTime<Utc>>> = open.iter().map(|gap| gap.from_at).collect();
    match from.and_then(|from| from.into_iter().min()) {
        Some(at) if !open.iter().any(is_lost) => How::Since { at },
        _ => How::Listing,
    }
}

/// Suspects what a complete listing did not bring; says how many records are under suspicion.
struct Suspect {
    input: SweepInput,
    unlisted_since: Option<DateTime<Utc>>,
}

impl TxStep for Suspect {
    const NAME: &'static str = "suspect";
    type Output = u64;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<u64, StepError> {
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let run = cx.run_id();
        if let Some(began_at) = self.unlisted_since {
            sweeps::suspect_unlisted(tx, connection, stream, run, began_at).await?;
        }
        let place = (connection, stream);
        let some = sweeps::absent(tx, place, run, false, "", 1).await?;
        Ok(some.len() as u64)
    }
}

/// Closes the gaps, notes what was compared, and forgets the listing.
struct End {
    input: SweepInput,
    gaps: Vec<GapId>,
    /// Everything was compared, beginning at this time.
    whole: Option<DateTime<Utc>>,
    swept: Swept,
}

impl TxStep for End {
    const NAME: &'static str = "end_sweep";
    type Output = u64;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<u64, StepError> {
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let closed = coverage::close(tx, &self.gaps, cx.run_id()).await?;
        if let Some(at) = self.whole {
            let found = (self.swept.checked, &self.swept.differing);
            sweeps::compared_all(tx, connection, stream, found, at).await?;
        }
        sweeps::forget(tx, connection, stream).await?;
        tx.changed("connection", connection);
        Ok(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_large_as_coming_round_in_time_asks_for() {
        let week = TimeDelta::days(7);
        assert_eq!(share(10, week), 200);
        assert_eq!(share(168_000, week), 1_000);
        assert_eq!(share(168_001, week), 1_001);
        // An hour and less is one tick: all of them at once.
        assert_eq!(share(5_000, TimeDelta::minutes(1)), 5_000);
        assert_eq!(share(u64::MAX, week), u64::MAX.div_ceil(168));
    }

    fn gap(reason: connector_sdk::GapReason, keys: Option<&[&str]>) -> coverage::GapRow {
        let at: DateTime<Utc> = "2026-11-20T10:00:00Z".parse().unwrap();
        coverage::GapRow {
            id: GapId::fresh(),
            reason,
            from_at: Some(at),
            to_at: at,
            keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
            found_at: at,
            run_id: None,
            closed_at: None,
            closed_by: None,
        }
    }

    #[test]
    fn a_gap_is_closed_by_the_least_that_brings_what_it_hides() {
        use connector_sdk::GapReason::{Gap, Lost, Overflow};
        assert_eq!(of_gaps(&[]), How::Nothing);
        let named = [gap(Gap, Some(&["2", "1"])), gap(Gap, Some(&["2"]))];
        let keys = vec!["1".to_owned(), "2".to_owned()];
        assert_eq!(of_gaps(&named), How::These { keys });
        let overflow = gap(Overflow, None);
        let at = overflow.from_at.unwrap();
        assert_eq!(
            of_gaps(&[named[0].clone(), overflow.clone()]),
            How::Since { at }
        );
        assert_eq!(of_gaps(&[overflow.clone(), gap(Lost, None)]), How::Listing);
        let from_the_beginning = coverage::GapRow {
            from_at: None,
            ..overflow
        };
        assert_eq!(of_gaps(&[from_the_beginning]), How::Listing);
    }
}
