//! Image, QEMU, reports, tidy: the logic behind the Makefile.

fn main() {}
