//! Random programs: instructions of all kinds in a row, with labels and branches in all directions,
//! decoded as a whole. What single instructions cannot show: bytes of one that leak into the next,
//! wrong lengths, fixups at wrong places, growth of the buffer in the middle.
//!
//! The seed is printed when a test fails; `ASM_SEED=n` runs that one again.

use core::hash::{BuildHasher, Hasher};
use std::collections::hash_map::RandomState;

use asm::{
    Alu, BitCount, CodeBuffer, CodeOffset, Cond, Enc, Fp, FpOp, Gpr, Label, Mem, Rm, Scale, Shift,
    ShiftX, Size, Unary, VecBin, VecLoad, VecStore, VecUnImm, X87Mem, Xmm,
};
use iced_x86::{Decoder, DecoderOptions};

use crate::control::SUFFIXES;
use crate::judge::{IP, mnemonic};

const PROGRAMS: usize = 200;
const MAX_INSTRUCTIONS: u32 = 2000;
const LABELS: u32 = 16;

/// SplitMix64: small, and good enough to pick operands.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    fn gpr(&mut self) -> Gpr {
        Gpr::new(self.next() as u8)
    }

    fn xmm(&mut self) -> Xmm {
        Xmm::new(self.next() as u8)
    }

    fn size(&mut self) -> Size {
        self.pick(&Size::ALL)
    }

    /// Small, medium and large numbers, equally often.
    fn imm(&mut self) -> i32 {
        let shift = self.pick(&[0, 16, 25, 31]);
        self.next() as i32 >> shift
    }

    fn mem(&mut self, constant: Label) -> Mem {
        let disp = self.imm();
        let index = match self.gpr() {
            Gpr::Rsp => Gpr::R12,
            other => other,
        };
        let scale = self.pick(&Scale::ALL);
        let mem = match self.below(8) {
            0 => return Mem::label(constant),
            1 => return Mem::gs(disp),
            2 => Mem::abs(disp),
            3 => Mem::index(index, scale, disp),
            4 | 5 => Mem::base(self.gpr(), disp),
            _ => Mem::base_index(self.gpr(), index, scale, disp),
        };
        if self.below(2) == 0 {
            mem.addr32()
        } else {
            mem
        }
    }

    fn rm(&mut self, constant: Label) -> Rm<Gpr> {
        if self.below(2) == 0 {
            Rm::Reg(self.gpr())
        } else {
            Rm::Mem(self.mem(constant))
        }
    }
}

fn lower(op: impl core::fmt::Debug) -> String {
    format!("{op:?}").to_lowercase()
}

/// Emits an integer instruction and returns its mnemonic.
fn integer(buf: &mut CodeBuffer, random: &mut Random, constant: Label) -> String {
    let (size, reg, imm) = (random.size(), random.gpr(), random.imm());
    let wide = size.max(Size::B16);
    let rm = random.rm(constant);
    let alu = random.pick(&Alu::ALL);
    match random.below(10) {
        0 => buf.mov(size, reg, rm),
        1 => buf.mov_i(reg, random.next() >> random.below(64)),
        2 => {
            buf.alu(alu, size, reg, rm);
            return lower(alu);
        }
        3 => {
            buf.alu_i(alu, size, rm, imm);
            return lower(alu);
        }
        4 => {
            buf.imul_i(wide, reg, rm, imm);
            return "imul".into();
        }
        5 => {
            let op = random.pick(&Shift::ALL);
            buf.shift_i(op, size, rm, random.below(64) as u8);
            return lower(op);
        }
        6 => {
            let op = random.pick(&Unary::ALL);
            buf.unary(op, size, rm);
            return lower(op);
        }
        7 => {
            let op = random.pick(&BitCount::ALL);
            buf.bit_count(op, wide, reg, rm);
            return lower(op);
        }
        8 => {
            let op = random.pick(&ShiftX::ALL);
            buf.shiftx(op, size.max(Size::B32), reg, rm, random.gpr());
            return lower(op);
        }
        _ => {
            buf.test_i(size, rm, imm);
            return "test".into();
        }
    }
    "mov".into()
}

