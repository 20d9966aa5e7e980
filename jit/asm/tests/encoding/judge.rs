//! The judge: emits through the crate under test, decodes with iced-x86, compares.

use core::fmt::Debug;

use asm::{CodeBuffer, Gpr, Label, Rm, Size};
use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, OpKind, Register};

use crate::shapes::Shape;

/// Address that decoded code is taken to lie at.
pub(crate) const IP: u64 = 0x10_0000;

/// What an operand of the decoded instruction must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// This register.
    Reg(Register),
    /// Memory of this many bytes; its address is the [`Shape`]'s affair.
    Mem(usize),
    /// The xmm or ymm register of this number; which of the two is the operation's affair.
    Vec(u8),
    /// Memory of whatever size the operation has.
    AnyMem,
    /// An immediate with these low bits.
    Imm(u64, u32),
}

/// An r/m operand to be tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<R> {
    Reg(R),
    Mem(Shape),
}

impl<R: Copy> Place<R> {
    /// The operand to hand to the crate.
    pub(crate) fn rm(&self, start: Label) -> Rm<R> {
        match self {
            Self::Reg(reg) => Rm::Reg(*reg),
            Self::Mem(shape) => Rm::Mem(shape.mem(start)),
        }
    }

    /// What must be decoded: the register under the given name, or memory of `bytes`.
    pub(crate) fn want(&self, name: impl Fn(R) -> Register, bytes: usize) -> Want {
        match self {
            Self::Reg(reg) => Want::Reg(name(*reg)),
            Self::Mem(_) => Want::Mem(bytes),
        }
    }
}

/// Emits one instruction and compares it with what it must decode to.
pub(crate) struct Judge {
    buf: CodeBuffer,
    encoder: Encoder,
    /// Instructions judged so far.
    pub(crate) count: usize,
}

impl Judge {
    pub(crate) fn new() -> Self {
        Self {
            buf: CodeBuffer::new(),
            encoder: Encoder::new(64),
            count: 0,
        }
    }

    /// Judges what `emit` emits: one instruction named `name` (lower case) with the operands
    /// `wants`, the memory one being `place` if that is memory. `emit` gets the r/m operand made of
    /// `place`.
    #[track_caller]
    pub(crate) fn check<R: Copy + Debug>(
        &mut self,
        name: &str,
        place: Place<R>,
        wants: &[Want],
        emit: impl FnOnce(&mut CodeBuffer, Rm<R>),
    ) {
        self.buf.clear();
        let start = self.buf.here();
        emit(&mut self.buf, place.rm(start));
        let bytes = self.buf.finalize(0).expect("nothing to fail").text;
        let instr = decode(bytes);
        self.count += 1;
        // Prints the case if anything below panics.
        let _context = Context {
            name,
            place,
            bytes,
            instr: &instr,
        };
        assert_eq!(
            instr.len(),
            bytes.len(),
            "one instruction that fills the bytes"
        );
        assert_eq!(mnemonic(&instr), name, "mnemonic");
        assert_eq!(instr.op_count() as usize, wants.len(), "operand count");
        for (op, want) in wants.iter().enumerate() {
            check_operand(&instr, op as u32, *want);
        }
        if let Place::Mem(shape) = place {
            shape.check(&instr);
        }
        // iced's own encoder, given what was decoded, agrees byte by byte: no prefix too many.
        self.encoder
            .encode(&instr, IP)
            .expect("what decodes can be encoded");
        let mut again = self.encoder.take_buffer();
        assert_eq!(
            sort_prefixes(&again),
            sort_prefixes(bytes),
            "encoded by iced"
        );
        again.clear();
        self.encoder.set_buffer(again);
    }

    /// The same for an instruction without an r/m operand.
    #[track_caller]
    pub(crate) fn check_plain(
        &mut self,
        name: &str,
        wants: &[Want],
        emit: impl FnOnce(&mut CodeBuffer),
    ) {
        self.check(name, Place::Reg(Gpr::Rax), wants, |buf, _| emit(buf));
    }
}

/// Explains the case at hand if it fails.
struct Context<'a, R: Debug> {
    name: &'a str,
    place: Place<R>,
    bytes: &'a [u8],
    instr: &'a Instruction,
}

impl<R: Debug> Drop for Context<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("wanted {} with {:?}", self.name, self.place);
            eprintln!("got {:02x?} = {:?}", self.bytes, self.instr);
        }
    }
}

/// The order of operand size, address size and segment prefixes is free: puts them into one.
fn sort_prefixes(bytes: &[u8]) -> Vec<u8> {
    let mut sorted = bytes.to_vec();
    let prefixes = bytes
        .iter()
        .take_while(|byte| matches!(byte, 0x65..=0x67))
        .count();
    sorted[..prefixes].sort_unstable();
    sorted
}

fn check_operand(instr: &Instruction, op: u32, want: Want) {
    match want {
        Want::Reg(reg) => {
            assert_eq!(instr.op_kind(op), OpKind::Register, "operand {op}");
            assert_eq!(instr.op_register(op), reg, "operand {op}");
        }
        Want::Mem(bytes) => {
            assert_eq!(instr.op_kind(op), OpKind::Memory, "operand {op}");
            assert_eq!(instr.memory_size().size(), bytes, "memory size");
        }
        Want::Vec(number) => {
            let reg = instr.op_register(op);
            assert!(reg.is_xmm() || reg.is_ymm(), "operand {op} is {reg:?}");
            assert_eq!(reg.number(), number.into(), "operand {op}");
        }
        Want::AnyMem => assert_eq!(instr.op_kind(op), OpKind::Memory, "operand {op}"),
        Want::Imm(value, bits) => {
            let found = instr.try_immediate(op).expect("an immediate");
            let mask = u64::MAX >> (64 - bits);
            assert_eq!(found & mask, value & mask, "immediate operand {op}");
        }
    }
}

/// The first instruction in `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Instruction {
    Decoder::with_ip(64, bytes, IP, DecoderOptions::NONE).decode()
}

/// The mnemonic in lower case.
pub(crate) fn mnemonic(instr: &Instruction) -> String {
    format!("{:?}", instr.mnemonic()).to_lowercase()
}

/// iced's name of a 64-bit register.
pub(crate) fn gpr64(reg: Gpr) -> Register {
    Register::RAX + u32::from(reg.number())
}

/// iced's name of a register of `size`.
pub(crate) fn gpr(reg: Gpr, size: Size) -> Register {
    let number = u32::from(reg.number());
    match size {
        // iced lists ah, ch, dh and bh between bl and spl.
        Size::B8 if number < 4 => Register::AL + number,
        Size::B8 => Register::SPL + (number - 4),
        Size::B16 => Register::AX + number,
        Size::B32 => Register::EAX + number,
        Size::B64 => Register::RAX + number,
    }
}
