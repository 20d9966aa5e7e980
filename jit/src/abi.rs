//! Constants and value parts that every tier, the gates, the kernel and the host share.
//!
//! `jit/docs/abi.md` is the specification; this file is its only transcription into code. Nothing
//! here depends on a platform: kernel and host map the same addresses.

use ir::{Type, TypeId, Types};
use smallvec::SmallVec;

/// First address that may be mapped.
pub const LOWEST: u32 = 0x1_0000;
/// Dispatch slots, 8 bytes each, read-only for modules.
pub const SLOTS: u32 = 0x0001_0000;
/// Function stubs, 8 bytes each; the address of a stub is the value of a function pointer.
pub const STUBS: u32 = 0x0011_0000;
/// OSR slots, 8 bytes each.
pub const OSR_SLOTS: u32 = 0x0021_0000;
/// Slots, stubs and OSR slots an instance can have of each kind.
pub const MAX_SLOTS: u32 = 0x10_0000 / 8;
/// Constants, globals and heap from here.
pub const GLOBALS: u32 = 0x0040_0000;
/// Task stacks from here, [`STACK_STRIDE`] apart: room for 256 tasks.
pub const STACKS: u32 = 0x6000_0000;
/// End of the task stacks.
pub const STACKS_END: u32 = 0x8000_0000;
/// Distance of two stacks; the lower half of each is never mapped.
pub const STACK_STRIDE: u32 = 0x20_0000;
/// Mapped bytes of a stack.
pub const STACK_SIZE: u32 = 0x10_0000;
/// End of memory that a module can use.
pub const MEMORY_END: u32 = 0xffff_f000;
/// Code.
pub const CODE: u64 = 0xc_0000_0000;
/// Most code of an instance, in bytes.
pub const CODE_SIZE: u64 = 0x4000_0000;
/// Constants and jump tables of code.
pub const RODATA: u64 = 0xc_4000_0000;
/// GS blocks, one a core.
pub const GS_BLOCKS: u64 = 0xc_8000_0000;

/// Frames above so many bytes touch the stack on the way down.
pub const PROBE_INTERVAL: u32 = 0x1_0000;

/// Slots below this are gates.
pub const RESERVED_SLOTS: u32 = 16;
/// Slot whose gate reports the call of a null function.
pub const SLOT_NULL: u32 = 0;
/// Slot of the count gate.
pub const SLOT_COUNT: u32 = 1;
/// Slot of the exit gate, the return address of a task's first frame.
pub const SLOT_EXIT: u32 = 2;
/// Slot of the helper that copies `rdx` bytes from `rsi` to `rdi`, which do not overlap.
pub const SLOT_MEMCPY: u32 = 3;
/// Slot of the helper that copies `rdx` bytes from `rsi` to `rdi`, which may overlap.
pub const SLOT_MEMMOVE: u32 = 4;
/// Slot of the helper that stores `sil` into `rdx` bytes from `rdi`.
pub const SLOT_MEMSET: u32 = 5;
/// Slot of the helper that divides `rsi:rdi` by `rcx:rdx`, unsigned; the quotient in `rdx:rax`.
pub const SLOT_UDIV128: u32 = 6;
/// Slot of the helper that gives the remainder of that division.
pub const SLOT_UREM128: u32 = 7;
/// Slot of the helper that divides as [`SLOT_UDIV128`] does, signed.
pub const SLOT_SDIV128: u32 = 8;
/// Slot of the helper that gives the remainder of that division.
pub const SLOT_SREM128: u32 = 9;

/// Offsets in a GS block.
pub mod gs {
    /// Own address.
    pub const SELF: u32 = 0x00;
    /// Lowest mapped address of the running task's stack.
    pub const STACK_LIMIT: u32 = 0x08;
    /// TLS base of the running task.
    pub const TLS: u32 = 0x10;
    /// Address of the host's trampoline.
    pub const GATE: u32 = 0x18;
    /// Core number among the instance's cores, 4 bytes.
    pub const CORE: u32 = 0x20;
    /// Number of cores, 4 bytes.
    pub const CORES: u32 = 0x24;
    /// Three words of scratch for gates.
    pub const SCRATCH: u32 = 0x28;
    /// Counters: 8 bytes a function, calls then loops.
    pub const COUNTERS: u32 = 0x80;

    /// Offset of the call counter of function `func`.
    #[must_use]
    pub const fn calls(func: u32) -> u32 {
        COUNTERS + 8 * func
    }

    /// Offset of the loop counter of function `func`.
    #[must_use]
    pub const fn loops(func: u32) -> u32 {
        calls(func) + 4
    }

    /// Bytes of a block for `funcs` functions, in whole pages.
    #[must_use]
    pub const fn size(funcs: u32) -> u32 {
        calls(funcs).next_multiple_of(4096)
    }
}

