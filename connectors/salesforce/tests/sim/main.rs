//! The simulator against the reference: what it answers, and that unmodified clients accept it.

mod bulk;
mod clients;

mod collections;
mod faults;
mod harness;
mod keeping;
mod login;
mod query;
mod replication;
mod rows;
mod schema;
mod speed;
