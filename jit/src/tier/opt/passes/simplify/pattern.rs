//! Rules as data: a tree to look for and a tree to put in its place.
//!
//! ```text
//!   "sub of sum": (Sub (Add X Y) Y) => X;
//!   "shift of shift": (Shl (Shl X C) D) => (Shl X {|e| e.c + e.d}) if |e| e.c + e.d < e.w;
//! ```
//!
//! `X Y Z` stand for any values, `C D` for integer constants; one that occurs twice must be the same
//! both times. Numbers stand for themselves at any width, `ONES` for -1, `SIGN` for the lowest
//! signed number. `{…}` computes a constant from what was bound. Commutative operations match either
//! way round, comparisons also with their predicate swapped.
//!
//! Types: the left side fixes the type of everything that it binds. On the right, both operands of
//! an operation must have one type, the root that of the replaced instruction, and casts must make
//! their operand narrower or wider; a rule that would break this does not apply.
//!
//! Speed: an operation has up to thirty rules, and hardly ever does one fit. What a rule asks of each operand of
//! the root is a set of [`kind`]s, computed when this crate is compiled; two `and`s tell most rules to go.
//!
//! Price: the new tree may have one instruction, or as many as the old one had that nobody else
//! uses, so that the function does not grow.

use super::{Simpler, Simplifier, is_commutative, plain};
use crate::tier::opt::graph::Graph;
use ir::{Flags, Inst, InstId, IntPred, Op, TypeId, Value};

/// A tree of a rule.
#[derive(Debug)]
pub enum Node {
    /// A value, by number.
    Var(u8),
    /// An integer constant, by number.
    Const(u8),
    /// This number, cut to the width.
    Int(i64),
    /// The lowest signed number of the width.
    Sign,
    /// A constant computed from what is bound (right side only).
    Num(fn(&Env) -> u64),
    /// An integer operation.
    Bin(Op, &'static Self, &'static Self),
    /// A comparison.
    Cmp(IntPred, &'static Self, &'static Self),
    /// A cast between integers; on the right its type follows from where it stands.
    Cast(Op, &'static Self),
    /// A select.
    Select(&'static Self, &'static Self, &'static Self),
}

/// An equation between trees, to be used from left to right.
#[derive(Debug)]
pub struct Rule {
    /// What it says, for people.
    pub name: &'static str,
    /// What to look for.
    pub from: &'static Node,
    /// What to put in its place.
    pub to: &'static Node,
    /// For which constants and widths it holds.
    pub when: fn(&Env) -> bool,
    /// What `from` asks of operands.
    pub shape: Shape,
}

/// The kind of values that are constants; those that an operation defines have the bit of its number.
const CONSTANT: u64 = 1 << 63;
/// The kind of all others, which are parameters.
const PARAMETER: u64 = 1 << 62;

/// What the operands of a tree's root may be, as sets of kinds.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    operands: [u64; 3],
    /// The first two operands may be the other way round.
    swaps: bool,
}

impl Shape {
    /// The shape of a tree whose root is an operation.
    #[must_use]
    pub const fn of(root: &Node) -> Self {
        let (operands, swaps) = match *root {
            Node::Bin(op, a, b) => ([kinds(a), kinds(b), u64::MAX], is_commutative(op)),
            Node::Cmp(_, a, b) => ([kinds(a), kinds(b), u64::MAX], true),
            Node::Cast(_, a) => ([kinds(a), u64::MAX, u64::MAX], false),
            Node::Select(a, b, c) => ([kinds(a), kinds(b), kinds(c)], false),
            _ => ([u64::MAX; 3], false),
        };
        Self { operands, swaps }
    }

