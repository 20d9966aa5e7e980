//! Every encoding form against an independent disassembler (iced-x86), and labels, fixups and
//! relocations against their definitions. `judge.rs` is the common part.

mod bits;
mod buffer;
mod control;
mod integer;
mod judge;
mod random;
mod shapes;
mod vector;
mod vector_gpr;
mod x87;
