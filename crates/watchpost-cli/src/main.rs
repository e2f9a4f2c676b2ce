//! The watchpost command.
fn main() {}
