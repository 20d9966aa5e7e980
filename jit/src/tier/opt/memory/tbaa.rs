//! Type-based alias analysis: what the source language says about types.
//!
//! A tag names an object's type, the type of the member that is accessed, and its offset. One access
//! may be of a part of the other's object if, walking from the other's type down to its member at
//! that offset (and then up the scalar types, at the top of which is `char`), one comes to the first's
//! type with the same offset left. If neither is part of the other, they are apart, unless their types
//! have nothing in common at all, as in copies from different files.
//! (LLVM: `TypeBasedAliasAnalysis.cpp`, "matchAccessTags", which this follows in effect.)

use crate::tier::opt::graph::Graph;
use ir::facts::{Facts, TbaaTag};

/// Steps from a type to its root; damaged input may have cycles.
const MAX_STEPS: u32 = 24;

/// Whether accesses of these tags may be of the same bytes.
pub(super) fn may_alias(graph: &Graph<'_>, a: u32, b: u32) -> bool {
    if a == b {
        return true;
    }
    let facts = &graph.module().facts;
    let (a, b) = (facts.tbaa[a as usize], facts.tbaa[b as usize]);
    match walk(facts, &a, &b) {
        Walk::Part => true,
        Walk::Beside => false,
        Walk::Apart(x) => match walk(facts, &b, &a) {
            Walk::Part => true,
            Walk::Beside => false,
            Walk::Apart(y) => x != y,
        },
    }
}

/// Where a walk from one tag's type comes to.
enum Walk {
    /// To the other's type at the other's offset, or to no end.
    Part,
    /// To the other's type at another offset.
    Beside,
    /// To this root.
    Apart(u32),
}

fn walk(facts: &Facts, from: &TbaaTag, to: &TbaaTag) -> Walk {
    let (mut ty, mut offset) = (from.base, from.offset);
    for _ in 0..MAX_STEPS {
        if ty == to.base {
            return match offset == to.offset {
                true => Walk::Part,
                false => Walk::Beside,
            };
        }
        let members = &facts.tbaa_types[ty as usize].members;
        let before = members.partition_point(|member| member.0 <= offset);
        match (before.checked_sub(1), members.as_slice()) {
            (_, []) => return Walk::Apart(ty),
            (None, _) => return Walk::Part,
            (Some(at), _) => {
                let member = members[at];
                (ty, offset) = (member.1, offset - member.0);
            }
        }
    }
    Walk::Part
}
