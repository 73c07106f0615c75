//! Time and ids of a simulated world.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use super::rng::Rng;

/// The clock of one process: the world's time, and how far it is off.
#[derive(Clone, Debug)]
pub(crate) struct Hands {
    started: (Instant, DateTime<Utc>),
    off_millis: Arc<AtomicI64>,
}

impl Hands {
    pub(crate) fn new(started: (Instant, DateTime<Utc>), off_millis: i64) -> Self {
        Self {
            started,
            off_millis: Arc::new(AtomicI64::new(off_millis)),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        let off = TimeDelta::milliseconds(self.off_millis.load(Ordering::Relaxed));
        (self.started.1 + self.started.0.elapsed() + off).trunc_subsecs(6)
    }

    pub(crate) fn jump(&self, by_millis: i64) {
        self.off_millis.fetch_add(by_millis, Ordering::Relaxed);
    }
}

struct Ids {
    rng: Rng,
    made: u64,
    hands: Option<Hands>,
}

thread_local! {
    static IDS: RefCell<Option<Ids>> = const { RefCell::new(None) };
}

/// Makes the ids of this thread the same for the same generator; `None` ends it.
pub(crate) fn make_ids(rng: Option<Rng>, hands: Option<Hands>) {
    IDS.set(rng.map(|rng| Ids {
        rng,
        made: 0,
        hands,
    }));
}

/// An id of the simulation, if this thread is in one: a UUID v7, later ones after earlier ones.
pub(crate) fn fresh_id() -> Option<Uuid> {
    IDS.with_borrow_mut(|ids| {
        let ids = ids.as_mut()?;
        ids.made += 1;
        let at = ids
            .hands
            .as_ref()
            .map(|hands| hands.now().timestamp_millis());
        let millis = at
            .and_then(|at| u128::try_from(at).ok())
            .unwrap_or_default();
        let random = u128::from(ids.rng.next() >> 2);
        let counter = u128::from(ids.made & 0xfff);
        Some(Uuid::from_u128(
            millis << 80 | 7 << 76 | counter << 64 | 2 << 62 | random,
        ))
    })
}
