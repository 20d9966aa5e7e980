//! Sparse conditional constant propagation: constants that only show when branches are taken into
//! account.
//!
//! *Before*: any graph; `simplify` has folded what is constant by itself. *During*: the function is
//! run on what is known of values, optimistically: at first no block runs and nothing is known
//! ([`Known::Nothing`]). A block that runs gives its instructions values; a branch on a constant runs
//! one way; a phi only looks at edges that run, at each as it comes to run. What was believed is given
//! up as edges turn out to run, each value at most twice. *After*: every instruction that has the same
//! value whenever it runs is that constant. Branches on such values are left to `simplify-cfg`, which
//! follows, and dead instructions to `dce`.
//!
//! # Why it is right
//!
//! The result is a fixpoint: each value is what its operation gives for its operands' values, and
//! every edge that a running block's terminator can take for its operand's value runs. By induction
//! over the steps of any execution, only running edges are taken and every value is as believed.
//! Values are only lowered (`Nothing`, then a constant, then `Varying`), so the fixpoint is reached.
//! Operations on constants are `simplify::fold`'s, in which faults are not constants.
//!
//! Cost: each instruction is evaluated once and again when an operand is lowered, at most twice an
//! operand. A phi looks at one entry at a time, when its edge starts to run and when its value is
//! lowered: what it has seen of the others is in its own value, as values are only lowered.

use super::simplify::fold;
use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::{HashMap, HashSet};
use ir::{BlockId, Inst, InstId, Op, TypeId, Value, ValueKind};

/// What is known of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// Nothing yet: no code ran that defines it.
    Nothing,
    /// It always is this constant.
    Constant(Value),
    /// It may be different things.
    Varying,
}

impl Known {
    /// What holds of a value that may be either.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, known) | (known, Self::Nothing) => known,
            (a, b) if a == b => a,
            _ => Self::Varying,
        }
    }
}

/// Replaces what is constant on all paths that can run.
pub fn run(graph: &mut Graph<'_>) {
    let mut solver = Solver::new(graph);
    solver.solve();
    let known = solver.known;
    for block in graph.blocks() {
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            if let Known::Constant(value) = known[id.index()]
                && graph.fuel.spend()
            {
                graph.replace(id, value);
            }
        }
    }
}

/// Who uses a value: an instruction; a phi on the way from a block.
type User = (InstId, Option<BlockId>);

struct Solver<'g, 'a> {
    graph: &'g mut Graph<'a>,
    /// By instruction.
    known: Vec<Known>,
    /// By instruction: its block.
    home: Vec<BlockId>,
    /// `user[first[i]..first[i + 1]]` use instruction `i`.
    first: Vec<u32>,
    user: Vec<User>,
    /// By phi and where control comes from: the entry.
    entries: HashMap<(InstId, BlockId), Value>,
    /// By block: whether it runs.
    runs: Vec<bool>,
    /// Edges that run.
    edges: HashSet<(BlockId, BlockId)>,
    /// Edges that run and were not looked at.
    to_run: Vec<(BlockId, BlockId)>,
    /// Users of what was lowered.
    to_visit: Vec<User>,
}

impl<'g, 'a> Solver<'g, 'a> {
    fn new(graph: &'g mut Graph<'a>) -> Self {
        let counts = graph.use_counts();
        let mut first = vec![0; counts.len() + 1];
        for (at, count) in counts.iter().enumerate() {
            first[at + 1] = first[at] + count;
        }
        let mut next = first.clone();
        let mut user = vec![(InstId(0), None); first[counts.len()] as usize];
        let mut note = |value: Value, by: User| {
            if let Some(used) = value.as_inst() {
                user[next[used.index()] as usize] = by;
                next[used.index()] += 1;
            }
        };
        let mut home = vec![BlockId(0); counts.len()];
        let mut entries = HashMap::new();
        for block in graph.blocks() {
            for &id in graph.insts(block) {
                home[id.index()] = block;
                let inst = graph.inst(id);
                if inst.op == Op::Phi {
                    for (from, value) in graph.phi(id) {
                        entries.insert((id, from), value);
                        note(value, (id, Some(from)));
                    }
                    continue;
                }
                let code = graph.code();
                code.for_each_operand(inst, |value| note(value, (id, None)));
            }
        }
        Self {
            known: vec![Known::Nothing; counts.len()],
            home,
            first,
            user,
            entries,
            runs: vec![false; graph.num_blocks()],
            edges: HashSet::new(),
            to_run: Vec::new(),
            to_visit: Vec::new(),
            graph,
        }
    }

