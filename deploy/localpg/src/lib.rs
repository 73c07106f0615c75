//! A Postgres that needs no administrator: finds installed Postgres programs and runs a private
//! cluster with them, reachable only through a socket in a folder of its owner.
//!
//! Lives here: finding the programs ([`Programs`]), a cluster in a folder ([`Cluster`]), clusters
//! for tests and benchmarks ([`Throwaway`], [`test_cluster`]), and the few statements one needs
//! before a real client is there ([`Cluster::execute`]).
//!
//! Does not live here: `DATABASE_URL` (whoever has one needs no cluster and does not call us),
//! migrations, and any download. Where no Postgres is found, the error names the ways out.
//!
//! Works on Linux and macOS. Only `std` and `anyhow`: the task runner depends on this crate, and
//! whatever it needs is compiled before anything else can start.

#[cfg(not(unix))]
compile_error!("localpg needs Unix sockets; on Windows build under WSL");

mod cluster;
mod environment;
mod place;
mod programs;
mod sql;
mod throwaway;
mod user;

pub use cluster::{Cluster, Started};
pub use place::default_dir;
pub use programs::{HOW_TO_GET_POSTGRES, MINIMUM_MAJOR, Programs};
pub use throwaway::{TEST_CLUSTER_VARIABLE, Throwaway, stop_test_cluster, test_cluster};
pub use user::current_uid;