    /// Whether operands of these kinds may fit.
    #[inline]
    fn admits(&self, [a, b, c]: [u64; 3]) -> bool {
        let [first, second, third] = self.operands;
        let straight = a & first != 0 && b & second != 0;
        let swapped = self.swaps && b & first != 0 && a & second != 0;
        (straight || swapped) && c & third != 0
    }
}

/// The kinds of values that a tree can stand for.
const fn kinds(node: &Node) -> u64 {
    match *node {
        Node::Var(_) => u64::MAX,
        Node::Const(_) | Node::Int(_) | Node::Sign => CONSTANT,
        Node::Num(_) => 0,
        Node::Bin(op, ..) | Node::Cast(op, _) => kind_of(op),
        Node::Cmp(..) => kind_of(Op::ICmp),
        Node::Select(..) => kind_of(Op::Select),
    }
}

const fn kind_of(op: Op) -> u64 {
    assert!((op as u32) < 62, "kinds of values have bits to themselves");
    1 << op as u32
}

/// What a match has bound.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    /// By number of the variable; `Value::NONE` if not bound.
    pub vars: [Value; 3],
    /// Constants, by number.
    pub consts: [Option<u64>; 2],
    /// The first constant (0 if there is none).
    pub c: u64,
    /// The second.
    pub d: u64,
    /// Width in bits of the root's result; of its operands if it is a comparison.
    pub w: u32,
    /// Width of the first variable.
    pub xw: u32,
    /// Instructions below the root that nobody else uses.
    pub spare: u32,
    /// Whether commutative operations below the root are tried the other way round first.
    pub flip: bool,
}

impl Env {
    /// Nothing bound yet, at width `w`.
    #[must_use]
    pub fn new(w: u32) -> Self {
        Self {
            vars: [Value::NONE; 3],
            consts: [None; 2],
            c: 0,
            d: 0,
            w,
            xw: 0,
            spare: 0,
            flip: false,
        }
    }

    /// All bits of the width set.
    #[must_use]
    pub fn ones(&self) -> u64 {
        ones(self.w)
    }

    /// Only the highest bit of the width set.
    #[must_use]
    pub fn sign(&self) -> u64 {
        1 << (self.w.clamp(1, 64) - 1)
    }

    /// A number cut to the width.
    #[must_use]
    pub fn cut(&self, bits: u64) -> u64 {
        bits & self.ones()
    }

    /// A number of the width as a signed one.
    #[must_use]
    pub fn signed(&self, bits: u64) -> i64 {
        signed(bits, self.w)
    }
}

/// The lowest `width` (at most 64) bits set.
#[must_use]
pub fn ones(width: u32) -> u64 {
    u64::MAX >> (64 - width.clamp(1, 64))
}

/// A number of `width` bits as a signed one.
#[must_use]
pub fn signed(bits: u64, width: u32) -> i64 {
    let unused = 64 - width.clamp(1, 64);
    (bits << unused).cast_signed() >> unused
}

impl Simplifier<'_, '_> {
    /// Applies the first rule that fits.
    pub(super) fn by_rule(&mut self, id: InstId, inst: &Inst) -> Option<Simpler> {
        let rules = super::rules::for_op(inst.op);
        if rules.is_empty() {
            return None;
        }
        let w = self.rule_width(inst)?;
        let kinds = self.operand_kinds(inst);
        for rule in rules.iter().filter(|rule| rule.shape.admits(kinds)) {
            let mut env = Env::new(w);
            if self.applies(rule, inst, &mut env) {
                return Some(self.build_root(rule.to, inst.ty, &env, id));
            }
        }
        None
    }

    /// The kinds of the first operands; all kinds where an argument is none.
    fn operand_kinds(&self, inst: &Inst) -> [u64; 3] {
        let kind = |value: Value| match self.def(value) {
            Some(def) => kind_of(def.op),
            None if value.as_const().is_some() => CONSTANT,
            None => PARAMETER,
        };
        let [a, b, c] = inst.values();
        match inst.op {
            Op::Select => [kind(a), kind(b), kind(c)],
            op if op.is_cast() => [kind(a), u64::MAX, u64::MAX],
            _ => [kind(a), kind(b), u64::MAX],
        }
    }

    /// Whether a rule fits, bound in `env` then.
    fn applies(&self, rule: &Rule, inst: &Inst, env: &mut Env) -> bool {
        let mut matches = |flip: bool| {
            *env = Env {
                flip,
                ..Env::new(env.w)
            };
            self.matches_inst(rule.from, inst, env)
        };
        // A match is not taken back, so `x` in `(x + y) - x` is found the other way round only.
        (matches(false) || has_inner(rule.from) && matches(true))
            && (rule.when)(env)
            && self.fits(rule.to, inst.ty, env)
            && instructions(rule.to) <= 1 + env.spare
    }

