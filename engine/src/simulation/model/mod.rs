//! Postgres in memory, as far as the runtime asks it for something: the functions of `store` that it
//! calls, each with what its SQL does. `equivalence.rs` plays the same calls against a real server, so
//! that the two cannot drift apart.

mod activations;
mod cascade;
mod claim;
mod client;
mod db;
mod error;
mod journal;
mod lanes;
mod processes;
mod rows;
mod runs;
mod schedules;
mod server;
mod signals;
mod tables;

pub(crate) use client::{Client, Session, Transaction};
pub(crate) use db::Db;
pub(crate) use error::lost;
pub(crate) use rows::{Key, LaneRec, ProcessRec, Row, RunRec};
pub(crate) use server::{CALLERS, Lost, Moment, Server};
