//! Linking as a whole: modules written as text, the bindings and the initial memory that come out,
//! and what the linked program computes when the interpreter runs it.
#![expect(clippy::unwrap_used, reason = "a test")]

use ::abi::HostCall;
use ir::interp::{FlatMemory, Interp, Limits, Memory as _, NoHost, Val};
use ir::{FuncId, Module, Op};
use jit::abi;
use jit::helpers::Helper;
use jit::instance::archive::Archive;
use jit::instance::{Binding, Input, LinkError, Program};
use jit::tier::{CpuFeatures, Job, Tier, opt};

fn module(name: &str, text: &str) -> Module {
    let mut module = ir::text::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    ir::verify::module(&module).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    module.name = name.into();
    module
}

fn link(parts: &[(&str, &str)]) -> Result<Program, LinkError> {
    let inputs = parts
        .iter()
        .map(|(name, text)| Input::Module(module(name, text)));
    let program = Program::link(inputs.collect(), "main")?;
    ir::verify::module(&program.module).unwrap();
    Ok(program)
}

/// What the function that is entered for `name` gives in the interpreter.
fn run(program: &Program, name: &str, args: &[u32]) -> Option<u32> {
    const STACK: u32 = 1 << 20;
    let mut memory = FlatMemory::new();
    let [constants, globals] = &program.segments;
    memory.map(constants.address, constants.size + globals.size);
    memory.map(abi::STACKS, STACK);
    for segment in &program.segments {
        memory.store(segment.address, &segment.bytes).unwrap();
    }
    let func = FuncId(program.start(name)?);
    let limits = Limits {
        steps: 10_000,
        depth: 100,
        stack: abi::STACKS..abi::STACKS + STACK,
    };
    let mut host = NoHost;
    let mut interp = Interp::new(&program.module, &mut memory, program, &mut host, limits);
    let args: Vec<Val> = args.iter().map(|&arg| Val::Bits(arg.into())).collect();
    match interp.call(func, &args).unwrap() {
        Val::Bits(bits) => Some(bits as u32),
        Val::List(_) => None,
    }
}

const TWICE: &str = "
define i32 @twice(i32 %x) {
bb0:
  %r = add i32 %x, %x
  ret i32 %r
}
";

const MAIN: &str = "
declare i32 @twice(i32)
global @pointer = size 4 align 4 init \"\\00\\00\\00\\00\" reloc 0 + @twice
define i32 @main() {
bb0:
  %p = load ptr, @pointer, align 4
  %a = call i32 @twice(i32 4)
  %b = calli i32 %p(i32 %a)
  ret i32 %b
}
";

#[test]
fn a_call_and_a_pointer_reach_the_definition_of_another_module() {
    let program = link(&[("main.bc", MAIN), ("twice.bc", TWICE)]).unwrap();
    let declared = program.module.func_by_name("twice").unwrap();
    let number = program.bindings.funcs[declared.index()];
    assert_eq!(program.entry("twice"), Some(number));
    assert_eq!(
        program.imports[declared.index()],
        Binding::Elsewhere(number)
    );
    assert_eq!(program.unit(number), "twice.bc");
    let definition = program.bindings.definition(&program.module, declared);
    assert_eq!(definition, Some(FuncId(number)));
    assert_eq!(
        program.segments[1].bytes,
        abi::stub_address(number).to_le_bytes()
    );
    assert_eq!(run(&program, "main", &[]), Some(16));
}

#[test]
fn internal_symbols_of_one_name_stay_apart() {
    let part = |value: u32, name: &str| {
        format!(
            "define internal i32 @value() {{\nbb0:\n  ret i32 {value}\n}}\n\
             define i32 @{name}() {{\nbb0:\n  %v = call i32 @value()\n  ret i32 %v\n}}\n"
        )
    };
    let program = link(&[("a", &part(1, "one")), ("b", &part(2, "two"))]).unwrap();
    assert_eq!(run(&program, "one", &[]), Some(1));
    assert_eq!(run(&program, "two", &[]), Some(2));
}

fn returns(linkage: &str, value: u32) -> String {
    format!("define {linkage} i32 @f() {{\nbb0:\n  ret i32 {value}\n}}\n")
}

#[test]
fn an_ordinary_definition_replaces_a_weak_one_and_the_first_weak_one_stays() {
    let f = |first: &str, second: &str| {
        let caller =
            "declare i32 @f()\ndefine i32 @main() {\nbb0:\n  %v = call i32 @f()\n  ret i32 %v\n}\n";
        let parts = [("a", first), ("b", second), ("c", caller)];
        run(&link(&parts).unwrap(), "main", &[])
    };
    assert_eq!(f(&returns("weak", 1), &returns("", 2)), Some(2));
    assert_eq!(f(&returns("", 1), &returns("weak", 2)), Some(1));
    assert_eq!(f(&returns("weak", 1), &returns("weak", 2)), Some(1));
}

