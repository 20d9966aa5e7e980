//! Address arithmetic in the shape of an addressing mode.
//!
//! *Before*: chains of `PtrAdd` as the reader lowers `getelementptr`, one a dimension. *During*, one
//! walk in reverse postorder over all `PtrAdd`:
//!
//! ```text
//!   (p + d1) + i*s + d2      →  p + i*s + (d1+d2)
//!   (p + i*s + d1) + d2      →  p + i*s + (d1+d2)       if s is 1, 2, 4 or 8
//!   (p + i*s + d1) + i*t     →  p + i*(s+t) + d1
//!   p + (i + c)*s            →  p + i*s + c*s
//!   p + (i << k)*s           →  p + i*(s << k)          likewise for products
//!   @g + d                   →  @g+d, a constant
//! ```
//!
//! *After*: constants are in the displacement, or in the constant base; the scale is one that the
//! machine has wherever that could be had without computing a product twice.
//!
//! # Why it is right
//!
//! `PtrAdd` is arithmetic modulo 2^32, scale and displacement included, so all of these are
//! equations of a ring. `inbounds` speaks of one base and one offset: it is kept only where two
//! constant steps that both have it become one.

use super::simplify::fold;
use crate::tier::opt::graph::Graph;
use ir::{ConstKind, Flags, Inst, InstId, Op, TypeId, Value};

/// Steps for one address; a chain has been shortened before its users are looked at.
const MAX_STEPS: u32 = 8;

/// Brings addresses into the shape of addressing modes.
pub fn run(graph: &mut Graph<'_>) {
    let uses = graph.use_counts();
    let cfg = graph.cfg();
    for &block in cfg.rpo() {
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            graph.resolve_operands(id);
            let op = graph.inst(id).op;
            match op {
                Op::PtrAdd => simplify(graph, &uses, id),
                Op::IntToPtr if from_sum(graph, id) => simplify(graph, &uses, id),
                _ => {}
            }
        }
    }
}

/// A `PtrAdd` taken apart: `base + index * scale + disp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) base: Value,
    /// `Value::NONE` without one; `scale` is 0 then.
    pub(super) index: Value,
    pub(super) scale: u32,
    pub(super) disp: u32,
}

impl Address {
    /// The address that an instruction computes, if it is a `PtrAdd`.
    pub(super) fn of(graph: &Graph<'_>, inst: &Inst) -> Option<Self> {
        if inst.op != Op::PtrAdd {
            return None;
        }
        let [base, index, c] = inst.args;
        let (base, index) = (Value(base), Value(index));
        let (scale, disp) = if index == Value::NONE {
            (0, c)
        } else {
            let words = graph.code().words(c, 2);
            (words[0], words[1])
        };
        Some(Self {
            base,
            index,
            scale,
            disp,
        })
    }

    /// The address that defines a value, if a `PtrAdd` does.
    fn def(graph: &Graph<'_>, value: Value) -> Option<Self> {
        Self::of(graph, graph.inst(value.as_inst()?))
    }
}

fn simplify(graph: &mut Graph<'_>, uses: &[u32], id: InstId) {
    for _ in 0..MAX_STEPS {
        let inst = *graph.inst(id);
        if let Some(value) = fold::constant(graph, &inst) {
            if graph.fuel.spend() {
                graph.replace(id, value);
            }
            return;
        }
        let Some(old) = Address::of(graph, &inst) else {
            return;
        };
        let Some((new, flags)) = step(graph, uses, old, inst.flags) else {
            return;
        };
        if !graph.fuel.spend() {
            return;
        }
        let c = match new.index {
            Value::NONE => new.disp,
            _ => graph.pool(&[new.scale, new.disp]),
        };
        let args = [new.base.0, new.index.0, c];
        graph.set(
            id,
            Inst {
                flags,
                args,
                ..inst
            },
        );
    }
}

