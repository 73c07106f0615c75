//! syncline
fn main() {}
