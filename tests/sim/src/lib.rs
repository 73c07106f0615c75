//! The sync core in virtual time against simulated systems; everything is in the tests.
