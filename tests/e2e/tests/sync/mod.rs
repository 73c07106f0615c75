//! Pages, edits and receipts against the core, without a network.

mod conditions;
mod edits;
mod pages;
mod preview;
mod together;
mod undo;
mod world;
mod writes;
