//! What compiling costs as functions get longer: time by step, and memory.
//!
//! 20,000 instructions may cost 15 times what 2,000 cost, whatever their shape; what takes the square takes 100
//! times as long. Whether a step does is told from CPU time of this thread, the only measure that sees all work, as
//! counters of instructions are not to be had in every virtual machine. Machines are noisy, so that test only
//! runs when asked for (`cargo test --release -p jit --test compile_cost -- --ignored`), takes the least of
//! three, leaves out steps that take microseconds, and has a limit far from both what is right and what is
//! wrong. Memory is counted exactly.
//!
//! Debug builds, where passes are verified and allocations checked, try the passes of O3 only.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

#[path = "compile_cost/meter.rs"]
mod meter;
#[path = "compile_cost/shapes.rs"]
mod shapes;

use ir::{FuncId, Module};
use jit::tier::opt::pipeline::{self, Options};
use jit::tier::opt::{self, Timing};
use jit::tier::{Bindings, CpuFeatures, Job, Tier};

#[global_allocator]
static HEAP: meter::Counting = meter::Counting;

/// The lengths that are compared, and how many times the longer one may cost.
const SHORT: u32 = 2_000;
const LONG: u32 = 20_000;
/// Between 15, which is allowed, and 100, which is the square.
const FACTOR: u64 = 60;
/// Steps that take fewer nanoseconds an instruction of the longer function need not be looked at.
const CHEAP: u64 = 50;
/// Shapes that are declined at [`LONG`], as joins have too many ways in.
const DECLINED: &[&str] = &[
    "a join of many ways",
    "one switch",
    "one alloca, many blocks",
];
/// Most bytes for each instruction while it is compiled. Most of it is the allocator's, by value; these shapes have
/// nothing but values, where half of the instructions of real programs have none
/// (`bench --compile` prints what those need). The checker of debug builds needs more.
const BYTES: usize = if cfg!(debug_assertions) { 3200 } else { 2200 };

const TIERS: &[Tier] = if cfg!(debug_assertions) {
    &[Tier::O3]
} else {
    &[Tier::O1, Tier::O2, Tier::O3]
};

/// The module, and the function that is measured: the last one.
fn parse(text: &str) -> (Module, FuncId) {
    let module = ir::text::parse(text).expect("the shape is valid");
    let func = FuncId(module.funcs.len() as u32 - 1);
    (module, func)
}

fn with_job<T>(module: &Module, func: FuncId, work: impl FnOnce(&Job<'_>) -> T) -> T {
    let addresses = (0..module.globals.len() as u32)
        .map(|at| 0x10_0000 + at * 0x1_0000)
        .collect();
    let bindings = Bindings::alone(module, addresses);
    work(&Job {
        module,
        func,
        bindings: &bindings,
        cpu: CpuFeatures::default(),
        counting: true,
    })
}

/// Nanoseconds of CPU time by step; `None` if the tier declined.
fn steps(job: &Job<'_>, tier: Tier) -> Option<Vec<(&'static str, u64)>> {
    let mut timing = Timing::default();
    if cfg!(debug_assertions) {
        let options = Options {
            passes: pipeline::passes(tier),
            bindings: Some(job.bindings),
            verify: false,
            ..Options::default()
        };
        let outcome = pipeline::run(job.module, job.func, options, &mut meter::cpu_ns);
        timing.passes = outcome.ok()?.runs;
    } else {
        opt::compile_timed(job, tier, &mut meter::cpu_ns, &mut timing).ok()?;
    }
    let back_end = timing.back_end;
    let passes = timing.passes.iter().map(|run| (run.pass, run.time));
    let steps = passes.chain([
        ("lower", back_end.lower),
        ("regalloc", back_end.regalloc),
        ("emit", back_end.emit),
    ]);
    Some(steps.collect())
}

/// The least of three runs.
fn cost(text: &str, tier: Tier) -> Option<Vec<(&'static str, u64)>> {
    let (module, func) = parse(text);
    with_job(&module, func, |job| {
        let mut least = steps(job, tier)?;
        for _ in 1..3 {
            let again = steps(job, tier)?;
            let both = least.iter_mut().zip(again);
            both.for_each(|(step, again)| step.1 = step.1.min(again.1));
        }
        Some(least)
    })
}

/// What is wrong with a step that takes so long in the short function and in the long one.
fn complaint(short: u64, long: u64) -> Option<String> {
    let each = long / u64::from(LONG);
    let times = long as f64 / short.max(1) as f64;
    (long > FACTOR * short && each > CHEAP).then(|| format!("{times:.1} times, {each} ns each"))
}

#[test]
#[ignore = "it measures time, which a busy machine makes meaningless"]
fn no_step_takes_the_square_of_the_length() {
    let mut complaints = Vec::new();
    for (shape, text) in shapes::ALL {
        for &tier in TIERS {
            let short = cost(&text(SHORT), tier).expect("2,000 instructions are no problem");
            let Some(long) = cost(&text(LONG), tier) else {
                assert!(DECLINED.contains(shape), "{shape}, {tier}: declined");
                continue;
            };
            for ((step, short), (_, long)) in short.into_iter().zip(long) {
                if let Some(what) = complaint(short, long) {
                    complaints.push(format!("{shape}, {tier}, {step}: {what}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_step_that_takes_the_square_is_seen() {
    let work = |n: u64| n * n / 100;
    let (short, long) = (work(u64::from(SHORT)), work(u64::from(LONG)));
    assert!(complaint(short, long).is_some());
    assert!(complaint(short, 12 * short).is_none());
}

#[test]
fn memory_is_bounded_by_the_length_and_given_back() {
    let mut complaints = Vec::new();
    for (shape, text) in shapes::ALL {
        for &tier in TIERS {
            let (module, func) = parse(&text(2 * SHORT));
            let insts = module.func(func).body.as_ref().unwrap().insts.len();
            with_job(&module, func, |job| {
                let before = meter::live();
                let (peak, compiled) = meter::peak(|| jit::tier::compile(job, tier));
                drop(compiled);
                assert_eq!(meter::live(), before, "{shape}, {tier}: memory is kept");
                if peak > BYTES * insts {
                    complaints.push(format!("{shape}, {tier}: {} bytes each", peak / insts));
                }
            });
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
