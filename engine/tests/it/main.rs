//! The store and the runtime on a real Postgres, a database for each test.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make ids and read the clock themselves"
)]

mod cancel;
mod claims;
mod crashes;
mod keys;
mod retries;
mod schedules;
mod steps;
mod support;
