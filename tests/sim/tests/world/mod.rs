//! The sync core in virtual time: two or three systems, people on all sides, everything that can go
//! wrong between them; all of it decided by one number.
//!
//! What runs is the core itself (`sync::page`, `sync::outbox`, `sync::edit`, `workflows::push_writes::send`)
//! on a real Postgres, a tenant for each seed, with a clock that stands until it is moved. The
//! systems ([`peer`]) are small state machines with nasty habits. The runtime is not there: [`pull`]
//! and [`push`] go through the steps of `pull_stream` and `push_writes` in their order, with what a
//! step journals and what it loses when the process dies; which step of which run is next, and what
//! breaks in it, is an event of the [`plan`]. Runs that the core starts are taken from its table, so
//! that one it forgets to start is never run. When the events are over, faults cease and
//! [`oracle`] looks at what is left.
//!
//! Not simulated: transactions side by side (tests/e2e has those), the engine's own failures (its own
//! simulation has those), budgets, webhooks.

mod edits;
mod identity;
pub(crate) mod oracle;
pub(crate) mod peer;
pub(crate) mod plan;
pub(crate) mod planted;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rest;
pub(crate) mod rng;
pub(crate) mod server;
pub(crate) mod setting;
pub(crate) mod shrink;
pub(crate) mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Removal, Value};
use engine::Tx;
use engine::ids::{ConnectionId, EntityId, RunId, TenantId, UserId};
use engine::mapping::Values;
use engine::sync::identity::FollowInput;
use engine::sync::sweep::What;

use self::peer::{FIELDS, NAME, PARENT, Peer, Tokens};
use self::plan::{Event, Fault, Set};
use self::planted::Planted;
use self::server::Server;

pub(crate) const STREAM: &str = "Account";
/// Attempts of a step before its run fails.
const MOST_TRIES: u32 = 10;

/// A value that a person set in the hub.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) entity: EntityId,
    pub(crate) field: usize,
    pub(crate) value: Value,
}

/// A run under way, between two of its steps.
pub(crate) struct Flight {
    pub(crate) run: RunId,
    pub(crate) peer: usize,
    pub(crate) at: At,
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) tries: u32,
}

pub(crate) enum At {
    Pull(pull::At),
    Push(push::At),
    Sweep(sweep::At),
    /// Before `Follow`.
    Follow {
        input: FollowInput,
        tries: u32,
    },
}

/// What became of a step.
pub(crate) enum Went<T> {
    On(T),
    /// It is tried again, a little later each time.
    Again(T),
    Over,
}

pub(crate) struct World<'a> {
    pub(crate) server: &'a Server,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) peers: Vec<Arc<Peer>>,
    pub(crate) connections: Vec<ConnectionId>,
    pub(crate) flights: Vec<Flight>,
    pub(crate) edits: Vec<Edit>,
    /// Made by people in the hub, or linked: in the order in which the world heard of them.
    pub(crate) entities: Vec<EntityId>,
    pub(crate) tokens: Tokens,
    pub(crate) planted: Option<Planted>,
    pub(crate) trace: Vec<String>,
    pub(crate) wrong: Vec<String>,
    /// Records that were made to be the same.
    pub(crate) twins: Vec<identity::Twin>,
    /// When each record of a system was last written by us, for a fault that goes by time.
    pub(crate) written_at: BTreeMap<(usize, String), DateTime<Utc>>,
}

