//! Who used how much of the workers' time: the claim takes the runs of those first who used least.
//!
//! Counting runs would let a tenant with long ones take everything. Each process counts its own and
//! learns about once a second from the database what the others counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::ids::TenantId;
use crate::locked::locked;
use crate::store::time_used::{HALF_LIFE, TimeUsed};

/// What a run costs besides its own time, in seconds: its claim, its journal. Without it one slow
/// moment would outweigh hundreds of runs that do next to nothing.
const OVERHEAD: f64 = 0.002;

/// Time used by each tenant.
#[derive(Default)]
pub(crate) struct Shares(Mutex<Table>);

#[derive(Default)]
struct Table {
    tenants: HashMap<TenantId, Used>,
    /// Average of an activation of anybody, in seconds.
    average: f64,
}

struct Used {
    /// As of `at`.
    seconds: f64,
    at: Instant,
    /// Part of `seconds` that the database does not know.
    unsaved: f64,
    average: f64,
    /// Activations that are not over: each counts an average in advance.
    under_way: u32,
}

impl Used {
    fn new(now: Instant) -> Self {
        Self {
            seconds: 0.0,
            at: now,
            unsaved: 0.0,
            average: 0.0,
            under_way: 0,
        }
    }

    fn decay(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.seconds *= 0.5_f64.powf(passed / HALF_LIFE);
        self.at = now;
    }
}

/// The time of one activation; ends with the value.
pub(crate) struct Timed {
    shares: Arc<Shares>,
    tenant: TenantId,
    begun: Option<Instant>,
}

impl Timed {
    /// Time counts from here on, not while it waits for a worker.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(Instant::now());
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let time = self.begun.map(|begun| begun.elapsed());
        self.shares.end(self.tenant, time);
    }
}

impl Shares {
    /// A run of this tenant was claimed.
    pub(crate) fn claimed(self: &Arc<Self>, tenant: TenantId) -> Timed {
        let now = Instant::now();
        let mut table = locked(&self.0);
        let used = table
            .tenants
            .entry(tenant)
            .or_insert_with(|| Used::new(now));
        used.under_way += 1;
        Timed {
            shares: Arc::clone(self),
            tenant,
            begun: None,
        }
    }

    fn end(&self, tenant: TenantId, time: Option<Duration>) {
        let now = Instant::now();
        let time = time.map(|time| time.as_secs_f64() + OVERHEAD);
        let mut table = locked(&self.0);
        if let Some(time) = time {
            table.average = smooth(table.average, time);
        }
        if let Some(used) = table.tenants.get_mut(&tenant) {
            used.decay(now);
            used.under_way = used.under_way.saturating_sub(1);
            if let Some(time) = time {
                used.seconds += time;
                used.unsaved += time;
                used.average = smooth(used.average, time);
            }
        }
    }

    /// For the claim: `{tenant: [seconds used, seconds of one run]}` and `others`.
    pub(crate) fn for_claim(&self) -> Json {
        let now = Instant::now();
        let mut table = locked(&self.0);
        let mut all = serde_json::Map::with_capacity(table.tenants.len() + 1);
        all.insert("others".into(), json!([0.0, table.average]));
        for (tenant, used) in &mut table.tenants {
            used.decay(now);
            let seconds = used.seconds + f64::from(used.under_way) * used.average;
            all.insert(tenant.0.to_string(), json!([seconds, used.average]));
        }
        Json::Object(all)
    }

    /// What the database does not know yet; to be given back to [`Shares::know`] or
    /// [`Shares::unsaved_again`].
    pub(crate) fn take_unsaved(&self) -> Vec<TimeUsed> {
        let mut table = locked(&self.0);
        table
            .tenants
            .iter_mut()
            .filter(|(_, used)| used.unsaved > 0.0)
            .map(|(&tenant, used)| TimeUsed {
                tenant,
                seconds: std::mem::take(&mut used.unsaved),
                average: used.average,
            })
            .collect()
    }

    /// The database could not be told.
    pub(crate) fn unsaved_again(&self, unsaved: &[TimeUsed]) {
        let mut table = locked(&self.0);
        for more in unsaved {
            if let Some(used) = table.tenants.get_mut(&more.tenant) {
                used.unsaved += more.seconds;
            }
        }
    }

    /// What all processes used; who is missing there used next to nothing.
    pub(crate) fn know(&self, all: &[TimeUsed]) {
        let now = Instant::now();
        let mut table = locked(&self.0);
        table.tenants.retain(|_, used| {
            used.seconds = used.unsaved;
            used.at = now;
            used.under_way > 0 || used.unsaved > 0.0
        });
        for known in all.iter().filter(|known| known.seconds > 1e-6) {
            let used = table
                .tenants
                .entry(known.tenant)
                .or_insert_with(|| Used::new(now));
            used.seconds += known.seconds;
            if used.average == 0.0 {
                used.average = known.average;
            }
        }
    }
}

/// A moving average over some ten values; the first one counts as it is.
fn smooth(average: f64, value: f64) -> f64 {
    if average == 0.0 {
        value
    } else {
        average + (value - average) * 0.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_run_counts_in_advance_and_an_ended_one_by_its_time() {
        let shares = Arc::new(Shares::default());
        let tenant = TenantId::fresh();
        drop(shares.claimed(tenant));
        shares.end(tenant, Some(Duration::from_secs(4)));
        let held = [shares.claimed(tenant), shares.claimed(tenant)];
        let told = shares.for_claim();
        let seconds = told[tenant.0.to_string()][0].as_f64().unwrap();
        assert!((11.9..=12.01).contains(&seconds), "{seconds}");
        assert_eq!(told["others"][1], 4.002);
        drop(held);
        let told = shares.for_claim();
        let seconds = told[tenant.0.to_string()][0].as_f64().unwrap();
        assert!((3.9..=4.01).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_others_used_is_added_to_what_is_not_saved_yet() {
        let shares = Arc::new(Shares::default());
        let (tenant, other) = (TenantId::fresh(), TenantId::fresh());
        drop(shares.claimed(tenant));
        shares.end(tenant, Some(Duration::from_secs(1)));
        let saved = shares.take_unsaved();
        assert_eq!(saved.len(), 1);
        let _under_way = shares.claimed(tenant);
        shares.end(tenant, Some(Duration::from_secs(2)));
        let of = |tenant, seconds| TimeUsed {
            tenant,
            seconds,
            average: 1.0,
        };
        shares.know(&[of(tenant, 10.0), of(other, 5.0)]);
        let told = shares.for_claim();
        let seconds = |tenant: TenantId| told[tenant.0.to_string()][0].as_f64().unwrap();
        assert!((11.9..=12.01).contains(&seconds(tenant)));
        assert!((4.9..=5.0).contains(&seconds(other)));
    }
}
