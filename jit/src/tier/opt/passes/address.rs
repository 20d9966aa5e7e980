//! Address arithmetic in the shape of an addressing mode.
//!
//! *Before*: chains of `PtrAdd` as the reader lowers `getelementptr`, one a dimension. *During*, one
//! walk in reverse postorder over all `PtrAdd`:
//!
//! ```text
//!   (p + d1) + i*s + d2            →  p + i*s + (d1+d2)
//!   (p + i*s + d1) + d2            →  p + i*s + (d1+d2)       if s is 1, 2, 4 or 8
//!   (p + i*s + d1) + i*t           →  p + i*(s+t) + d1
//!   (p + i*s + d1) + j*t + d2      →  (p + i*s) + j*t + (d1+d2)
//!   p + (i + c)*s                  →  p + i*s + c*s           likewise for a disjoint `or`
//!   p + (i << k)*s                 →  p + i*(s << k)          likewise for products
//!   @g+d + i*s                     →  @g + i*s + d
//!   @g + d                         →  @g+d, a constant
//! ```
//!
//! and then, for a scale that the machine does not have:
//!
//! ```text
//!   p + i*12 + d                   →  p + (i*3)*4 + d         as one `lea` multiplies by 3, 5 and 9
//!   @g + i*48 + d                  →  @g + (i*48)*1 + d
//!   p + i*48 + d                   →  (p + i*48) + d
//! ```
//!
//! *After*: constants stand in the last step only, and no step has a scale that the machine does
//! not have together with a constant. So a loop over rows of a matrix computes one product for all
//! of its accesses, and their distances are displacements; before, there was a product (or, out of
//! a loop, a register) for every distance.
//!
//! # Why it is right
//!
//! `PtrAdd` is arithmetic modulo 2^32, scale and displacement included, so all of these are
//! equations of a ring. `inbounds` speaks of one base and one offset: it is kept only where two
//! constant steps that both have it become one. The one fact that is used is `disjoint`: without
//! common bits, an `or` is a sum.

use super::simplify::fold;
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{ConstKind, Flags, Inst, InstId, Op, TypeId, Value};

/// Steps for one address; a chain has been shortened before its users are looked at.
const MAX_STEPS: u32 = 8;

/// Brings addresses into the shape of addressing modes.
pub fn run(graph: &mut Graph<'_>) {
    let uses = graph.use_counts();
    let cfg = graph.cfg();
    for &block in cfg.rpo() {
        let is_address = |&id: &InstId| matches!(graph.inst(id).op, Op::PtrAdd | Op::IntToPtr);
        if !graph.insts(block).iter().any(is_address) {
            continue;
        }
        let mut list = Vec::new();
        for id in graph.take_insts(block) {
            graph.resolve_operands(id);
            let is_sum = match graph.inst(id).op {
                Op::PtrAdd => true,
                Op::IntToPtr => from_sum(graph, id),
                _ => false,
            };
            if is_sum {
                simplify(graph, &uses, &mut list, id);
                split(graph, &mut list, id);
            }
            list.push(id);
        }
        *graph.insts_mut(block) = list;
    }
}

/// A `PtrAdd` taken apart: `base + index * scale + disp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tier::opt) struct Address {
    pub(in crate::tier::opt) base: Value,
    /// `Value::NONE` without one; `scale` is 0 then.
    pub(in crate::tier::opt) index: Value,
    pub(in crate::tier::opt) scale: u32,
    pub(in crate::tier::opt) disp: u32,
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

    /// The arguments of the `PtrAdd` that computes it.
    fn args(self, graph: &mut Graph<'_>) -> [u32; 3] {
        let c = match self.index {
            Value::NONE => self.disp,
            _ => graph.pool(&[self.scale, self.disp]),
        };
        [self.base.0, self.index.0, c]
    }

    /// The address that defines a value, if a `PtrAdd` does.
    fn def(graph: &Graph<'_>, value: Value) -> Option<Self> {
        Self::of(graph, graph.inst(value.as_inst()?))
    }
}

fn simplify(graph: &mut Graph<'_>, uses: &[u32], list: &mut Vec<InstId>, id: InstId) {
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
        if let Some((new, flags)) = step(graph, uses, old, inst.flags) {
            if !graph.fuel.spend() {
                return;
            }
            set(graph, id, new, flags);
        } else if !move_outwards(graph, list, id, old) {
            return;
        }
    }
}

