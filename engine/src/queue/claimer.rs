//! Claims runs ahead of need and puts them in front of the workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::ahead::Ahead;
use super::floors::Floors;
use crate::failpoints::{self, Failpoint};
use crate::ids::TenantId;
use crate::runtime::{Activation, Core, Incarnation};
use crate::store::activations::{self, Claim, Claimed, History, Wanted, Woken};
use crate::store::{StoreError, lanes};

/// Most runs one claim takes.
const BATCH: usize = 500;
/// A clock that tests move is looked at this often; asks the database nothing.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(100);

/// Tenants that a claim chooses from, so that who used least is among them even if one run is wanted.
const LEAST_TENANTS: i32 = 16;
const MOST_TENANTS: i32 = 64;

/// Where the walk over the tenants is; claims take turns in it.
#[derive(Default)]
struct Round {
    after: Option<TenantId>,
    found: bool,
}

impl Round {
    /// Goes on behind what a claim looked at; returns whether to claim again at once.
    fn note(&mut self, claim: &Claim) -> bool {
        let in_one = self.after.is_none() && claim.last_tenant.is_none();
        self.after = claim.last_tenant;
        if in_one {
            return claim.more;
        }
        self.found |= claim.more || !claim.runs.is_empty();
        // A round that found something is followed by another one.
        self.after.is_some() || std::mem::take(&mut self.found)
    }
}

/// Claims until the engine stops; workers come to an end after that.
pub(crate) async fn claim_on(core: Arc<Core>, ahead: Arc<Ahead>) {
    keep_claiming(&core, &ahead).await;
    ahead.close();
}

