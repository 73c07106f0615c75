//! The hub killed with SIGKILL in the middle of its work: nothing lost, nothing doubled.
