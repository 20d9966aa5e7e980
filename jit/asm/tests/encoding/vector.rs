//! Vector forms: every operation of every table, legacy, VEX.128 and VEX.256.
//!
//! The tables give names, iced gives what was decoded: the mnemonic must be the name (with `v` before it
//! under VEX), so an opcode, prefix, map or W bit that is wrong shows as another mnemonic or none.

use asm::{
    CodeBuffer, Enc, Fma, FmaOrder, Fp, FpOp, Gpr, Rm, Rounding, Scale, Size, VecBin, VecBinImm,
    VecBlend, VecExtract, VecGather, VecLoad, VecLoadHalf, VecMaskLoad, VecMaskStore, VecMerge,
    VecShift, VecSigns, VecStore, VecUn, VecUnImm, Xmm,
};
use iced_x86::Register;

use crate::integer::mem;
use crate::judge::{Judge, Place, Want, decode, gpr};
use crate::shapes;

/// Operations that exist only at 128 bits.
const NARROW: [&str; 15] = [
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
    "VMOVD",
    "VMOVQ",
    "MOVSS",
    "MOVSD",
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
        Enc::Vex256 => !NARROW.contains(&name),
    }
}

/// The mnemonic expected for a table's name.
fn expected(name: &str, enc: Enc) -> String {
    let lower = name.to_lowercase();
    if enc == Enc::Legacy || name.starts_with('V') {
        lower
    } else {
        format!("v{lower}")
    }
}

