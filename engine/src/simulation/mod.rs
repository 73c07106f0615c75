//! Deterministic simulation: the engine's own code, several processes of it, on a model of the
//! database, in virtual time, with faults; all of it decided by one number. Compiled for tests only.
//!
//! A world ([`world`]) has one to three engines, each with its own clock, connections and tasks. Their
//! tasks are polled one at a time, in an order that the seed decides ([`executor`]); time moves only
//! when none is ready. What they ask `store` for is answered by a model of Postgres ([`model`]) with
//! transactions, row locks and everything that can go wrong on the way there. A plan ([`plan`]) says
//! what is started, signalled and cancelled and what breaks when; a witness ([`witness`]) looks at
//! every commit and every beginning of a step and says what should not have been.
//!
//! Simulated: claims, activations, replay, the writer's group commit, retries, sleeps, signals,
//! children, maps, cancelling, deadlines, lanes of keys, schedules, registration, pulses, burials,
//! starts one by one and together, notifications, shutdown. Not simulated: SQL and its plans (the
//! tests on real servers), days of finished runs, budgets, bulk operations, what a person does to a
//! finished run, time used by other processes, apalis' own clock (it has none that matters here).
//!
//! The model is held against Postgres call by call and lock by lock (`equivalence`), and the whole
//! against faults that are planted on purpose (`planted`).

mod caller;
mod clock;
mod equivalence;
mod executor;
mod model;
mod plan;
mod planted;
mod rng;
mod shrink;
mod tests;
mod witness;
mod workload;
mod world;

pub(crate) use clock::{Hands, fresh_id};
pub(crate) use executor::own;
pub(crate) use model::{Client, Session, Transaction};