    fn solve(&mut self) {
        self.enter(None, BlockId(0));
        loop {
            if let Some(user) = self.to_visit.pop() {
                if self.runs[self.home[user.0.index()].index()] {
                    self.visit(user);
                }
            } else if let Some((from, to)) = self.to_run.pop() {
                self.enter(Some(from), to);
            } else {
                return;
            }
        }
    }

    /// An edge to `block` runs: its phis look at that; all else is looked at the first time.
    fn enter(&mut self, from: Option<BlockId>, block: BlockId) {
        let is_new = !core::mem::replace(&mut self.runs[block.index()], true);
        for at in 0..self.graph.insts(block).len() {
            let id = self.graph.insts(block)[at];
            match self.graph.inst(id).op {
                Op::Phi => self.visit((id, from)),
                _ if is_new => self.visit((id, None)),
                _ => break,
            }
        }
    }

    /// Evaluates an instruction of a block that runs, or a phi for one of the ways to it.
    fn visit(&mut self, (id, from): User) {
        let inst = *self.graph.inst(id);
        if inst.op.is_terminator() {
            self.leave(self.home[id.index()], &inst);
            return;
        }
        let old = self.known[id.index()];
        if old == Known::Varying || !inst.has_result() {
            return;
        }
        let found = match from {
            Some(from) => old.meet(self.along(id, from)),
            None => self.evaluate(&inst),
        };
        let new = match (old, found) {
            (Known::Constant(a), Known::Constant(b)) if a != b => Known::Varying,
            (Known::Constant(_), Known::Nothing) => old,
            (_, new) => new,
        };
        if new != old {
            self.known[id.index()] = new;
            let [from, to] = [0, 1].map(|next| self.first[id.index() + next] as usize);
            self.to_visit.extend_from_slice(&self.user[from..to]);
        }
    }

    /// What a phi is when control comes from a block.
    fn along(&self, phi: InstId, from: BlockId) -> Known {
        let to = self.home[phi.index()];
        match self.entries.get(&(phi, from)) {
            Some(&value) if self.edges.contains(&(from, to)) => self.of(value),
            _ => Known::Nothing,
        }
    }

    /// The ways that a terminator can take now run.
    fn leave(&mut self, block: BlockId, inst: &Inst) {
        let choice = match inst.op {
            Op::CondBr | Op::Switch => self.of(Value(inst.args[0])),
            _ => Known::Varying,
        };
        let taken = match choice {
            Known::Nothing => return,
            Known::Constant(value) => self.graph.const_int(value).map(|at| self.target(inst, at)),
            Known::Varying => None,
        };
        let succs = match taken {
            Some(to) => vec![to],
            None => self.graph.succs(block),
        };
        for to in succs {
            if self.edges.insert((block, to)) {
                self.to_run.push((block, to));
            }
        }
    }

    /// Where a `CondBr` or `Switch` on `number` leads.
    fn target(&self, inst: &Inst, number: u64) -> BlockId {
        let [_, a, b] = inst.args;
        if inst.op == Op::CondBr {
            return BlockId(if number == 0 { b } else { a });
        }
        let words = self.graph.code().words(a, b * 3 + 1);
        let is_it = |case: &&[u32]| u64::from(case[0]) | u64::from(case[1]) << 32 == number;
        let case = words[1..].chunks_exact(3).find(is_it);
        BlockId(case.map_or(words[0], |case| case[2]))
    }

    fn of(&self, value: Value) -> Known {
        match value.kind() {
            ValueKind::Inst(id) => self.known[id.index()],
            ValueKind::Const(_) => Known::Constant(value),
            ValueKind::Arg(_) | ValueKind::None => Known::Varying,
        }
    }

