//! What inlining a call costs and saves.
//!
//! Costs are instructions that become code. A cleaned body's cost is the sum over its instructions
//! ([`of_inst`]): phis, allocas, jumps, returns and casts of addresses are free, calls cost what passing their
//! arguments takes. Inlining saves the call itself, what becomes constant with constant arguments
//! (a comparison goes with its branch and one side of that), and accesses through addresses of the
//! caller's allocas, which become values; but never more than three quarters of the body.

use super::Effort;
use super::callee::Callee;
use crate::tier::opt::graph::Graph;
use ir::{Body, FuncAttrs, FuncId, Inst, InstId, Intrinsic, Op, TypeId, Value, ValueKind};
use smallvec::SmallVec;

/// What a call costs beside its arguments.
const CALL: u32 = 4;

/// What is known of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Arg {
    Constant,
    /// The address of an alloca of the caller.
    Alloca,
    Other,
}

/// A direct call of a body by its own type.
#[derive(Debug)]
pub(super) struct Site {
    /// The function whose body it runs.
    pub(super) func: FuncId,
    args: SmallVec<[Arg; 8]>,
    /// Of call, declaration and definition.
    attrs: FuncAttrs,
    /// Loops around it.
    loops: u32,
    is_cold: bool,
    /// Bytes of `byval` objects.
    copied: u32,
}

/// What is to be done with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Leave,
    Inline,
    /// Because the source says so.
    Always,
}

impl Site {
    /// The call `id`; `None` if it cannot be inlined whatever the callee does.
    pub(super) fn new(
        graph: &mut Graph<'_>,
        id: InstId,
        loops: u32,
        is_cold: bool,
    ) -> Option<Self> {
        let call = *graph.inst(id);
        let [declared, pool, n] = call.args;
        let module = graph.module();
        let func = graph.definition(FuncId(declared))?;
        let definition = module.func(func);
        let words = graph.code().words(pool, n + 2);
        let (.., variadic) = module.types.signature(definition.ty)?;
        let is_plain = TypeId(words[0] as u16) == definition.ty && !variadic;
        if !is_plain || call.flags.0 & ir::Flags::MUSTTAIL != 0 {
            return None;
        }
        let set = module.attr_set(words[1]);
        let at_call = set.map_or(FuncAttrs::default(), |set| set.func);
        let refused = |attrs: FuncAttrs| {
            attrs.has(FuncAttrs::NOINLINE) && !attrs.has(FuncAttrs::OPTNONE)
                || attrs.has(FuncAttrs::RETURNS_TWICE)
        };
        let declaration = module.func(FuncId(declared)).attrs;
        if [at_call, declaration, definition.attrs]
            .into_iter()
            .any(refused)
        {
            return None;
        }
        let copied = set.map_or(0, |set| {
            let bytes = set.params.iter().map(|param| param.byval);
            bytes.fold(0, u32::saturating_add)
        });
        let values: SmallVec<[Value; 8]> = words[2..].iter().map(|&word| Value(word)).collect();
        Some(Self {
            func,
            args: values.into_iter().map(|arg| kind(graph, arg)).collect(),
            attrs: FuncAttrs(at_call.0 | definition.attrs.0),
            loops,
            is_cold: is_cold || at_call.has(FuncAttrs::COLD),
            copied,
        })
    }

    /// Bytes of frame for `byval` copies.
    pub(super) fn copied_bytes(&self) -> u32 {
        self.copied
    }

    /// Whether the source asks for it.
    pub(super) fn is_always(&self) -> bool {
        self.attrs.has(FuncAttrs::ALWAYS_INLINE)
    }

    /// Largest cost, less what is saved, at which this call is inlined.
    pub(super) fn limit(&self, graph: &Graph<'_>, effort: &Effort) -> u32 {
        if self.is_cold || self.attrs.has(FuncAttrs::COLD) {
            return effort.cold;
        }
        let limit = if self.loops > 0 {
            effort.in_loop
        } else {
            effort.size
        };
        match graph.function().attrs.has(FuncAttrs::SMALL) {
            true => limit.min(effort.cold),
            false => limit,
        }
    }

