//! Calls and jumps through registers and memory, the stack, conditions, plain instructions.

use asm::{CodeBuffer, Cond, Gpr, Mem, Plain, Size};
use iced_x86::FlowControl;

use crate::integer::{all_places, check_one, few_memory, few_places, mem};
use crate::judge::{Judge, Want, decode, gpr, gpr64, mnemonic};

/// The suffix that iced uses for each condition in its mnemonics.
pub(crate) const SUFFIXES: [&str; 16] = [
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
];

#[test]
fn indirect_calls_and_jumps() {
    let none = |_| Vec::new();
    check_one("call", &[Size::B64], &all_places(), none, |buf, _, rm| {
        buf.call_rm(rm);
    });
    check_one("jmp", &[Size::B64], &all_places(), none, |buf, _, rm| {
        buf.jmp_rm(rm);
    });
}

#[test]
fn call_through_a_slot_takes_seven_bytes() {
    let mut buf = CodeBuffer::new();
    buf.call_rm(Mem::abs(0x0001_2340));
    assert_eq!(buf.text(), [0xFF, 0x14, 0x25, 0x40, 0x23, 0x01, 0x00]);
}

#[test]
fn stack_operations() {
    let mut judge = Judge::new();
    for reg in Gpr::ALL {
        let want = [Want::Reg(gpr64(reg))];
        judge.check_plain("push", &want, |buf| buf.push(reg));
        judge.check_plain("pop", &want, |buf| buf.pop(reg));
    }
    for imm in [0, 127, -128, 128, i32::MAX, i32::MIN] {
        let want = [Want::Imm(i64::from(imm) as u64, 64)];
        judge.check_plain("push", &want, |buf| buf.push_i(imm));
    }
    for place in few_memory() {
        judge.check("push", place, &[Want::Mem(8)], |buf, rm| {
            buf.push_m(mem(rm));
        });
        judge.check("pop", place, &[Want::Mem(8)], |buf, rm| buf.pop_m(mem(rm)));
    }
    judge.check_plain("ret", &[Want::Imm(0xABCD, 16)], |buf| buf.ret_i(0xABCD));
}

#[test]
fn conditions_select_set_and_move() {
    for cond in Cond::ALL {
        let suffix = SUFFIXES[cond.number() as usize];
        let set = format!("set{suffix}");
        check_one(
            &set,
            &[Size::B8],
            &few_places(),
            |_| Vec::new(),
            |buf, _, rm| {
                buf.setcc(cond, rm);
            },
        );
        let mut judge = Judge::new();
        for place in few_places() {
            for size in [Size::B16, Size::B32, Size::B64] {
                let dst = Gpr::new(cond.number() ^ 5);
                let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
                let wants = [Want::Reg(gpr(dst, size)), rm];
                let name = format!("cmov{suffix}");
                judge.check(&name, place, &wants, |buf, rm| {
                    buf.cmov(cond, size, dst, rm);
                });
            }
        }
    }
}

#[test]
fn inverted_condition_is_the_complement() {
    for cond in Cond::ALL {
        let code = |cond: Cond| {
            let mut buf = CodeBuffer::new();
            buf.setcc(cond, Gpr::Rax);
            decode(buf.text()).condition_code()
        };
        let mut instr = {
            let mut buf = CodeBuffer::new();
            buf.setcc(cond, Gpr::Rax);
            decode(buf.text())
        };
        instr.negate_condition_code();
        assert_eq!(instr.condition_code(), code(cond.invert()));
    }
}

/// By evaluation: for all pairs of small numbers, `a cond b` equals `b swapped a`.
#[test]
fn swapped_condition_holds_for_swapped_operands() {
    let holds = |cond: Cond, a: i8, b: i8| match cond {
        Cond::B => Some((a as u8) < b as u8),
        Cond::Ae => Some(a as u8 >= b as u8),
        Cond::Be => Some(a as u8 <= b as u8),
        Cond::A => Some(a as u8 > b as u8),
        Cond::E => Some(a == b),
        Cond::Ne => Some(a != b),
        Cond::L => Some(a < b),
        Cond::Ge => Some(a >= b),
        Cond::Le => Some(a <= b),
        Cond::G => Some(a > b),
        _ => None,
    };
    for cond in Cond::ALL {
        let orders = holds(cond, 0, 0).is_some();
        assert_eq!(cond.swap().is_some(), orders, "{cond:?}");
        for (a, b) in [(1, 2), (2, 1), (3, 3), (-1, 1), (1, -1)] {
            if let Some(swapped) = cond.swap() {
                assert_eq!(holds(cond, a, b), holds(swapped, b, a), "{cond:?}");
            }
        }
    }
}

#[test]
fn plain_instructions_are_what_their_names_say() {
    for &(name, op) in Plain::ALL {
        let mut buf = CodeBuffer::new();
        buf.plain(op);
        let instr = decode(buf.text());
        assert_eq!(instr.len(), buf.text().len(), "{name}");
        let rep = if instr.has_rep_prefix() { "rep_" } else { "" };
        assert_eq!(format!("{rep}{}", mnemonic(&instr)), name.to_lowercase());
    }
    let mut buf = CodeBuffer::new();
    buf.ret();
    assert_eq!(decode(buf.text()).flow_control(), FlowControl::Return);
}

#[test]
fn lock_applies_to_the_next_instruction() {
    let mut buf = CodeBuffer::new();
    buf.lock();
    buf.cmpxchg(Size::B64, Mem::base(Gpr::R9, 8), Gpr::R10);
    let instr = decode(buf.text());
    assert!(instr.has_lock_prefix());
    assert_eq!(
        (mnemonic(&instr).as_str(), instr.len()),
        ("cmpxchg", buf.text().len())
    );
}

#[test]
fn prefetches() {
    let mut judge = Judge::new();
    let names = ["prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2"];
    for (level, name) in names.into_iter().enumerate() {
        for place in few_memory() {
            judge.check(name, place, &[Want::Mem(1)], |buf, rm| {
                buf.prefetch(level as u8, mem(rm));
            });
        }
    }
}