/// Gate numbers; below 256 they are host calls.
pub mod gate {
    /// A function's first call.
    pub const FIRST_CALL: u32 = 0x100;
    /// A counter tripped.
    pub const COUNT: u32 = 0x101;
    /// A task's first frame returned.
    pub const EXIT: u32 = 0x102;
    /// A blob found a fault.
    pub const TRAP: u32 = 0x103;
    /// An unresolved function was called.
    pub const UNRESOLVED: u32 = 0x104;
}

/// Address of dispatch slot `slot`.
#[must_use]
pub const fn slot_address(slot: u32) -> u32 {
    SLOTS + 8 * slot
}

/// Dispatch slot of function `func` of the instance.
#[must_use]
pub const fn func_slot(func: u32) -> u32 {
    RESERVED_SLOTS + func
}

/// Address of the stub of function `func`: the value of a pointer to it.
#[must_use]
pub const fn stub_address(func: u32) -> u32 {
    STUBS + 8 * func_slot(func)
}

/// The function whose stub lies at `address`, below `funcs`.
#[must_use]
pub const fn stub_func(address: u32, funcs: u32) -> Option<u32> {
    let offset = address.wrapping_sub(STUBS);
    let func = (offset / 8).wrapping_sub(RESERVED_SLOTS);
    if offset.is_multiple_of(8) && func < funcs {
        Some(func)
    } else {
        None
    }
}

/// A machine part of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// A general register; that many bits of it count.
    Int(u8),
    /// The low 4 bytes of a vector register.
    F32,
    /// The low 8 bytes of a vector register.
    F64,
    /// 16 bytes of a vector register.
    V128,
    /// 32 bytes of a vector register; only with AVX.
    V256,
}

impl Part {
    /// Bytes of its home in a frame.
    #[must_use]
    pub fn home_size(self) -> u32 {
        match self {
            Self::Int(_) | Self::F32 | Self::F64 => 8,
            Self::V128 => 16,
            Self::V256 => 32,
        }
    }

    /// Whether it lives in a general register.
    #[must_use]
    pub fn is_int(self) -> bool {
        matches!(self, Self::Int(_))
    }
}

/// The parts of a value, low or first one first.
pub type Parts = SmallVec<[Part; 4]>;

/// The machine parts of a value of type `ty`; `None` if it lives in memory (see the table in
/// `abi.md`) or has no value.
#[must_use]
pub fn parts(types: &Types, ty: TypeId, avx: bool) -> Option<Parts> {
    let mut list = Parts::new();
    match types.get(ty) {
        Type::Int(bits @ 1..=64) => list.push(Part::Int(*bits as u8)),
        Type::Int(bits @ 65..=128) => {
            list.extend([Part::Int(64), Part::Int((*bits - 64) as u8)]);
        }
        Type::Ptr => list.push(Part::Int(32)),
        Type::Half | Type::Float => list.push(Part::F32),
        Type::Double => list.push(Part::F64),
        Type::Vector { .. } => return vector_parts(types.layout(ty).size, avx),
        Type::Struct { fields, .. } => {
            for &field in fields {
                list.extend(parts(types, field, avx)?);
            }
            if list.len() > 4 {
                return None;
            }
        }
        _ => return None,
    }
    Some(list)
}

fn vector_parts(bytes: u32, avx: bool) -> Option<Parts> {
    let (part, each) = if avx && bytes > 16 {
        (Part::V256, 32)
    } else {
        (Part::V128, 16)
    };
    (bytes <= 64).then(|| core::iter::repeat_n(part, bytes.div_ceil(each) as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_do_not_overlap() {
        assert_eq!(SLOTS + 8 * MAX_SLOTS, STUBS);
        assert_eq!(STUBS + 8 * MAX_SLOTS, OSR_SLOTS);
        const { assert!(OSR_SLOTS + 8 * MAX_SLOTS <= GLOBALS) };
        assert_eq!(CODE + CODE_SIZE, RODATA);
    }

    #[test]
    fn a_stub_address_names_its_function_and_nothing_else_does() {
        assert_eq!(stub_func(stub_address(7), 8), Some(7));
        assert_eq!(stub_func(stub_address(7), 7), None);
        assert_eq!(stub_func(stub_address(7) + 1, 8), None);
        assert_eq!(stub_func(0, 8), None);
    }

    #[test]
    fn wide_values_split_into_parts() {
        let mut types = Types::new();
        let v8 = types
            .intern(Type::Vector {
                elem: TypeId::I32,
                len: 8,
            })
            .unwrap();
        assert_eq!(parts(&types, v8, true).unwrap().as_slice(), [Part::V256]);
        assert_eq!(
            parts(&types, v8, false).unwrap().as_slice(),
            [Part::V128; 2]
        );
        assert_eq!(
            parts(&types, TypeId::I128, true).unwrap().as_slice(),
            [Part::Int(64), Part::Int(64)]
        );
        assert_eq!(parts(&types, TypeId::X86_FP80, true), None);
    }
}
