//! What an instruction does beside making its result: the question behind every move and removal.

use super::Graph;
use ir::{Inst, Intrinsic, MemFlags, Op, Value};

/// What an instruction may do beside making its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    /// The result depends on memory (or on the stack pointer, or on what was done before).
    pub reads: bool,
    /// Memory changes, or something is seen from outside.
    pub writes: bool,
    /// It may end the instance: a division by zero, an address that is not mapped. So it may not be
    /// executed where it was not before.
    pub faults: bool,
}

impl Effects {
    const NONE: Self = Self {
        reads: false,
        writes: false,
        faults: false,
    };
    const ALL: Self = Self {
        reads: true,
        writes: true,
        faults: true,
    };

    /// Whether the result depends on the operands only, so that equal instructions give equal
    /// results.
    #[must_use]
    pub fn is_pure(self) -> bool {
        !self.reads && !self.writes
    }

    /// Whether it may be executed without need: it is pure and cannot fault.
    #[must_use]
    pub fn is_speculatable(self) -> bool {
        self == Self::NONE
    }
}

impl Graph<'_> {
    /// What `inst` may do beside making its result.
    #[must_use]
    pub fn effects(&self, inst: &Inst) -> Effects {
        match inst.op {
            Op::UDiv | Op::URem | Op::SDiv | Op::SRem => Effects {
                faults: !self.divides_safely(inst),
                ..Effects::NONE
            },
            Op::Load if is_plain(MemFlags(inst.args[1])) => Effects {
                reads: true,
                writes: false,
                faults: true,
            },
            Op::Intrinsic => inst.intrinsic().map_or(Effects::ALL, of_intrinsic),
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg | Op::Fence => Effects::ALL,
            Op::Call | Op::CallIndirect | Op::DynAlloca => Effects::ALL,
            // A phi depends on the way the block was reached, an alloca is a place of its own.
            Op::Phi | Op::Alloca => Effects {
                reads: true,
                ..Effects::NONE
            },
            op if op.is_terminator() => Effects::ALL,
            _ => Effects::NONE,
        }
    }

    /// Whether a result that nobody uses makes the instruction superfluous.
    ///
    /// A division that faults stays, as what it does is defined (`ir`, "Division"). A plain load
    /// goes: which addresses are mapped is no property of the program, and no compiler of C keeps
    /// one. So does a dynamic alloca, whose stack nobody can see.
    #[must_use]
    pub fn is_removable(&self, inst: &Inst) -> bool {
        match inst.op {
            Op::DynAlloca => true,
            Op::Load => is_plain(MemFlags(inst.args[1])),
            Op::Intrinsic
                if matches!(inst.intrinsic(), Some(Intrinsic::X87Cmp | Intrinsic::X87To)) =>
            {
                true
            }
            _ => {
                let effects = self.effects(inst);
                !effects.writes && !effects.faults
            }
        }
    }

    /// Whether the divisor is a constant with which no dividend faults.
    fn divides_safely(&self, inst: &Inst) -> bool {
        let Some(divisor) = self.const_int(Value(inst.args[1])) else {
            return false;
        };
        let bits = self.types().int_bits(inst.ty).unwrap_or(64).min(64);
        let minus_one = u64::MAX >> (64 - bits);
        let signed = matches!(inst.op, Op::SDiv | Op::SRem);
        divisor != 0 && !(signed && divisor == minus_one)
    }
}

/// Whether an access is neither volatile nor atomic.
#[must_use]
pub(in crate::tier::opt) fn is_plain(flags: MemFlags) -> bool {
    !flags.is_volatile() && flags.ordering() == 0
}

/// Intrinsics compute, but for those that touch memory, the stack or the instance.
fn of_intrinsic(which: Intrinsic) -> Effects {
    match which {
        Intrinsic::Memcpy
        | Intrinsic::Memmove
        | Intrinsic::Memset
        | Intrinsic::VaStart
        | Intrinsic::VaCopy
        | Intrinsic::StackRestore
        | Intrinsic::Trap => Effects::ALL,
        Intrinsic::StackSave => Effects {
            reads: true,
            ..Effects::NONE
        },
        Intrinsic::UDiv128 | Intrinsic::URem128 | Intrinsic::SDiv128 | Intrinsic::SRem128 => {
            Effects {
                faults: true,
                ..Effects::NONE
            }
        }
        Intrinsic::X87Cmp | Intrinsic::X87To => Effects {
            reads: true,
            writes: false,
            faults: true,
        },
        _ if which.is_x87() => Effects::ALL,
        _ => Effects::NONE,
    }
}
