//! x86-64 encoder: instructions, labels, fixups.
//!
//! Used by the one-pass baseline tier, where emitting an instruction must cost a few native ones,
//! and by the optimising back end. It knows nothing of IR, of registers being allocated, or of
//! where code will run: instructions go in as method calls on a [`CodeBuffer`],
//! position-independent bytes and [relocations](Reloc) come out.
//!
//! # The instruction formats (SDM vol. 2, chapter 2)
//! ```text
//! legacy  [67|65] [66] [66|F3|F2] [REX] [0F [38|3A]] opcode ModRM [SIB] [disp8|32] [imm8|16|32|64]
//! VEX     [67|65] C5 xx | C4 xx xx               opcode ModRM [SIB] [disp8|32] [imm8]
//!         '--------------- head: at most 8 bytes ---------------' '----- tail: at most 8 -----'
//! ```
//! The head is put together in one 64-bit register from its end to its beginning: ModRM and SIB
//! first, then the opcode is shifted in below them, then each prefix that is needed. So no step
//! depends on how long the part before it will be, constant parts fold together at compile time,
//! and the instruction leaves as two unaligned 8-byte stores after one capacity check
//! ([`CodeBuffer`] keeps room for both).
//!
//! # Reading order
//! * [`Gpr`], [`Xmm`], [`Size`], [`Cond`] (`reg.rs`); [`Mem`] and its ModRM/SIB bytes (`mem.rs`).
//! * [`CodeBuffer`] (`buffer.rs`), constants and jump tables (`data.rs`), resolution
//!   (`finalize.rs`, `apart.rs`).
//! * The two generic encoders (`encode.rs`), and on top of them one method per operand *shape*,
//!   with the operation as an argument: integer (`int.rs`, `shift.rs`, `bits.rs`), control flow
//!   (`control.rs`), vector (`vector.rs`, with its table of operations in `vecop.rs`), x87
//!   (`x87.rs`).
//!
//! # How methods are named
//! The destination comes first. The plain name takes what the manual calls `reg, r/m`; `_mr` is
//! `r/m, reg`; `_i` takes an immediate; `_m` memory only. An r/m argument accepts a register, a
//! [`Mem`], or an [`Rm`] that is one of both.
//!
//! # What is checked
//! Ranges of fixups and unbound labels: always, by [`CodeBuffer::finalize`]. Operands that no
//! instruction can have (rsp as an index): by debug assertions, since they are bugs of the compiler
//! that calls. `tests/` decodes every form with an independent disassembler, and has its encoder
//! agree byte by byte.
//!
//! # Example
//! ```
//! use asm::{Alu, CodeBuffer, Cond, Gpr, Mem, Size};
//!
//! // The sum of the `esi` 32-bit numbers at `rdi`.
//! let mut buf = CodeBuffer::new();
//! let done = buf.label();
//! buf.alu(Alu::Xor, Size::B32, Gpr::Rax, Gpr::Rax);
//! let again = buf.here();
//! buf.alu_i(Alu::Sub, Size::B32, Gpr::Rsi, 1);
//! buf.jcc(Cond::B, done);
//! buf.alu(Alu::Add, Size::B32, Gpr::Rax, Mem::base(Gpr::Rdi, 0));
//! buf.alu_i(Alu::Add, Size::B64, Gpr::Rdi, 4);
//! buf.jmp(again);
//! buf.bind(done);
//! buf.ret();
//! let code = buf.finalize(0).expect("the only forward label is bound");
//! assert_eq!(code.text.len(), 20);
//! assert!(code.relocs.is_empty());
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod apart;
mod bits;
mod buffer;
mod control;
mod data;
mod encode;
mod finalize;
mod int;
mod mem;
mod reg;
mod shift;
mod vecop;
mod vector;
mod x87;

pub use apart::{Apart, DataReference, TableReference};
pub use bits::{BitCount, BitTest, Bmi};
pub use buffer::{CodeBuffer, CodeOffset, Label};
pub use control::Plain;
pub use finalize::{AsmError, Finalized, Reloc, RelocKind};
pub use int::{Alu, Unary};
#[doc(hidden)]
pub use mem::Parts;
pub use mem::{Mem, RegMem, Rm, Scale, Symbol};
pub use reg::{Cond, Gpr, Size, Xmm};
pub use shift::{Shift, ShiftDouble, ShiftX};
pub use vecop::{
    Fma, FmaOrder, Fp, FpOp, VecBin, VecBinImm, VecBlend, VecExtract, VecGather, VecLoad,
    VecLoadHalf, VecMaskLoad, VecMaskStore, VecMerge, VecShift, VecSigns, VecStore, VecUn,
    VecUnImm,
};
pub use vector::{Enc, Rounding};
pub use x87::{X87Mem, X87Stack};