    /// Whether something is known of an argument, so that the body may become smaller.
    pub(super) fn knows_arguments(&self) -> bool {
        self.args.iter().any(|&arg| arg != Arg::Other)
    }

    /// What is to be done, as far as it depends on the callee's size.
    pub(super) fn verdict(&self, graph: &Graph<'_>, callee: &Callee, effort: &Effort) -> Verdict {
        if self.is_always() {
            return Verdict::Always;
        }
        let inside = self.args.iter().zip(&callee.params);
        let inside: u32 = inside
            .map(|(arg, param)| match arg {
                Arg::Constant => param.if_constant,
                Arg::Alloca => param.if_alloca,
                Arg::Other => 0,
            })
            .sum();
        let call = CALL + self.args.len() as u32;
        let cost = callee.cost - inside.min(callee.cost / 4 * 3);
        if cost.saturating_sub(call) <= self.limit(graph, effort) {
            Verdict::Inline
        } else {
            Verdict::Leave
        }
    }
}

fn kind(graph: &mut Graph<'_>, arg: Value) -> Arg {
    match graph.resolve(arg).kind() {
        ValueKind::Const(_) => Arg::Constant,
        ValueKind::Inst(id) if graph.inst(id).op == Op::Alloca => Arg::Alloca,
        ValueKind::Inst(id) => {
            let inst = graph.inst(id);
            let base = Value(inst.args[0]).as_inst();
            let inside = inst.op == Op::PtrAdd && Value(inst.args[1]) == Value::NONE;
            match base {
                Some(base) if inside && graph.inst(base).op == Op::Alloca => Arg::Alloca,
                _ => Arg::Other,
            }
        }
        _ => Arg::Other,
    }
}

/// What an instruction of a cleaned body costs.
pub(super) fn of_inst(inst: &Inst) -> u32 {
    match inst.op {
        Op::Phi | Op::Alloca | Op::Br | Op::Ret | Op::Unreachable => 0,
        Op::Bitcast | Op::PtrToInt | Op::IntToPtr | Op::Freeze => 0,
        Op::PtrAdd => u32::from(Value(inst.args[1]) != Value::NONE),
        Op::Call => CALL + inst.args[2],
        Op::CallIndirect => CALL + 1 + inst.args[2],
        Op::Switch => 2 + inst.args[2].min(8),
        Op::Intrinsic => match inst.intrinsic() {
            Some(Intrinsic::Memcpy | Intrinsic::Memmove | Intrinsic::Memset) => 4,
            Some(which) if which.is_x87() => 3,
            _ => 1,
        },
        _ => 1,
    }
}

/// What an instruction of a stored body will cost when that is cleaned, roughly: variables in
/// memory are gone by then.
pub(super) fn of_stored(body: &Body, inst: &Inst) -> u32 {
    let of_variable = |address: u32| {
        let inst = Value(address).as_inst();
        inst.is_some_and(|id| body.inst(id).op == Op::Alloca)
    };
    match inst.op {
        Op::Load | Op::Store if of_variable(inst.args[0]) => 0,
        _ => of_inst(inst),
    }
}

/// What knowing a parameter saves in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Param {
    pub(super) if_constant: u32,
    pub(super) if_alloca: u32,
}

impl Param {
    /// Takes note of a use as operand number `at` of `inst`.
    pub(super) fn note_use(&mut self, inst: &Inst, at: usize) {
        match inst.op {
            Op::ICmp | Op::FCmp | Op::CondBr | Op::Select => self.if_constant += 3,
            Op::Switch => self.if_constant += 2 + inst.args[2].min(8),
            Op::CallIndirect if at == 0 => self.if_constant += CALL,
            Op::Load | Op::Store | Op::PtrAdd if at == 0 => self.if_alloca += 1,
            Op::Call | Op::Ret | Op::Phi | Op::Store | Op::CallIndirect => {}
            _ => self.if_constant += 1,
        }
    }
}
