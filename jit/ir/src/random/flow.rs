//! Random control flow and nothing else, for tests of what looks at edges only: unreachable blocks, irreducible
//! loops and blocks that lead to themselves come often.

use crate::body::Body;
use crate::builder::Builder;
use crate::inst::Op;
use crate::types::TypeId;
use alloc::vec::Vec;

/// A graph of 1 to 12 blocks with up to three ways out of each: by block, where it leads.
#[must_use]
pub fn graph(seed: u64) -> Vec<Vec<u32>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % bound
    };
    let n = 1 + next(12);
    (0..n)
        .map(|_| (0..next(4)).map(|_| next(n) as u32).collect())
        .collect()
}

/// A body whose block *n* leads to `graph[n]`; it need not make sense otherwise.
#[must_use]
pub fn body(graph: &[Vec<u32>]) -> Body {
    let mut b = Builder::new(Vec::new());
    for to in graph {
        b.start_block();
        match to.as_slice() {
            [] => b.op(Op::Ret, 0, TypeId::VOID, [u32::MAX, 0, 0]),
            [one] => b.op(Op::Br, 0, TypeId::VOID, [*one, 0, 0]),
            many => {
                let at = b.pool(many.iter().copied());
                b.op(Op::IndirectBr, 0, TypeId::VOID, [0, at, many.len() as u32])
            }
        };
    }
    b.finish()
}
