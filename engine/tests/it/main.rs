//! The store and the runtime on a real Postgres, a database for each test.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make ids, read the clock and panic on purpose"
)]

mod budgets;
mod cancel;
mod claims;
mod crashes;
mod days;
mod flat;
mod fair;
mod keys;
mod known;
mod lanes;
mod plans;
mod retries;
mod schedules;
mod steps;
mod support;