    /// The width at which rules see an instruction; `None` for vectors and wide integers.
    fn rule_width(&self, inst: &Inst) -> Option<u32> {
        let ty = match inst.op {
            Op::ICmp => self.graph.type_of(Value(inst.args[0])),
            _ => inst.ty,
        };
        let bits = self.graph.types().int_bits(ty)?;
        (bits <= 64).then_some(bits)
    }

    fn matches(&self, node: &Node, value: Value, env: &mut Env) -> bool {
        let constant = |wanted: fn(&Env) -> u64| {
            let bits = self.graph.types().int_bits(self.graph.type_of(value));
            let env = Env::new(bits.unwrap_or(64));
            self.graph.const_int(value) == Some(env.cut(wanted(&env)))
        };
        match *node {
            Node::Var(at) => {
                let slot = &mut env.vars[usize::from(at)];
                if *slot == Value::NONE {
                    *slot = value;
                    if at == 0 {
                        env.xw = width_of(self.graph, value);
                    }
                }
                *slot == value
            }
            Node::Const(at) => self.bind_constant(at, value, env),
            Node::Int(number) => {
                let bits = width_of(self.graph, value);
                self.graph.const_int(value) == Some(number.cast_unsigned() & ones(bits))
            }
            Node::Sign => constant(Env::sign),
            Node::Num(_) => false,
            _ => {
                let Some(id) = value.as_inst() else {
                    return false;
                };
                env.spare += u32::from(self.used_once(value));
                self.matches_inst(node, self.graph.inst(id), env)
            }
        }
    }

    fn bind_constant(&self, at: u8, value: Value, env: &mut Env) -> bool {
        let Some(bits) = self.graph.const_int(value) else {
            return false;
        };
        let slot = &mut env.consts[usize::from(at)];
        let bound = *slot.get_or_insert(bits) == bits;
        if at == 0 {
            env.c = bits;
        } else {
            env.d = bits;
        }
        bound
    }

    fn matches_inst(&self, node: &Node, inst: &Inst, env: &mut Env) -> bool {
        let [a, b, c] = inst.values();
        match *node {
            Node::Bin(op, left, right) if inst.op == op => {
                let (a, b) = if env.flip && is_commutative(op) {
                    (b, a)
                } else {
                    (a, b)
                };
                self.match_both(left, right, a, b, env)
                    || is_commutative(op) && self.match_both(left, right, b, a, env)
            }
            Node::Cmp(pred, left, right) => {
                let found = inst.int_pred().filter(|_| inst.op == Op::ICmp);
                found == Some(pred) && self.match_both(left, right, a, b, env)
                    || found == Some(pred.swap()) && self.match_both(left, right, b, a, env)
            }
            Node::Cast(op, from) => inst.op == op && self.matches(from, a, env),
            Node::Select(cond, then, other) => {
                inst.op == Op::Select
                    && self.graph.type_of(a) == TypeId::I1
                    && self.matches(cond, a, env)
                    && self.match_both(then, other, b, c, env)
            }
            _ => false,
        }
    }

    /// Matches two operands in this order; leaves `env` alone if they do not match.
    fn match_both(&self, left: &Node, right: &Node, a: Value, b: Value, env: &mut Env) -> bool {
        let mut tried = *env;
        let matched = self.matches(left, a, &mut tried) && self.matches(right, b, &mut tried);
        if matched {
            *env = tried;
        }
        matched
    }

    /// Whether the new tree is well typed as a `ty`.
    fn fits(&self, node: &Node, ty: TypeId, env: &Env) -> bool {
        match *node {
            Node::Var(at) => self.graph.type_of(env.vars[usize::from(at)]) == ty,
            Node::Const(_) | Node::Int(_) | Node::Sign | Node::Num(_) => true,
            Node::Bin(_, left, right) => self.fits(left, ty, env) && self.fits(right, ty, env),
            Node::Cmp(_, left, right) => {
                let operand = self
                    .type_of_node(left, env)
                    .or(self.type_of_node(right, env));
                ty == TypeId::I1
                    && operand.is_some_and(|operand| {
                        self.fits(left, operand, env) && self.fits(right, operand, env)
                    })
            }
            Node::Cast(op, from) => self.type_of_node(from, env).is_some_and(|inner| {
                let bits = |ty| self.graph.types().int_bits(ty);
                let narrower = bits(ty) < bits(inner);
                let wider = bits(ty) > bits(inner);
                let fits = if op == Op::Trunc { narrower } else { wider };
                fits && inner != TypeId::PTR && ty != TypeId::PTR && self.fits(from, inner, env)
            }),
            Node::Select(cond, then, other) => {
                self.fits(cond, TypeId::I1, env)
                    && self.fits(then, ty, env)
                    && self.fits(other, ty, env)
            }
        }
    }

