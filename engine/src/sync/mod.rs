//! What the pure middle decided, made durable: pages that come in ([`page`]), edits and answers of
//! people ([`edit`], [`remove`]), writes that go out ([`outbox`]), runs that are taken back ([`undo`]),
//! failures that are tried again ([`again`]), what was withheld and is approved ([`approve`]), and what
//! a mapping would do before it is in force ([`preview`]); whose records are ([`identity`]); descriptions of streams that changed
//! ([`drift`]) and records that are compared again ([`sweep`]).
//!
//! Each function works in the caller's transaction, in a handful of set-based statements however
//! many records it is given, and neither begins nor commits. No network here.

pub mod again;
pub mod approve;
mod context;
pub mod drift;
pub mod edit;
mod effects;
pub mod forget;
pub mod identity;
pub mod outbox;
pub mod page;
pub mod preview;
mod references;
pub mod remove;
pub mod sweep;
pub mod undo;

pub use context::SyncError;
