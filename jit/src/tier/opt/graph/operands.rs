//! Where an instruction keeps its lists and its successors: one place that knows, for all that rewrite them.
//!
//! [`Body::for_each_successor`] reads successors; this is its counterpart for writing. Both follow the
//! table beside [`Op`]; a test compares them on every operation.

use ir::{Body, Inst, Op, Types, Value};

/// The pool list of `inst` in `body`: the argument that says where it starts, and its words.
/// `None` for instructions without one.
pub(super) fn list<'i, 'b>(
    inst: &'i mut Inst,
    body: &'b Body,
    types: &Types,
) -> Option<(&'i mut u32, &'b [u32])> {
    let [a, b, c] = &mut inst.args;
    let (start, len) = match inst.op {
        Op::PtrAdd if Value(*b) != Value::NONE => (c, 2),
        Op::Phi => (a, *b * 2),
        Op::Call | Op::CallIndirect => (b, *c + 2),
        Op::Intrinsic | Op::IndirectBr | Op::ExtractValue => (b, *c),
        Op::CmpXchg => (b, 2),
        Op::Switch => (b, *c * 3 + 1),
        Op::InsertValue => {
            let fields = body.pool[*c as usize];
            (c, fields + 1)
        }
        Op::Shuffle => (c, types.vector(inst.ty).map_or(0, |(_, lanes)| lanes)),
        _ => return None,
    };
    let words = body.words(*start, len);
    Some((start, words))
}

/// Calls `f` with each word that names a block to which a terminator leads.
pub(super) fn for_each_successor_mut(
    inst: &mut Inst,
    pool: &mut [u32],
    mut f: impl FnMut(&mut u32),
) {
    let [a, b, c] = &mut inst.args;
    match inst.op {
        Op::Br => f(a),
        Op::CondBr => {
            f(b);
            f(c);
        }
        Op::Switch => {
            let words = &mut pool[*b as usize..][..*c as usize * 3 + 1];
            let (default, cases) = words.split_first_mut().expect("it holds the default block");
            f(default);
            cases.chunks_exact_mut(3).for_each(|case| f(&mut case[2]));
        }
        Op::IndirectBr => pool[*b as usize..][..*c as usize].iter_mut().for_each(f),
        _ => {}
    }
}