    /// Anything but a phi.
    fn evaluate(&mut self, inst: &Inst) -> Known {
        let [a, b, c] = inst.values();
        match inst.op {
            // Poison is 0 already.
            Op::Freeze => self.of(a),
            Op::Select if self.graph.type_of(a) == TypeId::I1 => match self.of(a) {
                Known::Nothing => Known::Nothing,
                Known::Constant(value) => match self.graph.const_int(value) {
                    Some(0) => self.of(c),
                    _ => self.of(b),
                },
                Known::Varying => self.of(b).meet(self.of(c)),
            },
            op if op.is_int_binary() => {
                let absorbed = self.absorbed(inst, a).or_else(|| self.absorbed(inst, b));
                absorbed.unwrap_or_else(|| self.fold(inst, 2))
            }
            Op::ICmp | Op::FCmp | Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => self.fold(inst, 2),
            Op::PtrAdd if b == Value::NONE => self.fold(inst, 1),
            Op::PtrAdd => self.fold(inst, 2),
            op if op.is_cast() => self.fold(inst, 1),
            _ => Known::Varying,
        }
    }

    /// The result of an operation one operand of which, a constant, decides it.
    fn absorbed(&self, inst: &Inst, operand: Value) -> Option<Known> {
        let Known::Constant(value) = self.of(operand) else {
            return None;
        };
        let number = self.graph.const_int(value)?;
        let bits = self.graph.types().int_bits(inst.ty)?;
        let decides = match inst.op {
            Op::And | Op::Mul => number == 0,
            Op::Or => number == u64::MAX >> (64 - bits.clamp(1, 64)),
            _ => false,
        };
        decides.then_some(Known::Constant(value))
    }

    /// What an operation gives whose operands are its first `n` arguments.
    fn fold(&mut self, inst: &Inst, n: usize) -> Known {
        let mut constant = *inst;
        let mut all = Known::Nothing;
        for arg in &mut constant.args[..n] {
            match self.of(Value(*arg)) {
                Known::Nothing => return Known::Nothing,
                Known::Constant(value) => *arg = value.0,
                Known::Varying => all = Known::Varying,
            }
        }
        if all == Known::Varying {
            return all;
        }
        let result = fold::constant(self.graph, &constant);
        let is_constant = |value: &Value| value.as_const().is_some();
        result
            .filter(is_constant)
            .map_or(Known::Varying, Known::Constant)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::tier::opt::fuel::Fuel;
    use ir::{FuncId, text};

    #[test]
    fn an_operand_decides_only_what_it_decides_with_every_other() {
        let source = "define i8 @f(i8 %x) {\na:\n  %y = add i8 %x, 1\n  ret i8 %y\n}";
        let module = text::parse(source).unwrap();
        let body = module.func(FuncId(0)).body.as_ref().unwrap();
        let mut graph = Graph::new(&module, FuncId(0), body, Fuel::default()).unwrap();
        let numbers: Vec<Value> = (0..256).map(|n| graph.int(TypeId::I8, n)).collect();
        let solver = Solver::new(&mut graph);
        let mut decided = 0;
        for op in Op::INT_BINARY {
            let inst = Inst {
                op,
                ..body.insts[0]
            };
            for (number, &value) in (0..).zip(&numbers) {
                let Some(known) = solver.absorbed(&inst, value) else {
                    continue;
                };
                decided += 1;
                for other in 0..256 {
                    for [a, b] in [[number, other], [other, number]] {
                        let result = fold::binary(op, 8, a, b).map(|at| numbers[at as usize]);
                        assert_eq!(result.map(Known::Constant), Some(known), "{op:?} {a} {b}");
                    }
                }
            }
        }
        assert_eq!(decided, 3);
    }

    #[test]
    fn meeting_only_lowers() {
        let [one, two] = [1, 2].map(|n| Known::Constant(Value(n)));
        assert_eq!(Known::Nothing.meet(one), one);
        assert_eq!(one.meet(Known::Nothing), one);
        assert_eq!(one.meet(one), one);
        assert_eq!(one.meet(two), Known::Varying);
        assert_eq!(Known::Varying.meet(one), Known::Varying);
    }
}
