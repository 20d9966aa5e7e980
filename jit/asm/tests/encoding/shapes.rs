//! Memory operands as the tests see them: what was asked for, and what a decoded one must then say.
//!
//! A [`Shape`] is not made from a `Mem` nor the other way round by any code of the crate under
//! test, so a wrong ModRM, SIB, displacement or prefix shows as a difference.

use asm::{Gpr, Label, Mem, Scale};
use iced_x86::{Instruction, OpKind, Register};

use crate::judge::{IP, gpr64};

/// A requested memory operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) base: Option<Gpr>,
    pub(crate) index: Option<(Gpr, Scale)>,
    pub(crate) disp: i32,
    pub(crate) gs: bool,
    pub(crate) addr32: bool,
    /// Relative to RIP, to the beginning of the code; the other fields are then unused.
    pub(crate) rip: bool,
}

const PLAIN: Shape = Shape {
    base: None,
    index: None,
    disp: 0,
    gs: false,
    addr32: false,
    rip: false,
};

/// Displacements around every change of encoding.
const DISPS: [i32; 10] = [
    0,
    1,
    -1,
    127,
    -128,
    128,
    -129,
    0x1234_5678,
    i32::MAX,
    i32::MIN,
];

impl Shape {
    /// The operand under test. `start` is a label at the beginning of the code.
    pub(crate) fn mem(&self, start: Label) -> Mem {
        let mem = match (self.base, self.index) {
            _ if self.rip => return Mem::label(start),
            _ if self.gs => return Mem::gs(self.disp),
            (Some(base), Some((index, scale))) => Mem::base_index(base, index, scale, self.disp),
            (Some(base), None) => Mem::base(base, self.disp),
            (None, Some((index, scale))) => Mem::index(index, scale, self.disp),
            (None, None) => Mem::abs(self.disp),
        };
        if self.addr32 { mem.addr32() } else { mem }
    }

    /// Panics unless the memory operand of `instr` is this one, in its shortest form.
    pub(crate) fn check(&self, instr: &Instruction) {
        let kinds = (0..instr.op_count()).map(|op| instr.op_kind(op));
        assert!(
            kinds.into_iter().any(|kind| kind == OpKind::Memory),
            "no memory operand"
        );
        let segment = if self.gs {
            Register::GS
        } else {
            Register::None
        };
        assert_eq!(instr.segment_prefix(), segment, "segment");
        if self.rip {
            assert_eq!(instr.memory_base(), Register::RIP, "base");
            assert_eq!(instr.ip_rel_memory_address(), IP, "target");
            return;
        }
        let named = |reg: Gpr| gpr_at(reg, self.addr32);
        let (base, index) = match (self.base, self.index) {
            // Without a base a scale of one is encoded as a base, which is shorter.
            (None, Some((index, Scale::S1))) => (Some(index), None),
            other => (other.0, other.1),
        };
        assert_eq!(
            instr.memory_base(),
            base.map_or(Register::None, named),
            "base"
        );
        assert_eq!(
            instr.memory_index(),
            index.map_or(Register::None, |i| named(i.0)),
            "index"
        );
        if let Some((_, scale)) = index {
            assert_eq!(instr.memory_index_scale(), scale.factor(), "scale");
        }
        let disp = instr.memory_displacement64();
        if self.addr32 {
            assert_eq!(disp as u32, self.disp as u32, "displacement");
        } else {
            assert_eq!(disp, i64::from(self.disp) as u64, "displacement");
        }
        assert_eq!(
            instr.memory_displ_size() != 0,
            self.disp_len(base) != 0,
            "displacement size"
        );
        assert_eq!(
            instr.memory_displ_size() > 1,
            self.disp_len(base) > 1,
            "displacement size"
        );
    }

    /// Bytes that the displacement takes at least, given the base actually used.
    fn disp_len(&self, base: Option<Gpr>) -> u32 {
        match base {
            None => 4,
            Some(base) if self.disp == 0 && !matches!(base, Gpr::Rbp | Gpr::R13) => 0,
            Some(_) if i8::try_from(self.disp).is_ok() => 1,
            Some(_) => 4,
        }
    }
}

/// Every base, index and scale, all kinds of displacement, absolute, RIP-relative, GS, and all that
/// can be with and without the address-size prefix.
pub(crate) fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let indexes = Gpr::ALL.into_iter().filter(|&index| index != Gpr::Rsp);
    for disp in DISPS {
        shapes.push(Shape { disp, ..PLAIN });
        shapes.extend(Gpr::ALL.map(|base| Shape {
            base: Some(base),
            disp,
            ..PLAIN
        }));
    }
    for index in indexes {
        for scale in Scale::ALL {
            for disp in [0, -8, 0x4000] {
                let index = Some((index, scale));
                shapes.push(Shape {
                    index,
                    disp,
                    ..PLAIN
                });
                let with_base = |base| Shape {
                    base: Some(base),
                    index,
                    disp,
                    ..PLAIN
                };
                shapes.extend(Gpr::ALL.map(with_base));
            }
        }
    }
    shapes.extend(shapes.clone().into_iter().map(|shape| Shape {
        addr32: true,
        ..shape
    }));
    shapes.extend(DISPS.map(|disp| Shape {
        disp,
        gs: true,
        ..PLAIN
    }));
    shapes.push(Shape { rip: true, ..PLAIN });
    shapes
}

/// One of each kind: for forms whose r/m operand goes the same way as one tested with [`all`].
pub(crate) fn few() -> Vec<Shape> {
    let by_index = |base, index, disp| Shape {
        base,
        index: Some((index, Scale::S4)),
        disp,
        ..PLAIN
    };
    vec![
        Shape {
            base: Some(Gpr::Rax),
            ..PLAIN
        },
        Shape {
            base: Some(Gpr::Rbp),
            ..PLAIN
        },
        Shape {
            base: Some(Gpr::Rsp),
            disp: -4,
            ..PLAIN
        },
        Shape {
            base: Some(Gpr::R12),
            disp: 0x1000,
            ..PLAIN
        },
        Shape {
            base: Some(Gpr::R13),
            disp: 0,
            ..PLAIN
        },
        by_index(Some(Gpr::Rbx), Gpr::R9, 16),
        by_index(Some(Gpr::R15), Gpr::R12, 0x12345),
        by_index(None, Gpr::Rdi, 0x7FFF_0000),
        Shape {
            addr32: true,
            ..by_index(Some(Gpr::Rcx), Gpr::R14, -1)
        },
        Shape {
            addr32: true,
            ..by_index(Some(Gpr::R8), Gpr::Rdx, 0)
        },
        Shape {
            disp: 0x0012_3400,
            ..PLAIN
        },
        Shape {
            disp: 0x40,
            gs: true,
            ..PLAIN
        },
        Shape { rip: true, ..PLAIN },
    ]
}

/// A register as part of an address: 64 bits, or 32 under the address-size prefix.
fn gpr_at(reg: Gpr, addr32: bool) -> Register {
    if addr32 {
        Register::EAX + u32::from(reg.number())
    } else {
        gpr64(reg)
    }
}
