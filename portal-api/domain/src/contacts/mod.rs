//! Contacts: people at an account.

mod table;

pub use table::Contacts;
