//! The sync core on a real Postgres, and whole stories through the hub.

mod sync;
