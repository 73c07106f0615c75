//! The business: its nouns, their tables and rules.
//!
//! A noun is a folder: types and rules in `mod.rs` and beside it, SQL in `table.rs` and
//! `store.rs`. HTTP is not here, nor is any system's name.

pub mod sessions;
pub mod tenants;
pub mod users;
