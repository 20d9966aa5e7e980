//! What the compiler that wrote the module knew: facts about instructions, for optimising passes.
//!
//! A body's side index ([`Body::side`](crate::Body::side)) says (instruction, kind, payload),
//! ascending by instruction. Facts are promises of the source program: the interpreter and baseline
//! ignore them, and a pass that relies on one names it. None is needed for correctness, so anything
//! not understood is dropped while loading. Payloads are numbers, or indices into the tables here.
//! (LLVM: language reference, "Metadata Nodes and Metadata Strings", one section a kind.)

use crate::module::GlobalId;
use alloc::vec::Vec;

/// Kinds of facts, as they stand in a side index.
pub mod kind {
    /// Load, store, call: what is accessed, an index into [`super::Facts::tbaa`].
    pub const TBAA: u32 = 1;
    /// Load, call: the value lies in one of these ranges, an index into [`super::Facts::ranges`].
    pub const RANGE: u32 = 2;
    /// Branch, switch, select, call: how often each way is taken, an index into
    /// [`super::Facts::weights`].
    pub const WEIGHTS: u32 = 3;
    /// Branch at the end of a loop: hints, an index into [`super::Facts::loops`].
    pub const LOOP: u32 = 4;
    /// Memory access: belongs to these alias scopes, an index into [`super::Facts::scope_lists`].
    pub const ALIAS_SCOPE: u32 = 5;
    /// Memory access: touches nothing in these alias scopes, an index as for `ALIAS_SCOPE`.
    pub const NOALIAS: u32 = 6;
    /// Load: the pointer is not null; the payload is 0, as it is wherever none is named.
    pub const NONNULL: u32 = 7;
    /// Load: the pointer points to at least so many bytes that may be read.
    pub const DEREFERENCEABLE: u32 = 8;
    /// As `DEREFERENCEABLE`, or the pointer is null.
    pub const DEREFERENCEABLE_OR_NULL: u32 = 9;
    /// Load: the pointer is a multiple of this power of two, given as its log2.
    pub const ALIGN: u32 = 10;
    /// Load: the memory never changes while it may be read.
    pub const INVARIANT_LOAD: u32 = 11;
    /// Load, store: of this group the same pointer always gives the same value.
    pub const INVARIANT_GROUP: u32 = 12;
    /// Load: the value is neither undef nor poison.
    pub const NOUNDEF: u32 = 13;
    /// Load, store: will not be accessed again soon.
    pub const NONTEMPORAL: u32 = 14;
    /// Branch, select: not predictable.
    pub const UNPREDICTABLE: u32 = 15;
    /// `ICmp`: both operands have the same sign.
    pub const SAMESIGN: u32 = 16;
    /// `PtrAdd`: offsets do not wrap as unsigned.
    pub const PTR_ADD_NUW: u32 = 17;
    /// Call, store, load: belongs to these access groups, an index into
    /// [`super::Facts::scope_lists`].
    pub const ACCESS_GROUP: u32 = 18;
    /// Float operation: allowed error in units of the last place, as the bits of a float.
    pub const FPMATH: u32 = 20;
    /// Call: fast-math bits, as in [`crate::Flags`].
    pub const CALL_FAST_MATH: u32 = 21;
    /// Call: must not become a tail call.
    pub const NOTAIL: u32 = 22;
}

/// A type in the source language's sense, for telling accesses apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TbaaType {
    /// Members by ascending offset: (bytes, index of a type). A scalar has one: its parent at 0; a
    /// root has none. Damaged input may make this graph cyclic: walk it with a bound.
    pub members: Vec<(u32, u32)>,
}

/// What an access touches: a member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TbaaTag {
    /// Type of the object, an index into [`Facts::tbaa_types`].
    pub base: u32,
    /// Type of the member.
    pub access: u32,
    /// Offset of the member in the object, in bytes.
    pub offset: u32,
    /// The memory is never written.
    pub constant: bool,
}

/// Hints about a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopHints {
    /// Bits of this type's constants.
    pub bits: u32,
    /// How often to unroll; 0 is not said.
    pub unroll_count: u32,
    /// Lanes to vectorise with; 0 is not said.
    pub vector_width: u32,
    /// Vectors an iteration; 0 is not said.
    pub interleave_count: u32,
}

impl LoopHints {
    /// The loop ends or does something that can be seen.
    pub const MUST_PROGRESS: u32 = 1;
    /// Do not unroll.
    pub const UNROLL_DISABLE: u32 = 2;
    /// Unroll if possible.
    pub const UNROLL_ENABLE: u32 = 4;
    /// Unroll completely.
    pub const UNROLL_FULL: u32 = 8;
    /// Was vectorised already, or is the rest of such a loop.
    pub const IS_VECTORIZED: u32 = 16;
    /// Do not vectorise.
    pub const VECTORIZE_DISABLE: u32 = 32;
    /// Vectorise if possible.
    pub const VECTORIZE_ENABLE: u32 = 64;
    /// Do not unroll with a count known only at run time.
    pub const UNROLL_RUNTIME_DISABLE: u32 = 128;
}

