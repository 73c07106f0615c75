//! Accounts: customers of the tenant.

mod table;

pub use table::Accounts;
