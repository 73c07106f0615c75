//! Who waits for whom: two transactions at once, on both sides. The second must wait on the model
//! exactly when it waits on Postgres, and then find the same.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use serde_json::json;

use super::calls::{Call, Ending, entry, step};
use super::play::answer;
use super::{Game, dump};
use crate::ids::RunId;
use crate::simulation::clock;
use crate::simulation::rng::Rng;
use crate::store::activations::{self, Lease, Wanted};
use crate::store::runs::{
    self, Dedupe, DedupeMode, DedupeUntil, Lineage, NewRun, StartOptions, Wait,
};
use crate::store::{
    Store, StoreError, SystemTx, Tx, journal, lanes, processes, schedules, signals, steps,
};

/// What a transaction does to a run that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Journal,
    GiveBack,
    Finish,
    Release,
    Wait,
    Fence,
    Signal,
    Cancel,
    Bury,
    Claim,
    Pulse,
    Start,
    Fire,
    WakeOverdue,
    EndOverdue,
    CancelCalled,
    Free,
}

const ALL: [Act; 17] = [
    Act::Journal,
    Act::GiveBack,
    Act::Finish,
    Act::Release,
    Act::Wait,
    Act::Fence,
    Act::Signal,
    Act::Cancel,
    Act::Bury,
    Act::Claim,
    Act::Pulse,
    Act::Start,
    Act::Fire,
    Act::WakeOverdue,
    Act::EndOverdue,
    Act::CancelCalled,
    Act::Free,
];

/// A transaction that has done something and not ended.
enum Open {
    Tenant(Tx),
    System(SystemTx),
}

impl Open {
    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Tenant(tx) => tx.commit().await,
            Self::System(tx) => tx.commit().await,
        }
    }
}

async fn act(
    game: &Game,
    store: &Store,
    act: Act,
    lease: &Lease,
) -> Result<(Open, String), StoreError> {
    Ok(match act {
        Act::Journal | Act::GiveBack | Act::Finish => {
            let ending = match act {
                Act::Journal => Ending::GoesOn(game.call as i32),
                Act::GiveBack => Ending::Sleeps(0),
                _ => Ending::Succeeds,
            };
            let mut tx = store.begin_journal().await?;
            let entries = [entry(*lease, ending, game)];
            let recorded = journal::record(&mut tx, &entries).await?;
            (Open::System(tx), format!("{recorded:?}"))
        }
        Act::Wait => {
            let mut tx = store.begin_brief(lease.tenant).await?;
            let held = runs::hold(&mut tx, lease).await?;
            runs::wait(&mut tx, lease, Wait::default()).await?;
            (Open::Tenant(tx), format!("{held:?}"))
        }
        Act::Fence => {
            let mut tx = store.begin(lease.tenant).await?;
            let rows = [step(game.call as i32, game)];
            let held = steps::insert_fenced(&mut tx, lease, &rows).await?;
            (Open::Tenant(tx), format!("{held}"))
        }
        Act::Signal => {
            let mut tx = store.begin(lease.tenant).await?;
            let sent = signals::send(&mut tx, lease.id, "go", b"1", Some("once")).await?;
            (Open::Tenant(tx), format!("{sent}"))
        }
        Act::Cancel => {
            let mut tx = store.begin(lease.tenant).await?;
            let state = runs::cancel(&mut tx, lease.id).await?;
            (Open::Tenant(tx), format!("{state:?}"))
        }
        Act::Start => {
            let mut tx = store.begin(lease.tenant).await?;
            let new = deduped(lease.id);
            let started = runs::start_as(&mut tx, RunId::fresh(), &new, Lineage::default()).await?;
            (Open::Tenant(tx), format!("{started:?}"))
        }
        Act::Fire => {
            let mut tx = store.begin(game.tenants[0]).await?;
            let fired = schedules::fire(&mut tx, game.schedules[0], 1, |_| Ok(None)).await;
            (Open::Tenant(tx), format!("{fired:?}"))
        }
        Act::Claim => {
            let mut tx = store.begin_claim().await?;
            let used = json!({});
            let wanted = Wanted {
                runs: 50,
                after: None,
                tenants: 10,
                ageing: Duration::from_secs(60),
                used: &used,
                floors: &[],
            };
            let claim = activations::claim(&mut tx, lease.owner, &wanted).await?;
            (Open::System(tx), format!("{claim:?}"))
        }
        _ => {
            let mut tx = store.begin_system().await?;
            let answer = match act {
                Act::Release => activations::release(&mut tx, &[*lease]).await?,
                Act::Bury => processes::bury(&mut tx, lease.owner).await?,
                Act::WakeOverdue => activations::wake_overdue(&mut tx).await?,
                Act::Free => {
                    let key = lanes::Behind::key(lease.tenant, "left");
                    u64::from(lanes::free_for_claim(&mut tx, &[key]).await?.is_some())
                }
                Act::EndOverdue => {
                    let overdue = runs::end_overdue(&mut tx).await?;
                    (overdue.ended.len() * 100 + overdue.stopping.len()) as u64
                }
                Act::CancelCalled => {
                    let cascade = runs::cancel_called(&mut tx).await?;
                    (cascade.ended.len() * 100 + cascade.stopping.len()) as u64
                }
                _ => u64::from(processes::pulse(&mut tx, lease.owner, true).await?.alive),
            };
            (Open::System(tx), format!("{answer}"))
        }
    })
}

