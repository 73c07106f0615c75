//! Pages, edits and receipts against the core, without a network.

mod caps;
mod conditions;
mod disorder;
mod edits;
mod handover;
mod merges;
mod moves;
mod pages;
mod past;
mod preview;
mod remove;
mod together;
mod turns;
mod undo;
mod world;
mod writes;
