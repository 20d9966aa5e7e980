//! Vector forms: every operation of every table, legacy, VEX.128 and VEX.256.
//!
//! The tables give names, iced gives what was decoded: the mnemonic must be the name (with `v`
//! before it under VEX), so an opcode, prefix, map or W bit that is wrong shows as another mnemonic
//! or none.

use asm::{
    CodeBuffer, Enc, Fma, FmaOrder, Fp, FpOp, Gpr, Rm, Scale, Size, VecBin, VecBinImm, VecBlend,
    VecExtract, VecGather, VecLoad, VecLoadHalf, VecMaskLoad, VecMaskStore, VecMerge, VecShift,
    VecStore, VecUn, VecUnImm, Xmm,
};
use iced_x86::Register;

use crate::integer::mem;
use crate::judge::{Judge, Place, Want, decode, gpr};
use crate::shapes;

/// Operations that exist only at 128 bits.
const NARROW: [&str; 11] = [
    "MOVLPS",
    "MOVLPD",
    "MOVHPS",
    "MOVHPD",
    "MOVHLPS",
    "MOVLHPS",
    "MOVD",
    "MOVQ",
    "INSERTPS",
    "DPPD",
    "PHMINPOSUW",
];

/// Operations that exist only at 256 bits.
const WIDE: [&str; 13] = [
    "VBROADCASTSD",
    "VBROADCASTF128",
    "VBROADCASTI128",
    "VPERM2F128",
    "VPERM2I128",
    "VINSERTF128",
    "VINSERTI128",
    "VEXTRACTF128",
    "VEXTRACTI128",
    "VPERMD",
    "VPERMPS",
    "VPERMQ",
    "VPERMPD",
];

/// Whether the operation exists in the encoding.
fn exists(name: &str, enc: Enc) -> bool {
    match enc {
        Enc::Legacy => !name.starts_with('V'),
        Enc::Vex128 => !WIDE.contains(&name),
        Enc::Vex256 => !NARROW.contains(&name) && !is_scalar(name),
    }
}

/// Whether only the lowest element takes part: such operations are 128 bits wide by convention.
fn is_scalar(name: &str) -> bool {
    let float = !name.starts_with('P') && !name.starts_with("VBROADCAST");
    float && (name.ends_with("SS") || name.ends_with("SD"))
}

/// The encodings in which operations on `fp` exist.
fn encodings(fp: Fp) -> Vec<Enc> {
    Enc::ALL
        .into_iter()
        .filter(|&enc| enc != Enc::Vex256 || !fp.is_scalar())
        .collect()
}

/// The mnemonic expected for a table's name.
pub(crate) fn expected(name: &str, enc: Enc) -> String {
    let lower = name.to_lowercase();
    if enc == Enc::Legacy || name.starts_with('V') {
        lower
    } else {
        format!("v{lower}")
    }
}

/// All encodings with all operations of a table that exist in them, with their mnemonics.
pub(crate) fn cases<T: Copy>(table: &[(&'static str, T)]) -> Vec<(Enc, String, T)> {
    let pairs = Enc::ALL
        .into_iter()
        .flat_map(|enc| table.iter().map(move |op| (enc, op)));
    let existing = pairs.filter(|(enc, (name, _))| exists(name, *enc));
    existing
        .map(|(enc, (name, op))| (enc, expected(name, enc), *op))
        .collect()
}

pub(crate) fn memory() -> impl Iterator<Item = Place<Xmm>> {
    shapes::few().into_iter().map(Place::Mem)
}

/// All registers, then one of each kind of memory.
pub(crate) fn places() -> Vec<Place<Xmm>> {
    Xmm::ALL
        .map(Place::Reg)
        .into_iter()
        .chain(memory())
        .collect()
}

pub(crate) fn want(place: &Place<Xmm>) -> Want {
    match place {
        Place::Reg(reg) => Want::Vec(reg.number()),
        Place::Mem(_) => Want::AnyMem,
    }
}

/// A second register that differs from the first in a way that covers all pairs of halves.
pub(crate) fn other(reg: Xmm, salt: u8) -> Xmm {
    Xmm::new(
        reg.number()
            .wrapping_mul(5)
            .wrapping_add(3)
            .wrapping_add(salt),
    )
}

/// Judges a three-operand operation; legacy encoding has only two.
fn check_three(
    judge: &mut Judge,
    enc: Enc,
    name: &str,
    place: Place<Xmm>,
    imm: Option<u8>,
    emit: impl Fn(&mut CodeBuffer, Xmm, Xmm, Rm<Xmm>),
) {
    for dst in Xmm::ALL {
        let lhs = if enc == Enc::Legacy {
            dst
        } else {
            other(dst, judge.count as u8)
        };
        let mut wants = vec![Want::Vec(dst.number())];
        if enc != Enc::Legacy {
            wants.push(Want::Vec(lhs.number()));
        }
        wants.push(want(&place));
        wants.extend(imm.map(|imm| Want::Imm(imm.into(), 8)));
        judge.check(name, place, &wants, |buf, rm| emit(buf, dst, lhs, rm));
    }
}

/// Judges a two-operand operation.
fn check_two(
    judge: &mut Judge,
    name: &str,
    place: Place<Xmm>,
    imm: Option<u8>,
    emit: impl Fn(&mut CodeBuffer, Xmm, Rm<Xmm>),
) {
    for dst in Xmm::ALL {
        let mut wants = vec![Want::Vec(dst.number()), want(&place)];
        wants.extend(imm.map(|imm| Want::Imm(imm.into(), 8)));
        judge.check(name, place, &wants, |buf, rm| emit(buf, dst, rm));
    }
}

#[test]
fn three_operand_operations() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecBin::ALL) {
        for place in places() {
            check_three(&mut judge, enc, &name, place, None, |buf, dst, lhs, rm| {
                buf.vec_bin(enc, op, dst, lhs, rm);
            });
        }
    }
}

