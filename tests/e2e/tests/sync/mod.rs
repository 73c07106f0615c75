//! Pages, edits and receipts against the core, without a network.

mod caps;
mod edits;
mod pages;
mod past;
mod remove;
mod together;
mod undo;
mod world;
mod writes;
