//! Where claims begin to look.
//!
//! A claim walks the index of queued runs from its start. While somebody's transaction is open (a
//! backup takes its time) the rows of runs that ended since stay there, dead but walked over, and each
//! claim would cost more than the one before. So a claim begins where the one before ended: at a
//! floor. What is queued below a floor later, by whomever, is found by a claim that looks everywhere;
//! as many of these are made as cost little.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::ids::RunId;
use crate::store::activations::{Claim, Floor, Group};

/// A claim that looks everywhere within this may do so each time, and so may one that takes hardly
/// longer than claims from the floors on: then nothing dead is in its way.
const CHEAP: Duration = Duration::from_millis(5);
/// Otherwise it is followed by so many times its duration of claims from the floors on.
const APART: u32 = 20;
/// For so long it is known what claims from the floors on take.
const KNOWN: Duration = Duration::from_secs(5);
/// Transactions that start runs take up to this long: what they commit is due so long ago.
const LATE: Duration = Duration::from_millis(500);
/// Groups whose floor is known; of others nothing is passed over.
const MOST: usize = 64;

pub(super) struct Floors {
    known: BTreeMap<Group, (Floor, Instant)>,
    /// The next claim looks everywhere from then on.
    everywhere_at: Instant,
    /// The least time between claims that look everywhere.
    apart: Duration,
    /// What claims from the floors on took, on average, and when that was last measured.
    floored: Option<(Duration, Instant)>,
}

impl Floors {
    pub(super) fn new(apart: Duration) -> Self {
        Self {
            known: BTreeMap::new(),
            everywhere_at: Instant::now(),
            apart,
            floored: None,
        }
    }

    /// What the next claim passes over: nothing where it is to look everywhere.
    pub(super) fn for_claim(&self) -> Vec<(Group, Floor)> {
        if Instant::now() >= self.everywhere_at {
            return Vec::new();
        }
        let known = self.known.iter();
        known
            .map(|(group, (floor, _))| (group.clone(), *floor))
            .collect()
    }

    /// From when on a claim may look everywhere.
    pub(super) fn everywhere_at(&self) -> Instant {
        self.everywhere_at
    }

    /// Runs that were due at this time may be queued now.
    pub(super) fn lower(&mut self, to: DateTime<Utc>) {
        let to = (to, RunId(uuid::Uuid::nil()));
        for (floor, _) in self.known.values_mut() {
            *floor = (*floor).min(to);
        }
    }

    /// Any run may be queued now.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Whether a claim that looked everywhere walked over much, as far as is known.
    fn is_dear(&self, took: Duration, now: Instant) -> bool {
        self.floored.is_none_or(|(floored, measured)| {
            now - measured > KNOWN || took > floored + floored / 4
        })
    }

    /// A claim at this time took these, looking everywhere or not.
    pub(super) fn note(
        &mut self,
        claim: &Claim,
        at: DateTime<Utc>,
        everywhere: bool,
        took: Duration,
    ) {
        let now = Instant::now();
        if everywhere {
            let apart = if took < CHEAP || !self.is_dear(took, now) {
                Duration::ZERO
            } else {
                took * APART
            };
            self.everywhere_at = now + apart.max(self.apart);
        } else {
            let average = self
                .floored
                .map_or(took, |(average, _)| (average * 7 + took) / 8);
            self.floored = Some((average, now));
        }
        let settled = at - LATE;
        // In the order of their due time, by group.
        for run in &claim.runs {
            let Some(due) = run.due_at else { continue };
            let floor = if due < settled {
                (due, run.lease.id)
            } else {
                (settled, RunId(uuid::Uuid::nil()))
            };
            let group = Group {
                tenant: run.lease.tenant,
                workflow: run.workflow.clone(),
                version: run.version,
                priority: run.priority,
            };
            self.known.insert(group, (floor, now));
        }
        while self.known.len() > MOST {
            let oldest = self.known.iter().min_by_key(|(_, (_, at))| *at);
            let Some(group) = oldest.map(|(group, _)| group.clone()) else {
                return;
            };
            self.known.remove(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ProcessId, TenantId};
    use crate::store::activations::{Claimed, Lease};

    fn claimed(tenant: TenantId, due: DateTime<Utc>) -> Claimed {
        Claimed {
            lease: Lease {
                tenant,
                id: RunId::fresh(),
                epoch: 1,
                owner: ProcessId::fresh(),
            },
            workflow: "noop".to_owned(),
            version: 1,
            input: Vec::new(),
            cancel_requested: false,
            deadline: None,
            trigger: "test".to_owned(),
            called: false,
            keyed: false,
            trace: None,
            priority: 0,
            due_at: Some(due),
        }
    }

    fn noted(due: DateTime<Utc>, took: Duration) -> (Floors, RunId) {
        let mut floors = Floors::new(Duration::ZERO);
        let claim = Claim {
            runs: vec![claimed(TenantId::fresh(), due)],
            ..Claim::default()
        };
        let id = claim.runs[0].lease.id;
        floors.note(&claim, at(), true, took);
        (floors, id)
    }

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_claim_begins_where_a_dear_one_ended() {
        let due = at() - Duration::from_secs(9);
        let (floors, id) = noted(due, Duration::from_secs(10));
        assert_eq!(floors.for_claim()[0].1, (due, id));
    }

    #[test]
    fn a_claim_that_costs_little_looks_everywhere() {
        let (floors, _) = noted(at() - Duration::from_secs(9), Duration::from_millis(1));
        assert!(floors.for_claim().is_empty());
    }

    #[test]
    fn floors_are_let_be_where_they_spare_nothing() {
        let due = at() - Duration::from_secs(9);
        let (mut floors, _) = noted(due, Duration::from_secs(10));
        let claim = |floors: &mut Floors, everywhere, millis| {
            let took = Duration::from_millis(millis);
            floors.note(&Claim::default(), at(), everywhere, took);
            floors.for_claim().is_empty()
        };
        assert!(!claim(&mut floors, false, 40));
        assert!(
            claim(&mut floors, true, 45),
            "as dear as from the floors on"
        );
        assert!(!claim(&mut floors, true, 90), "much is dead below them");
    }

    #[test]
    fn what_slow_transactions_start_is_not_below_a_floor() {
        let (floors, _) = noted(at(), Duration::from_secs(10));
        assert_eq!(floors.for_claim()[0].1.0, at() - LATE);
    }

    #[test]
    fn runs_that_are_queued_again_lower_the_floors() {
        let (mut floors, _) = noted(at() - Duration::from_secs(9), Duration::from_secs(10));
        floors.lower(at());
        assert_eq!(floors.for_claim()[0].1.0, at() - Duration::from_secs(9));
        floors.lower(DateTime::UNIX_EPOCH);
        assert_eq!(floors.for_claim()[0].1.0, DateTime::UNIX_EPOCH);
        floors.forget();
        assert!(floors.for_claim().is_empty());
    }

    #[test]
    fn floors_are_known_of_so_many_groups() {
        let mut floors = Floors::new(Duration::ZERO);
        let tenants = (0..MOST + 9).map(|_| TenantId::fresh());
        let claim = Claim {
            runs: tenants.map(|tenant| claimed(tenant, at())).collect(),
            ..Claim::default()
        };
        floors.note(&claim, at(), true, Duration::from_secs(10));
        assert_eq!(floors.for_claim().len(), MOST);
    }
}