#[test]
fn arithmetic_of_every_element_type() {
    let mut judge = Judge::new();
    for (op, fp) in FpOp::ALL
        .into_iter()
        .flat_map(|op| Fp::ALL.map(|fp| (op, fp)))
    {
        for enc in encodings(fp) {
            let name = expected(&format!("{op:?}{fp:?}"), enc);
            for place in places() {
                check_three(&mut judge, enc, &name, place, None, |buf, dst, lhs, rm| {
                    buf.vec_bin(enc, VecBin::arith(op, fp), dst, lhs, rm);
                });
            }
        }
    }
}

#[test]
fn fused_multiply_add_of_every_order_and_type() {
    let mut judge = Judge::new();
    let ops = Fma::ALL
        .into_iter()
        .flat_map(|op| FmaOrder::ALL.map(|order| (op, order)));
    for (op, order) in ops {
        let types = Fp::ALL
            .into_iter()
            .flat_map(|fp| encodings(fp).into_iter().map(move |e| (fp, e)));
        for (fp, enc) in types.filter(|&(_, enc)| enc != Enc::Legacy) {
            let order_name = &format!("{order:?}")[1..];
            let name = format!("vf{op:?}{order_name}{fp:?}").to_lowercase();
            for place in places() {
                check_three(&mut judge, enc, &name, place, None, |buf, dst, lhs, rm| {
                    buf.vec_bin(enc, VecBin::fma(op, order, fp), dst, lhs, rm);
                });
            }
        }
    }
}

#[test]
fn three_operand_operations_with_immediate() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecBinImm::ALL) {
        for place in places() {
            check_three(
                &mut judge,
                enc,
                &name,
                place,
                Some(0x1B),
                |buf, dst, lhs, rm| {
                    buf.vec_bin_i(enc, op, dst, lhs, rm, 0x1B);
                },
            );
        }
    }
}

#[test]
fn two_operand_operations() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecUn::ALL) {
        for place in places() {
            check_two(&mut judge, &name, place, None, |buf, dst, rm| {
                buf.vec_un(enc, op, dst, rm);
            });
        }
    }
    for (enc, name, op) in cases(VecUnImm::ALL) {
        for place in places() {
            check_two(&mut judge, &name, place, Some(0xE4), |buf, dst, rm| {
                buf.vec_un_i(enc, op, dst, rm, 0xE4);
            });
        }
    }
}

