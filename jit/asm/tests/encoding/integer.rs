//! Integer forms: every operation, every size, every register pair, every addressing mode.

use asm::{Alu, CodeBuffer, Gpr, Rm, Shift, ShiftDouble, Size, Unary};
use iced_x86::Register;

use crate::judge::{Judge, Place, Want, gpr};
use crate::shapes;

const WIDE: [Size; 3] = [Size::B16, Size::B32, Size::B64];

type Places = Vec<Place<Gpr>>;

/// All registers, then all shapes of memory.
pub(crate) fn all_places() -> Places {
    let memory = shapes::all().into_iter().map(Place::Mem);
    Gpr::ALL.map(Place::Reg).into_iter().chain(memory).collect()
}

/// All registers, then one of each kind of memory.
pub(crate) fn few_places() -> Places {
    let memory = shapes::few().into_iter().map(Place::Mem);
    Gpr::ALL.map(Place::Reg).into_iter().chain(memory).collect()
}

/// Memory only, one of each kind.
pub(crate) fn few_memory() -> Places {
    shapes::few().into_iter().map(Place::Mem).collect()
}

/// The memory operand of a place known to be memory.
pub(crate) fn mem<R>(rm: Rm<R>) -> asm::Mem {
    match rm {
        Rm::Mem(mem) => mem,
        Rm::Reg(_) => unreachable!("only memory is tried here"),
    }
}

/// Judges `op reg, r/m` (or `op r/m, reg` if `store`) for all register pairs and given memory.
#[track_caller]
pub(crate) fn check_pair(
    name: &str,
    sizes: &[Size],
    places: &Places,
    store: bool,
    emit: impl Fn(&mut CodeBuffer, Size, Gpr, Rm<Gpr>),
) {
    let mut judge = Judge::new();
    for &size in sizes {
        for (nth, place) in places.iter().enumerate() {
            // Every pair of registers; with memory the registers take turns.
            let regs = match place {
                Place::Reg(_) => Gpr::ALL.to_vec(),
                Place::Mem(_) => vec![Gpr::ALL[nth % 16]],
            };
            for reg in regs {
                let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
                let reg_want = Want::Reg(gpr(reg, size));
                let wants = if store {
                    [rm, reg_want]
                } else {
                    [reg_want, rm]
                };
                judge.check(name, *place, &wants, |buf, rm| emit(buf, size, reg, rm));
            }
        }
    }
}

/// Judges an operation with one r/m operand and given further operands.
#[track_caller]
pub(crate) fn check_one(
    name: &str,
    sizes: &[Size],
    places: &Places,
    more: impl Fn(Size) -> Vec<Want>,
    emit: impl Fn(&mut CodeBuffer, Size, Rm<Gpr>),
) {
    let mut judge = Judge::new();
    for &size in sizes {
        for place in places {
            let mut wants = vec![place.want(|r| gpr(r, size), size.bytes() as usize)];
            wants.extend(more(size));
            judge.check(name, *place, &wants, |buf, rm| emit(buf, size, rm));
        }
    }
}

fn lower(op: impl core::fmt::Debug) -> String {
    format!("{op:?}").to_lowercase()
}

#[test]
fn mov_takes_every_register_and_address() {
    let places = all_places();
    check_pair("mov", &Size::ALL, &places, false, |buf, s, reg, rm| {
        buf.mov(s, reg, rm);
    });
    check_pair("mov", &Size::ALL, &places, true, |buf, s, reg, rm| {
        buf.mov_mr(s, rm, reg);
    });
}

#[test]
fn alu_takes_every_register_and_address() {
    let places = all_places();
    for op in Alu::ALL {
        let name = lower(op);
        check_pair(&name, &Size::ALL, &places, false, |buf, s, reg, rm| {
            buf.alu(op, s, reg, rm);
        });
        check_pair(&name, &Size::ALL, &places, true, |buf, s, reg, rm| {
            buf.alu_mr(op, s, rm, reg);
        });
    }
}

