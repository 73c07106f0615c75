//! Processes killed with SIGKILL in the middle of their work: nothing lost, nothing doubled.
//!
//! `killed` does it to the whole hub while it pulls and while it pushes, `worker` to the engine
//! alone, at every failpoint, between every two steps, at random, and to its Postgres.

mod killed;
mod worker;
