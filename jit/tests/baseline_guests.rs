//! The demo programs, compiled by clang at every level, at the baseline tier: each call with a known
//! result, natively. And, when asked for, how fast the tier is and how fast its code.

mod exec;

use exec::{Machine, Outcome, Place, compile_all, cpu};
use ir::Module;
use std::time::Instant;

fn load(guest: &modules::Module) -> Module {
    let file = abi::Container::parse(guest.file).expect("a guest is well-formed");
    jit::load::module(file.bitcode).unwrap_or_else(|error| panic!("{}: {error}", guest.file_name))
}

#[test]
fn demo_programs_return_what_native_code_returns() {
    for guest in &modules::DEMOS {
        let module = load(guest);
        let place = Place::new(&module);
        for counting in [false, true] {
            let compiled = compile_all(&module, &place, cpu(), counting);
            let compiled = compiled.unwrap_or_else(|why| panic!("{}: {why}", guest.file_name));
            let mut machine = Machine::get();
            for check in guest.checks {
                machine.load(&module, &place, &compiled);
                let func = module.func_by_name(check.function).unwrap();
                let args: Vec<u64> = check
                    .args
                    .iter()
                    .map(|&arg| u64::from(arg as u32))
                    .collect();
                let expected = Outcome::Returned(u64::from(check.expected as u32));
                let found = machine.call(&module, func, &args);
                assert_eq!(found, expected, "{} {check:?}", guest.file_name);
            }
        }
    }
}

/// Prints nanoseconds of compilation for each instruction, and of each guest's `main`.
#[test]
#[ignore = "measures; run it alone and in release mode"]
fn speed() {
    for guest in &modules::DEMOS {
        let module = load(guest);
        let place = Place::new(&module);
        let bodies = module.funcs.iter().filter_map(|func| func.body.as_ref());
        let insts: usize = bodies.map(|body| body.insts.len()).sum();
        let mut best = f64::INFINITY;
        let mut bytes = 0;
        for _ in 0..200 {
            let start = Instant::now();
            let compiled = compile_all(&module, &place, cpu(), true).unwrap();
            best = best.min(start.elapsed().as_nanos() as f64);
            bytes = compiled.iter().flatten().map(|c| c.code.len()).sum();
        }
        let compiled = compile_all(&module, &place, cpu(), false).unwrap();
        let mut machine = Machine::get();
        let main = module.func_by_name("main").unwrap();
        let mut run = f64::INFINITY;
        for _ in 0..3 {
            machine.load(&module, &place, &compiled);
            let start = Instant::now();
            machine.call(&module, main, &[0, 0]);
            run = run.min(start.elapsed().as_secs_f64() * 1e3);
        }
        println!(
            "{:28} {insts:5} insts  {:6.1} ns/inst  {:4.1} bytes/inst  main {run:9.3} ms",
            guest.file_name,
            best / insts as f64,
            bytes as f64 / insts as f64,
        );
    }
}

/// Compiles the guests again and again, for a profiler.
#[test]
#[ignore = "runs for seconds"]
fn compile_for_a_profiler() {
    let guests: Vec<Module> = modules::DEMOS.iter().map(load).collect();
    let guests: Vec<_> = guests
        .iter()
        .map(|guest| (guest, Place::new(guest)))
        .collect();
    let start = Instant::now();
    while start.elapsed().as_secs() < 8 {
        for (module, place) in &guests {
            compile_all(module, place, cpu(), true).unwrap();
        }
    }
}

/// Prints the code of one function: `BASELINE_DIS=name-Olevel.llbc:function`.
#[test]
#[ignore = "prints code for reading"]
fn disassembly() {
    let Ok(wanted) = std::env::var("BASELINE_DIS") else {
        return;
    };
    let (file, name) = wanted.split_once(':').unwrap();
    let guest = modules::DEMOS
        .iter()
        .find(|guest| guest.file_name == file)
        .unwrap();
    let module = load(guest);
    let place = Place::new(&module);
    let compiled = compile_all(&module, &place, cpu(), true).unwrap();
    let func = module.func_by_name(name).unwrap();
    println!("{}", ir::text::func_text(&module, func, None));
    println!(
        "{}",
        exec::disassemble(compiled[func.index()].as_ref().unwrap())
    );
}