/// Tables that side indices name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Types of accesses.
    pub tbaa_types: Vec<TbaaType>,
    /// Accesses.
    pub tbaa: Vec<TbaaTag>,
    /// Half-open ranges of numbers, zero-extended: (first, first after); may wrap.
    pub ranges: Vec<Vec<(u64, u64)>>,
    /// Relative frequencies of the ways out, in the order of the instruction's targets.
    pub weights: Vec<Vec<u32>>,
    /// Loops.
    pub loops: Vec<LoopHints>,
    /// Lists of alias scopes or access groups.
    pub scope_lists: Vec<Vec<u32>>,
    /// The domain of each alias scope. Two accesses are apart if, in some domain, all scopes of one
    /// are in the other's `NOALIAS` list.
    pub scope_domains: Vec<u32>,
    /// Number of domains.
    pub domains: u32,
    /// Variables that another module must not remove although nothing names them (`llvm.used`).
    pub used: Vec<GlobalId>,
}

/// How payloads change when tables are put behind others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    tbaa: u32,
    ranges: u32,
    weights: u32,
    loops: u32,
    scope_lists: u32,
}

impl Facts {
    /// Whether a fact of this kind may have this payload.
    #[must_use]
    #[inline]
    pub fn has(&self, kind: u32, payload: u32) -> bool {
        let len = match kind {
            kind::TBAA => self.tbaa.len(),
            kind::RANGE => self.ranges.len(),
            kind::WEIGHTS => self.weights.len(),
            kind::LOOP => self.loops.len(),
            kind::ALIAS_SCOPE | kind::NOALIAS | kind::ACCESS_GROUP => self.scope_lists.len(),
            _ => return true,
        };
        (payload as usize) < len
    }

    /// Whether what the tables name in each other exists. Members of types may be cyclic.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let ty = |at: u32| (at as usize) < self.tbaa_types.len();
        let members = self.tbaa_types.iter().flat_map(|ty| &ty.members);
        let scopes = self.scope_lists.iter().flatten();
        members.into_iter().all(|member| ty(member.1))
            && self.tbaa.iter().all(|tag| ty(tag.base) && ty(tag.access))
            && scopes
                .into_iter()
                .all(|scope| (*scope as usize) < self.scope_domains.len())
    }

    /// Puts the tables of `other` behind these. `globals` is the number of variables before its own.
    pub fn append(&mut self, other: Self, globals: u32) -> Shift {
        let len = |at: usize| at as u32;
        let shift = Shift {
            tbaa: len(self.tbaa.len()),
            ranges: len(self.ranges.len()),
            weights: len(self.weights.len()),
            loops: len(self.loops.len()),
            scope_lists: len(self.scope_lists.len()),
        };
        let (types, scopes, domains) = (
            len(self.tbaa_types.len()),
            len(self.scope_domains.len()),
            self.domains,
        );
        self.tbaa_types
            .extend(other.tbaa_types.into_iter().map(|mut ty| {
                ty.members.iter_mut().for_each(|member| member.1 += types);
                ty
            }));
        self.tbaa.extend(other.tbaa.into_iter().map(|tag| TbaaTag {
            base: tag.base + types,
            access: tag.access + types,
            ..tag
        }));
        self.ranges.extend(other.ranges);
        self.weights.extend(other.weights);
        self.loops.extend(other.loops);
        self.scope_lists
            .extend(other.scope_lists.into_iter().map(|mut list| {
                list.iter_mut().for_each(|scope| *scope += scopes);
                list
            }));
        let moved = other
            .scope_domains
            .into_iter()
            .map(|domain| domain + domains);
        self.scope_domains.extend(moved);
        self.domains += other.domains;
        let moved = other.used.into_iter().map(|id| GlobalId(id.0 + globals));
        self.used.extend(moved);
        shift
    }
}

impl Shift {
    /// The payload of a fact of this kind after the move.
    #[must_use]
    pub fn payload(&self, kind: u32, payload: u32) -> u32 {
        let by = match kind {
            kind::TBAA => self.tbaa,
            kind::RANGE => self.ranges,
            kind::WEIGHTS => self.weights,
            kind::LOOP => self.loops,
            kind::ALIAS_SCOPE | kind::NOALIAS | kind::ACCESS_GROUP => self.scope_lists,
            _ => 0,
        };
        payload + by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn tables() -> Facts {
        Facts {
            tbaa_types: vec![
                TbaaType::default(),
                TbaaType {
                    members: vec![(0, 0)],
                },
            ],
            tbaa: vec![TbaaTag {
                base: 1,
                access: 1,
                offset: 0,
                constant: false,
            }],
            ranges: vec![vec![(0, 2)]],
            scope_lists: vec![vec![0]],
            scope_domains: vec![0],
            domains: 1,
            used: vec![GlobalId(3)],
            ..Facts::default()
        }
    }

    #[test]
    fn appended_facts_name_their_own_tables() {
        let mut facts = tables();
        let shift = facts.append(tables(), 10);
        assert_eq!(shift.payload(kind::TBAA, 0), 1);
        assert_eq!(shift.payload(kind::DEREFERENCEABLE, 8), 8);
        assert_eq!(facts.tbaa[1].base, 3);
        assert_eq!(facts.tbaa_types[3].members, [(0, 2)]);
        assert_eq!(facts.scope_lists[1], [1]);
        assert_eq!(facts.scope_domains, [0, 1]);
        assert_eq!(facts.used, [GlobalId(3), GlobalId(13)]);
    }
}
