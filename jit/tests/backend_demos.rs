//! The demo modules through the optimising tiers: every check at every level of clang.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use exec::{Machine, Outcome, Place, cpu, old_cpu};
use jit::tier::opt::backend;
use jit::tier::{CpuFeatures, Job, Tier};

/// The bitcode inside an LLBC file.
fn load(module: &modules::Module) -> ir::Module {
    let size = u32::from_le_bytes(module.file[100..104].try_into().unwrap());
    jit::load::module(&module.file[128..128 + size as usize]).expect("a demo loads")
}

fn run(tier: exec::Tier, cpu: CpuFeatures, counting: bool) {
    for demo in modules::DEMOS {
        let module = load(&demo);
        let place = Place::new(&module);
        let compiled = exec::compile_with(tier, &module, &place, cpu, counting)
            .unwrap_or_else(|why| panic!("{}: {why}", demo.file_name));
        for check in demo.checks {
            let mut machine = Machine::get();
            machine.load(&module, &place, &compiled);
            let func = module.func_by_name(check.function).unwrap();
            let args: Vec<u64> = check
                .args
                .iter()
                .map(|&arg| u64::from(arg as u32))
                .collect();
            let expected = Outcome::Returned(u64::from(check.expected as u32));
            let got = machine.call(&module, func, &args);
            assert_eq!(
                got, expected,
                "{} {} {:?}",
                demo.file_name, check.function, check.args
            );
        }
    }
}

#[test]
fn demos_are_right_without_passes() {
    run(
        |job: &Job<'_>| backend::compile(job, job.function().body.as_ref().unwrap(), Tier::O1),
        cpu(),
        false,
    );
}

#[test]
fn demos_are_right_with_counters_on_an_old_cpu() {
    run(
        |job: &Job<'_>| backend::compile(job, job.function().body.as_ref().unwrap(), Tier::O1),
        old_cpu(),
        true,
    );
}

#[test]
fn demos_are_right_at_o2() {
    run(
        |job: &Job<'_>| jit::tier::compile(job, Tier::O2),
        cpu(),
        true,
    );
}

#[test]
fn demos_are_right_at_o3() {
    run(
        |job: &Job<'_>| jit::tier::compile(job, Tier::O3),
        cpu(),
        false,
    );
}

#[test]
fn demos_are_right_at_o1() {
    run(
        |job: &Job<'_>| jit::tier::compile(job, Tier::O1),
        cpu(),
        false,
    );
}
