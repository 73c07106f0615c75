//! Durable runs on Postgres, and the sync core that works in them.
//!
//! Here live the store (the only door to the database), the queue and runtime that execute
//! workflows durably, and the pure middle: catalogue, mapping and merge. Not here: any system's
//! name (connectors), any business noun (domain), HTTP (portal-api).

pub mod clock;
pub mod feed;
pub mod ids;
mod queue;
pub mod runtime;
pub mod store;
pub mod vault;

pub use clock::Clock;
pub use runtime::{Engine, Run, RunError, Step, StepCx, StepError, TxStep, Workflow};
pub use store::{Store, StoreError, StoreOptions, SystemTx, Tx};
