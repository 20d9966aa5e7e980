//! Forms between vector registers, general registers and control registers.

use asm::{Enc, Fp, Gpr, Rounding, Size, VecSigns, Xmm};

use crate::integer::mem;
use crate::judge::{Judge, Place, Want, gpr};
use crate::vector::{cases, expected, memory, other, places, want};

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
    for (enc, gpr_and_xmm) in [Enc::Legacy, Enc::Vex128].into_iter().flat_map(|e| {
        Gpr::ALL
            .into_iter()
            .zip(Xmm::ALL)
            .map(move |pair| (e, pair))
    }) {
        let (dst, src) = gpr_and_xmm;
        let wants = [
            Want::Reg(gpr(dst, Size::B32)),
            Want::Vec(src.number()),
            Want::Imm(5, 8),
        ];
        let name = expected("pextrw", enc);
        judge.check_plain(&name, &wants, |buf| buf.vec_word(enc, dst, src, 5));
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