#[test]
fn alu_immediates_are_exact_at_every_size() {
    let places = few_places();
    for op in Alu::ALL {
        for imm in [0, 1, -1, 127, -128, 128, -129, 0x7FFF, i32::MAX, i32::MIN] {
            let want = |size: Size| vec![Want::Imm(i64::from(imm) as u64, size.bits())];
            check_one(&lower(op), &Size::ALL, &places, want, |buf, s, rm| {
                buf.alu_i(op, s, rm, imm);
            });
        }
    }
}

#[test]
fn alu_immediate_is_one_byte_when_it_fits() {
    for (imm, len) in [(127, 3), (-128, 3), (128, 6), (-129, 6)] {
        let mut buf = CodeBuffer::new();
        buf.alu_i(Alu::Add, Size::B32, Gpr::Rcx, imm);
        assert_eq!(buf.text().len(), len, "{imm}");
    }
}

#[test]
fn patched_immediate_is_the_one_decoded() {
    let mut judge = Judge::new();
    for reg in Gpr::ALL {
        let wants = [Want::Reg(gpr(reg, Size::B64)), Want::Imm(0x1234, 64)];
        judge.check_plain("sub", &wants, |buf| {
            let at = buf.alu_i32(Alu::Sub, Size::B64, reg, 0);
            buf.patch32(at, 0x1234);
        });
    }
}

#[test]
fn immediates_follow_every_address() {
    let places = all_places();
    let want = |size: Size| vec![Want::Imm(0x5A, size.bits())];
    check_one("cmp", &Size::ALL, &places, want, |buf, s, rm| {
        buf.alu_i(Alu::Cmp, s, rm, 0x5A);
    });
    let want = |size: Size| vec![Want::Imm(0x1A2B_3C4D, size.bits())];
    check_one("test", &Size::ALL, &places, want, |buf, s, rm| {
        buf.test_i(s, rm, 0x1A2B_3C4D);
    });
    let memory: Places = shapes::all().into_iter().map(Place::Mem).collect();
    check_one("mov", &Size::ALL, &memory, want, |buf, s, rm| {
        buf.mov_mi(s, mem(rm), 0x1A2B_3C4D);
    });
}

#[test]
fn mov_immediate_is_exact_and_shortest() {
    let values = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000];
    let negative = [u64::MAX, -0x8000_0000_i64 as u64, -0x8000_0001_i64 as u64];
    let mut judge = Judge::new();
    for value in values.into_iter().chain(negative) {
        for dst in Gpr::ALL {
            let (size, len) = match value {
                0..=0xFFFF_FFFF => (Size::B32, 5 + usize::from(dst.number() >= 8)),
                0xFFFF_FFFF_8000_0000.. => (Size::B64, 7),
                _ => (Size::B64, 10),
            };
            let wants = [Want::Reg(gpr(dst, size)), Want::Imm(value, size.bits())];
            judge.check_plain("mov", &wants, |buf| {
                buf.mov_i(dst, value);
                assert_eq!(buf.text().len(), len);
            });
        }
    }
}

#[test]
fn extending_moves_name_both_sizes() {
    let mut judge = Judge::new();
    for place in all_places() {
        for dst in [Gpr::Rax, Gpr::Rsp, Gpr::R8, Gpr::R15] {
            for from in [Size::B8, Size::B16, Size::B32] {
                let rm = place.want(|r| gpr(r, from), from.bytes() as usize);
                let name = if from == Size::B32 { "mov" } else { "movzx" };
                let wants = [Want::Reg(gpr(dst, Size::B32)), rm];
                judge.check(name, place, &wants, |buf, rm| buf.movzx(dst, from, rm));
                for to in Size::ALL.into_iter().filter(|&to| to > from) {
                    let name = if from == Size::B32 { "movsxd" } else { "movsx" };
                    let wants = [Want::Reg(gpr(dst, to)), rm];
                    judge.check(name, place, &wants, |buf, rm| buf.movsx(to, dst, from, rm));
                }
            }
        }
    }
}

