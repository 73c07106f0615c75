//! The connector against its simulated org, over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod bench;
mod bulk;
mod changes;
mod conformance;
mod removals;
mod signing_in;
mod writes;
