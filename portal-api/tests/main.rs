//! The interface as callers see it.

mod openapi;