impl<'a> World<'a> {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.server.clock.now()
    }

    pub(crate) fn is(&self, fault: Planted) -> bool {
        self.planted == Some(fault)
    }

    pub(crate) fn note(&mut self, line: String) {
        let since = self.now() - server::start();
        self.trace
            .push(format!("{:>9} ms  {line}", since.num_milliseconds()));
    }

    pub(crate) async fn begin(&self) -> Result<Tx> {
        Ok(self.server.store.begin(self.tenant).await?)
    }

    pub(crate) fn pass(&mut self, by: Duration) {
        self.server.clock.advance(by);
        let now = self.now();
        for peer in &self.peers {
            peer.state().now = now;
        }
    }

    /// A person's hand on a system, or a step of a run.
    pub(crate) async fn happen(&mut self, event: &Event) -> Result<()> {
        self.pass(Duration::from_millis(7));
        match event {
            Event::EditThere {
                peer,
                record,
                field,
                set,
            } => {
                self.touched(*peer, *record, |world, peer, key| {
                    let field = field % FIELDS.len();
                    let value = match field {
                        PARENT => world.another(peer, key, *record),
                        _ => world.tokens.value(field, *set),
                    };
                    world.note(format!(
                        "{peer}/{key}: {} becomes {value:?}",
                        FIELDS[field].1
                    ));
                    world.peers[peer].state().edit(key, field, value);
                });
            }
            Event::Touch { peer, record } => self.touched(*peer, *record, |world, peer, key| {
                world.note(format!("{peer}/{key} is stamped anew"));
                world.peers[peer].state().touch(key);
            }),
            Event::CreateThere { peer, parent } => {
                let peer = peer % self.peers.len();
                let parent = parent.and_then(|place| {
                    let living = self.peers[peer].state().living();
                    living.get(place % living.len().max(1)).cloned()
                });
                let mut values = vec![(NAME, self.tokens.value(NAME, Set::Fresh))];
                if let Some(parent) = parent {
                    values.push((PARENT, parent.into()));
                }
                let key = self.peers[peer].state().create(values.clone());
                self.note(format!("{peer}/{key} is made: {values:?}"));
            }
            Event::DeleteThere { peer, record } => {
                self.touched(*peer, *record, |world, peer, key| {
                    world.note(format!("{peer}/{key} is deleted"));
                    world.peers[peer].state().remove(key, Removal::Deleted);
                });
            }
            Event::Undelete { peer, record } => {
                let peer = peer % self.peers.len();
                let gone = self.peers[peer].state().deleted();
                if let Some(key) = gone.get(record % gone.len().max(1)) {
                    self.note(format!("{peer}/{key} is back"));
                    self.peers[peer].state().touch(key);
                }
            }
            Event::MergeThere {
                peer,
                loser,
                winner,
            } => {
                self.touched(*peer, *loser, |world, peer, key| {
                    let into = world.another(peer, key, *winner);
                    if let Some(into) = into.as_str() {
                        world.note(format!("{peer}/{key} is merged into {into}"));
                        let how = Removal::MergedInto {
                            key: into.to_owned(),
                        };
                        world.peers[peer].state().remove(key, how);
                    }
                });
            }
            Event::EditHere { entity, fields } => self.edit_here(*entity, fields).await?,
            Event::CreateHere => {
                let fields = [(NAME, Set::Fresh), (1, Set::Fresh)];
                self.create_here(&fields).await?;
            }
            Event::Answer { conflict, how } => self.answer(*conflict, *how).await?,
            Event::Load {
                peer,
                record,
                count,
                purges,
            } => {
                let peer = peer % self.peers.len();
                let living = self.peers[peer].state().living();
                let keys: Vec<String> = living
                    .iter()
                    .cycle()
                    .skip(record % living.len().max(1))
                    .take(if *purges { 1 } else { *count })
                    .cloned()
                    .collect();
                self.note(format!(
                    "{peer}: a loader {} {keys:?}, and the feed does not say so",
                    if *purges { "purges" } else { "changes" }
                ));
                self.peers[peer].state().load(&keys, *purges);
            }
            Event::TwinThere { peer, record } => self.twin(*peer, *record),
            Event::Decide { question, how } => self.decide(*question, *how).await?,
            Event::Relink { record, to } => self.relink(*record, *to).await?,
            Event::Sweep { peer } => {
                let peer = peer % self.peers.len();
                self.sweep(RunId::fresh(), peer, What::All);
            }
            Event::Pull { peer, full } => {
                self.pull(peer % self.peers.len(), *full);
            }
            Event::Step { pick, fault } => self.step(*pick, *fault).await?,
            Event::Pass { ms } => self.pass(Duration::from_millis(*ms)),
        }
        Ok(())
    }

    fn touched(&mut self, peer: usize, record: usize, act: impl FnOnce(&mut Self, usize, &str)) {
        let peer = peer % self.peers.len();
        let living = self.peers[peer].state().living();
        if let Some(key) = living.get(record % living.len().max(1)) {
            act(self, peer, key);
        }
    }

    /// The key of another record of the same system, or null.
    fn another(&self, peer: usize, key: &str, place: usize) -> Value {
        let mut living = self.peers[peer].state().living();
        living.retain(|other| other != key);
        match living.get(place % living.len().max(1)) {
            Some(other) => other.as_str().into(),
            None => Value::Null,
        }
    }

    /// Begins a read of a system, unless one is under way.
    pub(crate) fn pull(&mut self, peer: usize, full: bool) {
        let is_pulled = |flight: &Flight| flight.peer == peer && matches!(flight.at, At::Pull(_));
        if self.flights.iter().any(is_pulled) {
            return;
        }
        self.note(format!(
            "{peer}: a read begins{}",
            if full { ", of everything" } else { "" }
        ));
        self.flights.push(Flight {
            run: RunId::fresh(),
            peer,
            at: At::Pull(pull::At::Find { full }),
            not_before: self.now(),
            tries: 0,
        });
    }

    /// One step of one of the runs that can go on.
    pub(crate) async fn step(&mut self, pick: usize, fault: Fault) -> Result<()> {
        self.begin_due().await?;
        let now = self.now();
        let ready: Vec<usize> = (0..self.flights.len())
            .filter(|place| self.flights[*place].not_before <= now)
            .collect();
        let Some(place) = ready.get(pick % ready.len().max(1)) else {
            self.pull(pick % self.peers.len(), false);
            return Ok(());
        };
        let flight = self.flights.remove(*place);
        self.advance(flight, fault).await
    }

    pub(crate) async fn advance(&mut self, flight: Flight, fault: Fault) -> Result<()> {
        let Flight {
            run,
            peer,
            at,
            tries,
            ..
        } = flight;
        self.peers[peer].state().fault = fault;
        let went = match at {
            At::Pull(at) => match self.pull_step(run, peer, at, fault).await? {
                Went::On(at) => Went::On(At::Pull(at)),
                Went::Again(at) => Went::Again(At::Pull(at)),
                Went::Over => Went::Over,
            },
            At::Sweep(at) => match self.sweep_step(run, peer, at, fault).await? {
                Went::On(at) => Went::On(At::Sweep(at)),
                Went::Again(at) => Went::Again(At::Sweep(at)),
                Went::Over => Went::Over,
            },
            At::Follow { input, tries } => self.follow_step(run, (input, tries), fault).await?,
            At::Push(at) => match self.push_step(run, peer, at, fault).await? {
                Went::On(at) => Went::On(At::Push(at)),
                Went::Again(at) => Went::Again(At::Push(at)),
                Went::Over => Went::Over,
            },
        };
        self.peers[peer].state().fault = Fault::None;
        let (at, tries) = match went {
            Went::On(at) => (at, 0),
            Went::Again(at) if tries + 1 < MOST_TRIES => (at, tries + 1),
            Went::Again(_) => {
                self.note(format!("{peer}: run fails for good"));
                return Ok(());
            }
            Went::Over => return Ok(()),
        };
        let wait = match &at {
            At::Follow { tries, .. } => identity::follow_wait(*tries),
            _ if tries == 0 => TimeDelta::zero(),
            _ => TimeDelta::milliseconds(1_000 << tries),
        };
        self.flights.push(Flight {
            run,
            peer,
            at,
            not_before: self.now() + wait,
            tries,
        });
        Ok(())
    }

    /// Takes runs that are due, as a claim does: those of one key one after the other.
    pub(crate) async fn begin_due(&mut self) -> Result<()> {
        for (run, connection, due_at, workflow) in self.server.queued(self.tenant).await? {
            let Some(peer) = self
                .connections
                .iter()
                .position(|known| known.0 == connection)
            else {
                continue;
            };
            if workflow == "follow_merge" {
                self.follow(run, peer).await?;
                continue;
            }
            if workflow == "sweep_stream" {
                if self.sweep(RunId(run), peer, What::Gaps) {
                    self.server.begun(run).await?;
                }
                continue;
            }
            let is_pushed =
                |flight: &Flight| flight.peer == peer && matches!(flight.at, At::Push(_));
            if due_at.is_some_and(|due_at| due_at > self.now())
                || self.flights.iter().any(is_pushed)
            {
                continue;
            }
            self.server.begun(run).await?;
            self.flights.push(Flight {
                run: RunId(run),
                peer,
                at: At::Push(push::At::Look),
                not_before: self.now(),
                tries: 0,
            });
        }
        Ok(())
    }

    pub(crate) fn heard_of(&mut self, entity: EntityId) {
        if !self.entities.contains(&entity) {
            self.entities.push(entity);
        }
    }

    /// What an entity is called in the trace.
    pub(crate) fn name(&self, entity: EntityId) -> String {
        let place = self.entities.iter().position(|known| *known == entity);
        place.map_or_else(|| "an entity".to_owned(), |place| format!("entity {place}"))
    }
}

/// Fields by the hub's names.
pub(crate) fn named(fields: &[(usize, Value)]) -> Values {
    fields
        .iter()
        .map(|(field, value)| (FIELDS[*field].0.to_owned(), value.clone()))
        .collect()
}
