//! Stories across systems: what goes in on one side and what must come out on the others.
