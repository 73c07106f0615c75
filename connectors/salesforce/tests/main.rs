//! The connector against its simulated org, over real sockets.

mod bench;

connector_sdk::conformance!(bench::Org::start());