async fn keep_claiming(core: &Core, ahead: &Arc<Ahead>) {
    let mut rings = core.store.feed().rings();
    let mut incarnations = core.incarnation.subscribe();
    let mut wait = Duration::from_millis(100);
    let mut swamped = false;
    let mut round = Round::default();
    let mut floors = Floors::new(core.pace.everywhere);
    loop {
        let wanted = ahead.wanted(|| core.active_count());
        let Some(wanted) = core.stopping.run_until_cancelled(wanted).await else {
            return;
        };
        let wanted = wanted.min(BATCH);
        let incarnation = incarnations.borrow_and_update().clone();
        let Some(incarnation) = incarnation else {
            tokio::select! {
                biased;
                () = core.stopping.cancelled() => return,
                _ = incarnations.changed() => {}
            }
            continue;
        };
        rings.borrow_and_update();
        // A shutdown waits for what is being claimed.
        let claiming = ahead.slot();
        match claim(core, &incarnation, wanted, round.after, &mut floors).await {
            Ok(Got {
                claim,
                everywhere,
                histories,
            }) => {
                wait = Duration::from_millis(100);
                let more = round.note(&claim);
                metrics::counter!("engine_claimed_total").increment(claim.runs.len() as u64);
                hand_over(core, claim.runs, histories, &incarnation, ahead);
                drop(claiming);
                if more && !std::mem::replace(&mut swamped, true) {
                    // More than we can take: the others may have room.
                    core.store.feed().ring_others();
                }
                if !more {
                    swamped = false;
                    core.store.feed().set_hungry(true);
                    let passed_over = (!everywhere).then(|| floors.everywhere_at());
                    rest(core, &mut rings, &mut incarnations, passed_over).await;
                    core.store.feed().set_hungry(false);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "claim failed");
                drop(claiming);
                // What it was told of, or took, is queued as it was.
                floors.forget();
                tokio::select! {
                    biased;
                    () = core.stopping.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        }
    }
}

/// Returns when there may be something to claim; at `passed_over` there may be what the last claim
/// passed over.
async fn rest(
    core: &Core,
    rings: &mut watch::Receiver<u64>,
    incarnations: &mut watch::Receiver<Option<Arc<Incarnation>>>,
    passed_over: Option<Instant>,
) {
    let look_again = async {
        match passed_over {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(look_again);
    let mut next_due = core.next_due();
    loop {
        let now = core.store.clock().now();
        let due = *next_due.borrow_and_update();
        if due.is_some_and(|due| due <= now) {
            return;
        }
        let pause = due.map(|due| {
            (due - now)
                .to_std()
                .unwrap_or_default()
                .min(LOOK_AT_CLOCK)
                .max(Duration::from_micros(200))
        });
        tokio::select! {
            biased;
            () = core.stopping.cancelled() => return,
            _ = rings.changed() => return,
            _ = incarnations.changed() => return,
            () = &mut look_again => return,
            _ = next_due.changed() => {}
            () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)) => {}
        }
    }
}

struct Got {
    claim: Claim,
    /// It passed nothing over.
    everywhere: bool,
    histories: Vec<History>,
}

async fn claim(
    core: &Core,
    incarnation: &Incarnation,
    wanted: usize,
    after: Option<TenantId>,
    floors: &mut Floors,
) -> Result<Got, StoreError> {
    let freed = core.take_freed();
    let due = core.is_due();
    let mut queued = core.take_queued_since();
    let mut tx = core.store.begin_claim().await?;
    let mut woken = Woken::default();
    if due {
        woken = activations::wake_sleepers(&mut tx).await?;
        queued = queued.into_iter().chain(woken.earliest).min();
    }
    if !freed.is_empty() {
        let earliest = lanes::free_for_claim(&mut tx, &freed).await?;
        queued = queued.into_iter().chain(earliest).min();
    }
    if let Some(since) = queued {
        floors.lower(since);
    }
    let passed_over = floors.for_claim();
    let everywhere = passed_over.is_empty();
    let runs = i32::try_from(wanted).unwrap_or(1);
    let wanted = Wanted {
        runs: runs.into(),
        after,
        tenants: runs.saturating_mul(2).clamp(LEAST_TENANTS, MOST_TENANTS),
        ageing: core.pace.ageing,
        used: &core.shares.for_claim(),
        floors: &passed_over,
    };
    let (asked, at) = (Instant::now(), tx.now());
    let claim = activations::claim(&mut tx, incarnation.id, &wanted).await?;
    floors.note(&claim, at, everywhere, asked.elapsed());
    if !claim.runs.is_empty() {
        failpoints::reach(Failpoint::ClaimCommits);
    }
    let leases = || claim.runs.iter().map(|run| run.lease).collect();
    if let Err(error) = tx.commit().await {
        // They may be ours for all that, and nobody would ever run them.
        core.release(leases());
        return Err(error);
    }
    if !claim.runs.is_empty() {
        failpoints::reach(Failpoint::ClaimCommitted);
    }
    if claim.limited {
        core.met_limit();
    }
    for due in [woken.next, claim.wakes_at].into_iter().flatten() {
        core.due_by(due);
    }
    let histories = match load(core, &claim.runs).await {
        Ok(histories) => histories,
        Err(error) => {
            core.release(leases());
            return Err(error);
        }
    };
    Ok(Got {
        claim,
        everywhere,
        histories,
    })
}

/// The histories of those that have one.
async fn load(core: &Core, runs: &[Claimed]) -> Result<Vec<History>, StoreError> {
    let again: Vec<_> = runs
        .iter()
        .map(|run| run.lease)
        .filter(|lease| lease.epoch > 1)
        .collect();
    let mut loaded = Vec::new();
    if !again.is_empty() {
        let mut tx = activations::begin_load(&core.store).await?;
        loaded = activations::histories(&mut tx, &again).await?;
        tx.commit().await?;
    }
    let mut loaded = loaded.into_iter();
    Ok(runs
        .iter()
        .map(|run| {
            (run.lease.epoch > 1)
                .then(|| loaded.next())
                .flatten()
                .unwrap_or_default()
        })
        .collect())
}

fn hand_over(
    core: &Core,
    runs: Vec<Claimed>,
    histories: Vec<History>,
    incarnation: &Arc<Incarnation>,
    ahead: &Arc<Ahead>,
) {
    ahead.add(
        runs.into_iter()
            .zip(histories)
            .map(|(claimed, history)| Activation {
                timed: core.shares.claimed(claimed.lease.tenant),
                claimed,
                history,
                incarnation: Arc::clone(incarnation),
                slot: ahead.slot(),
            }),
    );
}