fn deduped(about: RunId) -> NewRun {
    NewRun {
        workflow: "chain".to_owned(),
        version: 1,
        input: b"{}".to_vec(),
        parent_id: None,
        trace: None,
        options: StartOptions {
            dedupe: Some(Dedupe {
                key: format!("about/{about}"),
                until: DedupeUntil::Begun,
                mode: DedupeMode::Replace,
            }),
            ..StartOptions::default()
        },
    }
}

impl Game {
    /// Whether somebody waits for a lock.
    async fn somebody_waits(&self, store: &Store) -> bool {
        if store.model().is_some() {
            return self.server.state().db.somebody_waits();
        }
        let waits = "select exists (select from pg_locks l join pg_stat_activity a using (pid)
                                    where not l.granted and a.datname = current_database())";
        sqlx::query_scalar(waits)
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    /// Begins the second while the first is open: whether it waits, and what both answer.
    async fn pair(&self, store: &Store, first: Act, second: Act, lease: &Lease) -> String {
        let (open, one) = act(self, store, first, lease).await.unwrap();
        let mut other = pin!(act(self, store, second, lease));
        let mut done = None;
        let waits = loop {
            tokio::select! {
                biased;
                ended = &mut other => {
                    done = Some(ended);
                    break false;
                }
                () = tokio::time::sleep(Duration::from_millis(3)) => {}
            }
            // Polled meanwhile, or its answer would not be seen.
            if self.somebody_waits(store).await {
                break true;
            }
        };
        open.commit().await.unwrap();
        let ended = match done {
            Some(ended) => ended,
            None => other.await,
        };
        let two = match ended {
            Ok((open, answer)) => open.commit().await.map(|()| answer),
            Err(error) => Err(error),
        };
        let two = answer(two);
        format!("waits: {waits}; {one}; {two}")
    }

    /// A run that a process of its own holds, with a start of the same key that is queued. It was
    /// called by one that is to stop, and has called another.
    async fn held_run(&mut self) -> Lease {
        let tenant = self.tenants[0];
        self.add_process().await;
        let process = self.members.len() - 1;
        let mut parent = None;
        for _ in 0..2 {
            self.start_plain(parent).await;
            self.both(&Call::Claim {
                process,
                runs: 50,
                tenants: 5,
                wakes: false,
                floors: Vec::new(),
            })
            .await;
            parent = self.leases.last().map(|lease| lease.id);
        }
        let lease = *self.leases.last().unwrap();
        self.start_plain(parent).await;
        self.both(&Call::Cancel(self.leases[0].id)).await;
        // Something to be claimed.
        self.both(&Call::Start(Box::new(deduped(lease.id)), tenant, None))
            .await;
        lease
    }

    async fn start_plain(&mut self, parent: Option<RunId>) {
        let new = Box::new(plain(parent));
        let place = parent.map(|parent| (parent, 10));
        self.both(&Call::Start(new, self.tenants[0], place)).await;
    }
}

fn plain(parent_id: Option<RunId>) -> NewRun {
    NewRun {
        parent_id,
        options: StartOptions::default(),
        ..deduped(RunId::MIN)
    }
}

async fn both<'a, F: Future<Output = String>>(
    game: &'a Game,
    make: impl Fn(&'a Store) -> F,
) -> [String; 2] {
    let mut answers = [String::new(), String::new()];
    for (store, answer) in [&game.model, &game.postgres].into_iter().zip(&mut answers) {
        clock::make_ids(Some(Rng::new(game.call ^ 0xabc)), None);
        *answer = make(store).await;
        clock::make_ids(None, None);
    }
    answers
}

#[tokio::test]
async fn whoever_waits_for_a_lock_on_postgres_waits_on_the_model_too() {
    let mut game = Game::new(1).await;
    let mut different = Vec::new();
    for first in ALL {
        for second in ALL {
            game.clock.advance(Duration::from_millis(1_001));
            let lease = game.held_run().await;
            game.clock.advance(Duration::from_millis(11));
            let [model, postgres] =
                both(&game, |store| game.pair(store, first, second, &lease)).await;
            if model != postgres {
                different.push(format!("{first:?}, {second:?}: {model} | {postgres}"));
            }
            let (model, postgres) = (
                dump::of_model(&game.server),
                dump::of_postgres(&game.sql).await,
            );
            for (table, rows) in postgres {
                if model[table] != rows {
                    different.push(format!("{first:?}, {second:?}: rows of {table}"));
                }
            }
            game.retire().await;
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}
