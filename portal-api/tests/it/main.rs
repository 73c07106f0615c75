//! The interface as callers see it, on a real Postgres: a database for each test.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it builds on is not there"
)]

mod accounts;
mod approvals;
mod bodies;
mod budgets;
mod conflicts;
mod connections;
mod contacts;
mod failure_classes;
mod fields;
mod lanes;
mod live;
mod machine;
mod mappings;
mod openapi;
mod past;
mod previews;
mod publishing;
mod removals;
mod runs;
mod schedules;
mod session;
mod strangers;
mod systems;
mod tenants;
mod undo;
mod world;
