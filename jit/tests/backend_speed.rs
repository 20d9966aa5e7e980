//! How fast the demos run, and how fast they are compiled: `cargo test --release -p jit --test
//! backend_speed -- --ignored --nocapture`. Nothing is asserted about time.

#![expect(clippy::unwrap_used, reason = "a measurement's mistakes may end it")]

mod exec;

use exec::{Machine, Outcome, Place, cpu};
use ir::{Builder, FuncId, Function, IntPred, Op, Type, TypeId, Value};
use jit::tier::opt::backend;
use jit::tier::{Compiled, Declined, Job, Tier, baseline};
use std::time::Instant;

/// Calls in a round, and rounds of which the fastest counts.
const CALLS: u32 = 100;
const ROUNDS: u32 = 15;

fn alone(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::O1)
}

fn whole(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O1)
}

fn o2(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O2)
}

fn o3(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O3)
}

const TIERS: [(&str, exec::Tier); 5] = [
    ("baseline", baseline::compile),
    ("backend", alone),
    ("o1", whole),
    ("o2", o2),
    ("o3", o3),
];

fn load(module: &modules::Module) -> ir::Module {
    let size = u32::from_le_bytes(module.file[100..104].try_into().unwrap());
    jit::load::module(&module.file[128..128 + size as usize]).expect("a demo loads")
}

/// Adds a function that calls `check`'s as often as its parameter says and sums up the results.
fn add_driver(module: &mut ir::Module, check: &modules::Check) -> FuncId {
    let func = module.func_by_name(check.function).unwrap();
    let callee = module.func(func).ty;
    let ty = module.types.intern(Type::Func {
        ret: TypeId::I32,
        params: vec![TypeId::I32],
        variadic: false,
    });
    let mut body = Builder::new(vec![TypeId::I32]);
    let i32 = TypeId::I32;
    let (zero, one) = (body.int(i32, 0), body.int(i32, 1));
    let args: Vec<u32> = check
        .args
        .iter()
        .map(|&a| body.int(i32, u64::from(a as u32)).0)
        .collect();
    body.start_block();
    body.op(Op::Br, 0, TypeId::VOID, [1, 0, 0]);
    let again = body.start_block();
    let phis = [
        body.pool([0, zero.0, again.0, 0]),
        body.pool([0, zero.0, again.0, 0]),
    ];
    let [number, sum] = phis.map(|pool| body.op(Op::Phi, 0, i32, [pool, 2, 0]));
    let words = body.pool([u32::from(callee.0), 0].into_iter().chain(args));
    let result = body.op(Op::Call, 0, i32, [func.0, words, check.args.len() as u32]);
    let next = body.op(Op::Add, 0, i32, [number.0, one.0, 0]);
    let total = body.op(Op::Add, 0, i32, [sum.0, result.0, 0]);
    for (pool, value) in phis.into_iter().zip([next, total]) {
        *body.pool_mut(pool + 3).unwrap() = value.0;
    }
    let more = body.op(
        Op::ICmp,
        IntPred::Ult as u8,
        TypeId::I1,
        [next.0, Value::arg(0).0, 0],
    );
    body.op(Op::CondBr, 0, TypeId::VOID, [more.0, again.0, again.0 + 1]);
    body.start_block();
    body.op(Op::Ret, 0, TypeId::VOID, [total.0, 0, 0]);
    module.funcs.push(Function {
        name: format!("driver of {}", check.function),
        ty: ty.unwrap(),
        body: Some(body.finish()),
        ..Function::default()
    });
    FuncId(module.funcs.len() as u32 - 1)
}

/// Nanoseconds that one call of each check of `demo` takes, by check and tier. The tiers take turns, so
/// that what else the machine does hits all of them.
fn times(demo: &modules::Module) -> Vec<[f64; TIERS.len()]> {
    let mut module = load(demo);
    let checks = demo.checks.iter();
    let drivers: Vec<FuncId> = checks.map(|check| add_driver(&mut module, check)).collect();
    ir::verify::module(&module).expect("the drivers are valid");
    let place = Place::new(&module);
    let compile = |(_, tier): (_, exec::Tier)| {
        exec::compile_with(tier, &module, &place, cpu(), false).expect("compiles")
    };
    let compiled = TIERS.map(compile);
    let mut best = vec![[f64::MAX; TIERS.len()]; drivers.len()];
    let mut machine = Machine::get();
    for _ in 0..ROUNDS {
        for (tier, code) in compiled.iter().enumerate() {
            machine.load(&module, &place, code);
            for (at, (check, &driver)) in demo.checks.iter().zip(&drivers).enumerate() {
                let start = Instant::now();
                let got = machine.call(&module, driver, &[u64::from(CALLS)]);
                let nanos = start.elapsed().as_nanos() as f64 / f64::from(CALLS);
                let expected = (check.expected as u32).wrapping_mul(CALLS);
                assert_eq!(got, Outcome::Returned(u64::from(expected)));
                best[at][tier] = best[at][tier].min(nanos);
            }
        }
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn demos_by_tier() {
    print!("{:46} {:>11}", "", "baseline ns");
    TIERS[1..].iter().for_each(|tier| print!(" {:>8}", tier.0));
    println!();
    let mut logs = [0.0; TIERS.len()];
    let mut count = 0.0;
    for demo in modules::DEMOS {
        for (check, times) in demo.checks.iter().zip(times(&demo)) {
            let name = format!("{} {} {:?}", demo.file_name, check.function, check.args);
            print!("{name:46} {:11.0}", times[0]);
            count += f64::from(u32::from(demo.level == 0));
            for (log, time) in logs.iter_mut().zip(times).skip(1) {
                let ratio = times[0] / time;
                print!(" {ratio:8.2}");
                if demo.level == 0 {
                    *log += ratio.ln();
                }
            }
            println!();
        }
    }
    print!("{:58}", "geometric mean at -O0");
    logs[1..]
        .iter()
        .for_each(|log: &f64| print!(" {:8.2}", (log / count).exp()));
    println!();
}

#[test]
#[ignore = "a measurement"]
fn compile_time_by_tier() {
    for (name, tier) in TIERS {
        let (mut nanos, mut insts, mut bytes) = (0.0, 0, 0);
        for demo in modules::DEMOS {
            let module = load(&demo);
            let place = Place::new(&module);
            let mut best = f64::MAX;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                let compiled = exec::compile_with(tier, &module, &place, cpu(), false).unwrap();
                best = best.min(start.elapsed().as_nanos() as f64);
                bytes += compiled
                    .iter()
                    .flatten()
                    .map(|one| one.code.len())
                    .sum::<usize>();
            }
            nanos += best;
            let bodies = module.funcs.iter().filter_map(|func| func.body.as_ref());
            insts += bodies.map(|body| body.insts.len()).sum::<usize>();
        }
        let bytes = bytes / ROUNDS as usize;
        println!(
            "{name:10} {:8.0} ns an instruction, {bytes} bytes",
            nanos / insts as f64
        );
    }
}
