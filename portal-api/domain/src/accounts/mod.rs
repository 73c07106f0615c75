//! Accounts: customers of the tenant.

pub mod list;
pub(crate) mod one;
mod table;

pub use table::Accounts;
