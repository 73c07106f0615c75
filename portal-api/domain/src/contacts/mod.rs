//! Contacts: people at an account.

pub mod list;
pub(crate) mod one;
mod table;

pub use table::Contacts;
