//! Host calls, tasks, files and helpers, as C programs see them.
//!
//! Each case is a program below `tests/guests` whose functions return 0 or the number of the step that
//! went wrong. It is compiled here, linked, and run in a child process, since a process holds one
//! instance.

#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_core,
    reason = "a test on Linux: a failed expectation is a failed test"
)]

mod child;

use child::in_child;
use hosted::{Directory, Left, Options, Process};
use jit::instance::{Fault, Input, Program, Reason};
use jit::tier::Tier;
use jit::weaken::{self, Weakness};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../modules/guests");

fn compile(source: &Path, case: &str, level: &str) -> ir::Module {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{case}.bc"));
    let output = Command::new("clang-19")
        .args([
            "--target=i386-unknown-none-elf",
            "-m32",
            "-ffreestanding",
            "-nostdlib",
        ])
        .args([
            "-fno-builtin",
            "-fno-stack-protector",
            "-emit-llvm",
            "-g",
            "-c",
            level,
        ])
        .arg(format!("-I{SDK}/include"))
        .arg(source)
        .arg("-o")
        .arg(&to)
        .output()
        .expect("clang-19 must be installed: apt-get install clang-19");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut module = jit::load::module(&fs::read(to).unwrap()).unwrap();
    module.name = case.into();
    module
}

/// A guest of this test, linked.
fn guest(file: &str, case: &str, level: &str) -> Program {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let module = compile(&here.join(file), case, level);
    Program::link(vec![Input::Module(module)], "main").unwrap()
}

fn options() -> Options {
    Options {
        budget: Some(Duration::from_secs(20)),
        ..Options::default()
    }
}

/// What function `name` gives.
fn call(process: &'static Process, name: &str) -> Left {
    let core = process.attach(0).unwrap();
    let func = process.instance().program().start(name).unwrap();
    process.call(&core, func, [0; 6])
}

