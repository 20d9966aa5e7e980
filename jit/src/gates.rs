//! The ring-3 blobs through which module code reaches the runtime.
//!
//! `jit/docs/abi.md`, "Gates", says what each must keep. All end in the *crossing*, the one
//! sequence that differs between platforms; around it they only save and restore. They lie at the
//! start of the instance's code region and are reached through dispatch slots, so no code is ever
//! patched and none contains an address of them.
//!
//! The blobs trust nothing they find: a forged function number in a gate's argument is checked by
//! the runtime, and the return addresses are the module's own. Behind the gates lie the [`helpers`],
//! which cross nothing.

use crate::abi::{self, gate, gs};
use crate::helpers::{self, Helper};
use crate::instance::Binding;
use alloc::vec::Vec;
use asm::{Alu, CodeBuffer, Enc, Gpr, Label, Mem, Plain, Size, VecLoad, VecStore, Xmm};

/// How a gate enters the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crossing {
    /// The kernel: `syscall`.
    Syscall,
    /// The host: `call gs:[GATE]`.
    HostCall,
}

/// All gates of an instance.
#[derive(Debug)]
pub struct Gates {
    /// The code, to be put at the start of the code region.
    pub code: Vec<u8>,
    /// For each dispatch slot in order, the offset of the gate that it points to at first.
    pub slots: Vec<u32>,
    /// Where the helpers lie in `code`.
    pub helpers: helpers::Map,
}

/// General registers that the crossing loses, less `rbp`, which frames the blobs.
const LOST: [Gpr; 9] = [
    Gpr::Rax,
    Gpr::Rcx,
    Gpr::Rdx,
    Gpr::Rsi,
    Gpr::Rdi,
    Gpr::R8,
    Gpr::R9,
    Gpr::R10,
    Gpr::R11,
];

/// General registers that carry arguments, `r10` the variadic image included.
const ARGUMENTS: [Gpr; 7] = [
    Gpr::Rdi,
    Gpr::Rsi,
    Gpr::Rdx,
    Gpr::Rcx,
    Gpr::R8,
    Gpr::R9,
    Gpr::R10,
];

/// Builds the gates for functions bound as `imports`.
#[must_use]
pub fn build(imports: &[Binding], crossing: Crossing, avx: bool) -> Gates {
    let mut blobs = Blobs {
        code: CodeBuffer::new(),
        crossing,
        avx,
    };
    let null = blobs.begin();
    blobs.unresolved(u32::MAX);
    let count = blobs.begin();
    blobs.count();
    let exit = blobs.begin();
    blobs.exit();
    let mut slots = alloc::vec![null; abi::RESERVED_SLOTS as usize];
    slots[abi::SLOT_COUNT as usize] = count;
    slots[abi::SLOT_EXIT as usize] = exit;
    let helpers = helpers::emit(&mut blobs.code, avx);
    for helper in Helper::ALL {
        if let Some(slot) = helper.slot() {
            slots[slot as usize] = helpers.start(helper);
        }
    }
    let common = blobs.code.label();
    blobs.begin();
    blobs.code.bind(common);
    blobs.first_call();
    for (func, binding) in imports.iter().enumerate() {
        if let Binding::Helper(helper) = binding {
            slots.push(helpers.start(*helper));
            continue;
        }
        slots.push(blobs.begin());
        match binding {
            Binding::Defined => blobs.thunk(func as u32, common),
            Binding::Host(call) => blobs.import(call.number()),
            // Nobody names the number of a function that is elsewhere.
            _ => blobs.unresolved(func as u32),
        }
    }
    Gates {
        code: blobs.finish(),
        slots,
        helpers,
    }
}

