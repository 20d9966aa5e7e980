//! What calls do with memory, from the attributes of call, callee and definition.

use super::{Access, Reach};
use crate::tier::opt::graph::Graph;
use ir::{AttrSet, FuncAttrs, FuncId, Function, InstId, Op};

/// Bits of [`ir::ParamAttrs::bits`].
pub(super) mod bits {
    pub(in super::super) const NOALIAS: u16 = 2;
    pub(in super::super) const NOCAPTURE: u16 = 4;
    pub(in super::super) const OR_NULL: u16 = 128;
}

/// What a call is known by.
struct Known<'a> {
    /// The function that it names and the one that it runs.
    functions: [Option<&'a Function>; 2],
    /// The attributes of the call and of the functions.
    sets: [Option<&'a AttrSet>; 3],
}

impl<'a> Known<'a> {
    fn of(graph: &Graph<'a>, call: InstId) -> Self {
        let inst = graph.inst(call);
        let module = graph.module();
        let at = graph.code().pool[inst.args[1] as usize + 1];
        let named = (inst.op == Op::Call).then(|| FuncId(inst.args[0]));
        let run = named.and_then(|func| graph.definition(func));
        let functions = [named, run].map(|func| func.map(|func| module.func(func)));
        let [named, run] = functions;
        let set = |func: Option<&Function>| func.and_then(|func| module.attr_set(func.attr_set));
        Self {
            functions,
            sets: [module.attr_set(at), set(named), set(run)],
        }
    }

    fn facts(&self) -> FuncAttrs {
        let functions = self.functions.iter().flatten().map(|func| func.attrs.0);
        let sets = self.sets.iter().flatten().map(|set| set.func.0);
        FuncAttrs(functions.chain(sets).fold(0, |all, some| all | some))
    }

    /// What is read by the call itself rather than by the callee: objects passed as copies.
    fn copies(&self, call: InstId) -> Reach {
        let mut params = self.sets.iter().flatten().flat_map(|set| &set.params);
        match params.any(|attrs| attrs.byval != 0) {
            true => Reach::Arguments(call),
            false => Reach::Nothing,
        }
    }
}

/// What a call does with memory.
pub(super) fn access(graph: &Graph<'_>, call: InstId) -> Access {
    let known = Known::of(graph, call);
    let facts = known.facts();
    if facts.has(FuncAttrs::READ_NONE) {
        return Access {
            reads: known.copies(call),
            writes: Reach::Nothing,
        };
    }
    let reach = match facts.has(FuncAttrs::ARG_MEM_ONLY) {
        true => Reach::Arguments(call),
        false => Reach::Shared(call),
    };
    let unless = |attr| match facts.has(attr) {
        true => Reach::Nothing,
        false => reach,
    };
    Access {
        reads: match unless(FuncAttrs::WRITE_ONLY) {
            Reach::Nothing => known.copies(call),
            reads => reads,
        },
        writes: unless(FuncAttrs::READ_ONLY),
    }
}

/// Whether a call is known to come back.
pub(super) fn returns(graph: &Graph<'_>, call: InstId) -> bool {
    Known::of(graph, call).facts().has(FuncAttrs::WILL_RETURN)
}

/// Whether argument `at` of a call is forgotten when the call returns.
pub(super) fn keeps_argument(graph: &Graph<'_>, call: InstId, at: usize) -> bool {
    let known = Known::of(graph, call);
    let mut sets = known.sets.iter().flatten();
    sets.any(|set| {
        set.params
            .get(at)
            .is_some_and(|attrs| attrs.byval != 0 || attrs.bits & bits::NOCAPTURE != 0)
    })
}

/// Whether the result of an instruction is the address of memory that nobody else knows.
pub(super) fn gives_fresh_memory(graph: &Graph<'_>, id: InstId) -> bool {
    let is_call = matches!(graph.inst(id).op, Op::Call | Op::CallIndirect);
    is_call && {
        let known = Known::of(graph, id);
        let mut sets = known.sets.iter().flatten();
        sets.any(|set| set.ret.bits & bits::NOALIAS != 0)
    }
}