/// Runs functions one after the other; each must return 0.
fn all_return_0(program: Program, options: Options, names: &[&str]) {
    let process = Process::start(program, options).unwrap();
    for name in names {
        match call(process, name) {
            Left::Returned(0, _) => {}
            Left::Faulted(fault, pc, caller) => {
                panic!("{name}: {}", process.report(fault, pc, caller))
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn tasks_start_wait_and_join_at_baseline() {
    in_child("tasks_start_wait_and_join_at_baseline", || {
        let module = compile(&Path::new(SDK).join("tasks.c"), "tasks-O2", "-O2");
        let program = Program::link(vec![Input::Module(module)], "main").unwrap();
        let steps = ["main", "crowd", "everywhere", "mutex", "heap", "main"];
        all_return_0(program, options(), &steps);
    });
}

#[test]
fn tasks_start_wait_and_join_while_code_climbs() {
    in_child("tasks_start_wait_and_join_while_code_climbs", || {
        let module = compile(&Path::new(SDK).join("tasks.c"), "tasks-O0", "-O0");
        let program = Program::link(vec![Input::Module(module)], "main").unwrap();
        let eager = jit::policy::Thresholds {
            calls: [2, 4, 8],
            ..jit::policy::Thresholds::default()
        };
        let options = Options {
            thresholds: eager,
            ..options()
        };
        all_return_0(program, options, &["main"; 3]);
    });
}

#[test]
fn all_256_tasks_run_at_once_and_not_one_more() {
    in_child("all_256_tasks_run_at_once_and_not_one_more", || {
        all_return_0(guest("many.c", "many", "-O1"), options(), &["many", "many"]);
    });
}

#[test]
fn the_exit_of_a_task_ends_a_busy_main() {
    in_child("the_exit_of_a_task_ends_a_busy_main", || {
        let process = Process::start(guest("ending.c", "exits", "-O1"), options()).unwrap();
        assert_eq!(call(process, "exit_in_task"), Left::Exited(7));
        assert_eq!(call(process, "exit_in_task"), Left::Exited(7));
    });
}

#[test]
fn a_fault_of_a_task_ends_a_waiting_main_with_a_report() {
    in_child(
        "a_fault_of_a_task_ends_a_waiting_main_with_a_report",
        || {
            let process = Process::start(guest("ending.c", "faults", "-O1"), options()).unwrap();
            for name in [
                "fault_while_joined",
                "fault_while_waited_for",
                "fault_while_asleep",
            ] {
                let Left::Faulted(fault, pc, caller) = call(process, name) else {
                    panic!("{name} is ended by the fault");
                };
                let report = process.report(fault, pc, caller);
                assert_eq!(report.reason, Reason::NullAccess, "{report}");
                assert_eq!(report.at.map(|at| at.function), Some("null_store".into()));
            }
        },
    );
}

#[test]
fn the_end_of_main_ends_tasks_whatever_they_do() {
    in_child("the_end_of_main_ends_tasks_whatever_they_do", || {
        let process = Process::start(guest("ending.c", "leaves", "-O1"), options()).unwrap();
        let left = call(process, "leave_tasks_behind");
        assert!(matches!(left, Left::Returned(0, _)), "{left:?}");
        assert_eq!(call(process, "exit_with_tasks"), Left::Exited(3));
    });
}

#[test]
fn main_that_ends_as_a_task_lets_the_others_finish() {
    in_child("main_that_ends_as_a_task_lets_the_others_finish", || {
        let process = Process::start(guest("ending.c", "task_exit", "-O1"), options()).unwrap();
        assert_eq!(call(process, "main_ends_first"), Left::Exited(0));
        let done = call(process, "what_the_others_did");
        assert!(matches!(done, Left::Returned(5, _)), "{done:?}");
    });
}

fn thread_locals(tier: Option<Tier>) {
    let name = tier.map_or("auto", Tier::name);
    let options = Options {
        forced: tier,
        ..options()
    };
    let program = guest("local.c", &format!("local-{name}"), "-O1");
    all_return_0(program, options, &["local", "local"]);
}

#[test]
fn thread_local_variables_are_each_tasks_own() {
    in_child("thread_local_variables_are_each_tasks_own", || {
        thread_locals(None);
    });
}

#[test]
fn thread_local_variables_are_each_tasks_own_at_baseline() {
    in_child(
        "thread_local_variables_are_each_tasks_own_at_baseline",
        || {
            thread_locals(Some(Tier::Baseline));
        },
    );
}

#[test]
fn thread_local_variables_are_each_tasks_own_optimised() {
    in_child(
        "thread_local_variables_are_each_tasks_own_optimised",
        || {
            thread_locals(Some(Tier::O2));
        },
    );
}

/// A directory for a test, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn granted(paths: &[(&Path, Option<&str>)]) -> Options {
    let directory = |(path, name): &(&Path, Option<&str>)| Directory {
        path: path.to_path_buf(),
        name: name.map(Into::into),
    };
    Options {
        directories: paths.iter().map(directory).collect(),
        ..options()
    }
}

#[test]
fn files_are_written_read_listed_and_removed() {
    in_child("files_are_written_read_listed_and_removed", || {
        let directory = scratch("files");
        let options = granted(&[(&directory, None)]);
        let steps = ["contents", "flags", "names", "descriptors"];
        all_return_0(guest("files.c", "files", "-O1"), options, &steps);
        assert_eq!(fs::read(directory.join("left")).unwrap(), b"for the host");
    });
}

#[test]
fn no_path_leads_out_of_a_granted_directory() {
    in_child("no_path_leads_out_of_a_granted_directory", || {
        let directory = scratch("escape");
        fs::write(directory.join("secret"), "s").unwrap();
        let inside = directory.join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("file"), "f").unwrap();
        let link =
            |to: &Path, name: &str| std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
        link(Path::new("../secret"), "relative");
        link(&directory.join("secret"), "absolute");
        link(Path::new(".."), "up");
        link(Path::new("file"), "fine");
        let pipe = inside.join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let options = granted(&[(&inside, None)]);
        all_return_0(guest("escape.c", "escape", "-O1"), options, &["escape"]);
        assert!(directory.join("secret").exists());
    });
}

#[test]
fn grants_are_told_apart_by_name() {
    in_child("grants_are_told_apart_by_name", || {
        let (one, two) = (scratch("grant-one"), scratch("grant-two"));
        let options = granted(&[(&one, Some("in")), (&two, Some("out"))]);
        all_return_0(guest("escape.c", "grants", "-O1"), options, &["grants"]);
        assert!(two.join("made").is_dir());
    });
}

#[test]
fn a_program_without_a_grant_has_no_files() {
    in_child("a_program_without_a_grant_has_no_files", || {
        all_return_0(guest("escape.c", "nothing", "-O1"), options(), &["nothing"]);
    });
}

#[test]
fn heap_clock_and_random_bytes() {
    in_child("heap_clock_and_random_bytes", || {
        let steps = ["heap", "clock", "random_bytes", "bad_addresses"];
        all_return_0(guest("memory.c", "memory", "-O1"), options(), &steps);
    });
}

#[test]
fn block_helpers_copy_and_fill_every_length_and_overlap() {
    in_child(
        "block_helpers_copy_and_fill_every_length_and_overlap",
        || {
            all_return_0(guest("helpers.c", "helpers", "-O1"), options(), &["blocks"]);
        },
    );
}

#[test]
fn block_helpers_do_the_same_without_avx() {
    in_child("block_helpers_do_the_same_without_avx", || {
        let mut options = options();
        (options.cpu.avx, options.cpu.avx2, options.cpu.fma) = (false, false, false);
        all_return_0(
            guest("helpers.c", "helpers-sse", "-O1"),
            options,
            &["blocks"],
        );
    });
}

#[test]
fn a_fault_in_a_helper_names_helper_and_caller() {
    in_child("a_fault_in_a_helper_names_helper_and_caller", || {
        let process = Process::start(guest("helpers.c", "helper-fault", "-O0"), options()).unwrap();
        let Left::Faulted(fault, pc, caller) = call(process, "copy_to_null") else {
            panic!("the copy faults");
        };
        let report = process.report(fault, pc, caller).to_string();
        assert!(
            report.contains("in memcpy called from copy_to_null (baseline) line "),
            "{report}"
        );
    });
}

#[test]
fn setjmp_returns_again_and_longjmp_checks_its_buffer() {
    in_child("setjmp_returns_again_and_longjmp_checks_its_buffer", || {
        let process = Process::start(guest("jump.c", "jump", "-O1"), options()).unwrap();
        for name in ["jump", "deep", "zero"] {
            let left = call(process, name);
            assert!(matches!(left, Left::Returned(0, _)), "{name}: {left:?}");
        }
        for name in ["never_set", "frame_is_gone"] {
            let Left::Faulted(fault, pc, caller) = call(process, name) else {
                panic!("{name} is caught");
            };
            let report = process.report(fault, pc, caller);
            assert_eq!(report.reason, Reason::BadLongJump, "{report}");
        }
    });
}

/// What `kept` of `jump.c` gives at a tier; functions that call setjmp are always of the lowest.
fn registers_behind_a_long_jump(case: &str, tier: Tier) -> Left {
    let options = Options {
        forced: Some(tier),
        ..options()
    };
    call(
        Process::start(guest("jump.c", case, "-O1"), options).unwrap(),
        "kept",
    )
}

#[test]
fn a_long_jump_leaves_the_callers_registers_alone() {
    in_child("a_long_jump_leaves_the_callers_registers_alone", || {
        let left = registers_behind_a_long_jump("kept", Tier::O2);
        assert!(matches!(left, Left::Returned(0, _)), "{left:?}");
    });
}

#[test]
fn a_setjmp_that_saves_nothing_costs_the_caller_its_registers() {
    in_child(
        "a_setjmp_that_saves_nothing_costs_the_caller_its_registers",
        || {
            weaken::leave_out(Weakness::NothingSaved);
            let left = registers_behind_a_long_jump("lost", Tier::O2);
            assert!(matches!(left, Left::Returned(1, _)), "{left:?}");
        },
    );
}

#[test]
fn an_unchecked_long_jump_goes_where_a_forged_buffer_says() {
    in_child(
        "an_unchecked_long_jump_goes_where_a_forged_buffer_says",
        || {
            weaken::leave_out(Weakness::UncheckedJump);
            let process = Process::start(guest("jump.c", "forged", "-O1"), options()).unwrap();
            let Left::Faulted(fault, pc, caller) = call(process, "frame_is_gone") else {
                panic!("a dead frame returns to where it must not");
            };
            let report = process.report(fault, pc, caller);
            // The dead frame returns where the call that has its place now would, and that call never does.
            assert_eq!(report.reason, Reason::Unreachable, "{report}");
        },
    );
}

/// Numbers that hit the borders of the division's cases.
fn numbers() -> Vec<u128> {
    let mut list = vec![
        0,
        1,
        2,
        3,
        7,
        10,
        u128::MAX,
        u128::MAX - 1,
        i128::MAX as u128,
    ];
    for bit in [31, 32, 63, 64, 65, 96, 126, 127] {
        let power = 1u128 << bit;
        list.extend([power, power - 1, power + 1, power.wrapping_neg()]);
    }
    let mut state = 0x1234_5678_9abc_def0_u128;
    for round in 0..60 {
        state = state
            .wrapping_mul(0x2545_f491_4f6c_dd1d_8af7_34a1_9f0b_3c61)
            .wrapping_add(round);
        list.push(state >> (round * 2));
    }
    list
}

#[test]
fn helpers_divide_128_bits_as_rust_does() {
    in_child("helpers_divide_128_bits_as_rust_does", || {
        let mut text = String::new();
        for name in ["udiv128", "urem128", "sdiv128", "srem128"] {
            for (part, suffix) in [(0, "low"), (1, "high")] {
                text += &format!(
                    "define i64 @{name}_{suffix}(i64 %a, i64 %b, i64 %c, i64 %d) {{\nbb0:\n  \
                     %r = intrinsic {name} {{i64, i64}} (i64 %a, i64 %b, i64 %c, i64 %d)\n  \
                     %v = extractvalue {{i64, i64}} %r, {part}\n  ret i64 %v\n}}\n"
                );
            }
        }
        let module = ir::text::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let program = Program::new(module).unwrap();
        let options = Options {
            forced: Some(Tier::Baseline),
            ..options()
        };
        let process = Process::start(program, options).unwrap();
        let core = process.attach(0).unwrap();
        let run = |name: &str, a: u128, b: u128| {
            let half = |suffix: &str| {
                let func = process
                    .instance()
                    .program()
                    .entry(&format!("{name}_{suffix}"));
                let args = [a, a >> 64, b, b >> 64, 0, 0].map(|word| word as u64);
                process.call(&core, func.unwrap(), args)
            };
            match (half("low"), half("high")) {
                (Left::Returned(low, _), Left::Returned(high, _)) => {
                    Some(u128::from(high) << 64 | u128::from(low))
                }
                (Left::Faulted(Fault::Divide, ..), Left::Faulted(Fault::Divide, ..)) => None,
                other => panic!("{name} {a:#x} {b:#x}: {other:?}"),
            }
        };
        for a in numbers() {
            for b in numbers() {
                let (x, y) = (a.cast_signed(), b.cast_signed());
                let signed = |value: i128| value.cast_unsigned();
                let some = b != 0;
                assert_eq!(run("udiv128", a, b), a.checked_div(b), "{a:#x} / {b:#x}");
                assert_eq!(run("urem128", a, b), a.checked_rem(b), "{a:#x} % {b:#x}");
                let quotient = some.then(|| signed(x.wrapping_div(y)));
                assert_eq!(run("sdiv128", a, b), quotient, "{x} / {y}");
                let remainder = some.then(|| signed(x.wrapping_rem(y)));
                assert_eq!(run("srem128", a, b), remainder, "{x} % {y}");
            }
        }
    });
}
