//! Deterministic simulation: the engine's own code, several processes of it, on a model of the
//! database, in virtual time, with faults; all of it decided by one number.

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
