//! The sync core against simulated systems: by seed, and story by story.

mod seeds;
mod world;
