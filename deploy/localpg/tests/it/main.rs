//! Real clusters, started and stopped. They need a Postgres on the machine, as every test run does.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod cluster;
mod throwaway;
mod user;
