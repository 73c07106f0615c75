//! testkit

pub mod testdb;
