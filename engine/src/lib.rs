//! Durable runs on Postgres, and the sync core that works in them.
//!
//! Here live the store (the only door to the database), the queue and runtime that execute
//! workflows durably, and the pure middle: catalogue, mapping and merge. Not here: any system's
//! name (connectors), any business noun (domain), HTTP (portal-api).

pub mod budget;
pub mod catalogue;
pub mod clock;
pub mod drift;
pub mod entity;
pub mod failpoints;
pub mod feed;
pub mod ids;
pub mod likeness;
mod locked;
pub mod mapping;
pub mod merge;
pub mod outcomes;
pub mod past;
pub mod peers;
pub mod provenance;
mod queue;
pub mod reconcile;
pub mod runtime;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod sync;
mod tasks;
pub mod trace;
pub mod vault;

/// What systems and the hub exchange, for those who may not talk to systems themselves.
pub use connector_sdk as sdk;

pub use clock::{Clock, Deadline};
pub use runtime::{Engine, Run, RunError, Step, StepCx, StepError, TxStep, Workflow};
pub use store::{Limits, Store, StoreError, StoreOptions, SystemTx, Tx};
