//! The house's own rules, each a file. What a rule is for stands at its head.

#![expect(
    clippy::unwrap_used,
    reason = "a rule that cannot be checked has failed"
)]

mod alerts;
mod connectors;
mod examples;
mod homes;
mod imports;
mod migrations;
mod policies;
mod sizes;
mod tracked;
mod versions;
mod words;
