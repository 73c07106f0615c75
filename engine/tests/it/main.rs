//! The store and the runtime on a real Postgres, a database for each test.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make ids, read the clock and panic on purpose"
)]

mod cancel;
mod claims;
mod crashes;
mod keys;
mod retries;
mod schedules;
mod sql_starts;
mod starts;
mod steps;
mod support;
