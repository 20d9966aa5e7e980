//! The engine in a process: calls, faults, publication under load.
//!
//! A process holds one instance, so each case runs in a child process: the test starts this binary
//! again, with the case's name, and looks at how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_core,
    reason = "a test on Linux: a failed expectation is a failed test"
)]

mod child;

use asm::{CodeBuffer, Gpr, Mem, Size};
use child::in_child;
use hosted::{Left, Options, Process};
use ir::{Builder, Function, Module, Op, Type, TypeId};
use jit::code::publish::Outcome;
use jit::instance::{Fault, Program, Reason};
use jit::tier::{Compiled, Tier};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A program of `count` functions without parameters that return 0.
fn program(count: usize) -> Program {
    let mut module = Module {
        name: "test".into(),
        ..Module::default()
    };
    let params = vec![];
    let ty = Type::Func {
        ret: TypeId::I32,
        params,
        variadic: false,
    };
    let ty = module.types.intern(ty).unwrap();
    for number in 0..count {
        let mut body = Builder::new(vec![]);
        body.start_block();
        let zero = body.int(TypeId::I32, 0);
        body.op(Op::Ret, 0, TypeId::VOID, [zero.0, 0, 0]);
        let name = format!("f{number}");
        let body = Some(body.finish());
        module.funcs.push(Function {
            name,
            ty,
            body,
            ..Function::default()
        });
    }
    Program::new(module).unwrap()
}

fn code(emit: impl FnOnce(&mut CodeBuffer)) -> Compiled {
    let mut buffer = CodeBuffer::new();
    emit(&mut buffer);
    let code = buffer.finalize(0).unwrap().text.to_vec();
    Compiled {
        code,
        ..Compiled::default()
    }
}

fn returns(value: u64) -> Compiled {
    code(|buffer| {
        buffer.mov_i(Gpr::Rax, value);
        buffer.ret();
    })
}

fn start(options: Options) -> &'static Process {
    Process::start(program(2), options).unwrap()
}

/// Calls `compiled` with a CPU time limit and gives how it ended.
fn run(compiled: &Compiled) -> (Left, &'static Process) {
    let budget = Some(Duration::from_millis(50));
    let process = start(Options {
        budget,
        workers: 0,
        ..Options::default()
    });
    process
        .instance()
        .install(0, Tier::Baseline, compiled, 0, 0)
        .unwrap();
    let core = process.attach(0).unwrap();
    let left = process.call(&core, 0, [0; 6]);
    assert_eq!(
        process.call(&core, 0, [0; 6]),
        left,
        "the core can be used again"
    );
    (left, process)
}

#[test]
fn a_function_returns_its_result() {
    in_child("a_function_returns_its_result", || {
        assert!(matches!(run(&returns(42)).0, Left::Returned(42, _)));
    });
}

#[test]
fn a_null_load_is_contained_and_reported() {
    in_child("a_null_load_is_contained_and_reported", || {
        let load = code(|buffer| buffer.mov(Size::B32, Gpr::Rax, Mem::abs(8)));
        let (left, process) = run(&load);
        let Left::Faulted(fault, pc, caller) = left else {
            panic!("{left:?}")
        };
        assert_eq!(
            fault,
            Fault::Memory {
                address: 8,
                write: false,
                fetch: false
            }
        );
        let report = process.report(fault, pc, caller);
        assert_eq!(report.reason, Reason::NullAccess);
        let text = report.to_string();
        assert!(
            text.contains("in f0 (baseline)") && text.contains("module test"),
            "{text}"
        );
    });
}

#[test]
fn a_store_to_a_slot_is_contained() {
    in_child("a_store_to_a_slot_is_contained", || {
        let slot = jit::abi::slot_address(16) as i32;
        let store = code(|buffer| buffer.mov_mi(Size::B32, Mem::abs(slot), 0));
        let (left, process) = run(&store);
        let Left::Faulted(fault, pc, caller) = left else {
            panic!("{left:?}")
        };
        assert_eq!(process.report(fault, pc, caller).reason, Reason::ReadOnly);
    });
}

#[test]
fn a_jump_to_data_is_contained_and_names_its_origin() {
    in_child("a_jump_to_data_is_contained_and_names_its_origin", || {
        let jump = code(|buffer| {
            buffer.mov_i(Gpr::Rax, u64::from(jit::abi::GLOBALS));
            buffer.call_rm(Gpr::Rax);
        });
        let (left, process) = run(&jump);
        let Left::Faulted(fault, pc, caller) = left else {
            panic!("{left:?}")
        };
        let report = process.report(fault, pc, caller);
        assert_eq!(report.reason, Reason::JumpToData);
        assert_eq!(report.at.unwrap().function, "f0");
    });
}

#[test]
fn a_stack_overflow_is_contained() {
    in_child("a_stack_overflow_is_contained", || {
        let recurse = code(|buffer| {
            let top = buffer.here();
            buffer.call(top);
        });
        let Left::Faulted(fault, ..) = run(&recurse).0 else {
            panic!()
        };
        assert_eq!(fault.reason(), Reason::StackOverflow);
    });
}

#[test]
fn an_endless_loop_is_ended_when_its_time_is_up() {
    in_child("an_endless_loop_is_ended_when_its_time_is_up", || {
        let spin = code(|buffer| {
            let top = buffer.here();
            buffer.jmp(top);
        });
        let Left::Faulted(fault, ..) = run(&spin).0 else {
            panic!()
        };
        assert_eq!(fault, Fault::TimeUsedUp);
    });
}

#[test]
fn a_function_without_code_is_reported() {
    in_child("a_function_without_code_is_reported", || {
        let options = Options {
            code_limit: 4096,
            workers: 0,
            ..Options::default()
        };
        let process = start(options);
        let core = process.attach(0).unwrap();
        let fill = code(|buffer| buffer.raw(&[0x90; 4000]));
        let _ = process.instance().install(1, Tier::Baseline, &fill, 0, 0);
        let left = process.call(&core, 0, [0; 6]);
        let full = matches!(left, Left::Faulted(Fault::NotCompiled, ..));
        assert!(full || matches!(left, Left::Returned(0, _)), "{left:?}");
    });
}

/// Two threads: one publishes versions that return their number, one calls all the while. What it
/// reads never goes backwards, and the last version reaches it (P3).
#[test]
fn versions_never_go_backwards_and_the_last_one_arrives() {
    in_child(
        "versions_never_go_backwards_and_the_last_one_arrives",
        || {
            const VERSIONS: u64 = 100_000;
            let process = start(Options {
                workers: 0,
                ..Options::default()
            });
            let publish = |version| {
                let (_, outcome) = process
                    .instance()
                    .install(0, Tier::Baseline, &returns(version), 1, 0)
                    .unwrap();
                assert_eq!(outcome, Outcome::Published);
            };
            publish(1);
            let reached = AtomicU64::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let core = process.attach(0).unwrap();
                    let mut newest = 0;
                    while newest < VERSIONS {
                        let Left::Returned(version, _) = process.call(&core, 0, [0; 6]) else {
                            panic!()
                        };
                        assert!(version >= newest, "{version} after {newest}");
                        newest = version;
                        // ORDERING: Relaxed, a progress figure; pairs with nothing.
                        reached.store(newest, Ordering::Relaxed);
                    }
                });
                (2..=VERSIONS).for_each(publish);
            });
            // ORDERING: Relaxed: the scope's join orders it.
            assert_eq!(reached.load(Ordering::Relaxed), VERSIONS);
            let stats = process.instance().version_stats();
            assert_eq!((stats.published, stats.retired), (1, VERSIONS - 1));
        },
    );
}
