//! How a call is made, on either side.

use std::time::Duration;

use serde_json::json;

use super::Game;
use super::calls::{Call, Learned, entry, step};
use crate::ids::{RunId, TenantId};
use crate::simulation::model::Key;
use crate::store::activations::{self, Lease, Wanted, Woken};
use crate::store::lanes::{self, Behind};
use crate::store::processes::{self, UnknownRuns};
use crate::store::runs::{self, Lineage, Wait};
use crate::store::{Store, StoreError, journal, schedules, signals, steps};

/// An answer in a form that both sides have: errors by their kind and code.
pub(super) fn answer(answered: Result<String, StoreError>) -> String {
    match answered {
        Ok(answer) => answer,
        Err(StoreError::Database(sqlx::Error::Database(error))) => {
            format!("code {:?}", error.code())
        }
        Err(error) => format!("error {error}"),
    }
}

pub(super) async fn play(game: &Game, store: &Store, call: &Call, learned: &mut Learned) -> String {
    answer(make(game, store, call, learned).await)
}

async fn make(
    game: &Game,
    store: &Store,
    call: &Call,
    learned: &mut Learned,
) -> Result<String, StoreError> {
    let lease_of = |lease: &Lease| store.begin_brief(lease.tenant);
    Ok(match call {
        Call::Start(new, tenant, place) => {
            let mut tx = store.begin(*tenant).await?;
            let id = RunId::fresh();
            let lineage = Lineage {
                parent_id: new.parent_id,
                parent_seq: place.map(|(_, seq)| seq),
                wakes_parent: place.is_some(),
            };
            let started = runs::start_as(&mut tx, id, new, lineage).await?;
            tx.commit().await?;
            learned.runs.push(started.id());
            format!("{started:?}")
        }
        Call::Claim {
            process,
            runs,
            tenants,
            wakes,
            floors,
        } => {
            let mut tx = store.begin_claim().await?;
            let woken = if *wakes {
                activations::wake_sleepers(&mut tx).await?
            } else {
                Woken::default()
            };
            let used = json!({"others": [0.5, 0.25], game.tenants[0].0.to_string(): [3.0, 0.5]});
            let wanted = Wanted {
                runs: *runs,
                after: None,
                tenants: *tenants,
                ageing: Duration::from_secs(4),
                used: &used,
                floors,
            };
            let owner = game.members[*process].id;
            let claim = activations::claim(&mut tx, owner, &wanted).await?;
            tx.commit().await?;
            learned
                .leases
                .extend(claim.runs.iter().map(|run| run.lease));
            format!("{woken:?} {claim:?}")
        }
        Call::Record(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(lease, ending)| entry(*lease, *ending, game))
                .collect();
            let mut tx = store.begin_journal().await?;
            let mut recorded = journal::record(&mut tx, &entries).await?;
            tx.commit().await?;
            let mut written: Vec<_> = recorded.written.into_iter().collect();
            written.sort();
            recorded.freed.sort_by_key(|behind| format!("{behind:?}"));
            let (freed, woke, requeued) = (recorded.freed, recorded.woke, recorded.requeued);
            format!("{written:?} {freed:?} {woke} {requeued:?}")
        }
        Call::Histories(leases) => {
            let mut tx = activations::begin_load(store).await?;
            let histories = activations::histories(&mut tx, leases).await?;
            tx.commit().await?;
            format!("{histories:?}")
        }
        Call::Wait(lease, due, awaits) => {
            let mut tx = lease_of(lease).await?;
            let held = runs::hold(&mut tx, lease).await?;
            let wait = Wait {
                due_at: due.map(|due| tx.now() + Duration::from_millis(due)),
                awaits: *awaits,
                ..Wait::default()
            };
            runs::wait(&mut tx, lease, wait).await?;
            tx.commit().await?;
            format!("{held:?}")
        }
        Call::Fenced(lease, seq) => {
            let mut tx = store.begin(lease.tenant).await?;
            let rows = [step(*seq, game), step(*seq + 5, game)];
            let written = steps::insert_fenced(&mut tx, lease, &rows).await?;
            tx.commit().await?;
            format!("{written}")
        }
        Call::Family(lease, seq) => {
            let places = 10..=10 + *seq;
            let mut tx = lease_of(lease).await?;
            // A child's place is unique in life, not in a game: journaling two of one place fails.
            let called = runs::journal_called(&mut tx, lease.id, "chain", &places).await?;
            let mut called: Vec<_> = called.into_iter().map(|one| format!("{one:?}")).collect();
            called.sort();
            let mut open = runs::open_called(&mut tx, lease.id, &places).await?;
            open.sort_unstable();
            let has = runs::has_called(&mut tx, lease.id, 11).await?;
            tx.commit().await?;
            format!("{called:?} {open:?} {has}")
        }
        Call::Send { run, body, keyed } => {
            let tenant = tenant_of(game, *run);
            let mut tx = store.begin(tenant).await?;
            let key = keyed.then(|| format!("signal {body}"));
            let text = body.to_string();
            let sent = signals::send(&mut tx, *run, "go", text.as_bytes(), key.as_deref()).await?;
            tx.commit().await?;
            format!("{sent}")
        }
        Call::Take(lease, seq) => {
            let mut tx = store.begin(lease.tenant).await?;
            let first = signals::first(&mut tx, lease.id, "go").await?;
            if let Some((id, _)) = &first {
                signals::take(&mut tx, lease.id, *id, *seq).await?;
            }
            tx.commit().await?;
            format!("{first:?}")
        }
        Call::Cancel(run) => {
            let mut tx = store.begin(tenant_of(game, *run)).await?;
            let state = runs::cancel(&mut tx, *run).await?;
            tx.commit().await?;
            format!("{state:?}")
        }
        Call::Get(run) => {
            let mut tx = store.begin(tenant_of(game, *run)).await?;
            let row = runs::get(&mut tx, *run).await?;
            let (state, epoch, trace) = (row.state, row.activations, row.trace);
            format!("{state:?} {epoch:?} {:?} {trace:?}", row.output)
        }
        Call::Fire(index) => fire(game, store, *index).await?,
        other => system(game, store, other).await?,
    })
}