/// The same address in a better shape, and its flags.
fn step(
    graph: &mut Graph<'_>,
    uses: &[u32],
    old: Address,
    flags: Flags,
) -> Option<(Address, Flags)> {
    let plain = Flags::default();
    if old.index != Value::NONE && old.scale == 0 {
        let index = Value::NONE;
        return Some((Address { index, ..old }, plain));
    }
    if let Some(better) = index_step(graph, uses, old) {
        return Some((better, plain));
    }
    if let Some(base) = absorbed(graph, old) {
        return Some((
            Address {
                base,
                disp: 0,
                ..old
            },
            plain,
        ));
    }
    let inner_id = old.base.as_inst()?;
    let inner = Address::of(graph, graph.inst(inner_id))?;
    let disp = inner.disp.wrapping_add(old.disp);
    let base = inner.base;
    if inner.index == Value::NONE {
        let both = graph.inst(inner_id).flags.0 & flags.0;
        let sum = inner.disp.cast_signed().checked_add(old.disp.cast_signed());
        let kept = if old.index == Value::NONE && sum.is_some() {
            both
        } else {
            0
        };
        return Some((Address { base, disp, ..old }, Flags(kept)));
    }
    let once = uses.get(inner_id.index()).is_some_and(|&count| count <= 1);
    let scale = inner.scale.wrapping_add(old.scale);
    let joins = (old.index == Value::NONE || old.index == inner.index) && (once || is_scale(scale));
    joins.then_some((
        Address {
            base,
            index: inner.index,
            scale,
            disp,
        },
        plain,
    ))
}

/// Scales that the machine has.
fn is_scale(scale: u32) -> bool {
    matches!(scale, 1 | 2 | 4 | 8)
}

/// Takes a constant summand or factor out of the index.
fn index_step(graph: &Graph<'_>, uses: &[u32], old: Address) -> Option<Address> {
    let id = old.index.as_inst()?;
    let inst = graph.inst(id);
    let c = graph.const_int(Value(inst.args[1]))? as u32;
    let index = Value(inst.args[0]);
    let once = uses.get(id.index()).is_some_and(|&count| count <= 1);
    let scaled = |scale: u32| {
        (once || is_scale(scale)).then_some(Address {
            index,
            scale,
            ..old
        })
    };
    match inst.op {
        Op::Add => Some(Address {
            index,
            disp: old.disp.wrapping_add(c.wrapping_mul(old.scale)),
            ..old
        }),
        Op::Shl => scaled(old.scale << (c % 32)),
        Op::Mul => scaled(old.scale.wrapping_mul(c)),
        _ => None,
    }
}

/// A constant base with the displacement added to it.
fn absorbed(graph: &mut Graph<'_>, old: Address) -> Option<Value> {
    let constant = graph.code().constant(old.base.as_const()?);
    let kind = match constant.kind {
        _ if old.disp == 0 => return None,
        ConstKind::Int(at) => ConstKind::Int((at as u32).wrapping_add(old.disp).into()),
        ConstKind::Global { id, offset } => ConstKind::Global {
            id,
            offset: offset.wrapping_add(old.disp.cast_signed()),
        },
        _ => return None,
    };
    Some(graph.constant(TypeId::PTR, kind))
}

/// `inttoptr (add (ptrtoint p), i)` is `p + i`.
fn from_sum(graph: &mut Graph<'_>, id: InstId) -> bool {
    let inst = *graph.inst(id);
    let def = |graph: &Graph<'_>, value: u32, op| {
        let def = *graph.inst(Value(value).as_inst()?);
        (def.op == op && def.ty == TypeId::I32).then_some(def)
    };
    let Some(sum) = def(graph, inst.args[0], Op::Add) else {
        return false;
    };
    let [a, b, _] = sum.args;
    let (base, index) = match (def(graph, a, Op::PtrToInt), def(graph, b, Op::PtrToInt)) {
        (Some(base), _) => (base.args[0], b),
        (None, Some(base)) => (base.args[0], a),
        _ => return false,
    };
    let spent = graph.fuel.spend();
    if spent {
        let c = graph.pool(&[1, 0]);
        let op = Op::PtrAdd;
        let flags = Flags::default();
        let args = [base, index, c];
        graph.set(
            id,
            Inst {
                op,
                flags,
                args,
                ..inst
            },
        );
    }
    spent
}

/// The address that a value is: the last step of its arithmetic, with constants in the displacement.
pub(super) fn decompose(graph: &Graph<'_>, value: Value) -> Address {
    Address::def(graph, value).unwrap_or(Address {
        base: value,
        index: Value::NONE,
        scale: 0,
        disp: 0,
    })
}
