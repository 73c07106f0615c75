//! Kills the hub while it pulls and while it pushes, starts it again, and counts.

mod killed;