/// The stubs of all slots up to the last function's: `jmp [slot]; int3`, the reserved ones `int3`.
#[must_use]
pub fn stubs(funcs: u32) -> Vec<u8> {
    const INT3: u64 = 0xcccc_cccc_cccc_cccc;
    let stub = |slot: u32| {
        if slot < abi::RESERVED_SLOTS {
            return INT3;
        }
        // FF /4, ModRM 24 SIB 25: an absolute 32-bit address (SDM vol. 2, table 2-3).
        0xcc00_0000_0025_24ff | u64::from(abi::slot_address(slot)) << 24
    };
    (0..abi::func_slot(funcs))
        .flat_map(|slot| stub(slot).to_le_bytes())
        .collect()
}

struct Blobs {
    code: CodeBuffer,
    crossing: Crossing,
    avx: bool,
}

impl Blobs {
    /// Starts a blob at the next multiple of 16.
    fn begin(&mut self) -> u32 {
        self.code.align_trap(16);
        self.code.text().len() as u32
    }

    fn cross(&mut self, number: u32) {
        self.code.mov_i(Gpr::Rax, u64::from(number));
        match self.crossing {
            Crossing::Syscall => self.code.plain(Plain::SYSCALL),
            Crossing::HostCall => self.code.call_rm(Mem::gs(gs::GATE as i32)),
        }
    }

    fn unresolved(&mut self, func: u32) {
        self.code.mov_i(Gpr::Rdi, u64::from(func));
        self.cross(gate::UNRESOLVED);
        self.code.plain(Plain::INT3);
    }

    fn import(&mut self, number: u32) {
        self.code.mov(Size::B64, Gpr::R10, Gpr::Rcx);
        self.cross(number);
        self.code.ret();
    }

    fn exit(&mut self) {
        self.code.mov(Size::B64, Gpr::Rdi, Gpr::Rax);
        self.code
            .movd_mr(Enc::Legacy, Size::B64, Gpr::Rsi, Xmm::Xmm0);
        self.cross(gate::EXIT);
        self.code.plain(Plain::INT3);
    }

    /// `[rsp]` return address, `[rsp + 8]` function · 2 + kind, `[rsp + 16]` loop.
    fn count(&mut self) {
        self.save(&LOST, 16);
        self.code.mov(Size::B32, Gpr::Rdi, Mem::base(Gpr::Rbp, 16));
        self.code.mov(Size::B32, Gpr::Rsi, Mem::base(Gpr::Rbp, 24));
        self.code.mov(Size::B64, Gpr::Rdx, Mem::base(Gpr::Rbp, 0));
        self.cross(gate::COUNT);
        self.restore(&LOST, 16);
        self.code.ret_i(16);
    }

    fn thunk(&mut self, func: u32, common: Label) {
        self.code.mov_i(Gpr::R11, u64::from(func));
        self.code.jmp(common);
    }

    /// `r11` = function; the gate answers with the address to enter.
    fn first_call(&mut self) {
        self.save(&ARGUMENTS, 8);
        self.code.mov(Size::B32, Gpr::Rdi, Gpr::R11);
        self.cross(gate::FIRST_CALL);
        self.code.mov(Size::B64, Gpr::R11, Gpr::Rax);
        self.restore(&ARGUMENTS, 8);
        self.code.jmp_rm(Gpr::R11);
    }

    /// Saves `rbp`, the general registers and the first `vectors` vector registers, and aligns the
    /// stack for the crossing.
    fn save(&mut self, general: &[Gpr], vectors: u8) {
        self.code.push(Gpr::Rbp);
        self.code.mov(Size::B64, Gpr::Rbp, Gpr::Rsp);
        general
            .iter()
            .for_each(|&register| self.code.push(register));
        let room = i32::from(vectors) * self.vector_bytes();
        self.code.alu_i(Alu::Sub, Size::B64, Gpr::Rsp, room);
        self.code.alu_i(Alu::And, Size::B64, Gpr::Rsp, -16);
        (0..vectors).for_each(|number| self.move_vector(number, true));
    }

    fn restore(&mut self, general: &[Gpr], vectors: u8) {
        (0..vectors).for_each(|number| self.move_vector(number, false));
        let saved = Mem::base(Gpr::Rbp, -8 * general.len() as i32);
        self.code.lea(Size::B64, Gpr::Rsp, saved);
        general
            .iter()
            .rev()
            .for_each(|&register| self.code.pop(register));
        self.code.pop(Gpr::Rbp);
    }

