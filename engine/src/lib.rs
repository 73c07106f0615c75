//! engine

pub mod catalogue;
pub mod mapping;
pub mod merge;
