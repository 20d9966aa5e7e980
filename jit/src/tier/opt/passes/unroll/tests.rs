//! Loops at the ends of the range of their counters, against the interpreter.

use super::trips::Test;
use super::{O3, region};
use crate::tier::opt::fuel::Fuel;
use crate::tier::opt::graph::Graph;
use crate::tier::opt::passes::nest::Nest;
use crate::tier::opt::pipeline::{self, Options};
use alloc::format;
use ir::interp::{self, FaultKind, Val};
use ir::{FuncId, Module, text};

/// Counts from `from` while `i pred to`, by `step`; the result depends on every turn.
fn counting(pred: &str, step: i64) -> Module {
    counting_from(pred, step, ["%from", "%to"])
}

fn counting_from(pred: &str, step: i64, [from, to]: [&str; 2]) -> Module {
    let source = format!(
        "define i32 @f(i32 %from, i32 %to) {{
entry:
  br head
head:
  %i = phi i32 [{from}, entry], [%j, body]
  %s = phi i32 [1, entry], [%t, body]
  %go = icmp {pred} i32 %i, {to}
  condbr %go, body, done
body:
  %x = xor i32 %s, %i
  %t = mul i32 %x, 31
  %j = add i32 %i, {step}
  br head
done:
  ret i32 %s
}}"
    );
    text::parse(&source).unwrap_or_else(|error| panic!("{error}: {source}"))
}

fn unrolled(before: &Module) -> Module {
    let options = Options {
        passes: &[("unroll", super::run_o3)],
        ..Options::default()
    };
    let outcome = pipeline::run(before, FuncId(0), options, &mut || 0).unwrap();
    let mut after = before.clone();
    after.funcs[0].body = Some(outcome.optimised.body);
    after
}

fn run(module: &Module, from: i32, to: i32) -> Result<u64, FaultKind> {
    let args = [from, to].map(|n| Val::from(n.cast_unsigned()));
    let result = interp::run(module, FuncId(0), &args, 1000);
    result.map(|value| value.bits() as u64)
}

#[test]
fn bounds_at_the_ends_of_the_range_are_no_problem() {
    let ends = [i32::MIN, -1, 0, i32::MAX];
    for (pred, step) in [("slt", 1), ("slt", 3), ("ult", 1), ("sgt", -1), ("ugt", -2)] {
        let before = counting(pred, step);
        let after = unrolled(&before);
        let blocks = |module: &Module| module.funcs[0].body.as_ref().unwrap().blocks.len();
        assert!(blocks(&after) > blocks(&before), "{pred} is not unrolled");
        for to in ends
            .iter()
            .flat_map(|&end| (-9..=9).map(move |n: i32| end.wrapping_add(n)))
        {
            for away in -16..=16 {
                let from = to.wrapping_add(away);
                let expected = run(&before, from, to);
                // What runs for long is cut off at different places.
                if expected.is_ok() {
                    assert_eq!(
                        run(&after, from, to),
                        expected,
                        "{pred} {step}: {from} to {to}"
                    );
                }
            }
        }
    }
}

/// How often the first test of the loop stays, by running it and by arithmetic.
fn turns(pred: &str, step: i64, from: i32, to: i32) -> [Option<u64>; 2] {
    let ends = [from, to].map(|n| format!("{n}"));
    let module = counting_from(pred, step, [&ends[0], &ends[1]]);
    let body = module.funcs[0].body.as_ref().unwrap();
    let mut graph = Graph::new(&module, FuncId(0), body, Fuel::default()).unwrap();
    let mut nest = Nest::new(&mut graph);
    let loops: alloc::vec::Vec<_> = nest.all().collect();
    let regions = region::close(&mut graph, &mut nest, &loops);
    let [region] = regions.as_slice() else {
        panic!("one loop can be closed");
    };
    let test = Test::of(&graph, region, region.header).unwrap();
    let start = region.start(&graph)[0];
    let counter = test.counter(&graph, region);
    [
        test.stays(&mut graph, region, 64).map(u64::from),
        counter.and_then(|counter| counter.turns(&graph, start)),
    ]
}

#[test]
fn turns_are_counted_by_running_and_by_arithmetic() {
    assert_eq!(turns("slt", 1, 0, 10), [Some(10); 2]);
    assert_eq!(turns("slt", 3, 0, 10), [Some(4); 2]);
    assert_eq!(turns("sgt", -6, 18, -1), [Some(4); 2]);
    assert_eq!(turns("ult", 1, 5, 5), [Some(0); 2]);
    assert_eq!(turns("ugt", -1, 9, 0), [Some(9); 2]);
    assert_eq!(turns("slt", 1, 0, 100_000), [None, Some(100_000)]);
    // The counter wraps before it gets there: running it tells, arithmetic does not.
    assert_eq!(turns("ult", 2, -4, -1), [None, None]);
    assert_eq!(turns("slt", 1 << 30, i32::MAX - 9, i32::MAX), [None, None]);
    assert_eq!(turns("ne", 2, 0, 10), [Some(5), None]);
    assert_eq!(turns("slt", -1, 0, 10), [None, None]);
}

#[test]
fn a_function_does_not_grow_beyond_the_limit() {
    let before = counting("slt", 1);
    let body = before.funcs[0].body.as_ref().unwrap();
    let mut graph = Graph::new(&before, FuncId(0), body, Fuel::default()).unwrap();
    super::run(&mut graph, &super::Limits { growth: 4, ..O3 });
    assert_eq!(graph.unrolled, 0);
}