/// Makes `id` the `PtrAdd` that computes `new`.
fn set(graph: &mut Graph<'_>, id: InstId, new: Address, flags: Flags) {
    let args = new.args(graph);
    let inst = *graph.inst(id);
    graph.set(
        id,
        Inst {
            flags,
            args,
            ..inst
        },
    );
}

/// `(p + i*s + d1) + j*t + d2` where both sums have users: the inner one without its constant is
/// made once more, for all that differ from it by constants only.
fn move_outwards(graph: &mut Graph<'_>, list: &mut Vec<InstId>, id: InstId, old: Address) -> bool {
    let Some(inner) = Address::def(graph, old.base) else {
        return false;
    };
    if inner.index == Value::NONE || inner.disp == 0 || !graph.fuel.spend() {
        return false;
    }
    let args = Address { disp: 0, ..inner }.args(graph);
    let bare = graph.op(Op::PtrAdd, TypeId::PTR, args, id);
    list.push(bare);
    let disp = old.disp.wrapping_add(inner.disp);
    let base = Value::inst(bare);
    set(graph, id, Address { base, disp, ..old }, Flags::default());
    true
}

/// Takes a scale that the machine does not have out of the address, so that all addresses that
/// differ by constants only, or by the variable they start from, share the product.
fn split(graph: &mut Graph<'_>, list: &mut Vec<InstId>, id: InstId) {
    let inst = *graph.inst(id);
    let Some(old) = Address::of(graph, &inst) else {
        return;
    };
    if graph.is_replaced(id) || old.index == Value::NONE || is_scale(old.scale) {
        return;
    }
    let power = old.scale.trailing_zeros().min(3);
    let by_lea = matches!(old.scale >> power, 3 | 5 | 9);
    if !by_lea && old.base.as_const().is_none() {
        split_sum(graph, list, id, old);
        return;
    }
    if !graph.fuel.spend() {
        return;
    }
    let (factor, scale) = match by_lea {
        true => (old.scale >> power, 1 << power),
        false => (old.scale, 1),
    };
    let (op, by) = match factor.is_power_of_two() {
        true => (Op::Shl, factor.trailing_zeros()),
        false => (Op::Mul, factor),
    };
    let by = graph.int(TypeId::I32, by.into());
    let product = graph.op(op, TypeId::I32, [old.index.0, by.0, 0], id);
    list.push(product);
    let index = Value::inst(product);
    set(
        graph,
        id,
        Address {
            index,
            scale,
            ..old
        },
        Flags::default(),
    );
}

/// `p + i*s + d` becomes `t + d` with `t = p + i*s`.
fn split_sum(graph: &mut Graph<'_>, list: &mut Vec<InstId>, id: InstId, old: Address) {
    if old.disp == 0 || !graph.fuel.spend() {
        return;
    }
    let args = Address { disp: 0, ..old }.args(graph);
    let sum = graph.op(Op::PtrAdd, TypeId::PTR, args, id);
    list.push(sum);
    let new = Address {
        base: Value::inst(sum),
        index: Value::NONE,
        scale: 0,
        disp: old.disp,
    };
    set(graph, id, new, Flags::default());
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
    if let Some((base, offset)) = bare_constant(graph, old) {
        let disp = old.disp.wrapping_add(offset);
        return Some((Address { base, disp, ..old }, plain));
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
        Op::Or if inst.flags.0 & Flags::DISJOINT == 0 => None,
        Op::Add | Op::Or => Some(Address {
            index,
            disp: old.disp.wrapping_add(c.wrapping_mul(old.scale)),
            ..old
        }),
        Op::Shl => scaled(old.scale << (c % 32)),
        Op::Mul => scaled(old.scale.wrapping_mul(c)),
        _ => None,
    }
}

/// A constant base without the offset in it, and the offset.
fn bare_constant(graph: &mut Graph<'_>, old: Address) -> Option<(Value, u32)> {
    let constant = graph.code().constant(old.base.as_const()?);
    let (kind, offset) = match constant.kind {
        ConstKind::Int(at) => (ConstKind::Int(0), at as u32),
        ConstKind::Global { id, offset } => {
            (ConstKind::Global { id, offset: 0 }, offset.cast_unsigned())
        }
        _ => return None,
    };
    (offset != 0).then(|| (graph.constant(TypeId::PTR, kind), offset))
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
pub(in crate::tier::opt) fn decompose(graph: &Graph<'_>, value: Value) -> Address {
    Address::def(graph, value).unwrap_or(Address {
        base: value,
        index: Value::NONE,
        scale: 0,
        disp: 0,
    })
}
