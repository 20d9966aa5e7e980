//! Which instructions may fault, so that the side table must name where they come from.

use crate::tier::opt::backend::vcode::{Base, MInst, Mem, Src};

/// Whether the instruction accesses module memory, divides, calls or traps.
pub(super) fn may(inst: MInst) -> bool {
    let accesses = |mem: Mem| matches!(mem.base, Base::None | Base::Reg) || mem.index.is_some();
    match inst {
        MInst::Div { .. }
        | MInst::Call(_)
        | MInst::Trap
        | MInst::Ud2
        | MInst::Switch(_)
        | MInst::Table(_)
        | MInst::RepMovs
        | MInst::DynAlloca { .. }
        | MInst::LoopCount(_) => true,
        _ => match (place(inst), input(inst)) {
            (Some(mem), _) | (_, Some(Src::Mem(mem))) => accesses(mem),
            _ => false,
        },
    }
}

/// The memory that the instruction is about.
fn place(inst: MInst) -> Option<Mem> {
    match inst {
        MInst::Store { mem, .. }
        | MInst::StoreImm { mem, .. }
        | MInst::AluMem { mem, .. }
        | MInst::AluMemImm { mem, .. }
        | MInst::CmpMem { mem, .. }
        | MInst::CmpMemImm { mem, .. }
        | MInst::TestMemImm { mem, .. }
        | MInst::FLoad { mem, .. }
        | MInst::FStore { mem, .. }
        | MInst::VLoad { mem, .. }
        | MInst::VStore { mem, .. }
        | MInst::VUpperStore { mem }
        | MInst::X87Mem { mem, .. }
        | MInst::Locked { mem, .. }
        | MInst::AtomicLoop { mem, .. }
        | MInst::CmpXchg { mem, .. } => Some(mem),
        _ => None,
    }
}

/// Its second input.
fn input(inst: MInst) -> Option<Src> {
    match inst {
        MInst::Extend { src, .. }
        | MInst::Alu { src, .. }
        | MInst::Mul { src, .. }
        | MInst::MulImm { src, .. }
        | MInst::Cmp { src, .. }
        | MInst::Test { src, .. }
        | MInst::Cmov { src, .. }
        | MInst::FCmp { src, .. }
        | MInst::FBin { src, .. }
        | MInst::FConvert { src, .. }
        | MInst::FFma { src, .. }
        | MInst::VBin { src, .. }
        | MInst::VBinImm { src, .. }
        | MInst::VUn { src, .. }
        | MInst::VUnImm { src, .. }
        | MInst::VInsert { src, .. } => Some(src),
        _ => None,
    }
}
