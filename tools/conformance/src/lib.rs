//! The fuzz harness, shared by `cargo test` and the coverage-guided fuzzer in `tools/fuzz`.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "a Linux program: std is always there"
)]

pub mod fuzz;