fn tenant_of(game: &Game, run: RunId) -> TenantId {
    let state = game.server.state();
    let key = [Key::Run(run), Key::Finished(run)];
    let found = key.iter().find_map(|key| state.db.get(key));
    found.map_or(game.tenants[0], |row| row.run().tenant)
}

async fn fire(game: &Game, store: &Store, index: usize) -> Result<String, StoreError> {
    let id = game.schedules[index];
    let mut tx = store.begin_system().await?;
    let due = schedules::due(&mut tx, &["chain".to_owned()]).await?;
    tx.commit().await?;
    let mut tx = store.begin(game.tenants[0]).await?;
    let fired = schedules::fire(&mut tx, id, 1, |_| Ok(None)).await;
    tx.commit().await?;
    Ok(format!("{} {fired:?}", due.len()))
}

/// Calls in a transaction of the hub's own.
async fn system(game: &Game, store: &Store, call: &Call) -> Result<String, StoreError> {
    let mut tx = store.begin_system().await?;
    let answer = match call {
        Call::Register(index) => {
            let member = &game.members[*index];
            let knows = ["chain/1".to_owned(), "nap/1".to_owned()];
            let host = format!("h{index}");
            processes::register(&mut tx, member.id, &host, member.lock_key, &knows).await?;
            String::new()
        }
        Call::Release(leases) => format!("{}", activations::release(&mut tx, leases).await?),
        Call::ReleaseOrphans => format!("{}", activations::release_orphans(&mut tx).await?),
        Call::Pulse {
            process,
            buries,
            thorough,
        } => {
            let mut pulse = processes::pulse(&mut tx, game.members[*process].id, *thorough).await?;
            pulse.dead.sort();
            pulse.cancelled.sort();
            for dead in pulse.dead.iter().filter(|_| *buries) {
                processes::bury(&mut tx, *dead).await?;
            }
            format!("{pulse:?}")
        }
        Call::Free(tenant, key) => {
            let lanes = [Behind::key(*tenant, key), Behind::key(*tenant, key)];
            format!("{:?}", lanes::free_for_claim(&mut tx, &lanes).await?)
        }
        Call::FreeForgotten => format!("{:?}", lanes::free_forgotten(&mut tx).await?),
        Call::OpenDue => {
            lanes::open_due(&mut tx).await?;
            String::new()
        }
        Call::WakeOverdue => format!("{}", activations::wake_overdue(&mut tx).await?),
        Call::EndOverdue => {
            let mut overdue = runs::end_overdue(&mut tx).await?;
            overdue.ended.sort();
            overdue.stopping.sort();
            overdue.freed.sort_by_key(|behind| format!("{behind:?}"));
            format!("{overdue:?}")
        }
        Call::CancelCalled => {
            let mut cascade = runs::cancel_called(&mut tx).await?;
            cascade.ended.sort();
            cascade.stopping.sort();
            cascade.freed.sort_by_key(|behind| format!("{behind:?}"));
            format!("{cascade:?}")
        }
        Call::UnknownRuns => format!("{:?}", processes::unknown_runs(&mut tx).await?),
        Call::ParkUnknown(tenant) => {
            let unknown = UnknownRuns {
                tenant: *tenant,
                workflow: "strange".to_owned(),
                version: 1,
            };
            let mut parked = activations::park_unknown(&mut tx, &unknown, "nobody").await?;
            parked.sort_by_key(|(run, _)| *run);
            format!("{parked:?}")
        }
        Call::ForgetKeys => {
            activations::forget_expired_keys(&mut tx).await?;
            String::new()
        }
        other => panic!("{other:?} is a call of a tenant"),
    };
    tx.commit().await?;
    Ok(answer)
}
