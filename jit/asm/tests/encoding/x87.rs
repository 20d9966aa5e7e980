//! x87 forms.

use asm::{X87Mem, X87Stack};
use iced_x86::Register;

use crate::integer::{few_memory, mem};
use crate::judge::{Judge, Want, decode, mnemonic};

#[test]
fn memory_operations_have_the_width_of_their_name() {
    let mut judge = Judge::new();
    for &(name, op) in X87Mem::ALL {
        let (stem, bits) = name.split_once("_M").expect("a width in the name");
        let bytes = bits.parse::<usize>().expect("a number") / 8;
        for place in few_memory() {
            let wants = [Want::Mem(bytes)];
            judge.check(&stem.to_lowercase(), place, &wants, |buf, rm| {
                buf.x87_mem(op, mem(rm));
            });
        }
    }
}

#[test]
fn stack_operations_name_their_register() {
    for &(name, op) in X87Stack::ALL {
        for index in 0..8 {
            let mut buf = asm::CodeBuffer::new();
            buf.x87_stack(op, index);
            let instr = decode(buf.text());
            assert_eq!((mnemonic(&instr), instr.len()), (name.to_lowercase(), 2));
            let named = (0..instr.op_count())
                .any(|operand| instr.op_register(operand) == Register::ST0 + u32::from(index));
            assert!(named, "{name} {index}");
        }
    }
}
