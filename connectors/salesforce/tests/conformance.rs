//! What every connector promises, shown against the simulated org.

connector_sdk::conformance!(crate::bench::Org::start());
