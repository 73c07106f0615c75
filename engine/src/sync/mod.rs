//! What the pure middle decided, made durable: pages that come in ([`page`]), edits and answers of
//! people ([`edit`]), writes that go out ([`outbox`]), runs that are taken back ([`undo`]), and what
//! a mapping would do before it is in force ([`preview`]).
//!
//! Each function works in the caller's transaction, in a handful of set-based statements however
//! many records it is given, and neither begins nor commits. No network here.

mod context;
pub mod edit;
mod effects;
pub mod outbox;
pub mod page;
pub mod preview;
pub mod undo;

pub use context::SyncError;
