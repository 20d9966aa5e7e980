//! Vectors that go through branches, loops and calls.
//!
//! Phis of two predecessors and phis that exchange their values at each turn ask for parallel moves of vector
//! registers; calls of up to a dozen arguments for all vector argument registers, for the stack, and for values
//! kept across calls, where no vector register survives.

use super::{Program, text};
use core::fmt::Write;
use ir::Op;
use jit::legal::machine::{self, Vector};

/// Turns of a loop: odd, so that phis that exchange their values end exchanged.
const TURNS: u32 = 5;

/// Most arguments of a call.
const MOST_ARGUMENTS: u32 = 12;

impl Program {
    /// Ends the block and starts another, `name`.
    fn start(&mut self, name: String) {
        let _ = writeln!(self.out, "{name}:");
        self.block = name;
    }

    /// Names of new blocks.
    fn blocks<const N: usize>(&mut self) -> [String; N] {
        core::array::from_fn(|_| format!("b{}", &self.fresh()[1..]))
    }

    /// `a` and `b` changed by something that the CPU can.
    fn combined(&mut self, v: Vector, a: &str, b: &str) -> String {
        let (op, name) = if v.lane.is_float() {
            (Op::FSub, "fsub")
        } else {
            (Op::Sub, "sub")
        };
        assert!(machine::supports(op, v, self.cpu), "{}", text(v));
        self.temp(&format!("{name} {} {a}, {b}", text(v)))
    }

    /// Two vectors that are other ones on each way.
    pub(super) fn branch(&mut self) {
        let kinds = [self.vector(), self.vector()];
        let values = kinds.map(|v| [self.value(v), self.value(v), self.value(v)]);
        let number = self.random.bits() as i32;
        let test = self.temp(&format!("icmp slt i32 %mixed, {number}"));
        let [left, right, join] = self.blocks();
        self.line(&format!("condbr {test}, {left}, {right}"));
        self.start(left.clone());
        let lefts = [0, 1].map(|at| {
            let [a, b, _] = &values[at];
            self.combined(kinds[at], a, b)
        });
        self.line(&format!("br {join}"));
        self.start(right.clone());
        self.line(&format!("br {join}"));
        self.start(join);
        for at in [0, 1] {
            let (from_left, from_right) = (&lefts[at], &values[at][2]);
            let ty = text(kinds[at]);
            self.define(
                kinds[at],
                &format!("phi {ty} [{from_left}, {left}], [{from_right}, {right}]"),
            );
        }
    }

    /// A loop whose vectors change places, and that adds up a third.
    pub(super) fn turns(&mut self) {
        let v = self.vector();
        let ty = text(v);
        let [first, second, third] = [self.value(v), self.value(v), self.value(v)];
        let before = self.block.clone();
        let [turn, done] = self.blocks();
        self.line(&format!("br {turn}"));
        self.start(turn.clone());
        let (count, next, sum) = (self.fresh(), self.fresh(), self.fresh());
        let at = self.values.len();
        let (a, b) = (format!("%v{at}"), format!("%v{}", at + 1));
        self.line(&format!(
            "{count} = phi i32 [0, {before}], [{next}, {turn}]"
        ));
        self.define(v, &format!("phi {ty} [{first}, {before}], [{b}, {turn}]"));
        self.define(v, &format!("phi {ty} [{second}, {before}], [{a}, {turn}]"));
        let total = self.define(v, &format!("phi {ty} [{third}, {before}], [{sum}, {turn}]"));
        let name = if v.lane.is_float() { "fsub" } else { "sub" };
        self.line(&format!("{sum} = {name} {ty} {total}, {a}"));
        self.line(&format!("{next} = add i32 {count}, 1"));
        let again = self.temp(&format!("icmp ult i32 {next}, {TURNS}"));
        self.line(&format!("condbr {again}, {turn}, {done}"));
        self.start(done);
    }

    /// A call of a function of its own, which gives one of its arguments, changed.
    pub(super) fn call(&mut self) {
        let count = 1 + self.random.below(MOST_ARGUMENTS);
        let kinds: Vec<Vector> = (0..count).map(|_| self.vector()).collect();
        let args: Vec<String> = kinds.iter().map(|&v| self.value(v)).collect();
        let wanted = self.random.below(count) as usize;
        let v = kinds[wanted];
        let ty = text(v);
        let name = format!("@g{}", &self.fresh()[2..]);
        let list = |names: &dyn Fn(usize) -> String| {
            let each = kinds.iter().enumerate();
            let each: Vec<String> = each
                .map(|(at, &v)| format!("{} {}", text(v), names(at)))
                .collect();
            each.join(", ")
        };
        let params = list(&|at| format!("%p{at}"));
        let number = self.literal(v);
        let op = if v.lane.is_float() { "fadd" } else { "add" };
        let _ = write!(
            self.callees,
            "define {ty} {name}({params}, i32 %n) {{\nentry:\n  \
             %r = {op} {ty} %p{wanted}, {number}\n  ret {ty} %r\n}}\n"
        );
        let args = list(&|at| args[at].clone());
        self.define(v, &format!("call {ty} {name}({args}, i32 %mixed)"));
    }
}
