//! What guards the passes is seen to work: with a pass that is wrong on purpose.

use crate::support::{call, optimised, passes_named};
use ir::interp::Val;
use ir::random::{self, Config};
use ir::{FuncId, Inst, Module, Op, Value, text};
use jit::tier::Tier;
use jit::tier::opt::fuel::{self, Culprit, Fuel};
use jit::tier::opt::graph::Graph;
use jit::tier::opt::pipeline::{self, Options, Pass};

/// Takes subtractions and exclusive ors for additions.
fn subtract_wrongly(graph: &mut Graph<'_>) {
    for block in graph.blocks() {
        for id in graph.insts(block).to_vec() {
            let inst = *graph.inst(id);
            if matches!(inst.op, Op::Sub | Op::Xor) && graph.fuel.spend() {
                graph.set(
                    id,
                    Inst {
                        op: Op::Add,
                        ..inst
                    },
                );
            }
        }
    }
}

/// Makes the result of every addition its own operand.
fn break_dominance(graph: &mut Graph<'_>) {
    for block in graph.blocks() {
        for id in graph.insts(block).to_vec() {
            let mut inst = *graph.inst(id);
            if inst.op == Op::Add {
                inst.args[0] = Value::inst(id).0;
                graph.set(id, inst);
            }
        }
    }
}

fn adder() -> Module {
    let source = "define i32 @f(i32 %x) {\na:\n  %y = add i32 %x, 1\n  ret i32 %y\n}";
    text::parse(source).expect("the text is right")
}

fn run_broken(verify: bool) {
    let options = Options {
        passes: &[("break-dominance", break_dominance)],
        fuel: Fuel::default(),
        bindings: None,
        verify,
    };
    let module = adder();
    let outcome = pipeline::run(&module, FuncId(0), options, &mut || 0);
    let outcome = outcome.expect("the tier takes it");
    // The wrong body comes out and is wrong.
    let body = &outcome.optimised.body;
    assert!(ir::verify::body(&module, FuncId(0), body).is_err());
}

#[test]
#[should_panic(expected = "invalid after break-dominance: function 0: %0: its operand")]
fn the_verifier_names_a_pass_that_breaks_a_function() {
    run_broken(true);
}

#[test]
fn a_broken_function_gets_through_without_the_verifier() {
    run_broken(false);
}

/// The passes of O1 with a wrong one in their middle.
fn wrong_pipeline() -> Vec<Pass> {
    let mut passes = passes_named("o1");
    passes.insert(3, ("subtract-wrongly", subtract_wrongly));
    passes
}

fn result(module: &Module) -> String {
    let args = [Val::from(5u32), Val::from(77u64)];
    format!("{:?}", call(module, "entry", &args))
}

#[test]
fn the_bisector_names_the_pass_that_makes_a_program_wrong() {
    let mut found = 0;
    for seed in 0..40 {
        let module = random::module(seed, &Config::integers());
        let expected = result(&module);
        let run = |passes: &[Pass], fuel| {
            let (after, fuel) = optimised(&module, passes, fuel);
            (result(&after) == expected, fuel)
        };
        // Passes that are right give it nothing to find.
        assert_eq!(fuel::bisect(|fuel| run(&passes_named("o1"), fuel)), None);
        let Some(culprit) = fuel::bisect(|fuel| run(&wrong_pipeline(), fuel)) else {
            continue;
        };
        let Culprit { pass, change } = culprit;
        assert_eq!(pass, "subtract-wrongly", "seed {seed}");
        assert!(run(&wrong_pipeline(), Fuel::limited(change - 1)).0);
        assert!(!run(&wrong_pipeline(), Fuel::limited(change)).0);
        found += 1;
    }
    assert!(found >= 10, "only {found} programs became wrong");
}

#[test]
fn without_fuel_nothing_changes() {
    let module = random::module(3, &Config::default());
    let (copied, _) = optimised(&module, &[], Fuel::default());
    let (after, fuel) = optimised(&module, &passes_named("o1"), Fuel::limited(0));
    assert_eq!(fuel.used(), 0);
    let text = |module| text::module_text(module).to_string();
    assert_eq!(text(&after), text(&copied));
    assert_eq!(text(&after), text(&module));
}

#[test]
fn an_unknown_pass_is_an_error_that_names_the_passes() {
    let error = pipeline::passes_until(Tier::O1, "nonsense").unwrap_err();
    let text = error.to_string();
    for name in pipeline::pass_names(Tier::O1) {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn names_in_a_list_are_unique() {
    for tier in Tier::ALL {
        let mut names: Vec<_> = pipeline::pass_names(tier).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{tier}");
    }
}

#[test]
fn a_clock_that_is_handed_in_times_the_passes() {
    let module = adder();
    let mut ticks = 0;
    let mut clock = || {
        ticks += 10;
        ticks
    };
    let outcome = pipeline::run(&module, FuncId(0), Options::default(), &mut clock).unwrap();
    assert_eq!(outcome.runs.len(), pipeline::O1.len());
    assert!(outcome.runs.iter().all(|run| run.time == 10));
}

#[test]
fn a_call_that_returns_twice_is_left_to_baseline() {
    let source = "declare i32 @setjmp(ptr) returns_twice
        define i32 @f(ptr %p) {\na:\n  %r = call i32 @setjmp(ptr %p)\n  ret i32 %r\n}";
    let module = text::parse(source).unwrap();
    let declined = pipeline::run(&module, FuncId(1), Options::default(), &mut || 0);
    assert!(declined.is_err());
}