#[test]
fn two_ordinary_definitions_are_an_error_that_names_both_modules() {
    let error = link(&[("a.bc", &returns("", 1)), ("b.bc", &returns("", 2))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "symbols defined twice:\n  f: in a.bc and in b.bc"
    );
}

#[test]
fn the_largest_common_definition_wins_with_the_strictest_alignment() {
    let common = |size: u32, align: u32| format!("global @c = common size {size} align {align}\n");
    let (small, large) = (common(4, 64), common(400, 4));
    let program = link(&[("a", &small), ("b", &large)]).unwrap();
    let [first, second] = program.bindings.globals[..] else {
        panic!("two variables")
    };
    assert_eq!((first, first % 64), (second, 0));
    assert!(program.module.globals[1].size == 400 && program.heap >= first + 400);
    let value = "global @c = size 4 align 4 init \"abcd\"\n";
    let program = link(&[("a", &large), ("b", value)]).unwrap();
    assert_eq!(program.segments[1].bytes, b"abcd");
}

#[test]
fn an_alias_with_an_offset_is_a_place_within_its_target() {
    let table = "global @table = size 8 align 4 init \"\\01\\00\\00\\00\\02\\00\\00\\00\"\n\
                 alias @second = @table+4\nalias @thrice = @real\n\
                 define i32 @real(i32 %x) {\nbb0:\n  %r = mul i32 %x, 3\n  ret i32 %r\n}\n";
    let main = "global @second = declared size 4 align 4\ndeclare i32 @thrice(i32)\n\
                define i32 @main() {\nbb0:\n  %v = load i32, @second, align 4\n\
                %r = call i32 @thrice(i32 %v)\n  ret i32 %r\n}\n";
    let program = link(&[("main", main), ("table", table)]).unwrap();
    assert_eq!(run(&program, "main", &[]), Some(6));
}

#[test]
fn all_unresolved_symbols_are_one_error_with_their_users() {
    let a = "declare i32 @puts(ptr)\ndeclare i32 @unused()\ndeclare extern_weak i32 @maybe()\n\
             global @data = declared size 4 align 4\n\
             define i32 @main() {\nbb0:\n  %v = load i32, @data, align 4\n\
             %r = call i32 @puts(ptr null)\n  %w = call i32 @maybe()\n  ret i32 %v\n}\n";
    let b = "declare i32 @puts(ptr)\n\
             global @table = constant size 4 align 4 init \"\\00\\00\\00\\00\" reloc 0 + @puts\n";
    let error = link(&[("a.bc", a), ("b.bc", b)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unresolved symbols:\n  puts: used by main (a.bc), table (b.bc)\n  data: used by main (a.bc)"
    );
}

#[test]
fn a_weak_reference_to_nothing_is_null() {
    let text = "declare extern_weak i32 @maybe()\nglobal @there = extern_weak declared size 4 align 4\n\
                define i32 @main() {\nbb0:\n  %f = icmp eq ptr @maybe, null\n\
                %v = icmp eq ptr @there, null\n  %b = and i1 %f, %v\n  %r = zext i1 %b to i32\n  ret i32 %r\n}\n";
    assert_eq!(run(&link(&[("a", text)]).unwrap(), "main", &[]), Some(1));
}

#[test]
fn thread_local_variables_get_offsets_and_a_template() {
    let a = "global @x = thread_local size 4 align 4 init \"abcd\"\n\
             global @y = thread_local size 64 align 32\n";
    let b = "global @y = declared thread_local size 64 align 32\n";
    let program = link(&[("a", a), ("b", b)]).unwrap();
    assert_eq!(program.bindings.globals, [0, 32, 32]);
    assert_eq!(
        (program.tls.size, &program.tls.bytes[..]),
        (96, &b"abcd"[..])
    );
    let base = program.tls.base(abi::STACKS_END);
    assert_eq!((base % 32, abi::STACKS_END - base >= 96), (0, true));
    let plain = "global @y = declared size 64 align 32\n";
    assert!(matches!(
        link(&[("a", a), ("b", plain)]),
        Err(LinkError::Kind(_))
    ));
    let large = format!("global @z = thread_local size {} align 4\n", 300 * 1024);
    assert!(matches!(
        link(&[("a", &large)]),
        Err(LinkError::ThreadLocalsTooLarge(..))
    ));
}

#[test]
fn a_symbol_is_not_both_function_and_variable() {
    let variable = "global @f = size 4 align 4\n";
    let caller =
        "declare i32 @f()\ndefine i32 @main() {\nbb0:\n  %v = call i32 @f()\n  ret i32 %v\n}\n";
    let error = link(&[("v", variable), ("c", caller)]).unwrap_err();
    assert!(matches!(error, LinkError::Kind(_)), "{error}");
}

#[test]
fn helpers_and_host_calls_are_bound_before_archives_and_behind_own_definitions() {
    let text = "declare ptr @memcpy(ptr, ptr, i32)\ndeclare i32 @bf_write(i32, ptr, i32)\n\
                define i32 @main() {\nbb0:\n  %p = call ptr @memcpy(ptr null, ptr null, i32 0)\n\
                %n = call i32 @bf_write(i32 1, ptr null, i32 0)\n  ret i32 0\n}\n";
    let program = link(&[("a", text)]).unwrap();
    assert_eq!(program.imports[0], Binding::Helper(Helper::Memcpy));
    assert_eq!(program.imports[1], Binding::Host(HostCall::Write));
    let own = "define ptr @memcpy(ptr %d, ptr %s, i32 %n) {\nbb0:\n  ret ptr %d\n}\n";
    let program = link(&[("a", text), ("b", own)]).unwrap();
    assert_eq!(program.bindings.funcs[0], program.entry("memcpy").unwrap());
}

const LISTS: &str = "
global @trace = size 4 align 4
global @llvm.global_ctors = appending size 24 align 4 init \"\\02\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\" reloc 4 + @late reloc 16 + @early
global @llvm.global_dtors = appending size 12 align 4 init \"\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\" reloc 4 + @end
define internal void @digit(i32 %d) {
bb0:
  %t = load i32, @trace, align 4
  %u = mul i32 %t, 10
  %v = add i32 %u, %d
  store i32 %v, @trace, align 4
  ret
}
define internal void @early() {
bb0:
  call void @digit(i32 1)
  ret
}
define internal void @late() {
bb0:
  call void @digit(i32 2)
  ret
}
define internal void @end() {
bb0:
  call void @digit(i32 4)
  ret
}
define i32 @main(i32 %argc, ptr %argv) {
bb0:
  call void @digit(i32 3)
  %t = load i32, @trace, align 4
  ret i32 %t
}
";

#[test]
fn constructors_run_by_priority_before_main() {
    let program = link(&[("a", LISTS)]).unwrap();
    assert_eq!(run(&program, "main", &[2, 0, 0]), Some(123));
    assert_ne!(program.start("main"), program.entry("main"));
}

#[test]
fn a_library_that_starts_the_program_gets_the_lists_as_functions() {
    let library = "declare extern_weak void @__bf_ctors()\ndeclare extern_weak void @__bf_dtors()\n\
                   declare i32 @main(i32, ptr)\nglobal @trace = declared size 4 align 4\n\
                   define i32 @_start(i32 %c, ptr %v, ptr %e) {\nbb0:\n  call void @__bf_ctors()\n\
                   %s = call i32 @main(i32 %c, ptr %v)\n  call void @__bf_dtors()\n\
                   %t = load i32, @trace, align 4\n  ret i32 %t\n}\n";
    let program = link(&[("a", LISTS), ("lib", library)]).unwrap();
    assert_eq!(run(&program, "main", &[1, 0, 0]), Some(1234));
}

#[test]
fn an_archive_that_is_damaged_is_an_error_with_its_name() {
    let main = module(
        "main",
        "declare i32 @f()\ndefine i32 @main() {\nbb0:\n  %v = call i32 @f()\n  ret i32 %v\n}\n",
    );
    // One symbol whose member is no bitcode.
    let mut file = b"!<arch>\n".to_vec();
    let header = |name: &str, size: usize| format!("{name:16}{:32}{size:<10}`\n", "0").into_bytes();
    file.extend(header("/", 10));
    file.extend(1u32.to_be_bytes());
    file.extend(78u32.to_be_bytes());
    file.extend(b"f\0");
    file.extend(header("f.o/", 4));
    file.extend(b"\x7fELF");
    let archive = Archive::parse("lib.a", &file).unwrap();
    let inputs = vec![Input::Module(main), Input::Archive(archive)];
    let error = Program::link(inputs, "main").unwrap_err();
    assert!(error.to_string().starts_with("lib.a(f.o): "), "{error}");
}

#[test]
fn a_function_of_another_module_is_inlined_as_it_is_bound() {
    let weak = TWICE
        .replace("define", "define weak")
        .replace("%x, %x", "%x, 1");
    let main = "declare i32 @twice(i32)
        define i32 @main(i32 %x) {\na:\n  %r = call i32 @twice(i32 %x)\n  ret i32 %r\n}";
    let program = link(&[("weak", &weak), ("main", main), ("strong", TWICE)]).unwrap();
    let func = FuncId(program.entry("main").unwrap());
    let job = Job {
        module: &program.module,
        func,
        bindings: &program.bindings,
        cpu: CpuFeatures::default(),
        counting: false,
    };
    let made = opt::middle(&job, Tier::O2).unwrap();
    let ops: Vec<Op> = made.body.insts.iter().map(|inst| inst.op).collect();
    assert!(!ops.contains(&Op::Call), "{ops:?}");
    let inlined: Vec<&str> = made
        .inlined
        .iter()
        .map(|at| program.unit(at.func.0))
        .collect();
    assert_eq!(inlined, ["strong"]);
    let kept = opt::middle(&job, Tier::O1).unwrap();
    assert!(kept.inlined.is_empty());
}
