//! The sync core against simulated systems: by seed, and story by story.

mod scenarios;
mod seeds;
mod world;
