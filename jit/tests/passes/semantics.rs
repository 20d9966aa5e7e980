//! Whole programs mean the same before and after passes. The judge is the interpreter.

use crate::support::{call, optimised, passes_named};
use ir::Module;
use ir::interp::Val;
use ir::random::{self, Config};
use jit::tier::Tier;
use jit::tier::opt::fuel::Fuel;
use jit::tier::opt::graph::Graph;
use jit::tier::opt::passes::inline::{self, Effort};
use jit::tier::opt::pipeline::{self, Pass};

/// The result of `@entry` on two numbers; `None` if it takes too long.
fn entry(module: &Module, a: u32, b: u64) -> Option<String> {
    let args = [Val::from(a), Val::from(b)];
    call(module, "entry", &args).map(|result| format!("{result:?}"))
}

/// Compares program `seed` before and after `passes`.
fn check(seed: u64, config: &Config, passes: &[Pass]) {
    let before = random::module(seed, config);
    let (after, _) = optimised(&before, passes, Fuel::default());
    for (a, b) in [(0, 0), (1, u64::MAX), (0x8000_0000, 0x1234_5678_9ABC_DEF0)] {
        let (expected, actual) = (entry(&before, a, b), entry(&after, a, b));
        if expected.is_some() {
            assert_eq!(actual, expected, "seed {seed}, {config:?}, entry({a}, {b})");
        }
    }
}

#[test]
fn each_pass_keeps_random_programs_as_they_are() {
    for pass in pipeline::passes(Tier::O3) {
        for seed in 0..25 {
            check(seed, &Config::default(), &[*pass]);
        }
    }
}

#[test]
fn the_pipeline_keeps_random_programs_as_they_are() {
    for (tier, seeds) in [("o1", 0..150), ("o2", 150..250), ("o3", 250..350)] {
        let passes = passes_named(tier);
        for seed in seeds {
            check(seed, &Config::default(), &passes);
            if seed % 3 != 0 {
                check(seed, &Config::integers(), &passes);
            }
        }
    }
}

/// More than any tier inlines.
const EVERYTHING: Effort = Effort {
    size: 10_000,
    in_loop: 10_000,
    cold: 10_000,
    depth: 6,
    growth: 50_000,
    growth_percent: 1000,
    frame: 1 << 16,
};

fn inline_everything(graph: &mut Graph<'_>) {
    inline::run(graph, &EVERYTHING);
}

/// The passes of O3, with more inlining.
fn passes_with_everything() -> Vec<Pass> {
    let mut passes = passes_named("o3");
    let at = passes.iter().position(|pass| pass.0 == inline::NAME);
    passes[at.expect("O3 inlines")].1 = inline_everything;
    passes
}

#[test]
fn inlining_keeps_random_programs_as_they_are() {
    let faults = Config {
        faults: true,
        ..Config::default()
    };
    for seed in 0..60 {
        for config in [Config::default(), Config::integers(), faults] {
            check(seed, &config, &[(inline::NAME, inline_everything)]);
            check(seed, &config, &passes_with_everything());
        }
    }
}

/// Calls of functions that do not call themselves, in all functions of a module, which passes leave.
fn calls_left(module: &Module, passes: &[Pass]) -> usize {
    let (after, _) = optimised(module, passes, Fuel::default());
    let bodies = after.funcs.iter().filter_map(|func| func.body.as_ref());
    let counted = |at: u32| module.funcs[at as usize].name.starts_with('f');
    let calls = bodies.flat_map(|body| &body.insts);
    calls
        .filter(|inst| inst.op == ir::Op::Call && counted(inst.args[0]))
        .count()
}

#[test]
fn calls_of_random_programs_go_with_the_pass_and_stay_without_it() {
    let (mut with, mut without) = (0, 0);
    for seed in 0..40 {
        let module = random::module(seed, &Config::integers());
        without += calls_left(&module, &passes_named("o1"));
        with += calls_left(&module, &passes_with_everything());
    }
    assert!(with * 4 < without, "{with} of {without} calls are left");
}

#[test]
fn faults_stay_faults() {
    let config = Config {
        faults: true,
        ..Config::integers()
    };
    for seed in 0..150 {
        check(
            seed,
            &config,
            &passes_named(["o1", "o2"][seed as usize % 2]),
        );
    }
}

#[test]
fn programs_with_wide_integers_stay_as_they_are() {
    let config = Config {
        wide: true,
        ..Config::default()
    };
    for seed in 0..100 {
        check(
            seed,
            &config,
            &passes_named(["o1", "o3"][seed as usize % 2]),
        );
    }
}

#[test]
fn demos_give_their_known_results() {
    let tiers = ["o2", "o3"].map(passes_named);
    let mut checked = 0;
    for (number, demo) in modules::DEMOS.iter().enumerate() {
        let passes = &tiers[number % 2];
        let bitcode = &demo.file[128..];
        let before = jit::load::module(bitcode).expect("a demo loads");
        let (after, _) = optimised(&before, passes, Fuel::default());
        for check in demo.checks {
            let args: Vec<_> = check.args.iter().map(|&arg| Val::from(arg)).collect();
            if let Some(result) = call(&after, check.function, &args) {
                let name = (demo.name, demo.level, check.function, check.args);
                assert_eq!(result, Ok(Val::from(check.expected)), "{name:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "only {checked} checks were short enough");
}

#[test]
fn compiling_twice_gives_the_same_text() {
    for seed in 0..20 {
        let module = random::module(seed, &Config::default());
        let text = || {
            let (after, _) = optimised(&module, &passes_named("o3"), Fuel::default());
            ir::text::module_text(&after).to_string()
        };
        assert_eq!(text(), text(), "seed {seed}");
    }
}

/// A function of `n` blocks that all lead to the next and to one join with a phi, with a variable
/// that each changes.
fn ladder(n: u32) -> String {
    let mut text = String::from(
        "define i64 @entry(i32 %x, i64 %y) {\nstart:\n  %v = alloca i32, size 4, align 4\n  \
         store i32 %x, %v, align 4\n  br b0\n",
    );
    for at in 0..n {
        let next = if at + 1 < n {
            format!("b{}", at + 1)
        } else {
            "last".into()
        };
        text += &format!(
            "b{at}:\n  %l{at} = load i32, %v, align 4\n  %s{at} = add i32 %l{at}, {at}\n  \
             store i32 %s{at}, %v, align 4\n  %c{at} = icmp ugt i32 %s{at}, 1000000\n  \
             condbr %c{at}, e{at}, {next}\ne{at}:\n  br join\n"
        );
    }
    text += "last:\n  br join\njoin:\n  %p = phi i32 [7, last]";
    (0..n).for_each(|at| text += &format!(", [{at}, e{at}]"));
    text += "\n  %w = load i32, %v, align 4\n  %z = xor i32 %p, %w\n  %r = zext i32 %z to i64\n  \
             ret i64 %r\n}\n";
    text
}

#[test]
fn long_functions_are_no_problem() {
    let module = ir::text::parse(&ladder(5000)).expect("the text is right");
    let (after, _) = optimised(&module, &passes_named("o1"), Fuel::default());
    for (x, y) in [(0, 0), (900_000, 1), (2_000_000, 2)] {
        assert_eq!(entry(&after, x, y), entry(&module, x, y));
    }
    let body = after.funcs[0].body.as_ref().unwrap();
    assert!(!body.insts.iter().any(|inst| inst.op == ir::Op::Load));
}
