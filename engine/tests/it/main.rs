//! The store and the runtime on a real Postgres, a database for each test.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make ids, read the clock and panic on purpose"
)]

mod again;
mod budgets;
mod bulk;
mod cancel;
mod cascade;
mod claims;
mod clock_jumps;
mod crashes;
mod days;
mod deadlines;
mod fair;
mod flat;
mod full_disk;
mod history;
mod keys;
mod known;
mod lane_views;
mod lanes;
mod maps;
mod plans;
mod retries;
mod schedules;
mod signals;
mod sql_starts;
mod starts;
mod steps;
mod support;
mod traces;
mod versions;