#[test]
fn lea_takes_every_address() {
    let mut judge = Judge::new();
    for (nth, shape) in shapes::all().into_iter().enumerate() {
        for size in [Size::B32, Size::B64] {
            let dst = Gpr::ALL[nth % 16];
            let wants = [Want::Reg(gpr(dst, size)), Want::Mem(0)];
            let place: Place<Gpr> = Place::Mem(shape);
            judge.check("lea", place, &wants, |buf, rm| buf.lea(size, dst, mem(rm)));
        }
    }
}

#[test]
fn one_operand_arithmetic() {
    for op in Unary::ALL {
        let none = |_| Vec::new();
        check_one(&lower(op), &Size::ALL, &all_places(), none, |buf, s, rm| {
            buf.unary(op, s, rm);
        });
    }
}

#[test]
fn multiplication_of_two_and_three_operands() {
    check_pair("imul", &WIDE, &all_places(), false, |buf, s, reg, rm| {
        buf.imul(s, reg, rm);
    });
    let mut judge = Judge::new();
    for imm in [3, -128, 128, 0x7FFF, i32::MIN] {
        for place in few_places() {
            for (size, dst) in WIDE.into_iter().flat_map(|s| Gpr::ALL.map(|dst| (s, dst))) {
                let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
                let imm_want = Want::Imm(i64::from(imm) as u64, size.bits());
                let wants = [Want::Reg(gpr(dst, size)), rm, imm_want];
                judge.check("imul", place, &wants, |buf, rm| {
                    buf.imul_i(size, dst, rm, imm);
                });
            }
        }
    }
}

#[test]
fn shifts_by_immediate_and_by_cl() {
    for op in Shift::ALL {
        let name = lower(op);
        for count in [1, 2, 31, 63] {
            let want = |_| vec![Want::Imm(u64::from(count), 8)];
            let shift = |buf: &mut CodeBuffer, s, rm| buf.shift_i(op, s, rm, count);
            check_one(&name, &Size::ALL, &few_places(), want, shift);
        }
        let cl = |_| vec![Want::Reg(Register::CL)];
        check_one(&name, &Size::ALL, &few_places(), cl, |buf, s, rm| {
            buf.shift_cl(op, s, rm);
        });
    }
}

#[test]
fn double_shifts() {
    let mut judge = Judge::new();
    for op in [ShiftDouble::Shld, ShiftDouble::Shrd] {
        for place in few_places() {
            for (size, src) in WIDE.into_iter().flat_map(|s| Gpr::ALL.map(|src| (s, src))) {
                let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
                let reg = Want::Reg(gpr(src, size));
                let wants = [rm, reg, Want::Imm(7, 8)];
                judge.check(&lower(op), place, &wants, |buf, rm| {
                    buf.shift_double_i(op, size, rm, src, 7);
                });
                let wants = [rm, reg, Want::Reg(Register::CL)];
                judge.check(&lower(op), place, &wants, |buf, rm| {
                    buf.shift_double_cl(op, size, rm, src);
                });
            }
        }
    }
}

#[test]
fn test_and_exchanges_take_every_pair() {
    let places = few_places();
    check_pair("test", &Size::ALL, &places, true, |buf, s, reg, rm| {
        buf.test(s, rm, reg);
    });
    check_pair("xchg", &Size::ALL, &places, true, |buf, s, reg, rm| {
        buf.xchg(s, rm, reg);
    });
    check_pair("xadd", &Size::ALL, &places, true, |buf, s, reg, rm| {
        buf.xadd(s, rm, reg);
    });
    check_pair("cmpxchg", &Size::ALL, &places, true, |buf, s, reg, rm| {
        buf.cmpxchg(s, rm, reg);
    });
}

#[test]
fn wide_compare_exchanges() {
    let mut judge = Judge::new();
    for place in few_memory() {
        judge.check("cmpxchg8b", place, &[Want::Mem(8)], |buf, rm| {
            buf.cmpxchg8b(mem(rm));
        });
        judge.check("cmpxchg16b", place, &[Want::Mem(16)], |buf, rm| {
            buf.cmpxchg16b(mem(rm));
        });
    }
}
