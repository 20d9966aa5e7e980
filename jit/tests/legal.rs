//! Legalised programs natively, at every tier, against the interpreter on what they were before.
//!
//! `LEGAL_SEEDS=from..to` runs other programs than the everyday ones.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use exec::{check_on, cpu, old_cpu};
use ir::random::{self, Config, Random};
use jit::legal;
use jit::tier::CpuFeatures;

fn seeds(everyday: u64) -> core::ops::Range<u64> {
    let Ok(range) = std::env::var("LEGAL_SEEDS") else {
        return 0..everyday;
    };
    let (from, to) = range.split_once("..").expect("from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

/// CPUs with different dialects, as far as this one can stand in for them.
fn cpus() -> Vec<CpuFeatures> {
    let here = cpu();
    let old = old_cpu();
    let sse41 = CpuFeatures {
        sse41: here.sse41,
        ..old
    };
    let avx = CpuFeatures {
        avx: here.avx,
        fma: here.fma,
        ..sse41
    };
    vec![here, avx, sse41, old]
}

fn run(config: &Config, everyday: u64) {
    for seed in seeds(everyday) {
        let source = random::source(seed, config);
        let module = exec::parse(&source);
        let entry = module.func_by_name("entry").unwrap();
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits()];
        let place = exec::Place::new(&module);
        let cpus = cpus();
        // Tiers decline what must be rounded once where the CPU cannot.
        let fused = source.contains(") fma {");
        let cpu = cpus[seed as usize % if fused { 2 } else { cpus.len() }];
        let result = std::panic::catch_unwind(|| {
            let expected = exec::interpret(&module, &place, entry, &args);
            let mut legal = module.clone();
            legal::module(&mut legal, cpu).unwrap();
            let outcome = check_on(&legal, entry, &args, &[cpu]);
            assert_eq!(Some(outcome), expected.map(|(outcome, _)| outcome));
        });
        assert!(result.is_ok(), "seed {seed} {config:?} {cpu:?}\n{source}");
    }
}

#[test]
fn programs_with_vectors_and_wide_integers_agree() {
    let config = Config {
        wide: true,
        ..Config::default()
    };
    run(&config, 100);
}

/// Seed 268 of the programs above once gave something else when optimised: legalisation makes shuffles whose
/// masks leave lanes open, and the back end left in them what was there.
#[test]
fn lanes_that_a_mask_leaves_open_are_zero_where_somebody_looks() {
    let text = |mask: &str| {
        format!(
            "global @from = internal size 16 align 16 init \"\\11\\12\\13\\14\\21\\22\\23\\24\\31\\32\\33\\34\\41\\42\\43\\44\"
global @to = internal size 16 align 16
define i32 @f(i32 %a) {{
entry:
  %v = load <4 x i32>, @from, align 16
  %w = shuffle <4 x i32> %v, %v, [{mask}]
  store <4 x i32> %w, @to, align 16
  %x = extractelement <4 x i32> %w, i32 3
  %y = add i32 %x, %a
  ret i32 %y
}}
"
        )
    };
    // In place, moved, and repeated.
    for mask in [
        "0, 1, any, any",
        "any, 1, 2, any",
        "2, 3, any, any",
        "1, any, 1, any",
        "any, any, any, any",
    ] {
        let outcome = exec::check_text(&text(mask), &[5]);
        assert_eq!(outcome, exec::Outcome::Returned(5));
    }
}

/// The memory's NaN is a signalling one: its bits must not change.
#[test]
fn floats_are_exchanged_as_bits() {
    for (float, int, bits) in [
        ("float", "i32", 0x7fa0_0001_u64),
        ("double", "i64", 0x7ff4_0000_0000_0001),
    ] {
        let source = format!(
            "global @cell = internal size 8 align 8
define {int} @f({int} %a, {int} %b) {{
entry:
  store {int} %a, @cell, align 8
  %x = bitcast {int} %b to {float}
  %old = atomicrmw xchg {float} %x, @cell, align 8 seq_cst
  %unused = atomicrmw xchg {float} %x, @cell, align 8 seq_cst
  %bits = bitcast {float} %old to {int}
  ret {int} %bits
}}
"
        );
        let mut module = exec::parse(&source);
        let func = module.func_by_name("f").unwrap();
        legal::module(&mut module, old_cpu()).unwrap();
        let outcome = check_on(&module, func, &[bits, 7], &[cpu(), old_cpu()]);
        assert_eq!(outcome, exec::Outcome::Returned(bits));
    }
}

#[test]
fn programs_of_what_no_machine_has_agree() {
    let config = Config {
        wide: true,
        exotic: true,
        ..Config::default()
    };
    run(&config, 100);
}
