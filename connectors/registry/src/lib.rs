//! connector-registry
