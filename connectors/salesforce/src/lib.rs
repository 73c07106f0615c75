//! connector-salesforce
//!
//! The simulator of a Salesforce organisation is [`sim`], behind the feature `sim`.

#[cfg(feature = "sim")]
pub mod sim;
