//! The user's command: compile, wrap, inspect, run, call, disassemble, bisect, boot and stress modules.
//!
//! One file a subcommand; each takes its arguments and gives an exit status. What a person sees when
//! something is wrong is always one line that begins with `bareflow:` and names what and where.
#![expect(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a Linux program: std is always there"
)]

mod bisect;
mod boot;
mod call;
mod cc;
mod dis;
mod fail;
mod inspect;
mod listing;
mod module_file;
mod perf;
mod run;
mod stress;
mod wrap;

use fail::Failure;
use std::process::ExitCode;

const USAGE: &str = "\
usage: bareflow COMMAND …

  cc FILE… [-c] [-O0..-O3] [-march=…] [-g] [-I DIR] [-D NAME[=VALUE]] [-l LIB] [-L DIR] -o OUT.bc
        compiles C to a module with clang-19 and the module flags; takes a C compiler's
        arguments: sources, files of bitcode, archives; -ffreestanding for no C library
  wrap FILE.bc -o OUT.llbc [--name NAME] [--entry FUNCTION] [--level 0..3]
        puts the 128-byte LLBC header in front of bitcode
  inspect FILE
        shows header, functions, globals, imports
  run FILE [ARG…] | run FILE… -- [ARG…]
      [--lib FILE]… [--no-libc] [--dir DIR[:NAME]]… [--tier baseline|o1|o2|o3|auto]
      [--cores N] [--time-limit SECONDS] [--stats] [--json FILE]
      [--perf-map] [--jitdump DIR]
        links modules, libraries and the C library and runs main; the exit status is main's;
        the program sees the directories of --dir and no others
  call FILE FUNCTION [INT…] [--tier T] [--repeat N] [--json] [--perf-map] [--jitdump DIR]
        calls one function; prints its result and the time a call takes
  dis FILE [--ir|--asm|--passes|--timing] [--tier T] [--function F] [--stop-after PASS]
        shows IR, machine code with source and IR, IR after each pass that changed something,
        or how long each step took
  bisect FILE [FUNCTION [INT…]] [--tier T] [-- ARG…]
        runs a function, or main with the words behind --, with ever fewer changes of the passes
        of T (o3), and shows the first change that makes it wrong; what is right is baseline's
  boot FILE [ARG…] [--smp N]
        runs main in the kernel, in QEMU; the exit status is main's
  stress [--cores N] [--seconds N] [--json]
        calls functions while all of them are recompiled, with the compiler on and off

exit status: 64 wrong usage, 65 rejected module, 66 unreadable file, 69 a missing tool,
             134 a module that was ended by a fault; else the program's
";

fn main() -> ExitCode {
    hosted::heap::use_huge_pages();
    let mut args = std::env::args_os().skip(1).peekable();
    let Some(command) = args.next() else {
        eprint!("{USAGE}");
        return ExitCode::from(fail::USAGE);
    };
    let asks = args.next_if(|word| word == "--help").is_some();
    if let Some(usage) = command.to_str().filter(|_| asks).and_then(usage_of) {
        print!("usage: bareflow {}", usage.trim_start());
        return ExitCode::SUCCESS;
    }
    let rest = lexopt::Parser::from_args(args);
    let result = match command.to_str() {
        Some("cc") => cc::main(rest),
        Some("wrap") => wrap::main(rest),
        Some("inspect") => inspect::main(rest),
        Some("run") => run::main(rest),
        Some("call") => call::main(rest),
        Some("dis") => dis::main(rest),
        Some("bisect") => bisect::main(rest),
        Some("boot") => boot::main(rest),
        Some("stress") => stress::main(rest),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(0)
        }
        _ => Err(Failure::usage(format!(
            "no command {}; `bareflow help` lists them",
            command.to_string_lossy()
        ))),
    };
    result.map_or_else(
        |failure| {
            eprintln!("bareflow: {failure}");
            ExitCode::from(failure.status)
        },
        ExitCode::from,
    )
}

/// What [`USAGE`] says about one command: its line and those below that are further in.
fn usage_of(command: &str) -> Option<&'static str> {
    let heads = USAGE.match_indices("\n  ").map(|(at, _)| at + 1);
    let mut heads = heads.filter(|&at| !USAGE[at + 2..].starts_with(' '));
    let start = heads.find(|&at| USAGE[at + 2..].split(' ').next() == Some(command))?;
    let list_end = USAGE.find("\nexit status").unwrap_or(USAGE.len());
    Some(&USAGE[start..heads.next().unwrap_or(list_end)])
}