/// All encodings with all operations of a table that exist in them, with their mnemonics.
fn cases<T: Copy>(table: &[(&'static str, T)]) -> Vec<(Enc, String, T)> {
    let pairs = Enc::ALL
        .into_iter()
        .flat_map(|enc| table.iter().map(move |op| (enc, op)));
    let existing = pairs.filter(|(enc, (name, _))| exists(name, *enc));
    existing
        .map(|(enc, (name, op))| (enc, expected(name, enc), *op))
        .collect()
}

fn memory() -> impl Iterator<Item = Place<Xmm>> {
    shapes::few().into_iter().map(Place::Mem)
}

/// All registers, then one of each kind of memory.
fn places() -> Vec<Place<Xmm>> {
    Xmm::ALL
        .map(Place::Reg)
        .into_iter()
        .chain(memory())
        .collect()
}

fn want(place: &Place<Xmm>) -> Want {
    match place {
        Place::Reg(reg) => Want::Vec(reg.number()),
        Place::Mem(_) => Want::AnyMem,
    }
}

/// A second register that differs from the first in a way that covers all pairs of halves.
fn other(reg: Xmm, salt: u8) -> Xmm {
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
        for enc in Enc::ALL {
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
    for (op, order) in Fma::ALL
        .into_iter()
        .flat_map(|op| FmaOrder::ALL.map(|o| (op, o)))
    {
        for (fp, enc) in Fp::ALL
            .into_iter()
            .flat_map(|fp| [(fp, Enc::Vex128), (fp, Enc::Vex256)])
        {
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

/// All general registers, then memory.
fn gpr_places() -> Vec<Place<Gpr>> {
    crate::integer::few_places()
}

#[test]
fn moves_between_register_files() {
    let mut judge = Judge::new();
    let narrow = [Enc::Legacy, Enc::Vex128];
    for (enc, size) in narrow.map(|e| [(e, Size::B32), (e, Size::B64)]).concat() {
        let bytes = size.bytes() as usize;
        let name = expected(if size == Size::B64 { "MOVQ" } else { "MOVD" }, enc);
        for (place, xmm) in gpr_places()
            .into_iter()
            .flat_map(|p| Xmm::ALL.map(|x| (p, x)))
        {
            let rm = place.want(|r| gpr(r, size), bytes);
            let vec = Want::Vec(xmm.number());
            judge.check(&name, place, &[vec, rm], |buf, rm| {
                buf.movd(enc, size, xmm, rm);
            });
            judge.check(&name, place, &[rm, vec], |buf, rm| {
                buf.movd_mr(enc, size, rm, xmm);
            });
        }
    }
}

#[test]
fn conversions_between_integers_and_scalars() {
    let mut judge = Judge::new();
    let narrow = [Enc::Legacy, Enc::Vex128];
    let fps = narrow.map(|enc| [(enc, Fp::Ss), (enc, Fp::Sd)]).concat();
    for ((enc, fp), size) in fps
        .into_iter()
        .flat_map(|e| [(e, Size::B32), (e, Size::B64)])
    {
        let name = expected(&format!("cvtsi2{fp:?}"), enc);
        for (place, dst) in gpr_places()
            .into_iter()
            .flat_map(|p| Xmm::ALL.map(|x| (p, x)))
        {
            let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
            let lhs = if enc == Enc::Legacy {
                dst
            } else {
                other(dst, 4)
            };
            let mut wants = vec![Want::Vec(dst.number()), rm];
            if enc != Enc::Legacy {
                wants.insert(1, Want::Vec(lhs.number()));
            }
            judge.check(&name, place, &wants, |buf, rm| {
                buf.cvt_from_int(enc, fp, size, dst, lhs, rm);
            });
        }
        for (rounding, t) in [(Rounding::Truncate, "t"), (Rounding::Current, "")] {
            let name = expected(&format!("cvt{t}{fp:?}2si"), enc);
            for (place, dst) in places().into_iter().flat_map(|p| Gpr::ALL.map(|g| (p, g))) {
                let wants = [Want::Reg(gpr(dst, size)), want(&place)];
                judge.check(&name, place, &wants, |buf, rm| {
                    buf.cvt_to_int(enc, rounding, fp, size, dst, rm);
                });
            }
        }
    }
}

#[test]
fn signs_and_lanes() {
    let mut judge = Judge::new();
    for (enc, name, op) in cases(VecSigns::ALL) {
        for (dst, src) in Gpr::ALL.into_iter().flat_map(|d| Xmm::ALL.map(|s| (d, s))) {
            let wants = [Want::Reg(gpr(dst, Size::B32)), Want::Vec(src.number())];
            judge.check_plain(&name, &wants, |buf| buf.vec_signs(enc, op, dst, src));
        }
    }
    for (enc, size) in Size::ALL
        .into_iter()
        .flat_map(|s| [(Enc::Legacy, s), (Enc::Vex128, s)])
    {
        let letter = ["b", "w", "d", "q"][size as usize];
        let (insert, lane) = (format!("pinsr{letter}"), format!("pextr{letter}"));
        for (place, xmm) in gpr_places()
            .into_iter()
            .flat_map(|p| Xmm::ALL.map(|x| (p, x)))
        {
            let rm = place.want(|r| gpr(r, size.max(Size::B32)), size.bytes() as usize);
            let vec = Want::Vec(xmm.number());
            let imm = Want::Imm(1, 8);
            let wants = if enc == Enc::Legacy {
                vec![vec, rm, imm]
            } else {
                vec![vec, vec, rm, imm]
            };
            judge.check(&expected(&insert, enc), place, &wants, |buf, rm| {
                buf.vec_insert(enc, size, xmm, xmm, rm, 1);
            });
            judge.check(&expected(&lane, enc), place, &[rm, vec, imm], |buf, rm| {
                buf.vec_lane(enc, size, rm, xmm, 1);
            });
        }
    }
}

#[test]
fn control_register_moves() {
    let mut judge = Judge::new();
    for place in memory() {
        judge.check("ldmxcsr", place, &[Want::Mem(4)], |buf, rm| {
            buf.ldmxcsr(mem(rm));
        });
        judge.check("stmxcsr", place, &[Want::Mem(4)], |buf, rm| {
            buf.stmxcsr(mem(rm));
        });
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
