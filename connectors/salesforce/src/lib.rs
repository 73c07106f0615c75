//! connector-salesforce