#[test]
fn every_address_in_both_encodings() {
    let mut judge = Judge::new();
    for (nth, shape) in shapes::all().into_iter().enumerate() {
        let dst = Xmm::ALL[nth % 16];
        let wants = [Want::Vec(dst.number()), Want::Vec(3), Want::Mem(8)];
        let add = VecBin::arith(FpOp::Add, Fp::Sd);
        judge.check("vaddsd", Place::Mem(shape), &wants, |buf, rm| {
            buf.vec_bin(Enc::Vex128, add, dst, Xmm::Xmm3, rm);
        });
        let wants = [Want::Vec(dst.number()), Want::Mem(8)];
        judge.check("addsd", Place::Mem(shape), &wants, |buf, rm| {
            buf.vec_bin(Enc::Legacy, add, dst, dst, rm);
        });
        let wants = [Want::Vec(dst.number()), Want::Mem(32), Want::Imm(7, 8)];
        judge.check("vroundps", Place::Mem(shape), &wants, |buf, rm| {
            buf.vec_un_i(Enc::Vex256, VecUnImm::ROUNDPS, dst, rm, 7);
        });
    }
}

#[test]
fn every_register_triple_of_one_operation() {
    let mut judge = Judge::new();
    for (a, b) in Xmm::ALL.into_iter().flat_map(|a| Xmm::ALL.map(|b| (a, b))) {
        for c in Xmm::ALL {
            let wants = [
                Want::Vec(a.number()),
                Want::Vec(b.number()),
                Want::Vec(c.number()),
            ];
            judge.check("vpaddd", Place::Reg(c), &wants, |buf, rm| {
                buf.vec_bin(Enc::Vex256, VecBin::PADDD, a, b, rm);
            });
        }
    }
}

#[test]
fn loads_and_stores() {
    let mut judge = Judge::new();
    for place in memory() {
        for (enc, name, op) in cases(VecLoad::ALL) {
            check_two(&mut judge, &name, place, None, |buf, dst, rm| {
                buf.vec_load(enc, op, dst, mem(rm));
            });
        }
        for (enc, name, op) in cases(VecStore::ALL) {
            for src in Xmm::ALL {
                let wants = [Want::AnyMem, Want::Vec(src.number())];
                judge.check(&name, place, &wants, |buf, rm| {
                    buf.vec_store(enc, op, mem(rm), src);
                });
            }
        }
        for (enc, name, op) in cases(VecLoadHalf::ALL) {
            check_three(&mut judge, enc, &name, place, None, |buf, dst, lhs, rm| {
                buf.vec_load_half(enc, op, dst, lhs, mem(rm));
            });
        }
    }
}

#[test]
fn merges_and_whole_register_moves() {
    let mut judge = Judge::new();
    for rhs in Xmm::ALL {
        for (enc, name, op) in cases(VecMerge::ALL) {
            check_three(
                &mut judge,
                enc,
                &name,
                Place::Reg(rhs),
                None,
                |buf, dst, lhs, _| {
                    buf.vec_merge(enc, op, dst, lhs, rhs);
                },
            );
        }
        for enc in Enc::ALL {
            let name = expected("MOVAPS", enc);
            check_two(&mut judge, &name, Place::Reg(rhs), None, |buf, dst, _| {
                buf.vec_mov(enc, dst, rhs);
            });
        }
    }
}

#[test]
fn masked_loads_and_stores() {
    let mut judge = Judge::new();
    for place in memory() {
        for (enc, name, op) in cases(VecMaskLoad::ALL) {
            check_three(&mut judge, enc, &name, place, None, |buf, dst, mask, rm| {
                buf.vec_mask_load(enc, op, dst, mask, mem(rm));
            });
        }
        for (enc, name, op) in cases(VecMaskStore::ALL) {
            for src in Xmm::ALL {
                let mask = other(src, 1);
                let wants = [
                    Want::AnyMem,
                    Want::Vec(mask.number()),
                    Want::Vec(src.number()),
                ];
                judge.check(&name, place, &wants, |buf, rm| {
                    buf.vec_mask_store(enc, op, mem(rm), mask, src);
                });
            }
        }
    }
}

#[test]
fn gathers_index_by_every_vector_register() {
    let mut buf = CodeBuffer::new();
    for (enc, name, op) in cases(VecGather::ALL) {
        for (nth, index) in Xmm::ALL.into_iter().enumerate() {
            let base = [None, Some(Gpr::Rbp), Some(Gpr::R12), Some(Gpr::R13)][nth % 4];
            // The three must differ.
            let (dst, mask) = (Xmm::new(index.number() + 1), Xmm::new(index.number() + 9));
            let at = asm::Mem::vector_index(base, index, Scale::S4, 0).addr32();
            buf.clear();
            buf.vec_gather(enc, op, dst, at, mask);
            let instr = decode(buf.text());
            assert_eq!(instr.len(), buf.text().len());
            assert_eq!(format!("{:?}", instr.mnemonic()).to_lowercase(), name);
            assert_eq!(instr.op_register(0).number(), dst.number().into());
            assert_eq!(instr.op_register(2).number(), mask.number().into());
            assert!(instr.memory_index().is_xmm() || instr.memory_index().is_ymm());
            assert_eq!(instr.memory_index().number(), index.number().into());
            let base = base.map_or(Register::None, |base| gpr(base, Size::B32));
            assert_eq!((instr.memory_base(), instr.memory_index_scale()), (base, 4));
        }
    }
}

