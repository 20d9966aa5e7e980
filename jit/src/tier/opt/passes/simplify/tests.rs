//! Every rule for every value.
//!
//! Three judges one after the other: this file's evaluator of rule trees, held against the
//! interpreter operation by operation; each rule evaluated on all values of 1 to 4 bits and of 8
//! bits where at most two things vary, and on random and extreme ones up to 64 bits; and each left
//! side written as a function, optimised by the pass, and run by the interpreter before and after.

mod beyond;

use super::pattern::{Env, Node, Rule, ones};
use super::rules::ALL;
use crate::tier::opt::fuel::Fuel;
use crate::tier::opt::pipeline::{self, Options};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ir::interp::{self, Val};
use ir::random::Random;
use ir::{FuncId, IntPred, Module, Op, text};

/// Values of variables and constants with their widths.
#[derive(Clone, Copy, Debug)]
struct Point {
    vars: [u64; 3],
    widths: [u32; 3],
    /// Width of a cast that another cast is made of.
    between: u32,
    consts: [u64; 2],
}

/// What a tree is worth at a width, by the semantics at the head of crate `ir`; `None` where it
/// faults.
fn eval(node: &Node, width: u32, at: &Point, env: &Env) -> Option<u64> {
    let mask = ones(width);
    Some(match *node {
        Node::Var(n) => at.vars[usize::from(n)],
        Node::Const(n) => at.consts[usize::from(n)] & mask,
        Node::Int(number) => number.cast_unsigned() & mask,
        Node::Sign => 1 << (width - 1),
        Node::Num(compute) => compute(env) & mask,
        Node::Bin(op, a, b) => {
            let (a, b) = (eval(a, width, at, env)?, eval(b, width, at, env)?);
            binary(op, width, a, b)?
        }
        Node::Cmp(pred, a, b) => {
            let operand = width_of(a, at).or(width_of(b, at)).unwrap_or(env.w);
            let (a, b) = (eval(a, operand, at, env)?, eval(b, operand, at, env)?);
            u64::from(compare(pred, operand, a, b))
        }
        Node::Cast(op, from) => {
            let inner = cast_from(from, at)?;
            let bits = eval(from, inner, at, env)?;
            match op {
                Op::SExt => sign(bits, inner).cast_unsigned() as u64 & mask,
                _ => bits & mask,
            }
        }
        Node::Select(cond, a, b) => {
            let taken = if eval(cond, 1, at, env)? == 1 { a } else { b };
            eval(taken, width, at, env)?
        }
    })
}

/// The width that a tree must have; `None` if it takes any.
fn width_of(node: &Node, at: &Point) -> Option<u32> {
    match *node {
        Node::Var(n) => Some(at.widths[usize::from(n)]),
        Node::Bin(_, a, b) | Node::Select(_, a, b) => width_of(a, at).or(width_of(b, at)),
        Node::Cmp(..) => Some(1),
        _ => None,
    }
}

/// The width of what is cast.
fn cast_from(from: &Node, at: &Point) -> Option<u32> {
    match from {
        Node::Cast(..) => Some(at.between),
        _ => width_of(from, at),
    }
}

fn sign(bits: u64, width: u32) -> i128 {
    let bits = i128::from(bits);
    if bits >> (width - 1) & 1 == 1 {
        bits - (1 << width)
    } else {
        bits
    }
}

fn binary(op: Op, width: u32, a: u64, b: u64) -> Option<u64> {
    let amount = b % u64::from(width);
    let (sa, sb) = (sign(a, width), sign(b, width));
    let overflows = matches!(width, 32 | 64) && sb == -1 && sa == -(1 << (width - 1));
    let result: i128 = match op {
        Op::Add => sa + sb,
        Op::Sub => sa - sb,
        Op::Mul => sa * sb,
        Op::UDiv | Op::URem | Op::SDiv | Op::SRem if b == 0 => return None,
        Op::SDiv | Op::SRem if overflows => return None,
        Op::UDiv => i128::from(a / b),
        Op::URem => i128::from(a % b),
        Op::SDiv => sa / sb,
        Op::SRem => sa % sb,
        Op::Shl => i128::from(a) << amount,
        Op::LShr => i128::from(a) >> amount,
        Op::AShr => sa >> amount,
        Op::And => sa & sb,
        Op::Or => sa | sb,
        _ => sa ^ sb,
    };
    Some(result as u64 & ones(width))
}

