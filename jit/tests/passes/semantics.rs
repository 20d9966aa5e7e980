//! Whole programs mean the same before and after passes. The judge is the interpreter.

use crate::support::{call, optimised, passes_named};
use ir::Module;
use ir::interp::Val;
use ir::random::{self, Config};
use jit::tier::Tier;
use jit::tier::opt::fuel::Fuel;
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
        for seed in 0..40 {
            check(seed, &Config::default(), &[*pass]);
        }
    }
}

#[test]
fn the_pipeline_keeps_random_programs_as_they_are() {
    let passes = passes_named("o1");
    for seed in 0..300 {
        check(seed, &Config::default(), &passes);
    }
    for seed in 0..200 {
        check(seed, &Config::integers(), &passes);
    }
}

#[test]
fn faults_stay_faults() {
    let config = Config {
        faults: true,
        ..Config::integers()
    };
    for seed in 0..150 {
        check(seed, &config, &passes_named("o1"));
    }
}

#[test]
fn programs_with_wide_integers_stay_as_they_are() {
    let config = Config {
        wide: true,
        ..Config::default()
    };
    for seed in 0..100 {
        check(seed, &config, &passes_named("o1"));
    }
}

#[test]
fn demos_give_their_known_results() {
    let passes = passes_named("o1");
    let mut checked = 0;
    for demo in modules::DEMOS {
        let bitcode = &demo.file[128..];
        let before = jit::load::module(bitcode).expect("a demo loads");
        let (after, _) = optimised(&before, &passes, Fuel::default());
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
            let (after, _) = optimised(&module, &passes_named("o1"), Fuel::default());
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