#[test]
fn extractions() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecExtract::ALL) {
        for place in places() {
            for src in Xmm::ALL {
                let wants = [want(&place), Want::Vec(src.number()), Want::Imm(1, 8)];
                judge.check(&name, place, &wants, |buf, rm| {
                    buf.vec_extract(enc, op, rm, src, 1);
                });
            }
        }
    }
}

#[test]
fn shifts_by_immediate() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecShift::ALL) {
        for dst in Xmm::ALL {
            let src = if enc == Enc::Legacy {
                dst
            } else {
                other(dst, 0)
            };
            let mut wants = vec![Want::Vec(dst.number())];
            if enc != Enc::Legacy {
                wants.push(Want::Vec(src.number()));
            }
            wants.push(Want::Imm(9, 8));
            judge.check_plain(&name, &wants, |buf| buf.vec_shift_i(enc, op, dst, src, 9));
        }
    }
}

#[test]
fn variable_blends() {
    let mut judge = Judge::new();
    for op in VecBlend::ALL {
        let name = format!("{op:?}").to_lowercase();
        for place in places() {
            let wants = [Want::Vec(9), want(&place)];
            judge.check(&name, place, &wants, |buf, rm| {
                buf.vec_blend(Enc::Legacy, op, Xmm::Xmm9, Xmm::Xmm9, rm, Xmm::Xmm0);
            });
            for (enc, mask) in [Enc::Vex128, Enc::Vex256]
                .map(|e| Xmm::ALL.map(|m| (e, m)))
                .concat()
            {
                let wants = [
                    Want::Vec(9),
                    Want::Vec(12),
                    want(&place),
                    Want::Vec(mask.number()),
                ];
                judge.check(&format!("v{name}"), place, &wants, |buf, rm| {
                    buf.vec_blend(enc, op, Xmm::Xmm9, Xmm::Xmm12, rm, mask);
                });
            }
        }
    }
}

#[test]
fn legacy_three_operand_form_copies_first() {
    let mut buf = CodeBuffer::new();
    let sub = VecBin::arith(FpOp::Sub, Fp::Sd);
    buf.vec_bin(Enc::Legacy, sub, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm3);
    // movaps xmm1, xmm2; subsd xmm1, xmm3
    assert_eq!(buf.text(), [0x0F, 0x28, 0xCA, 0xF2, 0x0F, 0x5C, 0xCB]);
    buf.clear();
    // The general register whose number is the destination's is no obstacle.
    buf.cvt_from_int(
        Enc::Legacy,
        Fp::Sd,
        Size::B32,
        Xmm::Xmm1,
        Xmm::Xmm2,
        Gpr::Rcx,
    );
    assert_eq!(buf.text(), [0x0F, 0x28, 0xCA, 0xF2, 0x0F, 0x2A, 0xC9]);
}

#[test]
#[should_panic(expected = "cannot keep rhs")]
fn legacy_three_operand_form_refuses_to_destroy_rhs() {
    let sub = VecBin::arith(FpOp::Sub, Fp::Sd);
    CodeBuffer::new().vec_bin(Enc::Legacy, sub, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm1);
}

#[test]
fn encoding_and_width_are_as_asked() {
    let mut buf = CodeBuffer::new();
    for enc in Enc::ALL {
        buf.clear();
        buf.vec_bin(enc, VecBin::PXOR, Xmm::Xmm1, Xmm::Xmm1, Xmm::Xmm2);
        let instr = decode(buf.text());
        let vex = buf.text()[0] == 0xC5;
        assert_eq!(vex, enc != Enc::Legacy);
        assert_eq!(instr.op_register(0).is_ymm(), enc == Enc::Vex256);
        assert_eq!(
            buf.text().len(),
            4,
            "the two-byte prefix where it is enough"
        );
    }
}