fn compare(pred: IntPred, width: u32, a: u64, b: u64) -> bool {
    let (sa, sb) = (sign(a, width), sign(b, width));
    match pred {
        IntPred::Eq => a == b,
        IntPred::Ne => a != b,
        IntPred::Ugt => a > b,
        IntPred::Uge => a >= b,
        IntPred::Ult => a < b,
        IntPred::Ule => a <= b,
        IntPred::Sgt => sa > sb,
        IntPred::Sge => sa >= sb,
        IntPred::Slt => sa < sb,
        IntPred::Sle => sa <= sb,
    }
}

/// Values that are likely to be special at a width, and a few that are not.
fn interesting(width: u32, random: &mut Random) -> Vec<u64> {
    let sign = 1u64 << (width - 1);
    let mut list = alloc::vec![
        0,
        1,
        2,
        3,
        7,
        sign,
        sign - 1,
        sign + 1,
        u64::MAX,
        u64::MAX - 1
    ];
    list.extend([
        5,
        8,
        12,
        u64::from(width),
        u64::from(width - 1),
        u64::from(width) + 1,
    ]);
    list.extend((0..10).map(|_| random.bits()));
    list.iter_mut().for_each(|bits| *bits &= ones(width));
    list.sort_unstable();
    list.dedup();
    list
}

/// What occurs in a tree: variables as bits 0 to 2, constants as bits 3 and 4.
fn occurring(node: &Node) -> u8 {
    match *node {
        Node::Var(n) => 1 << n,
        Node::Const(n) => 8 << n,
        Node::Bin(_, a, b) | Node::Cmp(_, a, b) => occurring(a) | occurring(b),
        Node::Cast(_, a) => occurring(a),
        Node::Select(a, b, c) => occurring(a) | occurring(b) | occurring(c),
        _ => 0,
    }
}

/// Whether a tree can stand where a value of `width` is wanted.
fn fits(node: &Node, width: u32, at: &Point) -> bool {
    match *node {
        Node::Var(n) => at.widths[usize::from(n)] == width,
        Node::Bin(_, a, b) => fits(a, width, at) && fits(b, width, at),
        Node::Cmp(_, a, b) => {
            let operand = width_of(a, at).or(width_of(b, at));
            width == 1 && operand.is_none_or(|w| fits(a, w, at) && fits(b, w, at))
        }
        Node::Cast(op, from) => cast_from(from, at).is_some_and(|inner| {
            let fits_width = if op == Op::Trunc {
                inner > width
            } else {
                inner < width
            };
            fits_width && fits(from, inner, at)
        }),
        Node::Select(c, a, b) => fits(c, 1, at) && fits(a, width, at) && fits(b, width, at),
        _ => true,
    }
}

/// Whether the tree holds a cast: then its variables may have several widths.
fn has_cast(node: &Node) -> bool {
    match *node {
        Node::Bin(_, a, b) | Node::Cmp(_, a, b) => has_cast(a) || has_cast(b),
        Node::Cast(..) => true,
        Node::Select(a, b, c) => has_cast(a) || has_cast(b) || has_cast(c),
        _ => false,
    }
}

