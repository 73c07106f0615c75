//! A worker process that runs an engine and a few workflows, and everything that can befall it.
//!
//! Steps leave traces outside of the journal (a line in a file, a row of another table). From these
//! and the journal [`verify`] tells whether a run was lost, ended twice, or ran a journaled step
//! again.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make ids, read the clock and are told by the task runner how much to do"
)]

mod bad;
mod failpoints;
mod kills;
mod lease;
mod postgres;
mod process;
mod verify;
mod workflows;
mod world;