/// Emits a vector or x87 instruction and returns its mnemonic.
fn floating(buf: &mut CodeBuffer, random: &mut Random, constant: Label) -> String {
    let enc = random.pick(&Enc::ALL);
    let v = if enc == Enc::Legacy { "" } else { "v" };
    let (dst, mem) = (random.xmm(), random.mem(constant));
    let (op, fp) = (random.pick(&FpOp::ALL), random.pick(&Fp::ALL));
    match random.below(5) {
        0 => {
            let lhs = if enc == Enc::Legacy {
                dst
            } else {
                random.xmm()
            };
            buf.vec_bin(enc, VecBin::arith(op, fp), dst, lhs, mem);
            format!("{v}{}{}", lower(op), lower(fp))
        }
        1 => {
            buf.vec_load(enc, VecLoad::MOVDQU, dst, mem);
            format!("{v}movdqu")
        }
        2 => {
            buf.vec_store(enc, VecStore::MOVUPS, mem, dst);
            format!("{v}movups")
        }
        3 => {
            buf.vec_un_i(enc, VecUnImm::PSHUFD, dst, mem, random.next() as u8);
            format!("{v}pshufd")
        }
        _ => {
            buf.x87_mem(X87Mem::FSTP_M80, mem);
            "fstp".into()
        }
    }
}

/// Emits a branch and returns its mnemonic.
fn branch(buf: &mut CodeBuffer, random: &mut Random, target: Label) -> String {
    let cond = random.pick(&Cond::ALL);
    match random.below(3) {
        0 => {
            buf.jmp(target);
            "jmp".into()
        }
        1 => {
            buf.jcc(cond, target);
            format!("j{}", SUFFIXES[cond.number() as usize])
        }
        _ => {
            buf.call(target);
            "call".into()
        }
    }
}

/// What was emitted at an offset.
struct Emitted {
    at: CodeOffset,
    name: String,
    target: Option<Label>,
}

fn emit_program(buf: &mut CodeBuffer, random: &mut Random) -> Vec<Emitted> {
    let constant = buf.constant(&[0; 16], 16);
    let labels: Vec<_> = (0..LABELS).map(|_| buf.label()).collect();
    let count = LABELS + random.below(MAX_INSTRUCTIONS);
    let mut unbound = labels.clone();
    let mut program = Vec::new();
    for left in (0..count).rev() {
        // Binds one with a fair chance, and all that remain at the end.
        if left < unbound.len() as u32 || random.below(count / LABELS) == 0 {
            unbound.pop().into_iter().for_each(|label| buf.bind(label));
        }
        let at = buf.offset();
        let target = random.pick(&labels);
        let (name, target) = match random.below(8) {
            0 => (branch(buf, random, target), Some(target)),
            1..=2 => (floating(buf, random, constant), None),
            _ => (integer(buf, random, constant), None),
        };
        program.push(Emitted { at, name, target });
    }
    program
}

#[test]
fn random_programs_decode_to_what_was_emitted() {
    let fresh = || RandomState::new().build_hasher().finish();
    let seed = std::env::var("ASM_SEED").map_or_else(|_| fresh(), |s| s.parse().expect("a number"));
    println!("ASM_SEED={seed}");
    let mut random = Random(seed);
    let mut buf = CodeBuffer::new();
    for _ in 0..PROGRAMS {
        buf.clear();
        let program = emit_program(&mut buf, &mut random);
        let targets: Vec<_> = program
            .iter()
            .map(|e| e.target.and_then(|label| buf.label_offset(label)))
            .collect();
        let distance = buf.nearest_data();
        let text = buf.finalize(distance).expect("all labels are bound").text;
        let mut decoder = Decoder::with_ip(64, text, IP, DecoderOptions::NONE);
        for (emitted, target) in program.iter().zip(targets) {
            let instr = decoder.decode();
            assert_eq!(instr.ip() - IP, u64::from(emitted.at.0), "{}", emitted.name);
            assert_eq!(mnemonic(&instr), emitted.name);
            if let Some(target) = target {
                assert_eq!(instr.near_branch_target() - IP, u64::from(target.0));
            }
            if instr.is_ip_rel_memory_operand() {
                let constant = IP.wrapping_add_signed(distance);
                assert_eq!(instr.ip_rel_memory_address(), constant, "{}", emitted.name);
            }
        }
        assert!(!decoder.can_decode(), "nothing is left over");
    }
}