/// The widths that the variables of a rule may have when its root (or what its root compares) has
/// `w`: with their common width, or all that is possible where there are casts or selects.
fn widths(rule: &Rule, w: u32, choices: &[u32]) -> Vec<[u32; 4]> {
    let mut all = Vec::new();
    let free = has_cast(rule.from) || has_cast(rule.to) || matches!(rule.from, Node::Select(..));
    let list: Vec<u32> = if free {
        choices.to_vec()
    } else {
        alloc::vec![w]
    };
    for &x in &list {
        for &y in &list {
            all.push([x, y, y, y]);
            if matches!(rule.from, Node::Select(..)) {
                all.push([x, y, w, y]);
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn root_width(rule: &Rule, w: u32) -> u32 {
    if matches!(rule.from, Node::Cmp(..)) {
        1
    } else {
        w
    }
}

/// Whether the rule's left side is well typed, with `w` the width that rules see.
fn applies(rule: &Rule, w: u32, at: &Point) -> bool {
    let operands = match *rule.from {
        Node::Cmp(_, a, b) => fits(a, w, at) && fits(b, w, at),
        _ => fits(rule.from, w, at),
    };
    operands && fits(rule.to, root_width(rule, w), at)
}

/// What both sides of a rule are worth at a point; `None` if it does not apply there.
fn sides(rule: &Rule, w: u32, at: &Point) -> Option<[Option<u64>; 2]> {
    let env = Env {
        consts: at.consts.map(Some),
        c: at.consts[0],
        d: at.consts[1],
        xw: at.widths[0],
        ..Env::new(w)
    };
    if !applies(rule, w, at) || !(rule.when)(&env) {
        return None;
    }
    let width = root_width(rule, w);
    let right = eval(rule.to, width, at, &env);
    let left = match *rule.from {
        Node::Cmp(pred, a, b) => match (eval(a, w, at, &env), eval(b, w, at, &env)) {
            (Some(a), Some(b)) => Some(u64::from(compare(pred, w, a, b))),
            // What faults before it is compared does so on the right as well, or is gone.
            _ => right,
        },
        _ => eval(rule.from, width, at, &env),
    };
    Some([left, right])
}

/// Checks a rule at one point; returns whether it applies there.
fn check(rule: &Rule, w: u32, at: &Point) -> bool {
    let sides = sides(rule, w, at);
    if let Some([left, right]) = sides {
        assert_eq!(left, right, "\"{}\" at {w} bits, {at:?}", rule.name);
    }
    sides.is_some()
}

/// Checks a rule for all combinations of values; returns how often it applied.
fn check_all(
    rule: &Rule,
    w: u32,
    widths: [u32; 4],
    values: &mut dyn FnMut(u32) -> Vec<u64>,
) -> u64 {
    count(rule, w, widths, values, &mut |at| check(rule, w, at))
}

/// At how many of all combinations of values `holds` does.
fn count(
    rule: &Rule,
    w: u32,
    [x, y, z, between]: [u32; 4],
    values: &mut dyn FnMut(u32) -> Vec<u64>,
    holds: &mut dyn FnMut(&Point) -> bool,
) -> u64 {
    let widths = [x, y, z];
    let used = occurring(rule.from);
    let mut lists = [const { Vec::new() }; 5];
    for (at, list) in lists.iter_mut().enumerate() {
        let width = widths.get(at).copied().unwrap_or(w);
        *list = if used >> at & 1 == 1 {
            values(width)
        } else {
            alloc::vec![0]
        };
    }
    let mut applied = 0;
    let [xs, ys, zs, cs, ds] = &lists;
    for &x in xs {
        for &y in ys {
            for &z in zs {
                for &c in cs {
                    for &d in ds {
                        let at = Point {
                            vars: [x, y, z],
                            widths,
                            between,
                            consts: [c, d],
                        };
                        applied += u64::from(holds(&at));
                    }
                }
            }
        }
    }
    applied
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    ALL.iter().flat_map(|(_, rules)| rules.iter())
}

#[test]
fn every_rule_holds_for_all_small_values() {
    for rule in rules() {
        let mut applied = 0;
        for w in 1..=4 {
            for widths in widths(rule, w, &[1, 2, 3, 4]) {
                applied += check_all(rule, w, widths, &mut |width| (0..1 << width).collect());
            }
        }
        assert_ne!(applied, 0, "\"{}\" never applies", rule.name);
    }
}

#[test]
fn a_rule_with_a_wrong_result_is_seen() {
    for rule in rules() {
        // The lowest bit of the result is the other one.
        let inverted = Node::Bin(Op::Xor, rule.to, &Node::Int(1));
        let wrong = Rule {
            to: Box::leak(Box::new(inverted)),
            ..*rule
        };
        let mut seen = 0;
        for w in 1..=4 {
            for widths in widths(rule, w, &[1, 2, 3, 4]) {
                let mut differ =
                    |at: &Point| sides(&wrong, w, at).is_some_and(|[left, right]| left != right);
                let mut all = |width: u32| (0..1u64 << width).collect();
                seen += count(&wrong, w, widths, &mut all, &mut differ);
            }
        }
        assert_ne!(seen, 0, "\"{}\" may be wrong", rule.name);
    }
}

#[test]
fn every_rule_holds_for_all_bytes() {
    for rule in rules() {
        let vary = occurring(rule.from).count_ones();
        let step = if vary <= 2 { 1 } else { 11 };
        for widths in widths(rule, 8, &[4, 8, 11]) {
            if widths[0] <= 8 && widths[1] <= 8 {
                check_all(rule, 8, widths, &mut |width| {
                    (0..1 << width).step_by(step).collect()
                });
            }
        }
    }
}

#[test]
fn every_rule_holds_for_wide_values() {
    let mut random = Random::new(7);
    for rule in rules() {
        for w in [13, 16, 32, 64] {
            for widths in widths(rule, w, &[1, 8, 16, 32, 64]) {
                let mut values = |width| {
                    let mut list = interesting(width, &mut random);
                    // Few enough that all combinations of three are tried.
                    let keep = list.len().min(14);
                    let from = random.below((list.len() - keep + 1) as u32) as usize;
                    list.drain(from..from + keep).collect()
                };
                check_all(rule, w, widths, &mut values);
            }
        }
    }
}

/// Runs `@f` of a module.
fn run(module: &Module, args: &[u64]) -> Option<u64> {
    let args: Vec<_> = args.iter().map(|&arg| Val::from(arg)).collect();
    let result = interp::run(module, FuncId(0), &args, 1000);
    result.ok().map(|value| value.bits() as u64)
}

#[test]
fn the_evaluator_agrees_with_the_interpreter() {
    let ops = [
        "add", "sub", "mul", "udiv", "sdiv", "urem", "srem", "shl", "lshr", "ashr", "and", "or",
        "xor",
    ];
    let mut random = Random::new(3);
    for (name, &op) in ops.iter().zip(&Op::INT_BINARY) {
        for w in [1, 3, 8, 16, 32, 64] {
            let source = format!(
                "define i{w} @f(i{w} %x, i{w} %y) {{\na:\n  %r = {name} i{w} %x, %y\n  ret i{w} %r\n}}"
            );
            let module = text::parse(&source).unwrap();
            let values = interesting(w, &mut random);
            for &x in &values {
                for &y in &values {
                    assert_eq!(
                        run(&module, &[x, y]),
                        binary(op, w, x, y),
                        "{source} {x} {y}"
                    );
                    assert_eq!(super::fold::binary(op, w, x, y), binary(op, w, x, y));
                }
            }
        }
    }
}

/// The left side of a rule as a function of its variables; `None` if it is not well typed.
fn as_function(rule: &Rule, w: u32, at: &Point) -> Option<String> {
    if !applies(rule, w, at) {
        return None;
    }
    let mut writer = Writer {
        lines: String::new(),
        next: 0,
        at: *at,
    };
    let width = root_width(rule, w);
    let result = match *rule.from {
        Node::Cmp(pred, a, b) => writer.compare(pred, a, b, w),
        _ => writer.write(rule.from, width),
    };
    let [x, y, z] = at.widths;
    let lines = writer.lines;
    Some(format!(
        "define i{width} @f(i{x} %v0, i{y} %v1, i{z} %v2) {{\na:\n{lines}  ret i{width} {result}\n}}"
    ))
}

struct Writer {
    lines: String,
    next: u32,
    at: Point,
}

impl Writer {
    fn line(&mut self, text: &str) -> String {
        let name = format!("%t{}", self.next);
        self.next += 1;
        self.lines += &format!("  {name} = {text}\n");
        name
    }

    fn compare(&mut self, pred: IntPred, a: &Node, b: &Node, width: u32) -> String {
        let name = format!("{pred:?}").to_lowercase();
        let (a, b) = (self.write(a, width), self.write(b, width));
        self.line(&format!("icmp {name} i{width} {a}, {b}"))
    }

    fn write(&mut self, node: &Node, width: u32) -> String {
        let number = |bits: u64| format!("{:#x}", bits & ones(width));
        match *node {
            Node::Var(n) => format!("%v{n}"),
            Node::Const(n) => number(self.at.consts[usize::from(n)]),
            Node::Int(value) => number(value.cast_unsigned()),
            Node::Sign => number(1 << (width - 1)),
            Node::Num(_) => String::from("0"),
            Node::Bin(op, a, b) => {
                let name = format!("{op:?}").to_lowercase();
                let (a, b) = (self.write(a, width), self.write(b, width));
                self.line(&format!("{name} i{width} {a}, {b}"))
            }
            Node::Cmp(pred, a, b) => {
                let operand = width_of(a, &self.at)
                    .or(width_of(b, &self.at))
                    .unwrap_or(width);
                self.compare(pred, a, b, operand)
            }
            Node::Cast(op, from) => {
                let inner = cast_from(from, &self.at).unwrap_or(width);
                let name = format!("{op:?}").to_lowercase();
                let from = self.write(from, inner);
                self.line(&format!("{name} i{inner} {from} to i{width}"))
            }
            Node::Select(cond, a, b) => {
                let cond = self.write(cond, 1);
                let (a, b) = (self.write(a, width), self.write(b, width));
                self.line(&format!("select i1 {cond}, i{width} {a}, {b}"))
            }
        }
    }
}

/// Optimises a function with the pass alone.
fn simplified(module: &Module) -> Module {
    let options = Options {
        passes: &[
            ("simplify", super::run),
            ("dce", crate::tier::opt::passes::dce::run),
        ],
        fuel: Fuel::default(),
        bindings: None,
        verify: true,
    };
    let outcome = pipeline::run(module, FuncId(0), options, &mut || 0).unwrap();
    let mut after = module.clone();
    after.funcs[0].body = Some(outcome.optimised.body);
    after
}

#[test]
fn the_pass_applies_every_rule_and_keeps_every_function() {
    let mut random = Random::new(11);
    for rule in rules() {
        let mut shrunk = 0;
        for w in [1, 8, 16, 32, 64] {
            for widths in widths(rule, w, &[1, 8, 32, 64]) {
                let mut tried = (0..100).map(|_| try_pass(rule, w, widths, &mut random));
                shrunk += tried.by_ref().filter(|changed| *changed).take(2).count();
            }
        }
        assert_ne!(shrunk, 0, "the pass does nothing for \"{}\"", rule.name);
    }
}

/// Writes, optimises and runs the left side of a rule for random constants; whether it changed.
fn try_pass(rule: &Rule, w: u32, widths: [u32; 4], random: &mut Random) -> bool {
    let consts = interesting(w, random);
    let [x, y, z, between] = widths;
    let widths = [x, y, z];
    let mut at = Point {
        vars: [0; 3],
        widths,
        between,
        consts: [random.pick(&consts), random.pick(&consts)],
    };
    let env = Env {
        consts: at.consts.map(Some),
        c: at.consts[0],
        d: at.consts[1],
        xw: widths[0],
        ..Env::new(w)
    };
    if !(rule.when)(&env) {
        return false;
    }
    let Some(source) = as_function(rule, w, &at) else {
        return false;
    };
    let before = text::parse(&source).unwrap_or_else(|error| panic!("{error}: {source}"));
    let after = simplified(&before);
    for _ in 0..6 {
        at.vars = widths.map(|width| {
            let values = interesting(width, random);
            random.pick(&values)
        });
        let (expected, actual) = (run(&before, &at.vars), run(&after, &at.vars));
        assert_eq!(actual, expected, "\"{}\" {at:?}\n{source}", rule.name);
    }
    text::module_text(&after).to_string() != text::module_text(&before).to_string()
}