    /// The type that a tree must have; `None` for constants and casts, which take what is wanted.
    fn type_of_node(&self, node: &Node, env: &Env) -> Option<TypeId> {
        match *node {
            Node::Var(at) => Some(self.graph.type_of(env.vars[usize::from(at)])),
            Node::Bin(_, left, right) => self
                .type_of_node(left, env)
                .or(self.type_of_node(right, env)),
            Node::Cmp(..) => Some(TypeId::I1),
            Node::Select(_, then, other) => self
                .type_of_node(then, env)
                .or(self.type_of_node(other, env)),
            _ => None,
        }
    }

    /// Makes the new tree; its root takes the place of the old one.
    fn build_root(&mut self, node: &Node, ty: TypeId, env: &Env, like: InstId) -> Simpler {
        match self.build_inst(node, ty, env, like) {
            Some(inst) => Simpler::Inst(inst),
            None => Simpler::Value(self.build(node, ty, env, like)),
        }
    }

    fn build(&mut self, node: &Node, ty: TypeId, env: &Env, like: InstId) -> Value {
        let number = match *node {
            Node::Var(at) => return env.vars[usize::from(at)],
            Node::Const(at) => env.consts[usize::from(at)].unwrap_or(0),
            Node::Int(number) => number.cast_unsigned(),
            Node::Sign => env.sign(),
            Node::Num(compute) => compute(env),
            _ => {
                // What is no leaf is an instruction.
                let inst = self.build_inst(node, ty, env, like);
                return inst.map_or(Value::NONE, |inst| self.emit(inst, like));
            }
        };
        self.graph.int(ty, number)
    }

    /// The instruction at the root of a tree; `None` for a leaf.
    fn build_inst(&mut self, node: &Node, ty: TypeId, env: &Env, like: InstId) -> Option<Inst> {
        Some(match *node {
            Node::Bin(op, left, right) => {
                let left = self.build(left, ty, env, like);
                let right = self.build(right, ty, env, like);
                plain(op, ty, [left.0, right.0, 0])
            }
            Node::Cmp(pred, left, right) => {
                let operand = self
                    .type_of_node(left, env)
                    .or(self.type_of_node(right, env))?;
                let left = self.build(left, operand, env, like);
                let right = self.build(right, operand, env, like);
                Inst {
                    flags: Flags(pred as u8),
                    ..plain(Op::ICmp, ty, [left.0, right.0, 0])
                }
            }
            Node::Cast(op, from) => {
                let inner = self.type_of_node(from, env)?;
                let from = self.build(from, inner, env, like);
                plain(op, ty, [from.0, 0, 0])
            }
            Node::Select(cond, then, other) => {
                let cond = self.build(cond, TypeId::I1, env, like);
                let then = self.build(then, ty, env, like);
                let other = self.build(other, ty, env, like);
                plain(Op::Select, ty, [cond.0, then.0, other.0])
            }
            _ => return None,
        })
    }
}

/// Whether a commutative operation of two variables is below the root.
fn has_inner(node: &Node) -> bool {
    let commutes = |node: &Node| matches!(node, Node::Bin(op, Node::Var(_), Node::Var(_)) if is_commutative(*op));
    match *node {
        Node::Bin(_, a, b) | Node::Cmp(_, a, b) => commutes(a) || commutes(b),
        _ => false,
    }
}

fn width_of(graph: &Graph<'_>, value: Value) -> u32 {
    graph.types().int_bits(graph.type_of(value)).unwrap_or(0)
}

/// Instructions in a tree.
#[must_use]
pub fn instructions(node: &Node) -> u32 {
    match *node {
        Node::Bin(_, a, b) | Node::Cmp(_, a, b) => 1 + instructions(a) + instructions(b),
        Node::Cast(_, a) => 1 + instructions(a),
        Node::Select(a, b, c) => 1 + instructions(a) + instructions(b) + instructions(c),
        _ => 0,
    }
}
