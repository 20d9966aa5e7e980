//! The image: boot, memory, traps, drivers, shell; joins everything.

fn main() {}
