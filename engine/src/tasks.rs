//! The engine's own tasks. What is spawned passes here, so that the simulation can decide whose turn
//! it is, stop a process and let it die; in a build of the hub nothing happens to it.

/// A task that belongs to this process.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn own<F: std::future::Future>(future: F) -> F {
    future
}

#[cfg(test)]
pub(crate) use crate::simulation::own;