    fn vector_bytes(&self) -> i32 {
        if self.avx { 32 } else { 16 }
    }

    fn move_vector(&mut self, number: u8, store: bool) {
        let register = Xmm::new(number);
        let slot = Mem::base(Gpr::Rsp, i32::from(number) * self.vector_bytes());
        let enc = if self.avx { Enc::Vex256 } else { Enc::Legacy };
        if store {
            self.code.vec_store(enc, VecStore::MOVUPS, slot, register);
        } else {
            self.code.vec_load(enc, VecLoad::MOVUPS, register, slot);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.code.align_trap(16);
        let done = self
            .code
            .finalize(0)
            .expect("every label of the gates is bound and near");
        done.text.to_vec()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use ::abi::HostCall;
    use alloc::string::{String, ToString};
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

    /// The instructions of the gate at `offset`, up to and including the last one before padding.
    fn listing(gates: &Gates, offset: u32) -> Vec<String> {
        let code = &gates.code[offset as usize..];
        let mut formatter = IntelFormatter::new();
        let mut lines = Vec::new();
        for inst in Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
            let mut text = String::new();
            formatter.format(&inst, &mut text);
            lines.push(text);
            let name = inst.mnemonic();
            if matches!(
                name,
                iced_x86::Mnemonic::Ret | iced_x86::Mnemonic::Jmp | iced_x86::Mnemonic::Int3
            ) {
                break;
            }
        }
        lines
    }

    fn gates(crossing: Crossing) -> Gates {
        let imports = [
            Binding::Defined,
            Binding::Host(HostCall::Write),
            Binding::Null,
        ];
        build(&imports, crossing, true)
    }

    #[test]
    fn an_import_crosses_with_its_number() {
        let kernel = gates(Crossing::Syscall);
        let at = kernel.slots[abi::func_slot(1) as usize];
        assert_eq!(
            listing(&kernel, at),
            ["mov r10,rcx", "mov eax,1", "syscall", "ret"]
        );
        let host = gates(Crossing::HostCall);
        let at = host.slots[abi::func_slot(1) as usize];
        assert_eq!(listing(&host, at)[2], "call qword ptr gs:[18h]");
    }

    #[test]
    fn the_count_gate_keeps_every_register_and_pops_its_arguments() {
        let gates = gates(Crossing::Syscall);
        let lines = listing(&gates, gates.slots[abi::SLOT_COUNT as usize]);
        for register in LOST.iter().map(ToString::to_string).chain(["rbp".into()]) {
            let saved = lines
                .iter()
                .filter(|line| **line == alloc::format!("push {register}"));
            let restored = lines
                .iter()
                .filter(|line| **line == alloc::format!("pop {register}"));
            assert_eq!((saved.count(), restored.count()), (1, 1), "{register}");
        }
        for number in 0..16 {
            let name = alloc::format!("ymm{number}");
            let uses =
                |line: &&String| line.ends_with(&name) || line.contains(&(name.clone() + ","));
            assert_eq!(
                lines.iter().filter(uses).count(),
                2,
                "{name} is stored and loaded"
            );
        }
        assert_eq!(lines.last().map(String::as_str), Some("ret 10h"));
    }

    #[test]
    fn every_function_has_a_slot_and_a_stub() {
        let gates = gates(Crossing::Syscall);
        assert_eq!(gates.slots.len() as u32, abi::func_slot(3));
        let stubs = stubs(3);
        let at = (abi::stub_address(2) - abi::STUBS) as usize;
        let slot = abi::slot_address(abi::func_slot(2)).to_le_bytes();
        assert_eq!(stubs[at..at + 3], [0xff, 0x24, 0x25]);
        assert_eq!(stubs[at + 3..at + 7], slot);
        assert_eq!(stubs[at + 7], 0xcc);
    }
}
